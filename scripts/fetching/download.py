"""Downloads a file, or takes it from a folder of the user's, and verifies it.

pooch writes to a temporary file, compares its SHA-256 and retries. Its own downloader
has no limit on what it writes, so the transfer itself is here. A server may send
anything: nothing is decompressed, no redirect is followed without a look at it, and
what a server says is cut and escaped before it is printed.
"""

import functools
import os
import re
from dataclasses import dataclass
from typing import Optional
from urllib.parse import urljoin

import pooch
import requests
import urllib3

from finetuning.utils.console import Bar, log
from finetuning.utils.errors import InputError, in_one_line
from scripts.fetching import archive, workspace

RETRIES = 3
TIMEOUT = 30.0  # Seconds without a byte.
_CHUNK_SIZE = 2**16
_MAX_REDIRECTS = 5
_SCHEMES = ("http://", "https://")
_MAX_SHOWN = 200  # Characters of what a server says.
# How a login page of the network begins, and none of the files.
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|script|meta|\?xml)", re.IGNORECASE)
# Servers that answer with these may recover soon.
_TEMPORARY_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_ALTERNATIVES = (
    "try again later, use a mirror with --base_url=URL (make: BASE_URL=URL), or get "
    "the file some other way and pass its folder with --from=DIR (make: FROM=DIR)"
)


class NetworkError(Exception):
    """The network or the server failed; the message is one line of printable text."""

    def __init__(self, message):
        super().__init__(in_one_line(message))


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
    try:
        with _Session() as session, _open(session, url) as response:
            _check_answer(response, url)
            announced = _announced_length(response, url)
            limit = remote.size or archive.MAX_BYTES
            if announced is not None and announced > limit:
                raise ValueError(
                    "the server announces %d bytes, more than %d" % (announced, limit)
                )
            with open(path, "wb") as file:
                received = _copy(response, file, remote, announced, limit)
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None
    if announced is not None and received < announced:
        raise ValueError("only %d of %d bytes arrived" % (received, announced))


class _Session(requests.Session):
    """Follows no redirect; requests would read and decompress its whole body."""

    def get_redirect_target(self, _):
        return None


def _open(session, url):
    """Requests a URL and follows its redirects, without reading their bodies."""
    for _ in range(_MAX_REDIRECTS + 1):
        response = session.get(
            url,
            stream=True,
            timeout=TIMEOUT,
            # Compressed in transit, a file would not have the announced length.
            headers={"Accept-Encoding": "identity"},
        )
        if not response.is_redirect:
            return response
        target = urljoin(url, response.headers["Location"])
        response.close()
        # Never from https to anything else.
        allowed = ("https://",) if url.startswith("https://") else _SCHEMES
        if not target.startswith(allowed):
            raise _refusal(url, "the server redirects to %s" % _shown(target))
        url = target
    raise _refusal(url, "the server redirects more than %d times" % _MAX_REDIRECTS)


def _check_answer(response, url):
    """Checks that an answer is the whole file, as it is.

    Raises:
      RefusedError: it is not.
      ValueError: it is not, and the server may recover soon.
    """
    status = response.status_code
    if status != requests.codes.ok:
        message = "the server answered %d %s" % (status, _shown(response.reason))
        if status in _TEMPORARY_STATUSES:
            raise ValueError(message)
        raise _refusal(url, message)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise _refusal(
            url,
            "the server sends it compressed (Content-Encoding: %s), which was not "
            "asked for" % _shown(encoding),
        )


def _announced_length(response, url):
    """The Content-Length, or None; a server that repeats it must not change it."""
    text = response.headers.get("Content-Length")
    if text is None:
        return None
    lengths = {length.strip() for length in text.split(",")}
    if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", min(lengths)):
        raise _refusal(url, "the server announces a length of %r" % _shown(text))
    return int(min(lengths))


def _copy(response, file, remote, announced, limit):
    """Writes the response to the file and returns its number of bytes.

    Reads the bytes as they come, and through http.client, which limits what a chunk
    of a chunked answer may say about itself.
    """
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
        chunk = response.raw.read(_CHUNK_SIZE, decode_content=False)
        if _WEB_PAGE.match(chunk):
            raise _refusal(
                response.url,
                "a web page came instead of the file; does this network want a login?",
            )
        while chunk:
            received += len(chunk)
            if received > limit:
                raise ValueError("the server sends more than %d bytes" % limit)
            file.write(chunk)
            bar.update(len(chunk))
            chunk = response.raw.read(_CHUNK_SIZE, decode_content=False)
    return received


def _refusal(url, message):
    return RefusedError("%s: %s; %s" % (_shown(url), message, _ALTERNATIVES))


def _shown(text):
    """What a server said, cut to a length that fits a message."""
    text = text or ""
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def _reason(error):
    """What went wrong, without the Python objects in the messages of requests."""
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return "the server sent nothing for %g seconds" % TIMEOUT
    text = " ".join(str(error).split())
    if isinstance(error, requests.exceptions.ConnectionError):
        # Such as "...: Failed to connect: [Errno 111] Connection refused'))".
        text = text.rpartition(": ")[2].strip("'\")( ,")
    return _shown(text)
