"""A program in a terminal, and what can be read there when it has ended."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

COLUMNS, ROWS = 80, 24


def run(command, cwd=None, rows=ROWS):
    """Runs a command in a terminal of 80 columns.

    Returns:
      Its exit status, and the lines that stay on the screen, as a list of str.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", rows, COLUMNS, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    process = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, cwd=cwd, env=environment
    )
    os.close(its)
    written = []
    while True:
        try:
            written.append(os.read(ours, 65536))
        except OSError:  # The last process that had it open has ended.
            break
        if not written[-1]:
            break
    os.close(ours)
    return process.wait(), shown(b"".join(written).decode("utf-8"))


def shown(text):
    """The lines that a text leaves on a terminal: wrapped, and written over."""
    rows, row, column = [[]], 0, 0
    text = text.replace("\x1b[A", "\x1b")  # Cursor up, which tqdm uses.
    for char in text:
        if char == "\r":
            column = 0
        elif char == "\x1b":
            row -= 1
        elif char == "\n" or column == COLUMNS:
            row += 1
            column = 0 if char != "\n" else column
        if char in "\r\n\x1b":
            rows += [[] for _ in range(row + 1 - len(rows))]
            continue
        rows += [[] for _ in range(row + 1 - len(rows))]
        rows[row] += " " * (column + 1 - len(rows[row]))
        rows[row][column] = char
        column += 1
    return ["".join(cells).rstrip() for cells in rows]
