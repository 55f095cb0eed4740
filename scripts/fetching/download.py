"""One file from a server or from a folder of the user's, checked on the way.

The library pooch downloads to a temporary file, compares the hash and tries again; here
is what it leaves open: time-outs, cut-off files, and one line about what went wrong.
"""

import logging
import os
import re
from dataclasses import dataclass
from typing import Optional

import pooch
import requests
from fetching import sources, unpack, workspace
from tqdm import tqdm

from finetuning.utils.errors import InputError

_CHUNK = 2**16
# A server that sends these may do better in a moment; the other refusals stay.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_SETTLED = (
    requests.exceptions.TooManyRedirects,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)

_ELSE = (
    "name a mirror with --base_url (make: BASE_URL=URL), or get the file otherwise and "
    "name its folder with --from (make: FROM=DIR)"
)

pooch.get_logger().setLevel(logging.WARNING)  # What it would tell is said here.


class NetworkError(Exception):
    """The network or the server failed; one line that says how, and what to do."""


class RefusedError(NetworkError):
    """The server was reached and refuses one file; others it may give."""


@dataclass(frozen=True)
class Options:
    """How files are come by.

    Attributes:
      base_url: stands in for the host of every address; None: the published hosts.
      source: folder that already holds the files; None: they are downloaded.
      retries: how often a failed download is tried again.
      timeout: seconds without a byte after which a server is given up.
    """

    base_url: Optional[str] = None
    source: Optional[str] = None
    retries: int = 3
    timeout: float = 30.0


def fetch(remote, folder, options):
    """A file of the table, whole and checked.

    Args:
      remote: `sources.Remote`.
      folder: where a download goes.
      options: `Options`.

    Returns:
      The file's path: in `folder`, or in the user's own folder (see `check_source`).

    Raises:
      InputError: there is no room for it.
      NetworkError: every try failed, or the server refuses.
      OSError: it cannot be written.
    """
    url = remote.url(options.base_url)
    if options.source is not None:
        return os.path.join(options.source, remote.name)
    workspace.check_space(folder, remote.size or 0)
    store = pooch.create(
        path=folder,
        base_url="",
        registry={remote.name: remote.sha256},
        urls={remote.name: url},
        retry_if_failed=options.retries,
    )
    print("Fetching %s%s" % (url, _size(remote)), flush=True)
    downloader = _Downloader(remote, options)
    try:
        return store.fetch(remote.name, downloader=downloader)
    except (requests.exceptions.RequestException, ValueError):
        tries = options.retries + 1
        raise NetworkError(
            "%s could not be fetched, in %d %s: %s; try again later, %s"
            % (url, tries, "try" if tries == 1 else "tries", downloader.failure, _ELSE)
        ) from None


def check_source(remotes, options):
    """Raises InputError where the user's folder, if one is given, lacks files."""
    if options.source is None:
        return
    for remote in remotes:
        path = os.path.join(options.source, remote.name)
        if not os.path.isfile(path):
            raise InputError(
                "%s is missing; get it from %s and put it there"
                % (path, remote.url(options.base_url))
            )


def is_known(remote, path):
    """Whether a file is, by its sha256, the published one."""
    return pooch.file_hash(path) == remote.sha256


def _size(remote):
    return " (%s)" % sources.size_in_words(remote.size) if remote.size else ""


class _Downloader:
    """What pooch calls for each try: (address, file to write, pooch's own object).

    Attributes:
      failure: why the last try failed, in a clause; None before the first.
    """

    def __init__(self, remote, options):
        self._remote = remote
        self._options = options
        self._tries = 0
        self.failure = None

    def __call__(self, url, output_file, store):
        self._tries += 1
        if self.failure:
            print(
                "%s: %s; try %d of %d"
                % (
                    self._remote.name,
                    self.failure,
                    self._tries,
                    self._options.retries + 1,
                ),
                flush=True,
            )
        try:
            self._get(url, output_file, store)
        except (requests.exceptions.RequestException, ValueError) as error:
            self.failure = _reason(error)
            if _is_settled(error):
                raise RefusedError("%s: %s; %s" % (url, self.failure, _ELSE)) from None
            raise
        # pooch compares the hash next: what fails now is that.
        self.failure = "the sha256 of what came is not the known one"

    def _get(self, url, output_file, store):
        bar = _Bar(output_file, self._remote)
        http = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=_CHUNK,
            timeout=self._options.timeout,
            # Packed on the way, a file would have another length than is announced.
            headers={"Accept-Encoding": "identity"},
        )
        try:
            http(url, output_file, store)
        finally:
            bar.close()
        bar.check_whole()


class _Bar:
    """The progress bar that pooch is given; it also minds how much has come.

    It looks at the file, because pooch counts the last piece as a whole one.

    Attributes:
      total: bytes that the server announces, set by pooch; 0 where it announces none.
    """

    def __init__(self, path, remote):
        self.total = 0
        self._path = path
        self._expected = remote.size
        self._most = remote.size or unpack.MOST_BYTES
        # Without a terminal there is nothing to draw on.
        self._drawn = tqdm(
            total=remote.size,
            desc=remote.name,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
        )

    def update(self, _):
        came = os.path.getsize(self._path)
        if came > self._most:
            raise ValueError(
                "the server sends more than the %s bytes of the file"
                % format(self._most, ",")
            )
        if not self._drawn.disable:
            self._drawn.total = self._expected or self.total or None
            self._drawn.update(came - self._drawn.n)

    def reset(self):
        pass

    def close(self):
        self._drawn.close()

    def check_whole(self):
        """Raises ValueError where fewer bytes came than known or announced."""
        came = os.path.getsize(self._path)
        expected = self._expected or self.total
        if expected and came != expected:
            raise ValueError(_too_few(came, expected))


def _too_few(came, expected):
    return "%s of %s bytes came" % (format(came, ","), format(expected, ","))


def _is_settled(error):
    if isinstance(error, requests.exceptions.HTTPError):
        return error.response.status_code not in _PASSING
    return isinstance(error, _SETTLED)


def _reason(error):
    """Why a try failed, in a clause."""
    kinds = requests.exceptions
    if isinstance(error, kinds.HTTPError):
        answer = error.response
        return "the server answers %d %s" % (answer.status_code, answer.reason)
    if isinstance(error, kinds.TooManyRedirects):
        return "the server redirects in a circle"
    if isinstance(error, kinds.Timeout) or "timed out" in str(error):
        return "the server does not answer in time"
    if isinstance(error, kinds.SSLError):
        return "its certificate cannot be trusted (%s)" % _innermost(error)
    cut_off = re.search(r"IncompleteRead\((\d+) bytes read, (\d+) more", str(error))
    if cut_off:
        came, lacking = map(int, cut_off.groups())
        return _too_few(came, came + lacking)
    if isinstance(error, (kinds.ConnectionError, kinds.ChunkedEncodingError)):
        return "the connection failed (%s)" % _innermost(error)
    return " ".join(str(error).split())


def _innermost(error):
    """The last words of an error that wraps others, without their Python."""
    text = " ".join(str(error).split())
    numbered = re.findall(r"\[Errno -?\d+\] ([^'\")]+)", text)
    return numbered[-1] if numbered else text.split(": ")[-1].strip("'\")( ,")
