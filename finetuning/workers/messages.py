"""Messages of authenticated connections: a JSON value and arrays, never pickle."""

import json
import struct

import numpy as np

from finetuning.workers import sockets

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
    text = as_json([value, len(arrays)]).encode("ascii")
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


def as_json(value):
    return json.dumps(value, separators=(",", ":"))
