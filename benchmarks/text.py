"""Text to features: MRPC's training file read, converted and written."""

import os
import tempfile

from measure import ROOT, Program, compare, row_of
from rounds import Worker, take_turns


def text_to_features(bench):
    """Times reading MRPC's training file up to the TFRecord file of features.

    Returns:
      Rows as of `steps_per_second`, with "examples", the file's.
    """
    arguments = bench.arguments
    programs = {
        Program("ours", "TF " + stack["tensorflow"], None, ()): (stack, "ours", ROOT)
        for stack in bench.stacks
    }
    if bench.original_stack:
        stack = bench.original_stack
        program = Program("original", "TF " + stack["tensorflow"], None, ())
        programs[program] = (stack, "original", os.path.abspath(arguments.original))
    workers = {}
    try:
        for program, (stack, kind, directory) in programs.items():
            names = ("data_dir", "vocab_file", "bert_config_file", "max_seq_length")
            flags = {name: getattr(arguments, name) for name in names}
            flags["output_dir"] = tempfile.mkdtemp(dir=bench.directory)
            spec = {"program": kind, "directory": directory, "flags": flags}
            bench.say("starting text to features: %s" % program.name)
            workers[program] = Worker(stack["python"], "worker_text.py", spec)
        examples = {
            program: worker.run()["result"] for program, worker in workers.items()
        }
        if len(set(examples.values())) != 1:
            raise SystemExit("the programs read unequal numbers of examples")
        seconds = take_turns(workers, arguments.rounds, 0)
    finally:
        for worker in workers.values():
            worker.close()
    count = next(iter(examples.values()))
    rows = [
        row_of(program, seconds[program], peak_bytes=worker.peak_bytes)
        for program, worker in workers.items()
    ]
    for row in rows:
        row["examples_per_second"] = count / row["median_seconds"]
    return {"examples": count, "rows": rows, "ratios": compare(rows)}
