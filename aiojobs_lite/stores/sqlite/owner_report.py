"""The report of an owner: a file beside that of its lock, which is there while the owner has something to report.

It has no lock, so that any process may open it, that of the owner too. Others may put something else under its name:
that is never followed, written or waited for, as `owner_file` says.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from aiojobs_lite.sizes import LARGEST_REPORT_BYTES
from aiojobs_lite.stores.sqlite import owner_file

REPORT: Final = ".report"
"""Behind the name of the file of the lock."""

_NEW: Final = ".new"  # behind that, until it is written
_TO_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_report(lock: Path, text: str) -> None:
    """Leaves a report, whole, in place of the one before; an empty one leaves none.

    Args:
        lock: The file of the owner's lock.
        text: The report.

    Raises:
        OSError: If it cannot be written.
    """
    if not text:
        _path(lock).unlink(missing_ok=True)
        return
    new = _path(lock, _NEW)
    new.unlink(missing_ok=True)
    descriptor = os.open(new, _TO_WRITE, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(_path(lock))


def read_report(lock: Path, own: Collection[owner_file.FileId]) -> str:
    """The report of an owner; empty if there is none.

    Args:
        lock: The file of the owner's lock.
        own: The files of this process, which must not be opened.

    Raises:
        OSError: If it cannot be read, or if something else has its name.
        UnicodeDecodeError: If it is no text.
    """
    try:
        descriptor = owner_file.opened(_path(lock), own, flags=_TO_READ, longest=LARGEST_REPORT_BYTES)
    except FileNotFoundError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(LARGEST_REPORT_BYTES).decode()


def remove_report(lock: Path) -> None:
    """Removes what is left of a report; what cannot be removed, such as a folder of its name, is left alone."""
    for path in (_path(lock), _path(lock, _NEW)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _path(lock: Path, more: str = "") -> Path:
    return Path(f"{lock}{REPORT}{more}")
