"""What can be fetched: sources.json, read into records.

Addresses, sizes and hashes of GLUE's files: dataset_infos.json of datasets/glue in
https://github.com/huggingface/datasets. Addresses of the checkpoints:
https://github.com/google-research/bert. Hashes of the files inside their zips:
GooglePretrainedWeightDownloader.py of TensorFlow/LanguageModeling/BERT in
https://github.com/NVIDIA/DeepLearningExamples; none are published for the zips.
"""

import difflib
import json
import os
import re
from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from finetuning.data import tasks
from finetuning.utils.errors import InputError

_MAX_SUGGESTED = 3


@dataclass(frozen=True)
class RemoteFile:
    """A file on a server.

    Attributes:
      host: start of its URL, which --base_url replaces.
      path: rest of its URL.
      size: in bytes, or None if unknown.
      sha256: in hexadecimal, or None if unknown.
    """

    host: str
    path: str
    size: Optional[int] = None
    sha256: Optional[str] = None

    @property
    def name(self):
        return self.path.rpartition("/")[2]

    def url(self, base_url=None):
        return "%s/%s" % ((base_url or self.host).rstrip("/"), self.path)


@dataclass(frozen=True)
class GlueTask:
    """The data of a GLUE task.

    Attributes:
      name: of the task and its folder.
      remotes: a zip, a table, or the files that the tables are made from.
      layouts: a `tasks.FileLayout` for each table in the folder.
    """

    name: str
    remotes: Tuple[RemoteFile, ...]
    layouts: Tuple[tasks.FileLayout, ...]

    @property
    def about(self):
        return "%s to download" % format_size(sum(r.size for r in self.remotes))

    @property
    def num_given(self):
        """How many of the remotes a user must have; MRPC's installer lacks the ids."""
        return 2 if self.name == "MRPC" else 1


@dataclass(frozen=True)
class Checkpoint:
    """A pre-trained checkpoint published by Google.

    Attributes:
      name: of the checkpoint and its folder.
      about: a short description.
      remotes: its zip.
      vocab_size: number of entries in its vocab.txt.
      shape: number of layers, hidden size, number of attention heads.
      sha256: maps files in the zip to their hashes; empty if none are published.
    """

    name: str
    about: str
    remotes: Tuple[RemoteFile, ...]
    vocab_size: int
    shape: Tuple[int, ...]
    sha256: Mapping[str, str] = field(default_factory=dict)
    num_given = 1


def format_size(size):
    """Formats a number of bytes, such as "376.9 kB"."""
    if size < 1e6:
        return "%.1f kB" % (size / 1e3)
    return "%s MB" % format(size / 1e6, ",.1f")


def _glue_task(name, remotes):
    task = tasks.find_task(name)
    return GlueTask(
        name,
        tuple(RemoteFile(_TABLE["glue_host"], **remote) for remote in remotes),
        task.train + task.dev + task.test,
    )


def _checkpoint(name, path, **fields):
    return Checkpoint(
        name,
        remotes=(RemoteFile(_TABLE["bert_host"], path),),
        shape=tuple(map(int, re.findall(r"[LHA]-(\d+)", name))),
        **fields,
    )


with open(os.path.join(os.path.dirname(__file__), "sources.json")) as _file:
    _TABLE = json.load(_file)
GLUE_TASKS = {name: _glue_task(name, row) for name, row in _TABLE["glue"].items()}
CHECKPOINTS = {n: _checkpoint(n, **row) for n, row in _TABLE["checkpoints"].items()}


def find(name, rows):
    """Looks up a name, ignoring case.

    Args:
      name: as the user wrote it.
      rows: `GLUE_TASKS` or `CHECKPOINTS`.

    Raises:
      InputError: there is no such name; the message suggests the closest ones.
    """
    by_name = {row.name.lower(): row for row in rows.values()}
    if name.lower() in by_name:
        return by_name[name.lower()]
    near = _nearest(name.lower(), by_name)[:_MAX_SUGGESTED]
    hint = " (did you mean %s?)" % " or ".join(near) if near else ""
    raise InputError("%r is unknown%s; omit the name to list all" % (name, hint))


def _nearest(given, by_name):
    """The names that begin like the given one, contain its words, or are similar."""
    # Other programs have other names, such as bert-base-uncased.
    texts = {**by_name, **{row.about.lower(): row for row in by_name.values()}}
    words = re.findall("[a-z]+|[0-9]+", given)
    found = [text for text in texts if text.startswith(given)] or [
        name
        for name, row in by_name.items()
        if words and set(words) <= _words(name + " " + row.about)
    ]
    found = found or difflib.get_close_matches(given, texts, n=1)
    return list(dict.fromkeys(texts[text].name for text in found))


def _words(text):
    return set(re.findall("[a-z]+|[0-9]+", text.lower()))
