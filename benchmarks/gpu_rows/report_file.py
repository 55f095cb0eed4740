"""The files of a report, which hold all that has been measured so far."""

import dataclasses
import os

from benchmarks.gpu_rows import page
from finetuning.utils import files, json_files
from finetuning.utils.errors import InputError

# Facts that the rows of one report share.
_SAME = ("line", "revision", "threads")
_ADVICE = "choose another --name, or delete the file"


class Report:
    """The JSON file and the page, which are written after each row.

    Attributes:
      path: of both files, without their ends.
      facts: about the device and the machine.
    """

    def __init__(self, directory, name, facts, expected):
        """Reads the rows that an earlier call has measured.

        Args:
          directory: of the files; it is created if it is missing.
          name: of the files.
          facts: see `page.render`.
          expected: the keys of all rows, in order.

        Raises:
          InputError: the file is damaged, or its rows are of another device, revision
            or number of threads.
        """
        self.path, self.facts = os.path.join(directory, name), facts
        self._name, self._expected, self._rows = name, expected, []
        files.make_directory(directory)
        file = self.path + ".json"
        if os.path.exists(file):
            saved, self._rows = json_files.read(file, "a report", _ADVICE, _parse)
            for fact, value in saved.items():
                if value != facts[fact]:
                    values = (file, fact, value, facts[fact], _ADVICE)
                    raise InputError("%s: its %s is %s, now it is %s; %s" % values)

    def missing(self):
        """The keys of the rows that are not measured."""
        measured = {row["key"] for row in self._rows}
        return [key for key in self._expected if key not in measured]

    def add(self, row, result):
        """Adds a `rows.Row` with what `processes.measure` returned, and writes."""
        self._rows.append(dict(dataclasses.asdict(row), key=row.key, **result))
        self.write()

    def write(self):
        places = {key: place for place, key in enumerate(self._expected)}
        self._rows.sort(key=lambda row: places.get(row["key"], len(places)))
        content = {
            "name": self._name,
            "facts": self.facts,
            "expected": self._expected,
            "rows": self._rows,
        }
        json_files.write(self.path + ".json", content)
        files.write_text(self.path + ".md", page.render(content))


def _parse(content):
    """Returns the facts that must not change, and the rows."""
    rows = content["rows"]
    for row in rows:
        if not isinstance(row["key"], str):
            raise TypeError
    return {name: content["facts"][name] for name in _SAME}, rows
