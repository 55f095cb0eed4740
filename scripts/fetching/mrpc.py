"""MRPC as GLUE has it, made from the three files that are published.

https://github.com/nyu-mll/GLUE-baselines (download_glue_data.py): a row of the training
file belongs to the development set where mrpc_dev_ids.tsv lists its two ids.
"""

import os

from finetuning.utils import files
from finetuning.utils.errors import InputError

_TEST_HEADER = ("index", "#1 ID", "#2 ID", "#1 String", "#2 String")
# GLUE's script copies the header with the byte-order mark that the file begins with.
_HEADER = ("\ufeffQuality",) + _TEST_HEADER[1:]


def make(train_file, test_file, dev_ids_file, folder):
    """Writes train.tsv, dev.tsv and test.tsv, byte for byte as GLUE's script does.

    Args:
      train_file: path of msr_paraphrase_train.txt.
      test_file: path of msr_paraphrase_test.txt.
      dev_ids_file: path of mrpc_dev_ids.tsv.
      folder: where the tables go.

    Raises:
      InputError: a line is not as it should be, with file and line; ids of the
        development set are not in the training file.
    """
    dev_ids = {
        tuple(_columns(dev_ids_file, number, line, 2))
        for number, line in files.read_text_lines(dev_ids_file)
        if line
    }
    rows = list(_read_pairs(train_file))
    lacking = dev_ids - {_ids(row) for row in rows}
    if lacking:
        raise InputError(
            "%s lacks %d pairs that %s lists, such as %s; get it anew"
            % (train_file, len(lacking), dev_ids_file, " and ".join(min(lacking)))
        )
    test_rows = [
        (str(index),) + row[1:] for index, row in enumerate(_read_pairs(test_file))
    ]
    _write(folder, "train.tsv", _HEADER, [r for r in rows if _ids(r) not in dev_ids])
    _write(folder, "dev.tsv", _HEADER, [r for r in rows if _ids(r) in dev_ids])
    _write(folder, "test.tsv", _TEST_HEADER, test_rows)


def _ids(row):
    return row[1], row[2]


def _read_pairs(path):
    """Yields (label, id 1, id 2, sentence 1, sentence 2); a quote is only a quote."""
    for number, line in files.read_text_lines(path):
        columns = _columns(path, number, line, 5)
        if number == 1:
            if columns[1:] != _HEADER[1:]:
                raise InputError(
                    "%s, line 1: expected the header %s; get the file anew"
                    % (path, " ".join(_TEST_HEADER[1:]))
                )
            continue
        if columns[0] not in ("0", "1"):
            raise InputError(
                "%s, line %d: the label is %r, expected 0 or 1; get the file anew"
                % (path, number, columns[0])
            )
        yield columns


def _columns(path, number, line, expected):
    columns = tuple(line.strip().split("\t"))
    if len(columns) != expected:
        raise InputError(
            "%s, line %d: %d columns, expected %d, separated by tabs; get the file anew"
            % (path, number, len(columns), expected)
        )
    return columns


def _write(folder, name, header, rows):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in (header, *rows):
            file.write("\t".join(row) + "\n")
