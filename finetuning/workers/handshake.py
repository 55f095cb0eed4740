"""Mutual authentication of a new connection, before anything else is read from it.

Both sides prove that they know the secret by an HMAC-SHA256 over random numbers of both
sides and over what the worker says about itself:

  worker -> worker 0: MAGIC, nonce
  worker 0 -> worker: MAGIC, nonce
  worker -> worker 0: claim, HMAC
  worker 0 -> worker: answer, HMAC

All of them have a fixed size. Without --cluster_secret_file the secret is empty; then
this keeps out only what does not speak the protocol.
"""

import hashlib
import hmac
import os
import socket
import stat
import struct
from typing import NamedTuple

from finetuning.utils import files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from finetuning.workers import sockets

# Seconds within which the other side must have proved itself.
SECONDS = 5.0
ACCEPTED, OTHER_WORKERS, STARTED = range(3)
# What a connection is for: messages of the main threads, or noticing a lost worker.
DATA, WATCH = range(2)
# The line ends make an HTTP server answer at once.
_MAGIC = b"bert-workers/1\r\n"
_NONCE_BYTES = 32
_PROOF_BYTES = 32
_CLAIM = struct.Struct(">IB32s")
_ANSWER = struct.Struct(">B")


class StrangerError(Exception):
    """What connected is no worker of this run; the message says why."""


class NotReadyError(Exception):
    """Nothing answered at the address; worker 0 may still be starting."""


class Claim(NamedTuple):
    """What a worker says about a connection.

    Attributes:
      index: of the worker.
      purpose: DATA or WATCH.
      digest: of the addresses of all workers, 32 bytes.
    """

    index: int
    purpose: int
    digest: bytes


def digest(addresses):
    """A hash of the addresses of all workers, which must be the same on all of them."""
    lines = [addresses.text(index) for index in range(len(addresses.addresses))]
    return hashlib.sha256("\n".join(lines).encode("utf-8")).digest()


def read_secret(path):
    """Reads --cluster_secret_file, without blanks and line ends around the secret.

    Args:
      path: of the file, or None.

    Returns:
      bytes; empty if there is no file.

    Raises:
      InputError: the file is missing or empty.
    """
    if path is None:
        return b""
    shown = "--cluster_secret_file=%s" % path
    files.require_file(shown, path)
    with files.open_binary(path) as file:
        secret = file.read().strip()
    if not secret:
        raise InputError(
            "%s is empty; write a random secret into it, the same on all workers"
            % shown
        )
    if not files.is_remote(path) and os.stat(path).st_mode & stat.S_IROTH:
        log.warning("%s can be read by all users of this machine; chmod 600 it", shown)
    return secret


def introduce(sock, secret, claim):
    """The worker's side.

    Args:
      sock: connected to worker 0.
      secret: bytes.
      claim: `Claim`.

    Returns:
      ACCEPTED, OTHER_WORKERS or STARTED.

    Raises:
      NotReadyError: the other side closed the connection or said nothing.
      StrangerError: the other side is no worker 0, or has another secret.
    """
    deadline = sockets.Deadline(SECONDS)
    own_nonce = os.urandom(_NONCE_BYTES)
    try:
        sock.sendall(_MAGIC + own_nonce)
        magic = sockets.receive(sock, len(_MAGIC), deadline)
    except socket.timeout:
        raise NotReadyError("it accepts connections, but does not answer") from None
    except (OSError, EOFError):
        raise NotReadyError("it closed the connection") from None
    if magic != _MAGIC:
        raise StrangerError("another program answers there")
    try:
        nonces = own_nonce + sockets.receive(sock, _NONCE_BYTES, deadline)
        body = _CLAIM.pack(*claim)
        sock.sendall(body + _proof(secret, b"worker", nonces + body))
        answer = sockets.receive(sock, _ANSWER.size, deadline)
        proof = sockets.receive(sock, _PROOF_BYTES, deadline)
    except (OSError, EOFError):
        raise StrangerError("it did not accept the secret") from None
    if not hmac.compare_digest(proof, _proof(secret, b"chief", nonces + body + answer)):
        raise StrangerError("it does not know the secret")
    return _ANSWER.unpack(answer)[0]


def examine(sock, secret):
    """The side of worker 0.

    Args:
      sock: a connection.
      secret: bytes.

    Returns:
      `Claim`, and a function that sends the answer (ACCEPTED or another).

    Raises:
      StrangerError: the other side is no worker of this run.
    """
    deadline = sockets.Deadline(SECONDS)
    own_nonce = os.urandom(_NONCE_BYTES)
    try:
        if sockets.receive(sock, len(_MAGIC), deadline) != _MAGIC:
            raise StrangerError("it is another program")
        nonces = sockets.receive(sock, _NONCE_BYTES, deadline) + own_nonce
        sock.sendall(_MAGIC + own_nonce)
        body = sockets.receive(sock, _CLAIM.size, deadline)
        proof = sockets.receive(sock, _PROOF_BYTES, deadline)
    except socket.timeout:
        raise StrangerError("it said nothing for %g seconds" % SECONDS) from None
    except (OSError, EOFError):
        raise StrangerError("it closed the connection") from None
    if not hmac.compare_digest(proof, _proof(secret, b"worker", nonces + body)):
        raise StrangerError("it has another --cluster_secret_file")

    def reply(answer):
        content = _ANSWER.pack(answer)
        sock.sendall(content + _proof(secret, b"chief", nonces + body + content))

    return Claim(*_CLAIM.unpack(body)), reply


def _proof(secret, role, content):
    return hmac.new(secret, role + content, hashlib.sha256).digest()
