"""MRPC in GLUE's format, made from the three files that are published.

As in download_glue_data.py of https://github.com/nyu-mll/GLUE-baselines, a row of the
training file belongs to the dev set if mrpc_dev_ids.tsv lists its two ids.
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
      InputError: a line is malformed; the message has the file and the line. Or ids
        of the dev set are missing from the training file.
    """
    dev_ids = {
        _columns(dev_ids_file, number, line, 2)
        for number, line in files.read_text_lines(dev_ids_file)
        if line
    }
    rows = list(_read_pairs(train_file))
    missing = dev_ids - {row[1:3] for row in rows}
    if missing:
        raise InputError(
            "%s lacks %d pairs that %s lists, such as %s; download it again"
            % (train_file, len(missing), dev_ids_file, " and ".join(min(missing)))
        )
    train_rows = [row for row in rows if row[1:3] not in dev_ids]
    dev_rows = [row for row in rows if row[1:3] in dev_ids]
    test_rows = [
        (str(index),) + row[1:] for index, row in enumerate(_read_pairs(test_file))
    ]
    _write(folder, "train.tsv", _HEADER, train_rows)
    _write(folder, "dev.tsv", _HEADER, dev_rows)
    _write(folder, "test.tsv", _TEST_HEADER, test_rows)


def _read_pairs(path):
    """Yields (label, id 1, id 2, sentence 1, sentence 2); a quote is only a quote."""
    for number, line in files.read_text_lines(path):
        columns = _columns(path, number, line, 5)
        if number == 1:
            if columns[1:] != _HEADER[1:]:
                raise _malformed(
                    path, number, "expected the header %s" % " ".join(_TEST_HEADER[1:])
                )
        elif columns[0] not in ("0", "1"):
            raise _malformed(
                path, number, "the label is %r, expected 0 or 1" % columns[0]
            )
        else:
            yield columns


def _columns(path, number, line, expected):
    columns = tuple(line.strip().split("\t"))
    if len(columns) != expected:
        raise _malformed(
            path,
            number,
            "expected %d columns separated by tabs, found %d"
            % (expected, len(columns)),
        )
    return columns


def _malformed(path, number, what):
    return InputError("%s, line %d: %s; download the file again" % (path, number, what))


def _write(folder, name, header, rows):
    lines = ("\t".join(row) + "\n" for row in (header, *rows))
    files.write_lines(os.path.join(folder, name), lines)
