"""Messages of authenticated connections: a JSON value and arrays, never pickle."""

import contextlib
import json
import socket
import struct

import numpy as np

from finetuning.workers import sockets

BYE, ENDED = "bye", "ended"
_LENGTH = struct.Struct(">I")


class _File:
    """The part of a file that NumPy needs to read and write arrays."""

    def __init__(self, sock):
        self._sock = sock

    def read(self, size):
        return sockets.receive(self._sock, size)

    def write(self, content):
        self._sock.sendall(content)


def send(sock, value, arrays=()):
    """Sends a JSON value and a sequence of arrays.

    Raises:
      TypeError: the value is not JSON.
      ValueError: an array contains Python objects.
      OSError: the connection broke.
    """
    text = json.dumps([value, len(arrays)]).encode("ascii")
    sock.sendall(_LENGTH.pack(len(text)) + text)
    for array in arrays:
        np.lib.format.write_array(_File(sock), np.asarray(array), allow_pickle=False)


def receive(sock):
    """Receives what `send` sent.

    Returns:
      The value and a list of arrays.

    Raises:
      EOFError: the other side closed the connection.
      OSError: the connection broke.
    """
    (size,) = _LENGTH.unpack(sockets.receive(sock, _LENGTH.size))
    value, count = json.loads(sockets.receive(sock, size).decode("ascii"))
    file = _File(sock)
    return value, [
        np.lib.format.read_array(file, allow_pickle=False) for _ in range(count)
    ]


def send_last(sock, kind, line):
    """Sends the only message of a connection that watches a worker, if it still can.

    Args:
      sock: the connection.
      kind: BYE or ENDED.
      line: for the user of the other side, if it ends that one, too.
    """
    with contextlib.suppress(OSError):
        send(sock, [kind, line])
        sockets.shut_down(sock, socket.SHUT_WR)


def through_json(value):
    """The value as it arrives on another worker, with lists for tuples."""
    return json.loads(json.dumps(value))
