"""Random access to the records of a TFRecord file, without loading it into memory.

The format is that of tensorflow/core/lib/io/record_writer.h: length (uint64, little
endian), CRC of the length (uint32), the record, CRC of the record (uint32).
"""

import contextlib
import os
import shutil
import tempfile
import weakref
import zlib

import numpy as np

from finetuning.utils import files
from finetuning.utils.errors import InputError

_HEAD, _TAIL = 12, 4
_BUFFER = 1 << 20


class RecordReader:
    """An open TFRecord file, with the offset and a checksum of each record.

    A record that has changed since it was written is an error. Replacing the file by
    another of the same name does no harm. A remote file is first copied to the local
    temporary directory. Takes 12 bytes of memory per record. Several threads may read
    at once.
    """

    def __init__(self, path, lengths, checksums, name=None):
        """Opens the file.

        Args:
          path: the file.
          lengths: length in bytes of each record.
          checksums: `zlib.crc32` of each record.
          name: how messages name the file; None: by its path.
        """
        self._name = name or path
        self._file = _open(path)
        weakref.finalize(self, self._file.close)
        self._ends = np.cumsum(np.array(lengths, np.uint64) + np.uint64(_HEAD + _TAIL))
        self._checksums = np.array(checksums, np.uint32)

    def read(self, positions):
        """Reads the records at these positions, counted from 0.

        Returns:
          List of bytes.

        Raises:
          InputError: a record has changed since it was written.
        """
        positions = np.asarray(positions, np.int64)
        ends = self._ends[positions]
        starts = np.where(positions > 0, self._ends[positions - 1], 0)
        arrays = (positions, starts + _HEAD, ends - _TAIL, self._checksums[positions])
        # As Python ints, which are ten times as fast as numpy's here.
        lists = [array.tolist() for array in arrays]
        return [self._read_one(*row) for row in zip(*lists)]

    def _read_one(self, position, start, end, checksum):
        record = os.pread(self._file.fileno(), end - start, start)
        if zlib.crc32(record) != checksum:
            raise InputError(
                "%s was changed while in use, at record %d: another program is writing "
                "to it; stop that program and rerun the same command"
                % (self._name, position)
            )
        return record


def _open(path):
    """Opens a file for random access; a remote one as a local copy."""
    if not files.is_remote(path):
        return open(path, "rb", buffering=0)
    with contextlib.ExitStack() as on_failure:
        local = on_failure.enter_context(tempfile.TemporaryFile())
        with files.open_binary(path) as remote:
            shutil.copyfileobj(remote, local, _BUFFER)
        local.flush()
        on_failure.pop_all()
    return local
