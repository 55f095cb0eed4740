"""The page of a report: its JSON file as Markdown."""

import statistics

from benchmarks.gpu_rows import processes
from benchmarks.gpu_rows.rows import NOT_DETERMINISTIC, REPEATED
from benchmarks.timing.programs import LOSS_TOLERANCE

_PROGRAMS = {"ours": "this program", "products": "products alone", "hf": "Hugging Face"}
_HEADINGS = (
    "",
    "steps/s (rounds)",
    "examples/s",
    "TFLOP/s",
    "of the products' rate",
    "times Hugging Face",
    "peak GPU MB",
    "operations",
    "kernels",
    "copies to GPU, to host",
    "first step, s",
)
_LEGEND = """\
Each line is a process of its own. Steps/s: median, slowest and fastest round; where
they are far apart, other programs disturbed the measurement. TFLOP/s: the operations of
the matrix products that a step needs, divided by its time. Of the products' rate: the
time of these products alone, in the same type, as a share of the step's. Times Hugging
Face: speed relative to its eager mode, in the same type. Operations: executed by
TensorFlow in a step. Kernels and copies: as its tracer, or PyTorch's, recorded them for
one step. Peak memory after "at least" is the most that was in use when an operation of
the traced step ended, where TensorFlow has no counter of its peak. First step: with all
compilation before it.
"""


def render(report):
    """Returns the page.

    Args:
      report: dictionary of name, facts (a dictionary), expected (the keys of all rows)
        and rows (a list: the fields of `rows.Row`, key, and what
        `processes.measure` returned).
    """
    steps = [row for row in report["rows"] if row["program"] != "demo"]
    parts = [
        ["# GPU report: %s" % report["name"], ""],
        _facts(report["facts"], report["rows"]),
        _demo(report["rows"]),
        _determinism(steps, report["facts"]),
        ["## Training steps", "", _LEGEND],
        *_tables([row for row in steps if row["variant"] not in _ONLY_COMPARED]),
        _losses(steps),
        _missing(report),
    ]
    return "\n".join(line for part in parts for line in part)


_ONLY_COMPARED = (REPEATED, NOT_DETERMINISTIC)


def median_seconds(row):
    """Seconds of a step; None if none was timed."""
    return statistics.median(row["seconds"]) if row.get("seconds") else None


def _facts(facts, rows):
    names = ("driver", "processor", "platform", "python", "numpy", "self_test")
    names += ("determinism", "revision", "threads", "written")
    lines = ["- %s: %s" % (name, facts[name] or "not known") for name in names]
    versions = {row["version"] for row in rows if "version" in row}
    lines += ["- Hugging Face: " + version for version in sorted(versions)]
    warnings = ["- WARNING: " + text for text in facts["warnings"]]
    return ["- device: " + facts["line"], *lines, *warnings, ""]


def _demo(rows):
    for row in rows:
        if row["program"] == "demo":
            if row["status"] != processes.MEASURED:
                text = "%(status)s: %(message)s" % row
            else:
                text = "Trained, evaluated and predicted in %.0f s; accuracy %.4f." % (
                    row["whole_seconds"],
                    row["scores"]["eval_accuracy"],
                )
            return ["## Demo", "", text, ""]
    return ["## Demo", "", "Not run.", ""]


def _determinism(rows, facts):
    """Two runs compared byte for byte, and what deterministic operations cost."""
    lines = ["## Determinism", ""]
    for repeated in (row for row in rows if row["variant"] == REPEATED):
        first = _find(rows, repeated, variant="") or {}
        digests = [row.get("digest") for row in (first, repeated)]
        where = "%(model)s, batch %(batch)d, %(dtype)s" % repeated
        if None in digests:
            lines.append("- %s: not known; one of two runs failed" % where)
            continue
        equal = digests[0] == digests[1]
        verdict = "identical, byte for byte" if equal else "DIFFERENT"
        lines.append("- %s: the weights of two runs are %s" % (where, verdict))
        free = _find(rows, repeated, variant=NOT_DETERMINISTIC)
        if free and median_seconds(free) and median_seconds(first):
            ratio = median_seconds(first) / median_seconds(free)
            same = free.get("digest") == digests[0]
            lines.append(
                "- %s: a step takes %.2f times as long as without deterministic "
                "operations, whose weights are %s"
                % (where, ratio, "the same" if same else "different")
            )
    if len(lines) == 2:
        lines.append("- not measured")
    if not facts["has_deterministic_ops"]:
        lines.append("- this TensorFlow has no deterministic operations: no cost")
    return [*lines, ""]


def _find(rows, like, **changes):
    """The row whose fields are those of another, with changes; None without one."""
    names = ("program", "model", "batch", "dtype", "variant")
    wanted = {name: changes.get(name, like[name]) for name in names}
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            return row
    return None


def _tables(rows):
    """Yields the lines of a table for each model and batch."""
    for model, batch in dict.fromkeys((row["model"], row["batch"]) for row in rows):
        group = [r for r in rows if (r["model"], r["batch"]) == (model, batch)]
        yield ["### %s, batch %d" % (model, batch), "", _cells(_HEADINGS)]
        yield [_cells(["---"] + ["---:"] * (len(_HEADINGS) - 1))]
        yield [_line(row, group) for row in group]
        yield [
            "\n%s: %s." % (_name(row), _outcome(row))
            for row in group
            if row["status"] != processes.MEASURED
        ]
        yield [""]


def _cells(cells):
    return "| %s |" % " | ".join(cells)


def _name(row):
    facts = ", ".join(filter(None, (row["dtype"], row["variant"])))
    return "%s (%s)" % (_PROGRAMS[row["program"]], facts)


def _outcome(row):
    message = row["message"].replace("|", "/").replace("\n", " ")
    after = ", after the steps were timed" if row.get("seconds") else ""
    return "%s%s: %s" % (row["status"], after, message)


def _line(row, group):
    seconds, trace = median_seconds(row), row.get("trace") or {}
    if seconds is None:
        return _cells([_name(row), row["status"], *["–"] * (len(_HEADINGS) - 2)])
    products = _find(group, row, program="products", variant="") or {}
    alone = median_seconds(products)
    theirs = _find(group, row, program="hf", variant="") or {}
    peer = median_seconds(theirs) if row is not theirs else None
    flops = [sum(r["flops"]) / len(r["flops"]) for r in group if r.get("flops")]
    operations = trace.get("cpu_operations", 0) + trace.get("gpu_operations", 0)
    copies = [trace.get(name) for name in ("copies_to_gpu", "copies_to_host")]
    return _cells(
        [
            _name(row),
            "%.3g (%.3g to %.3g)" % _speeds(row["seconds"], seconds),
            "%.4g" % (row["batch"] / seconds),
            "%.3g" % (flops[0] / seconds / 1e12) if flops else "–",
            "%.0f %%" % (100 * alone / seconds) if alone else "–",
            "%.2f" % (peer / seconds) if peer and row["program"] == "ours" else "–",
            _memory(row, trace),
            "%d" % operations if operations else "–",
            _count(trace.get("kernels")),
            ", ".join(map(_count, copies)) if copies[0] is not None else "–",
            "%.1f" % row["first_step_seconds"],
        ]
    )


def _speeds(rounds, median):
    return 1 / median, 1 / max(rounds), 1 / min(rounds)


def _count(number):
    return "–" if number is None else "%d" % number


def _memory(row, trace):
    if row.get("peak_gpu_bytes"):
        return "%.0f" % (row["peak_gpu_bytes"] / 1e6)
    if trace.get("traced_gpu_bytes"):
        return "at least %.0f" % (trace["traced_gpu_bytes"] / 1e6)
    return "–"


def _losses(rows):
    """A line for each model whose programs differ before training."""
    lines = []
    for model, batch in dict.fromkeys((row["model"], row["batch"]) for row in rows):
        losses = {
            row["key"]: row["first_loss"]
            for row in rows
            if (row["model"], row["batch"]) == (model, batch) and "first_loss" in row
        }
        if losses and max(losses.values()) - min(losses.values()) > LOSS_TOLERANCE:
            shown = ", ".join("%s %.6f" % item for item in losses.items())
            lines.append("- DIFFERENT LOSSES of one batch without dropout: " + shown)
    if not lines:
        lines = ["The losses of a batch without dropout agree to %g." % LOSS_TOLERANCE]
    return ["## Equal work", "", *lines, ""]


def _missing(report):
    """What this report does not contain, and why."""
    facts, rows = report["facts"], report["rows"]
    lines = []
    if not facts["torch"]:
        lines.append("Hugging Face: no Python with torch and transformers was found")
    if facts["kind"] != "GPU":
        lines.append("the GPU: this report is of a CPU, and smaller")
    elif "TensorFloat-32" not in facts["dtypes"]:
        lines.append("TensorFloat-32: this GPU or this TensorFlow does not have it")
    traced = [row["trace"] for row in rows if row.get("trace")]
    if facts["kind"] == "GPU" and not any(trace["kernels"] for trace in traced):
        lines.append(
            "kernels and copies: no tracer recorded any; is CUPTI installed, and may "
            "users profile (NVreg_RestrictProfilingToAdminUsers=0)?"
        )
    errors = {(name, row[name]) for row in rows for name in row if name[:3] == "no "}
    lines += ["%s: %s" % item for item in sorted(errors)]
    measured = {row["key"] for row in rows}
    left = [key for key in report["expected"] if key not in measured]
    lines += ["%s: not measured yet; run the same command again" % key for key in left]
    lines = ["- " + line for line in lines] or ["Nothing."]
    return ["## Not available or not measured", "", *lines, ""]
