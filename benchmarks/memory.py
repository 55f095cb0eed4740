"""Peak memory of whole runs of the command on files of 10,000 rows and many more.

  python benchmarks/memory.py --rows=10000,100000,1000000 --batch_size=8,32

Makes rows of random words, a vocabulary and the config of a small encoder in a
temporary directory and runs `run_classifier.py` there, each run a process of its own:
it converts all rows, trains a few steps, and with --infer also evaluates and predicts
on them. Prints a table: the most memory that a process ever had (its maximum resident
set, in MB of 10^6 bytes), and its seconds.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_WORDS = ["w%d" % n for n in range(5000)]
_ROWS = "rows.tsv"
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}
# ru_maxrss is in kilobytes but on macOS.
_UNIT = 1 if sys.platform == "darwin" else 1024


def write_inputs(directory, rows, seed=0):
    """Writes a set that serves as all three, a vocabulary and a config.

    Args:
      directory: where, it is there.
      rows: of the set.
      seed: of the words.

    Returns:
      The flags that name them, as a list.
    """
    rng = random.Random(seed)
    vocabulary = _SPECIAL + _WORDS
    vocab_file = os.path.join(directory, "vocab.txt")
    with open(vocab_file, "w") as file:
        file.write("\n".join(vocabulary) + "\n")
    config_file = os.path.join(directory, "config.json")
    with open(config_file, "w") as file:
        json.dump(dict(_CONFIG, vocab_size=len(vocabulary)), file)
    path = os.path.join(directory, _ROWS)
    with open(path, "w") as file:
        file.write("text\tother\tlabel\n")
        for _ in range(rows):
            left, right = _text(rng), _text(rng)
            file.write("%s\t%s\t%s\n" % (left, right, rng.choice(("no", "yes"))))
    return [
        "--task_name=custom",
        "--train_file=" + path,
        "--text_a_column=text",
        "--text_b_column=other",
        "--label_column=label",
        "--vocab_file=" + vocab_file,
        "--bert_config_file=" + config_file,
        "--random_seed=1",
    ]


def _text(rng):
    return " ".join(rng.choices(_WORDS, k=rng.randint(5, 30)))


def peak(arguments, python=sys.executable):
    """Runs the command in a process of its own.

    Args:
      arguments: the command's flags.
      python: the interpreter.

    Returns:
      Its maximum resident set in bytes, and its seconds.

    Raises:
      RuntimeError: its exit status is not 0; the message is its output.
    """
    measured = [sys.executable, os.path.abspath(__file__), "--measured", python]
    started = time.perf_counter()
    process = subprocess.run(
        measured + [os.path.join(ROOT, "run_classifier.py")] + arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2", CUDA_VISIBLE_DEVICES=""),
    )
    seconds = time.perf_counter() - started
    if process.returncode:
        output = process.stdout + process.stderr
        raise RuntimeError(output.decode("utf-8", "replace")[-3000:])
    return int(process.stdout.split()[-1]), seconds


def _measured(command):
    """In a process of its own, whose only child the command is: prints its peak."""
    status = subprocess.call(command)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT)
    return status


def flags_of(directory, rows, batch_size, steps, length=128, infer=False):
    """The flags of one run, which trains so many steps on so many rows."""
    output_dir = tempfile.mkdtemp(dir=directory)
    # Half a step more: else the product of the quotient may fall short of a whole one.
    epochs = (steps + 0.5) * batch_size / rows
    flags = ["--do_train=true", "--num_train_epochs=%r" % epochs]
    flags += ["--train_batch_size=%d" % batch_size, "--max_seq_length=%d" % length]
    if infer:
        path = os.path.join(directory, _ROWS)
        for kind in ("eval", "predict"):
            flags += ["--do_%s=true" % kind, "--%s_file=%s" % (kind, path)]
            flags += ["--%s_batch_size=%d" % (kind, batch_size)]
    return flags + ["--output_dir=" + output_dir]


def main(argv):
    if argv[:1] == ["--measured"]:
        return _measured(argv[1:])
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", default="10000,100000", help="of each file")
    parser.add_argument("--batch_size", default="8,32", help="of training")
    parser.add_argument("--steps", type=int, default=20, help="of each training")
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--infer", action="store_true", help="also on all the rows")
    parser.add_argument("--python", default=sys.executable, help="runs the command")
    arguments = parser.parse_args(argv)
    print("%9s  %10s  %8s  %8s" % ("rows", "batch size", "peak MB", "seconds"))
    for rows in map(int, arguments.rows.split(",")):
        with tempfile.TemporaryDirectory() as directory:
            inputs = write_inputs(directory, rows)
            for size in map(int, arguments.batch_size.split(",")):
                more = (arguments.steps, arguments.max_seq_length, arguments.infer)
                flags = flags_of(directory, rows, size, *more)
                found, seconds = peak(inputs + flags, arguments.python)
                shown = (rows, size, found / 1e6, seconds)
                print("%9d  %10d  %8.0f  %8.1f" % shown, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
