"""Downloads a file, or takes it from a folder of the user's, and verifies it.

pooch writes to a temporary file, compares its SHA-256 and retries. Its own downloader
has no limit on what it writes, so the transfer itself is here.
"""

import functools
import os
from dataclasses import dataclass
from typing import Optional

import pooch
import requests

from finetuning.utils.console import Bar, log
from finetuning.utils.errors import InputError
from scripts.fetching import archive, workspace

RETRIES = 3
TIMEOUT = 30.0  # Seconds without a byte.
_CHUNK_SIZE = 2**16
# Servers that answer with these may recover soon.
_TEMPORARY_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_ALTERNATIVES = (
    "try again later, use a mirror with --base_url=URL (make: BASE_URL=URL), or get "
    "the file some other way and pass its folder with --from=DIR (make: FROM=DIR)"
)


class NetworkError(Exception):
    """The network or the server failed."""


class RefusedError(NetworkError):
    """The server works but does not send this file; it may send others."""


@dataclass(frozen=True)
class Options:
    """Where files come from.

    Attributes:
      base_url: replaces the host of every URL; None: the published hosts.
      source: folder that already contains the files; None: they are downloaded.
    """

    base_url: Optional[str] = None
    source: Optional[str] = None


def fetch(remote, folder, options, strict=True):
    """Gets one file and compares its SHA-256 where that is known.

    Args:
      remote: a `sources.RemoteFile`.
      folder: where a download is stored.
      options: `Options`.
      strict: whether another SHA-256 in the user's folder is an error; else a warning.

    Returns:
      The file's path, in `folder` or in the user's folder.

    Raises:
      InputError: the user's file is missing or not the published one, or the disk has
        no space for the download.
      NetworkError: every attempt failed, or the server refuses.
    """
    if options.source:
        return _take_from_source(remote, options, strict)
    workspace.check_free_space(folder, remote.size or 0)
    url = remote.url(options.base_url)
    store = pooch.create(
        path=folder,
        base_url="",
        registry={remote.name: remote.sha256},
        urls={remote.name: url},
        retry_if_failed=RETRIES,
    )
    try:
        return store.fetch(remote.name, downloader=functools.partial(_download, remote))
    except (requests.exceptions.RequestException, ValueError) as error:
        raise NetworkError(
            "%s could not be downloaded: %s; %s" % (url, _reason(error), _ALTERNATIVES)
        ) from None


def _take_from_source(remote, options, strict):
    path = os.path.join(options.source, remote.name)
    url = remote.url(options.base_url)
    if not os.path.isfile(path):
        raise InputError("%s is missing; download it from %s" % (path, url))
    if remote.sha256 and pooch.file_hash(path) != remote.sha256:
        message = "%s is not the published file: its SHA-256 is not %s" % (
            path,
            remote.sha256,
        )
        if strict:
            raise InputError("%s; download it again from %s" % (message, url))
        log.warning("%s; it is used anyway", message)
    return path


def _download(remote, url, path, _):
    """Does one attempt; pooch passes the URL, the file to write, and itself."""
    # Compressed in transit, a file would not have the length that is announced.
    headers = {"Accept-Encoding": "identity"}
    with requests.get(url, stream=True, timeout=TIMEOUT, headers=headers) as response:
        if not response.ok:
            status = response.status_code
            message = "the server answered %d %s" % (status, response.reason)
            if status in _TEMPORARY_STATUSES:
                raise ValueError(message)
            raise RefusedError("%s: %s; %s" % (url, message, _ALTERNATIVES))
        announced = int(response.headers.get("Content-Length", 0))
        with open(path, "wb") as file:
            received = _copy(response, file, remote, announced)
    if received < announced:
        raise ValueError("only %d of %d bytes arrived" % (received, announced))


def _copy(response, file, remote, announced):
    """Writes the response to the file and returns its number of bytes."""
    limit = remote.size or archive.MAX_BYTES
    received = 0
    bar = Bar(
        desc=remote.name,
        total=remote.size or announced or None,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=None,  # Only on a terminal.
    )
    with bar:
        for chunk in response.iter_content(_CHUNK_SIZE):
            received += len(chunk)
            if received > limit:
                raise ValueError("the server sends more than %d bytes" % limit)
            file.write(chunk)
            bar.update(len(chunk))
    return received


def _reason(error):
    """What went wrong, without the Python objects in the messages of requests."""
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return "the server sent nothing for %g seconds" % TIMEOUT
    text = " ".join(str(error).split())
    if isinstance(error, requests.exceptions.ConnectionError):
        # Such as "...: Failed to connect: [Errno 111] Connection refused'))".
        text = text.rpartition(": ")[2].strip("'\")( ,")
    return text
