"""Checks a GPU, and measures training steps on it next to Hugging Face's.

  make gpu-report
  python benchmarks/gpu_report.py
  python benchmarks/gpu_report.py --full

Checks the device, trains the demo, compares two runs byte for byte, and measures steps
of several sizes, each in a process of its own. Writes benchmarks/gpu/NAME.json and
NAME.md after each row. The same command resumes where it was stopped, or where its time
was up: 10 minutes, or with --full none. On a machine without a GPU the models are
smaller. See benchmarks/README.md.
"""

import os
import platform
import re
import signal
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from finetuning.utils import early_interrupt, environment  # noqa: E402

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

import importlib.util  # noqa: E402

from benchmarks import bench  # noqa: E402
from benchmarks.gpu_rows import page, processes, rows  # noqa: E402
from benchmarks.gpu_rows.report_file import Report  # noqa: E402
from benchmarks.timing import examples  # noqa: E402
from benchmarks.timing.programs import interpreter, positive  # noqa: E402
from finetuning.device import backend  # noqa: E402
from finetuning.run_info import provenance  # noqa: E402
from finetuning.utils.console import log  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402
from scripts import entry  # noqa: E402

_MINUTES, _ROW_SECONDS, _FULL_ROW_SECONDS = 10, 150, 900
# A row that gets less time than this is left to the next call.
_LEAST_SECONDS = 20


def parse(argv=None):
    parser = entry.Parser(prog="gpu_report.py", description=__doc__)
    add = parser.add_argument
    add("--full", action="store_true", help="the whole table, which takes hours")
    add("--minutes", type=positive, help="end after this time (default: 10)")
    add("--rows", default="", help='only rows whose name contains this: "BERT-Base"')
    add("--row_seconds", type=positive, help="time limit of a row (150; --full: 900)")
    add("--seconds", type=positive, default=8, help="how long steps are timed")
    add("--name", help="of the files; by default that of the device and TensorFlow")
    add("--hf_python", type=interpreter, help="Python with torch and transformers")
    add("--threads", type=positive, default=backend.physical_cores())
    parser.add_path("--output_dir", default=os.path.join(ROOT, "benchmarks", "gpu"))
    flags = parser.parse_args(argv)
    if flags.name and not re.fullmatch(r"[\w.-]+", flags.name):
        raise InputError("--name=%s: expected letters, digits, . _ and -" % flags.name)
    if not flags.full:
        flags.minutes = flags.minutes or _MINUTES
    default = _FULL_ROW_SECONDS if flags.full else _ROW_SECONDS
    flags.row_seconds = flags.row_seconds or default
    return flags


def run(argv=None):
    flags = parse(argv)
    deadline = time.monotonic() + 60 * flags.minutes if flags.minutes else None
    torch_python = _torch_python(flags.hf_python)
    facts = find_facts(flags, torch_python)
    log.info("%s; self-test: %s", facts["line"], facts["self_test"])
    chosen = rows.choose(facts, flags.full, bool(torch_python))
    chosen = [row for row in chosen if flags.rows in row.key]
    if not chosen:
        raise InputError("--rows=%s: no row's name contains it" % flags.rows)
    version = "tf" + facts["tensorflow"]
    name = flags.name or re.sub(r"\W+", "-", facts["name"]).lower() + "-" + version
    report = Report(flags.output_dir, name, facts, [row.key for row in chosen])
    with tempfile.TemporaryDirectory() as directory:
        measure_all(flags, chosen, report, deadline, (directory, torch_python))
    log.info("Written to %s.json and %s.md", report.path, report.path)
    left = len(report.missing())
    if left:
        log.info("%d rows are left: run the same command again", left)


def _torch_python(given):
    """The interpreter with torch and transformers, or None."""
    found = bench.find_hugging_face(given)
    if found is None and all(map(importlib.util.find_spec, ("torch", "transformers"))):
        return sys.executable
    return found


def find_facts(flags, torch_python):
    """Facts about the device and the machine.

    Raises:
      InputError: the device fails its check, or the machine has a GPU that this
        TensorFlow does not use.
    """
    log.info("Checking the device ...")
    # A driver that has to compile TensorFlow's code for the GPU takes minutes.
    limit = 60 * (flags.minutes or _MINUTES)
    facts = processes.measure(sys.executable, {"program": "device"}, limit)
    if facts["status"] != processes.MEASURED:
        raise InputError("checking the device: %(status)s, %(message)s" % facts)
    if facts["unused_gpu"]:
        raise InputError(facts["warnings"][0])
    return dict(
        facts,
        processor=bench.processor(),
        platform=platform.platform(),
        revision=provenance.git_revision(),
        threads=flags.threads,
        torch=torch_python,
        written=time.strftime("%Y-%m-%d %H:%M"),
    )


def measure_all(flags, chosen, report, deadline, resources):
    """Measures the rows that the report lacks, until the time is up."""
    report.write()
    missing = report.missing()
    for row in chosen:
        if row.key not in missing:
            continue
        limit = flags.row_seconds
        if deadline is not None:
            limit = min(limit, deadline - time.monotonic())
        if limit < _LEAST_SECONDS:
            break
        log.info("%s ...", row.key)
        result = measure_row(row, flags, report, limit, resources)
        cut = limit < flags.row_seconds and result["status"] == processes.TIME_LIMIT
        if cut and "seconds" not in result:
            break  # The report's time was too short, not the row's.
        report.add(row, result)
        log.info("  %s", _in_short(result))


def measure_row(row, flags, report, limit, resources):
    """What `processes.measure` returns for a row."""
    started = time.monotonic()
    directory, torch_python = resources
    spec = rows.spec_of(row, report.facts, flags.threads, flags.seconds)
    if row.program != "demo":
        spec["arrays"] = _write_examples(directory, spec)
        spec["weights"] = os.path.join(directory, row.model + ".npz")
        if not os.path.exists(spec["weights"]):
            of_weights = dict(spec, program="weights")
            written = processes.measure(sys.executable, of_weights, limit)
            if written["status"] != processes.MEASURED:
                return written
            limit -= time.monotonic() - started
    python = torch_python if row.program == "hf" else sys.executable
    return processes.measure(python, spec, limit)


def _write_examples(directory, spec):
    """Writes the batches of a row; returns the path."""
    batch, vocabulary = spec["batch"], spec["shape"]["vocab_size"]
    count = batch * spec["num_batches"]
    path = os.path.join(directory, "batch-%d-%d.npz" % (batch, vocabulary))
    arrays = examples.random_examples(count, rows.MAX_SEQ_LENGTH, vocabulary)
    examples.save(path, arrays, examples.take(arrays, slice(batch)))
    return path


def _in_short(result):
    if result["status"] != processes.MEASURED:
        return "%(status)s: %(message)s" % result
    if "seconds" in result:
        return "%.1f ms a step" % (1e3 * page.median_seconds(result))
    return result["status"]


def main(argv=None):
    """Measures; returns the exit status."""
    return entry.status_of(
        lambda: run(argv), interrupted="stopped; run it again to resume"
    )


if __name__ == "__main__":
    # A row's process, which is in a group of its own, must not outlive this one.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    sys.exit(main())
