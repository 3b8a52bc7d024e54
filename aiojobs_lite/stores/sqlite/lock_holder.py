"""Which process may write a database now and lets no other: as Linux lists its locks, for a person who looks for it.

In WAL mode a writer holds a lock on one byte of the shared memory of the log (https://sqlite.org/walformat.html). The
file itself is not opened: closing it would drop the locks of this process.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from aiojobs_lite.text import escape, redact, shorten

LOCK_TABLE: Final = Path("/proc/locks")  # see proc_locks(5)
_LONGEST_COMMAND_CHARS: Final = 100

_WRITERS_BYTE: Final = 120
_MOST_BYTES: Final = 1_000  # of a command line
_LOCK: Final = re.compile(r"\d+: POSIX +ADVISORY +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (\d+)")


def lock_holder(path: Path) -> str:
    """The process that holds the lock of writers, `pid 123 (python x.py)`; empty where that cannot be known.

    Args:
        path: The database.
    """
    try:
        status = os.stat(f"{path}-shm")
        table = LOCK_TABLE.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):  # no Linux, or no such file: there is nothing to be known
        return ""
    file = (os.major(status.st_dev), os.minor(status.st_dev), status.st_ino)
    for pid, major, minor, inode, first, last in _LOCK.findall(table):
        if (int(major, 16), int(minor, 16), int(inode)) == file and int(first) <= _WRITERS_BYTE <= int(last):
            return f"pid {pid}{_command(pid)}"
    return ""


def _command(pid: str) -> str:
    """The command line of a process; empty if it is gone, or another user may not read it."""
    try:
        found = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    words = found[:_MOST_BYTES].replace(b"\0", b" ").decode(errors="backslashreplace").strip()
    return f" ({escape(shorten(redact(words), _LONGEST_COMMAND_CHARS))})" if words else ""
