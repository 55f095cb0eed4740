"""Grey pictures as PNG, from arrays.

https://www.w3.org/TR/png/, sections 5 and 9. matplotlib would draw axes around each
head and resample it; here a pixel is a weight, which the page's script reads again.
"""

import base64
import struct
import zlib

import numpy as np


def png(pixels):
    """The bytes of a PNG file.

    Args:
      pixels: uint8 [rows, columns]; 0 is black.
    """
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    # Each row begins with its filter, 0.
    rows = np.zeros((height, width + 1), np.uint8)
    rows[:, 1:] = pixels
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*chunk)
        for chunk in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(rows.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def data_url(pixels):
    """The picture as a URL that contains it."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def mosaic(tiles, gap):
    """Puts tiles beside and below each other, with grey lines between them.

    Args:
      tiles: uint8 [rows, columns, height, width].
      gap: the width of the lines, in pixels.

    Returns:
      Uint8 [rows * (height + gap), columns * (width + gap)].
    """
    rows, columns, height, width = tiles.shape
    shape = (rows, height + gap, columns, width + gap)
    pixels = np.full(shape, 160, np.uint8)
    pixels[:, :height, :, :width] = tiles.transpose(0, 2, 1, 3)
    return pixels.reshape(rows * (height + gap), columns * (width + gap))
