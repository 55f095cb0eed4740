"""Published scores of a task, with their sources as plain text."""

import os
import re

from finetuning.utils import files, json_files

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FILE = os.path.join(_ROOT, "docs", "scores", "published.json")
_LINK = re.compile(r"\[([^]]*)\]\(([^)]*)\)")


def scores(task_name):
    """The published scores that belong beside those of a run.

    Args:
      task_name: such as "MRPC".

    Returns:
      List of (what, scores, about, source) of texts; empty for a task without any.
    """
    if not files.exists(_FILE):
        return []
    tables = json_files.read(
        _FILE, "published scores", "restore it from the repository", kind=list
    )
    return [row for table in tables for row in _rows(table, task_name)]


def _rows(table, task_name):
    if not table["title"].endswith(" set"):  # Not scores, but how they vary.
        return
    columns = [re.sub(r"[ ,].*", "", name) for name in table["columns"]]
    about = "%s. %s" % (table["title"], table["setting"])
    source = _LINK.sub(r"\1 (\2)", table["source"])
    for row in table["rows"]:
        if task_name in columns:
            place = columns.index(task_name)
            name = row[0] if columns[0] in ("encoder", "type") else ""
            yield name, row[place], about, source
        elif task_name in table["title"]:
            pairs = zip(table["columns"][1:], row[1:])
            shown = ", ".join("%s %s" % pair for pair in pairs if pair[1] != "-")
            yield row[0], shown, about, source
