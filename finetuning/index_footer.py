"""The end of a checkpoint's `.index`: sizes that TensorFlow believes unseen.

The file is a table of blocks, each with a checksum, but for its last 48 bytes: the
places of two blocks and a magic number. A damaged size there has TensorFlow ask for
that much memory, which ends the process. The format:
https://github.com/google/leveldb/blob/main/doc/table_format.md
"""

from finetuning import files

_LENGTH = 48
_MAGIC = bytes.fromhex("57fb808b247547db")
_BLOCK_TRAILER = 5  # A byte for the kind of compression, four of checksum.


def damage(path):
    """Why an index must not be given to TensorFlow, or None; it finds other faults.

    Args:
      path: the `.index` file; it need not exist.

    Raises:
      InputError: it cannot be read.
    """
    if not files.exists(path):
        return None
    with files.opened(path) as file:
        content = file.read()
    footer = content[-_LENGTH:]
    if len(footer) < _LENGTH or not footer.endswith(_MAGIC):
        return None
    numbers = _numbers(footer)
    if len(numbers) < 4:
        return "the end of its .index names no blocks"
    within = len(content) - _LENGTH - _BLOCK_TRAILER
    if numbers[0] + numbers[1] > within or numbers[2] + numbers[3] > within:
        return "a block of its .index lies outside"
    return None


def _numbers(footer):
    """Offset and size of two blocks: numbers of 7 bits a byte, the lowest first."""
    numbers, value, shift = [], 0, 0
    for byte in footer[: -len(_MAGIC)]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value, shift = 0, 0
    return numbers[:4]
