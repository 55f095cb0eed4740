"""Reading any record of a TFRecord file, without holding the file in memory.

The format is that of tensorflow/core/lib/io/record_writer.h: length (uint64, little
endian), CRC of the length (uint32), the record, CRC of the record (uint32).
"""

import contextlib
import os
import shutil
import struct
import tempfile
import weakref
import zlib

import numpy as np

from finetuning.utils import files
from finetuning.utils.errors import InputError

_LENGTH = struct.Struct("<Q")
_HEAD, _TAIL = 12, 4
_BUFFER = 1 << 20


class RecordReader:
    """A TFRecord file that was opened once, and where its records stand.

    What is read is compared with what stood there when the file was opened, by a
    checksum: a file that is changed meanwhile is an error, not other data. One that is
    replaced by another of its name does no harm. A file that is not local is copied to
    the local temporary directory first. In memory are 12 bytes a record.
    """

    def __init__(self, path, count):
        """Opens the file and passes through it once.

        Args:
          path: the file.
          count: records in it.

        Raises:
          InputError: it holds another number of records, or ends within one.
        """
        self._path = path
        self._file = _open(path)
        weakref.finalize(self, self._file.close)
        self._starts = np.zeros(count + 1, np.uint64)
        self._checksums = np.zeros(count, np.uint32)
        found = self._index()
        if found != count:
            how = "holds %d records where %d were written" % (found, count)
            raise self._damaged(how)

    def read(self, places):
        """The records at these places, counted from 0, as a list of bytes.

        Raises:
          InputError: one is no longer what it was.
        """
        places = np.asarray(places, np.int64)
        starts, ends = self._starts[places], self._starts[places + 1]
        # As Python's own ints, which cost a tenth of numpy's.
        lists = [a.tolist() for a in (places, starts, ends, self._checksums[places])]
        return [self._read_one(*row) for row in zip(*lists)]

    def _read_one(self, place, start, end, checksum):
        self._file.seek(start)
        record = self._file.read(end - start)
        if zlib.crc32(record) != checksum:
            raise self._damaged("was changed while it was read, at record %d" % place)
        return record[_HEAD:-_TAIL]

    def _index(self):
        """Fills starts and checksums; returns the number of records."""
        found = end = 0
        with open(self._file.fileno(), "rb", _BUFFER, closefd=False) as file:
            for record in self._records(file):
                if found == len(self._checksums):
                    return found + sum(1 for _ in self._records(file)) + 1
                self._checksums[found] = zlib.crc32(record)
                end += len(record)
                found += 1
                self._starts[found] = end
        return found

    def _records(self, file):
        """Yields each record, with what stands around it."""
        size = os.fstat(file.fileno()).st_size
        head = file.read(_HEAD)
        while head:
            # A length that was damaged is looked at before so much is asked for.
            left = _LENGTH.unpack(head[:8])[0] + _TAIL if len(head) == _HEAD else size
            if file.tell() + left > size:
                raise self._damaged("ends within a record")
            yield head + file.read(left)
            head = file.read(_HEAD)

    def _damaged(self, how):
        return InputError(
            "%s %s: something else writes to it; see that nothing does, and start the "
            "same command again" % (self._path, how)
        )


def _open(path):
    """A local file to read at any place."""
    if not files.is_remote(path):
        return open(path, "rb", buffering=0)
    with contextlib.ExitStack() as on_failure:
        local = on_failure.enter_context(tempfile.TemporaryFile())
        with files.open_binary(path) as remote:
            shutil.copyfileobj(remote, local, _BUFFER)
        local.seek(0)  # Which also writes what is still in its buffer.
        on_failure.pop_all()
    return local
