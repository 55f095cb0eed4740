"""The measurements: which programs take part, and what comes out of their rounds."""

import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import batches
import machine
import numpy as np
from rounds import Worker, fastest, take_turns

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LOSS_TOLERANCE = 1e-4
_WARM_UP_STEPS = 4


class LossError(Exception):
    """The programs do not compute the same model."""


@dataclass(frozen=True)
class Bench:
    """What all measurements share.

    Attributes:
      arguments: of the command line.
      shape: dictionary that `modeling.BertConfig` takes.
      machine: of `machine.describe`.
      stacks: of `machine.ask_stack`; the first is the one that peers are compared with.
      original_stack: one with TensorFlow 1, where the original takes part; else None.
      hf_python: interpreter with torch and transformers, or None.
      directory: for files that workers read.
      say: shows a line of progress.
    """

    arguments: Any
    shape: Dict[str, Any]
    machine: Dict[str, Any]
    stacks: List[Dict[str, Any]]
    original_stack: Optional[Dict[str, Any]]
    hf_python: Optional[str]
    directory: str
    say: Any


@dataclass(frozen=True)
class Program:
    """One row of a table.

    Attributes:
      kind: "ours", "original", "hf" or "limit".
      stack: name of the TensorFlow, or "torch".
      dtype: of the products; None where there are none.
      starts: for each setting that may be the fastest, the arguments of `Worker`.
    """

    kind: str
    stack: str
    dtype: Optional[str]
    starts: tuple

    @property
    def name(self):
        names = {"ours": "this program", "original": "the original"}
        names.update(hf="Hugging Face", limit="products alone")
        facts = ", ".join(filter(None, (self.stack, self.dtype)))
        return "%s (%s)" % (names[self.kind], facts)


def steps_per_second(bench, training, batch):
    """Times training steps or forward passes of every program.

    Returns:
      Dictionary for the table, the picture and the JSON file.

    Raises:
      LossError: the first batch's losses are not equal.
      rounds.WorkerError: a program ended.
    """
    path, counts = _write_examples(bench, training, batch)
    programs = _programs(bench, training, batch, path)
    if training:
        steps = turn = bench.arguments.steps
        warm_up = -(-_WARM_UP_STEPS // steps)
    else:  # A turn is all examples, in batches of the program's own.
        steps, turn, warm_up = counts["examples"] // batch, 1, 1
    seconds, workers = _run_rounds(bench, programs, turn, warm_up)
    rows = [
        row_of(
            program,
            [value / steps for value in seconds[program.name]],
            peak_bytes=workers[program.name].peak_bytes,
            facts=workers[program.name].facts,
        )
        for program in programs
    ]
    what = "training" if training else "inference"
    found = {"what": what, "batch": batch, "steps": steps, "rows": rows}
    return _with_rates(dict(found, **counts))


def dtypes(stack):
    """The types of products that a stack computes fast."""
    return [dtype for dtype in ("float32", stack["short_type"]) if dtype]


def row_of(program, seconds, **more):
    """A row of a table: a program, its seconds in each round, what else is known."""
    return dict(
        name=program.name,
        kind=program.kind,
        stack=program.stack,
        dtype=program.dtype,
        seconds=seconds,
        median_seconds=float(np.median(seconds)),
        **more,
    )


def _run_rounds(bench, programs, steps, warm_up):
    """Starts the programs, compares their losses, times them, ends them.

    Returns:
      By name of program, the seconds of each turn, and the `Worker`.
    """
    workers = {}
    try:
        for program in programs:
            bench.say("starting %s" % program.name)
            found = [Worker(*start) for start in program.starts]
            workers[program.name] = fastest(found, steps=steps)
        facts = {name: worker.facts for name, worker in workers.items()}
        check_losses(
            {name: of["first_loss"] for name, of in facts.items() if "first_loss" in of}
        )
        bench.say("%d rounds" % bench.arguments.rounds)
        turns = take_turns(workers, bench.arguments.rounds, warm_up, steps=steps)
    finally:
        for worker in workers.values():
            worker.close()
    return turns, workers


def check_losses(losses):
    """Raises LossError unless these losses, by name, are equal."""
    values = list(losses.values())
    if not values or max(values) - min(values) <= LOSS_TOLERANCE:
        return
    raise LossError(
        "the programs' losses on the first batch, dropout off, differ by more than %g: "
        "%s"
        % (
            LOSS_TOLERANCE,
            ", ".join("%s %.6f" % loss for loss in sorted(losses.items())),
        )
    )


def _write_examples(bench, training, batch):
    """Writes the file of examples.

    Returns:
      Its path, and what the table tells of them.
    """
    arguments = bench.arguments
    if training:
        wanted = arguments.steps * arguments.rounds + _WARM_UP_STEPS + arguments.steps
        count = wanted * batch
    else:
        count = arguments.examples
    if arguments.data_dir:
        split = "train" if training else "dev"
        examples = batches.mrpc_examples(
            arguments.data_dir, arguments.vocab_file, split, arguments.max_seq_length
        )
        if training:
            examples = batches.shuffled(examples)
    else:
        examples = batches.random_examples(
            count, arguments.max_seq_length, bench.shape["vocab_size"]
        )
    count = min(count, len(examples["label_ids"])) // batch * batch
    if not count:
        raise SystemExit("there are fewer examples than a batch of %d" % batch)
    examples = batches.take(examples, slice(count))
    check = batches.take(examples, slice(batch))
    path = os.path.join(bench.directory, "rows.npz")
    batches.save(path, examples, check)
    tokens = batches.lengths(examples).sum()
    return path, {"examples": count, "tokens": float(tokens) * batch / count}


def _programs(bench, training, batch, path):
    spec = {
        "shape": bench.shape,
        "threads": bench.arguments.threads,
        "kind": bench.stacks[0]["kind"],
        "training": training,
        "batch": batch,
        "weights": os.path.join(bench.directory, "weights.npz"),
        "arrays": path,
    }

    def tensorflow(kind, stack, dtype, directory):
        of_program = dict(spec, program=kind, dtype=dtype, directory=directory)
        start = (stack["python"], "worker.py", of_program)
        return Program(kind, "TF " + stack["tensorflow"], dtype, (start,))

    both = [(stack, dtype) for stack in bench.stacks for dtype in dtypes(stack)]
    programs = [tensorflow("ours", *pair, ROOT) for pair in both]
    if bench.original_stack:
        original = os.path.abspath(bench.arguments.original)
        programs.append(
            tensorflow("original", bench.original_stack, "float32", original)
        )
    if bench.hf_python:
        for dtype in filter(None, ("float32", machine.short_type(spec["kind"]))):
            starts = tuple(
                (
                    bench.hf_python,
                    "worker_hf.py",
                    dict(spec, dtype=dtype, variant=variant),
                )
                for variant in ("sdpa", "eager")
            )
            programs.append(Program("hf", "torch", dtype, starts))
    return programs + [tensorflow("limit", *pair, ROOT) for pair in both]


def _with_rates(found):
    """Adds to every row what follows from its seconds."""
    rows = found["rows"]
    limits = {
        (row["stack"], row["dtype"]): row for row in rows if row["kind"] == "limit"
    }
    of_all = np.sum(limits[next(iter(limits))]["facts"]["flops"])
    flops = float(of_all) * found["batch"] / found["examples"]
    for row in rows:
        median = row["median_seconds"]
        row["examples_per_second"] = found["batch"] / median
        row["flops_per_second"] = flops / median
        limit = limits.get((row["stack"], row["dtype"]))
        if limit is not None:
            row["limits"] = ratio(row["seconds"], limit["seconds"])["median"]
            row["share_of_matrix_rate"] = (
                row["flops_per_second"] / limit["facts"]["matrix_rate"]
            )
    found["flops"] = flops
    found["ratios"] = compare(rows)
    return found


def compare(rows):
    """How many times as fast each row of ours is as the peers, the first also as ours.

    Returns:
      {name of another row: {name of ours: `ratio`}}.
    """
    ours = [row for row in rows if row["kind"] == "ours"]
    peers = [row for row in rows if row["kind"] in ("original", "hf")]
    pairs = [(other, row) for row in ours for other in peers]
    pairs += [(other, ours[0]) for other in ours[1:]]
    found = {other["name"]: {} for other, _ in pairs}
    for other, row in pairs:
        found[other["name"]][row["name"]] = ratio(other["seconds"], row["seconds"])
    return found


def ratio(theirs, ours):
    """Median and spread of the rounds' ratios."""
    rounds = np.array(theirs) / np.array(ours)
    return {
        "median": float(np.median(rounds)),
        "least": float(rounds.min()),
        "most": float(rounds.max()),
        "rounds": rounds.tolist(),
    }
