"""Times training steps of this program, and of the original beside it.

  make bench
  make bench STACK=tf1 ORIGINAL=DIR BENCH_ARGS="--batch_size=5 --rounds=8"
  make bench DATA_DIR=DIR BENCH_ARGS="--vocab_file=FILE"

Each program runs in a process of its own, on the same weights' shape, batches and
threads; the processes take turns, so that the machine's noise meets them alike.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from finetuning import features, tasks  # noqa: E402

# Tokens of MRPC's training pairs, uncased: mean and standard deviation as measured.
MRPC_MEAN, MRPC_DEVIATION, MRPC_LEAST = 53.0, 13.7, 15
BATCHES = 8


def main():
    arguments = parse_arguments()
    batches = make_batches(arguments)
    tokens = float(np.mean([batch["input_mask"].sum() for batch in batches]))
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "batches.npz")
        np.savez(path, **flatten(batches))
        programs = {"this program": ["ours", os.path.dirname(HERE)]}
        if arguments.original:
            programs["the original"] = ["original", arguments.original]
        workers = {
            name: Worker(program, path, arguments) for name, program in programs.items()
        }
        seconds = take_turns(workers, arguments.rounds, arguments.steps)
        versions = [worker.version for worker in workers.values()]
    print_table(arguments, tokens, seconds, versions[0])
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"arguments": vars(arguments), "seconds": seconds}, file)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--original", help="checkout of google-research/bert")
    parser.add_argument("--data_dir", help="MRPC's directory; else lengths like its")
    parser.add_argument("--vocab_file", help="needed with --data_dir")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each program")
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--json", help="write the seconds of every round to this file")
    arguments = parser.parse_args()
    if arguments.data_dir and not arguments.vocab_file:
        parser.error("--data_dir needs --vocab_file")
    return arguments


def make_batches(arguments):
    """Some batches of features; real pairs if they are given, else random tokens."""
    rng = np.random.RandomState(0)
    if arguments.data_dir:
        rows = real_features(arguments)
        rng.shuffle(rows)
    else:
        rows = [random_features(rng, arguments) for _ in range(BATCHES * 64)]
    size = arguments.batch_size
    names = ("input_ids", "input_mask", "segment_ids", "label_id")
    return [
        {
            name: np.array([getattr(row, name) for row in rows[i : i + size]], np.int32)
            for name in names
        }
        for i in range(0, BATCHES * size, size)
    ]


def real_features(arguments):
    from tokenization import FullTokenizer

    tokenizer = FullTokenizer(arguments.vocab_file)
    task = tasks.find_task("MRPC")
    path = os.path.join(arguments.data_dir, task.train.file)
    return [
        features.convert_example(
            example, task.labels, arguments.max_seq_length, tokenizer
        )
        for example in tasks.read_examples(task, "train", path)
    ]


def random_features(rng, arguments):
    length = arguments.max_seq_length
    tokens = int(rng.normal(MRPC_MEAN, MRPC_DEVIATION))
    tokens = min(max(tokens, MRPC_LEAST), length)
    positions = np.arange(length)
    mask = (positions < tokens).astype(np.int32)
    return features.InputFeatures(
        input_ids=rng.randint(1000, 30000, length) * mask,
        input_mask=mask,
        segment_ids=((positions >= tokens // 2) * mask).astype(np.int32),
        label_id=int(rng.randint(2)),
    )


def flatten(batches):
    return {
        "%d/%s" % (index, name): value
        for index, batch in enumerate(batches)
        for name, value in batch.items()
    }


class Worker:
    """A program in a process of its own, which trains when it is told to."""

    def __init__(self, program, batches, arguments):
        """Starts the process and waits until it has run its first steps."""
        shape = [arguments.layers, arguments.hidden, arguments.heads]
        self._process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "worker.py")]
            + program
            + [batches]
            + [str(number) for number in shape],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
        )
        self.version = self._read()

    def run(self, steps):
        """Seconds that these training steps took."""
        self._process.stdin.write("%d\n" % steps)
        self._process.stdin.flush()
        return float(self._read())

    def close(self):
        self._process.stdin.close()
        self._process.wait()

    def _read(self):
        line = self._process.stdout.readline().strip()
        if not line:
            raise SystemExit("a benchmark process ended: run worker.py by hand")
        return line


def take_turns(workers, rounds, steps):
    seconds = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            seconds[name].append(worker.run(steps) / steps)
    for worker in workers.values():
        worker.close()
    return seconds


def print_table(arguments, tokens, seconds, version):
    print(
        "Training, %d layers, hidden %d, batch %d, length %d, %.0f real tokens a batch"
        % (
            arguments.layers,
            arguments.hidden,
            arguments.batch_size,
            arguments.max_seq_length,
            tokens,
        )
    )
    print(
        "TensorFlow %s, Python %s, %d CPUs, %d rounds of %d steps, taking turns"
        % (
            version,
            platform.python_version(),
            os.cpu_count(),
            arguments.rounds,
            arguments.steps,
        )
    )
    print("\n%-14s %12s %12s" % ("", "s a step", "examples/s"))
    for name, values in seconds.items():
        median = float(np.median(values))
        rate = arguments.batch_size / median
        print("%-14s %12.3f %12.1f" % (name, median, rate))
    if "the original" in seconds:
        theirs, ours = seconds["the original"], seconds["this program"]
        ratios = np.array(theirs) / np.array(ours)
        print(
            "\nSpeed against the original: %.2f times (rounds: %.2f to %.2f)"
            % (np.median(ratios), ratios.min(), ratios.max())
        )


if __name__ == "__main__":
    main()
