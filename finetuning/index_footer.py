"""The end of a checkpoint's `.index`: sizes that TensorFlow believes unseen.

The file is a table of blocks, each with a checksum, but for its last 48 bytes: the
places of two blocks and a magic number. A damaged size there has TensorFlow ask for
that much memory, which ends the process. The format:
https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from finetuning import files
from finetuning.errors import InputError

_LENGTH = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_BLOCK_TRAILER = 5  # A byte for the kind of compression, four of checksum.


def check(path):
    """Refuses an index whose blocks do not lie within it; other faults pass.

    Args:
      path: the `.index` file; it need not exist.

    Raises:
      InputError: it is damaged, or cannot be read.
    """
    if not files.exists(path):
        return
    with files.opened(path) as file:
        content = file.read()
    footer = content[-_LENGTH:]
    if len(footer) < _LENGTH or not footer.endswith(_MAGIC):
        return
    for offset, size in _blocks(path, footer):
        if offset + size + _BLOCK_TRAILER > len(content) - _LENGTH:
            raise InputError("%s is damaged: a block of it lies outside" % path)


def _blocks(path, footer):
    """Offset and size of the footer's two blocks: four numbers of 7 bits a byte."""
    numbers, value, shift = [], 0, 0
    for byte in footer[: -len(_MAGIC)]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value, shift = 0, 0
        if len(numbers) == 4:
            return numbers[:2], numbers[2:]
    raise InputError("%s is damaged: its end names no blocks" % path)
