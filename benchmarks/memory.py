"""Measures the peak memory of whole runs of the command on ever larger files.

  python benchmarks/memory.py --rows=10000,100000,1000000 --batch_size=8,32
  python benchmarks/memory.py --batch_size=32 --accumulate_steps=1,4 --model=DIR

Writes rows of random words, a vocabulary and the config of a small encoder (unless
--model names a directory that has both) to a temporary directory and runs
`run_classifier.py` on them, each run a process of its own: it converts all rows, trains
a few steps, and with --infer also evaluates and predicts on them. Prints a table: the
process's maximum resident set in MB (10^6 bytes), and its seconds.
"""

import argparse
import itertools
import json
import os
import random
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from benchmarks.timing.programs import (  # noqa: E402
    BenchmarkError,
    Worker,
    interpreter,
    positive,
    positive_numbers,
)

_WORDS = ["w%d" % n for n in range(5000)]
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Instead of those of the smallest of Google's models.
_SIZES = {
    "vocab_size": len(_SPECIAL) + len(_WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "intermediate_size": 32,
}


def write_inputs(directory, rows, seed=0, model=None):
    """Writes a labelled data file, and a vocabulary and a config if there are none.

    Args:
      directory: where; it must exist.
      rows: of the data file.
      seed: of the words.
      model: directory with `vocab.txt` and `bert_config.json`; None: a small encoder's
        are written.

    Returns:
      The flags that name them, as a list; and the path of the data file.
    """
    rng = random.Random(seed)
    paths = {
        name: os.path.join(directory, name)
        for name in ("vocab.txt", "bert_config.json", "rows.tsv")
    }
    if model is None:
        _write_model(paths["vocab.txt"], paths["bert_config.json"])
        model = directory
    with open(paths["rows.tsv"], "w") as file:
        file.write("text\tother\tlabel\n")
        for _ in range(rows):
            texts = [" ".join(rng.choices(_WORDS, k=rng.randint(5, 30))) for _ in "ab"]
            file.write("\t".join([*texts, rng.choice(("no", "yes"))]) + "\n")
    flags = [
        "--task_name=custom",
        "--train_file=" + paths["rows.tsv"],
        "--text_a_column=text",
        "--text_b_column=other",
        "--label_column=label",
        "--vocab_file=" + os.path.join(model, "vocab.txt"),
        "--bert_config_file=" + os.path.join(model, "bert_config.json"),
        "--random_seed=1",
    ]
    return flags, paths["rows.tsv"]


def _write_model(vocab_file, config_file):
    with open(vocab_file, "w") as file:
        file.write("\n".join(_SPECIAL + _WORDS) + "\n")
    with open(os.path.join(ROOT, "configs", "bert_tiny_uncased.json")) as file:
        config = json.load(file)
    with open(config_file, "w") as file:
        json.dump(dict(config, **_SIZES), file)


def run_flags(rows, batch_size, steps, length=128, inference_file=None):
    """The flags of a run that trains this many steps on a file of this many rows."""
    # Half a step more, or rounding might make the product one step less.
    epochs = (steps + 0.5) * batch_size / rows
    flags = ["--do_train=true", "--num_train_epochs=%r" % epochs]
    flags += ["--train_batch_size=%d" % batch_size, "--max_seq_length=%d" % length]
    for phase in ("eval", "predict") if inference_file else ():
        flags += ["--do_%s=true" % phase, "--%s_file=%s" % (phase, inference_file)]
        flags.append("--%s_batch_size=%d" % (phase, batch_size))
    return flags


def measure(flags, python=sys.executable):
    """Runs the command once.

    Args:
      flags: the command's, without --output_dir.
      python: the interpreter.

    Returns:
      Its maximum resident set in bytes, and its seconds.

    Raises:
      BenchmarkError: its exit status is not 0; the message is the end of its output.
    """
    command = [python, os.path.join(ROOT, "run_classifier.py"), *flags]
    spec = {"command": command, "env": {"CUDA_VISIBLE_DEVICES": ""}}
    worker = Worker(sys.executable, "command_worker", spec)
    try:
        seconds = worker.run()
        return worker.peak_bytes, seconds
    finally:
        worker.close()


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0], allow_abbrev=False
    )
    parser.add_argument(
        "--rows",
        type=positive_numbers,
        default="10000,100000",
        help="of each file, comma-separated",
    )
    parser.add_argument(
        "--batch_size",
        type=positive_numbers,
        default="8,32",
        help="for training, comma-separated",
    )
    parser.add_argument(
        "--steps", type=positive, default=20, help="of each training run"
    )
    parser.add_argument("--max_seq_length", type=positive, default=128)
    parser.add_argument(
        "--accumulate_steps",
        type=positive_numbers,
        default="1",
        help="parts of each training batch, comma-separated",
    )
    parser.add_argument(
        "--model",
        help="directory with the vocab.txt and bert_config.json of the model; its "
        "weights are drawn",
    )
    parser.add_argument(
        "--infer", action="store_true", help="also evaluate and predict"
    )
    parser.add_argument(
        "--python",
        type=interpreter,
        default=sys.executable,
        help="interpreter that runs the command",
    )
    arguments = parser.parse_args(argv)
    headings = ("rows", "batch size", "parts", "peak MB", "seconds")
    print("%9s  %10s  %5s  %8s  %8s" % headings)
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory() as directory:
            inputs, path = write_inputs(directory, rows, model=arguments.model)
            for size, parts in itertools.product(
                arguments.batch_size, arguments.accumulate_steps
            ):
                sizes = (rows, size, arguments.steps, arguments.max_seq_length)
                flags = run_flags(*sizes, path if arguments.infer else None)
                flags.append("--accumulate_steps=%d" % parts)
                try:
                    peak, seconds = measure(inputs + flags, arguments.python)
                except BenchmarkError as failure:
                    raise SystemExit("memory: %s" % failure) from None
                shown = (rows, size, parts, peak / 1e6, seconds)
                print("%9d  %10d  %5d  %8.0f  %8.1f" % shown, flush=True)


if __name__ == "__main__":
    main()
