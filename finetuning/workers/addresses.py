"""Which workers train together, and which of them this process is."""

import json
import os
import re
from dataclasses import dataclass
from typing import Optional, Tuple

from finetuning.utils.console import log
from finetuning.utils.errors import InputError

_VARIABLE = "TF_CONFIG"
_ADDRESS = re.compile(r"(?:\[([^\[\]\s]+)\]|([^\[\]:/\s]+)):([0-9]{1,5})")
_MAX_PORT = 65535


@dataclass(frozen=True)
class WorkerAddresses:
    """The workers of a run.

    Attributes:
      addresses: tuple of (host, port), at least two; that of worker 0 is the first.
      index: which of them this process is.
      source: what named them, "--workers" or "TF_CONFIG".
    """

    addresses: Tuple[Tuple[str, int], ...]
    index: int
    source: str

    def text(self, index):
        """An address as the user writes it, `host:port` or `[IPv6]:port`."""
        host, port = self.addresses[index]
        return ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)

    def name(self, index):
        """How messages name a worker."""
        return "worker %d (%s)" % (index, self.text(index))


def from_settings(settings) -> Optional[WorkerAddresses]:
    """Finds the workers in the flags, or else in the environment variable TF_CONFIG.

    If both are given, the flags are used, and a note is logged.

    Args:
      settings: `Settings`.

    Returns:
      `WorkerAddresses`; None if there is only one worker, so that the run is an
      ordinary one.

    Raises:
      InputError: the addresses or the index cannot be used.
    """
    variable = _variable()
    if settings.workers is not None:
        if variable:
            log.info("--workers is given, so the variable %s is not used", _VARIABLE)
        return _from_flags(settings)
    if settings.worker_index is not None:
        raise InputError(
            "--worker_index=%d has no effect without --workers" % settings.worker_index
        )
    return _from_variable(variable) if variable else None


def are_given(settings):
    """Whether `from_settings` has anything to read."""
    return settings.workers is not None or bool(_variable())


def _variable():
    return os.environ.get(_VARIABLE, "").strip()


def _from_flags(settings):
    source = "--workers"
    parts = [part.strip() for part in settings.workers.split(",")]
    addresses = _parse_addresses(parts, source)
    index = settings.worker_index
    if index is None and len(addresses) > 1:
        raise InputError(
            "--workers names %d workers; pass --worker_index, from 0 to %d, which says "
            "which of them this one is" % (len(addresses), len(addresses) - 1)
        )
    return _checked(addresses, index or 0, source, "--worker_index")


def _from_variable(text):
    """Reads TF_CONFIG, as TensorFlow's guide to distributed training describes it."""
    try:
        config = json.loads(text)
    except ValueError as error:
        raise InputError(
            "the environment variable %s is not JSON: %s" % (_VARIABLE, error)
        ) from None
    if not isinstance(config, dict):
        raise _bad_variable("expected an object with cluster and task")
    cluster, task = config.get("cluster") or {}, config.get("task") or {}
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _bad_variable("cluster and task must be objects")
    if not cluster:
        return None
    others = sorted((set(cluster) | {task.get("type", "worker")}) - {"chief", "worker"})
    if others:
        raise _bad_variable(
            "tasks of type %s are not supported; use chief and worker" % others[0]
        )
    parts = []
    for kind in ("chief", "worker"):
        of_kind = cluster.get(kind, [])
        if not isinstance(of_kind, list):
            raise _bad_variable("cluster.%s must be a list of host:port" % kind)
        parts += of_kind
    addresses = _parse_addresses(parts, _VARIABLE)
    if len(addresses) == 1:
        return None
    return _checked(addresses, _task_index(cluster, task), _VARIABLE, "task.index")


def _task_index(cluster, task):
    """The position of the task among the chief and the workers."""
    kind, index = task.get("type"), str(task.get("index"))
    if kind is None or not re.fullmatch("[0-9]+", index):
        raise _bad_variable(
            "task must have a type, chief or worker, and an index from 0"
        )
    size = len(cluster.get(kind, []))
    if int(index) >= size:
        raise _bad_variable(
            "task is %s %s, but cluster has %d of that type" % (kind, index, size)
        )
    chiefs = len(cluster.get("chief", [])) if kind == "worker" else 0
    return chiefs + int(index)


def _parse_addresses(parts, source):
    addresses = []
    for part in parts:
        match = isinstance(part, str) and _ADDRESS.fullmatch(part)
        if not match or not 0 < int(match.group(3)) <= _MAX_PORT:
            raise InputError(
                "%s contains %r; expected host:port, with a port from 1 to %d, and "
                "brackets around an IPv6 address" % (source, part, _MAX_PORT)
            )
        address = (match.group(1) or match.group(2), int(match.group(3)))
        if address in addresses:
            raise InputError(
                "%s contains %s twice; each worker needs an address of its own"
                % (source, part)
            )
        addresses.append(address)
    return tuple(addresses)


def _checked(addresses, index, source, name):
    if index >= len(addresses):
        raise InputError(
            "%s=%d is out of range: %s names %d worker%s, counted from 0"
            % (name, index, source, len(addresses), "s" * (len(addresses) > 1))
        )
    if len(addresses) == 1:
        return None
    return WorkerAddresses(addresses, index, source)


def _bad_variable(problem):
    return InputError("the environment variable %s: %s" % (_VARIABLE, problem))
