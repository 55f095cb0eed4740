"""Predicts the labels of texts: of the command line, or lines of a file or a pipe.

  python -m scripts.predict PATH "A text." "Its pair."
  python -m scripts.predict PATH --input=texts.tsv > predictions.tsv
  generate | python -m scripts.predict PATH --format=jsonl

PATH is the --output_dir of a training run, its best/, the prefix of a checkpoint, or an
exported SavedModel. If the model was trained on pairs, two texts are one example;
otherwise each text is one.

Lines of format tsv hold a text, or two separated by a tab; there is no header. Lines of
format jsonl are JSON such as {"text_a": "A text.", "text_b": "Its pair."}. Each is
answered by a line of the same format, as soon as it is predicted: label and probability
of each label (for a regression: the number), and whether the text was truncated. The
first line of tsv names these columns.

Exit status: 0 all lines were answered; 2 an error that the user can fix, in one line.
"""

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

import queue  # Python 2.7 does not have it.

from finetuning.device import backend
from finetuning.utils import files, json_files
from finetuning.utils.errors import InputError
from scripts import entry

_STDIN = "standard input"
_KEYS = ("text_a", "text_b")


def parse(argv):
    """The flags of a command line as a namespace."""
    parser = entry.Parser(prog="predict.py", description=__doc__)
    parser.add_path("path", metavar="PATH", help="see above")
    parser.add_argument(
        "texts", metavar="TEXT", nargs="*", default=[], help="see above"
    )
    parser.add_path(
        "--input", metavar="FILE", help="file of lines (default: standard input)"
    )
    parser.add_argument(
        "--format",
        choices=["tsv", "jsonl"],
        help="of input and output (default: by the name of the file, else tsv)",
    )
    entry.add_predictor_flags(parser)
    parser.add_argument(
        "--stats",
        action="store_true",
        help="finally show how long the answers took, on standard error",
    )
    flags = parser.parse_intermixed_args(argv)
    if flags.texts and flags.input:
        raise InputError("--input=%s: expected texts or a file, not both" % flags.input)
    entry.require_at_least(flags, **entry.PREDICTOR_MINIMUMS)
    if flags.format is None:
        is_json = (flags.input or "").lower().endswith((".jsonl", ".json"))
        flags.format = "jsonl" if is_json else "tsv"
    return flags


class _Source:
    """Examples with where they come from, as (place, example), read by a thread.

    So all that is there is predicted together, and what comes late is not waited for.
    """

    def __init__(self, examples, size):
        self._queue = queue.Queue(4 * size)
        self._size = size
        threading.Thread(target=self._read, args=[examples], daemon=True).start()

    def _read(self, examples):
        try:
            for item in examples:
                self._queue.put(item)
            self._queue.put(None)
        except Exception as error:  # Raised where the items before it are answered.
            self._queue.put(error)

    def batches(self):
        """Yields lists of items.

        Raises:
          InputError: a line cannot be read; the items before it were yielded.
        """
        end = None
        while True:
            batch = [self._queue.get()]
            while len(batch) < self._size and isinstance(batch[-1], tuple):
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            if not isinstance(batch[-1], tuple):
                end = batch.pop()
                yield batch
                if end is not None:
                    raise end
                return
            yield batch


def _examples(flags, takes_pairs):
    """Yields the examples of the command line, the file or standard input."""
    if flags.texts:
        size = 1 + takes_pairs
        for start in range(0, len(flags.texts), size):
            yield "text %d" % (start + 1), flags.texts[start : start + size]
        return
    if flags.input:
        name, lines = flags.input, files.read_text_lines(flags.input)
    else:
        name, lines = _STDIN, files.decode_lines(_open_stdin(), _STDIN)
    read = _from_json if flags.format == "jsonl" else _from_tsv
    for number, line in lines:
        place = "%s, line %d" % (name, number)
        yield place, read(place, line)


def _open_stdin():
    # Not sys.stdin, whose lock a thread that waits for input holds when Python ends.
    return open(0, "rb", closefd=False)


def _from_tsv(_, line):
    return line.split("\t")


def _from_json(place, line):
    try:
        content = json_files.parse_text(line)
    except ValueError as error:
        problem = "not JSON: %s" % error
    else:
        problem = _problem(content, line)
    if problem is not None:
        raise InputError("%s: %s" % (place, problem))
    return [content[name] for name in _KEYS if name in content]


def _problem(content, line):
    """What is wrong with the content of a line of JSON; None: nothing."""
    if not isinstance(content, dict) or set(content) - set(_KEYS):
        return 'expected an object such as {"text_a": "..."}, found %s' % line[:60]
    if "text_a" not in content:
        return "there is no text_a"
    return None


def _encode(predictor, batch):
    """Encodes examples up to the first bad one; returns them and its error or None."""
    encoded = []
    for place, example in batch:
        try:
            if example == [""]:
                raise InputError("the line is empty; remove it")
            encoded.append(predictor.encode(example))
        except InputError as error:
            return encoded, InputError("%s: %s" % (place, error))
    return encoded, None


def _tsv_heading(labels):
    names = ["label"] + list(labels) if labels else ["value"]
    return files.tsv_line(names + ["truncated"])


def _tsv(prediction):
    if prediction.value is None:
        cells = ["%.9g" % value for value in prediction.probabilities.values()]
        cells.insert(0, prediction.label)
    else:
        cells = ["%.9g" % prediction.value]
    return files.tsv_line(cells + [str(prediction.truncated).lower()])


def _jsonl(prediction):
    return json.dumps(prediction.as_json()) + "\n"


def _answer_all(predictor, flags, write):
    """Predicts all examples.

    Args:
      predictor: `predictor.Predictor`.
      flags: what `parse` returned.
      write: function of a text.

    Returns:
      The seconds that each example took, in a batch with others or alone.

    Raises:
      InputError: a line cannot be used; those before it were answered.
    """
    form = _jsonl if flags.format == "jsonl" else _tsv
    if flags.format == "tsv":
        write(_tsv_heading(predictor.labels))
    seconds = []
    source = _Source(_examples(flags, predictor.takes_pairs), flags.batch_size)
    for batch in source.batches():
        started = time.perf_counter()
        encoded, error = _encode(predictor, batch)
        if encoded:
            outputs = predictor.run([row for row, _ in encoded])
            write("".join(map(form, predictor.predictions(outputs, encoded))))
        seconds += [time.perf_counter() - started] * len(encoded)
        if error is not None:
            raise error
    return seconds


def _write(text):
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


def _stats(seconds):
    if not seconds:
        return "0 examples"
    seconds = sorted(seconds)
    percentiles = [
        "p%d %.2f ms" % (p, 1e3 * seconds[math.ceil(len(seconds) * p / 100) - 1])
        for p in (50, 95, 99)
    ]
    return "%d examples; time until the answer: %s" % (
        len(seconds),
        ", ".join(percentiles),
    )


def run(argv):
    """Predicts all examples."""
    flags = parse(argv)
    backend.start()
    if flags.input:
        files.require_file("--input=%s" % flags.input, flags.input)
    predictor = entry.load_predictor(flags)
    with predictor, contextlib.suppress(BrokenPipeError):  # As by | head.
        seconds = _answer_all(predictor, flags, _write)
        if flags.stats:
            sys.stderr.write(_stats(seconds) + "\n")


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
