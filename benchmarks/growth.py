"""How the cost of a training step grows with batch, length and layers."""

import numpy as np
from measure import ROOT
from rounds import Worker

_BATCHES, _LENGTHS = (2, 4, 8, 16, 32), (16, 32, 64, 128)
_STEPS = 3


def growth(bench):
    """Times this program's training step while one size grows and the others stay.

    Returns:
      "base", the sizes that stay, and "axes": {name of the size: list of {"size",
      "seconds" (of each step), "median_seconds"}}.
    """
    stack, longest = bench.stacks[0], bench.arguments.max_seq_length
    layers = bench.shape["num_hidden_layers"]
    base = {"batch": 8, "length": min(64, longest), "layers": layers}
    axes = {
        "batch": _BATCHES,
        "length": [length for length in _LENGTHS if length <= longest],
        "layers": sorted({max(1, layers * third // 3) for third in (1, 2, 3)}),
    }
    spec = {"program": "growth", "directory": ROOT, "shape": bench.shape}
    spec.update(threads=bench.arguments.threads, kind=stack["kind"], dtype="float32")
    worker = Worker(stack["python"], "worker.py", spec)
    seconds, found = {}, {}
    try:
        for axis, sizes in axes.items():
            found[axis] = []
            for size in sizes:
                point = dict(base, **{axis: size})
                key = tuple(point.values())
                if key not in seconds:
                    bench.say("growth: %s %d" % (axis, size))
                    answer = worker.run(steps=_STEPS, **point)
                    seconds[key] = answer["result"]
                median = float(np.median(seconds[key]))
                found[axis].append(
                    {"size": size, "seconds": seconds[key], "median_seconds": median}
                )
    finally:
        worker.close()
    return {"base": base, "axes": found}
