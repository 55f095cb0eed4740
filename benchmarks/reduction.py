"""Measures how long workers take to sum the gradients of a model.

  python benchmarks/reduction.py --num_workers=2 --config=configs/bert_base_uncased.json

Starts the workers on this machine, which connect as those of a training run do, and sum
tensors of the shapes of all weights. Prints the bytes that each worker sends in a step,
the measured time over the loopback interface, and the time that the same bytes take at
1, 10 and 100 Gbit/s: in a ring of W workers each sends 2 (W - 1) / W times the size of
the gradients (Patarasuk and Yuan 2009, https://doi.org/10.1016/j.jpdc.2008.09.002).
Runs under both versions of TensorFlow.
"""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import numpy as np  # noqa: E402

from finetuning.device import backend  # noqa: E402
from finetuning.workers import addresses, cluster  # noqa: E402
from scripts import launch  # noqa: E402

_GIGABITS = (1, 10, 100)
_LABELS = 2
_SECONDS_TO_START = 60


def bytes_sent(num_bytes, num_workers):
    """The bytes that each worker of a ring sends to sum `num_bytes` of tensors."""
    return 2 * (num_workers - 1) * num_bytes / num_workers


def work(flags):
    """One worker; returns the seconds of each sum."""
    backend.start()
    import tensorflow.compat.v1 as tf

    import modeling
    from finetuning.checkpoints import compatibility
    from finetuning.workers.collectives import Collectives

    found = addresses.WorkerAddresses(
        tuple(("127.0.0.1", port) for port in flags.ports), flags.index, "--ports"
    )
    config = modeling.BertConfig.from_json_file(flags.config)
    shapes = compatibility.model_shapes(config, _LABELS).values()
    options = backend.session_config(flags.num_threads)
    with cluster.connect(found, b"", _SECONDS_TO_START) as workers:
        collectives = Collectives(workers, "CPU", options)
        with tf.Graph().as_default(), collectives.placement():
            gradients = [tf.zeros(shape) + 1.0 for shape in shapes]
            summed = tf.group(*collectives.sum(gradients))
            with tf.Session(collectives.target, config=options) as session:
                seconds = [_time(session, summed) for _ in range(flags.rounds + 1)]
        workers.gather()  # No server ends before the last sum is complete.
    count = sum(int(np.prod(shape)) for shape in shapes)
    return count * 4, seconds[1:]


def _time(session, op):
    started = time.monotonic()
    session.run(op)
    return time.monotonic() - started


def show(flags, num_bytes, seconds):
    """Prints the measurement and the model."""
    sent = bytes_sent(num_bytes, flags.num_workers)
    print("gradients of %s: %.1f MB" % (flags.config, num_bytes / 1e6))
    print("each of %d workers sends %.1f MB a step" % (flags.num_workers, sent / 1e6))
    print(
        "measured on loopback: median %.3f s, %.3f to %.3f s in %d sums"
        % (np.median(seconds), min(seconds), max(seconds), len(seconds))
    )
    for gigabits in _GIGABITS:
        print("at %d Gbit/s: %.3f s" % (gigabits, sent * 8 / gigabits / 1e9))


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config", default=os.path.join(ROOT, "configs", "bert_base_uncased.json"))
    add("--num_workers", type=int, default=2)
    add("--num_threads", type=int, default=1, help="of each worker")
    add("--rounds", type=int, default=5, help="measured sums, after one to warm up")
    # Of the processes that this program starts.
    add("--index", type=int, default=0, help=argparse.SUPPRESS)
    add("--ports", type=int, nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv=None):
    flags = parse(argv)
    if flags.ports:
        work(flags)
        return 0
    flags.ports = launch.free_ports(flags.num_workers)
    command = [sys.executable, __file__, *(sys.argv[1:] if argv is None else argv)]
    command += ["--ports", *map(str, flags.ports)]
    others = [
        subprocess.Popen([*command, "--index=%d" % index])
        for index in range(1, flags.num_workers)
    ]
    show(flags, *work(flags))
    return max([process.wait() for process in others], default=0)


if __name__ == "__main__":
    sys.exit(main())
