"""The report: one HTML file that needs no network and no server."""

import base64
import hashlib
import os
import re

from finetuning.evaluation import result_files
from finetuning.report import (
    attention,
    attention_section,
    facts,
    html,
    overview,
    predictions,
)
from finetuning.utils import files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# In the head of every report, so that no other file is overwritten.
_GENERATOR = "<meta name=generator content='BERT fine-tuning report'>"
_HEAD = """<!DOCTYPE html>
<html lang=en><head><meta charset=utf-8>
<meta http-equiv=Content-Security-Policy content="%s">
%s
<meta name=viewport content='width=device-width, initial-scale=1'>
<meta name=color-scheme content='light dark'>
<title>%s</title>
<style>%s</style></head>
<body><a class=skip href='#warnings'>Skip to the report</a>
<header><h1>%s</h1>
<nav aria-label=Sections><ul>%s</ul></nav></header>
<main>
"""
_END = "</main>\n<script>%s</script></body></html>\n"
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'sha256-%s'; script-src 'sha256-%s'; "
    "base-uri 'none'; form-action 'none'"
)


def write(directory, output=None, request=None):
    """Writes the report of a run's last evaluation.

    Args:
      directory: the output directory of the run.
      output: the file; None: `report.html` in the directory.
      request: `attention.Request`; None: a few examples are chosen.

    Returns:
      The path of the file.

    Raises:
      InputError: there is no evaluation, its files are damaged, the request cannot be
        met, or `output` is a file that is no report.
      OSError: the file cannot be written; `filename` is set.
    """
    output = output or os.path.join(directory, result_files.REPORT)
    _require_replaceable(output)
    found = facts.collect(directory)
    text = render(found, request or attention.Request())
    files.write_text(output, text)
    log.info("Report: %s (open it in a browser)", output)
    return output


def _require_replaceable(path):
    """Refuses to overwrite what is no report."""
    if not files.exists(path):
        return
    if files.is_directory(path):
        raise InputError("--output=%s is a directory, expected a file" % path)
    with files.open_binary(path) as file:
        start = b"".join(line for line, _ in zip(file, range(10)))
    if _GENERATOR.encode() not in start:
        raise InputError(
            "--output=%s exists and is not a report; it was not changed: move it, or "
            "choose another name" % path
        )


def render(found, request):
    """The text of the page.

    Args:
      found: `facts.Facts`.
      request: `attention.Request`.

    Raises:
      InputError: see `attention.compute`; or a requested model is not there.
    """
    style, script = _resource("report.css"), _resource("report.js")
    title = "%s: report of %s" % (
        found.results["task"],
        overview.name_of(found.directory),
    )
    if found.is_regression:
        about_labels = [predictions.regression(found)]
    else:
        about_labels = [
            predictions.labels(found),
            predictions.calibration(found),
            predictions.distribution(found),
        ]
    parts = [
        overview.warnings(found),
        overview.scores(found),
        overview.run(found),
        overview.training(found),
        *about_labels,
        predictions.lengths(found),
        predictions.errors(found),
        _attention(found, request),
    ]
    head = _HEAD % (
        _POLICY % (_digest(style), _digest(script)),
        _GENERATOR,
        html.escape(title),
        style,
        html.escape(title),
        _navigation(parts),
    )
    return head + "".join(parts) + _END % script


def _attention(found, request):
    if found.model is None or (found.examples.texts is None and not request.texts):
        if request.is_explicit:
            raise InputError("no attention can be computed. %s" % found.notes[-1])
        return attention_section.section([], found.notes[-1])
    return attention_section.section(attention.compute(found, request))


def _navigation(parts):
    titles = re.findall(r"<h2 id=(\w+)-title>(.*?)</h2>", "".join(parts))
    return "".join("<li><a href='#%s'>%s</a>" % pair for pair in titles)


def _resource(name):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    return files.read_text(path)


def _digest(text):
    """What the Content-Security-Policy calls an inline style or script."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
