"""The database file: creating and guarding it, and telling passing faults from lasting ones.

The file is never opened here but through SQLite: closing any other descriptor of it would drop SQLite's locks.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import time
from pathlib import Path
from typing import Final

from aiojobs_lite.errors import StoreError, StoreRefused, StoreRejected, StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.stores.sqlite.mounts import is_mount_point, mount_of

_log = get_log("store")
BUSY_TIMEOUT_S = 5.0  # that a transaction waits for another process's
LARGEST_LOG = 16 * 2**20  # bytes of the write-ahead log that are kept when it begins anew; more than it mostly needs
_OLDEST = (3, 33, 0)  # UPDATE ... FROM
_COARSE_CLOCK_NS = 100_000_000  # two changes of a file within a tick of the kernel may bear the same time

_PASSING = tuple(
    f"SQLITE_{name}"
    for name in (
        "BUSY", "LOCKED", "FULL", "IOERR", "READONLY", "CANTOPEN", "NOMEM", "PROTOCOL", "CORRUPT", "NOTADB", "INTERRUPT"
    )
)  # fmt: skip

# What is refused for a cause outside of the library, and what to do then. All else is a defect.
_ADVICE: Final = (
    (
        re.compile(r"SQLITE_SCHEMA|SQLITE_ERROR: (no such (table|column|index)|table \S+ has no column)"),
        "Another release of aiojobs_lite has migrated its tables meanwhile, or another program has changed them. "
        "Restart this program with the release that the others use.",
    ),
    (
        re.compile(r"SQLITE_TOOBIG"),
        "It is larger than this SQLite stores: keep the data elsewhere, and give the job its path or key.",
    ),
    (
        re.compile(r"UnicodeEncodeError"),
        "A text has half a surrogate pair in it, which no database stores: take it out.",
    ),
)


def translated(error: Exception) -> StoreError:
    """The library's error for one that SQLite or its driver raised."""
    code: str = getattr(error, "sqlite_errorname", None) or type(error).__name__
    if code.startswith(_PASSING):
        return StoreUnavailable(code, str(error))
    detail = f"{code}: {error}"
    advice = next((advice for pattern, advice in _ADVICE if pattern.match(detail)), None)
    return StoreRejected(detail) if advice is None else StoreRejected(detail, advice)


def create(path: Path) -> None:
    """Makes sure that there is a file that only its owner can read; the -wal and -shm files copy its mode.

    Raises:
        StoreRefused: If there cannot be one.
    """
    try:
        if not is_usable(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return  # another process was quicker
    except OSError as error:
        raise StoreRefused(
            str(path), "unreadable", f"It cannot be created: {error.strerror}. {remedy(error)}"
        ) from error


def check_existing(path: Path) -> None:
    """Checks that there is a file that can be a database; makes none.

    Raises:
        StoreRefused: If there is none, or it cannot be one.
    """
    try:
        if not is_usable(path):
            advice = "Name the file that the application uses; its first start makes it."
            raise StoreRefused(str(path), "missing file", advice)
    except OSError as error:
        advice = f"It cannot be looked at: {error.strerror}. {remedy(error)}"
        raise StoreRefused(str(path), "unreadable", advice) from error


def is_usable(path: Path) -> bool:
    """Whether there is a file that can be a database.

    Raises:
        StoreRefused: If something stands in its place that cannot be one, or none can be made there.
        OSError: If it cannot be looked at.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        advice = f"SQLite {sqlite3.sqlite_version} is too old, {'.'.join(map(str, _OLDEST))} or newer is needed."
        raise StoreRefused(str(path), "old library", advice)
    if not path.parent.is_dir():
        raise StoreRefused(str(path), "missing directory", f"Create {path.parent} first.")
    if not path.exists():
        return False
    if not path.is_file():
        raise StoreRefused(str(path), "not a file", "Name a file, such as app.db.")
    if path.stat().st_nlink > 1:
        advice = "It has several names (hard links), and its log would be kept beside each. Leave it one."
        raise StoreRefused(str(path), "several names", advice)
    if is_mount_point(path):
        advice = "It is mounted alone, and its log would be kept beside each mount. Mount the folder instead."
        raise StoreRefused(str(path), "mount point", advice)
    if path.stat().st_size == 0 and size_of(f"{path}-wal"):
        advice = "It was emptied, and SQLite would now delete its log: restore it, or move both away."
        raise StoreRefused(str(path), "corrupt", advice)
    return True


def remedy(error: OSError) -> str:
    """What to do about a file that cannot be made or opened."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "Raise the limit of open files (`ulimit -n`), or close some."
    return "The file and its directory must be writable by this user."


def warn_of_network(path: Path) -> None:
    """Logs that the file lies on a file system over a network, if it does."""
    mount = mount_of(path)
    if mount is not None and mount.is_network:
        text = "%s lies on a network file system (%s at %s): jobs may be lost or run twice. Move it to a local disk"
        _log.warning(text, path, mount.kind, mount.point)


def prove_writable(connection: sqlite3.Connection) -> None:
    """Writes one page, to what it holds already: a transaction that writes nothing succeeds on a full disk. Only the
    numbers in the header are written by SQLite although they stay the same; a row would not be.
    """
    ((number,),) = connection.execute("PRAGMA user_version").fetchall()  # the application's, if the file is shared
    connection.execute(f"PRAGMA user_version = {number}")


def size_of(path: str) -> int:
    """The size of a file, in bytes; 0 if there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


class Guard:
    """Notices that the file was deleted, emptied or replaced under the open connection, which SQLite does not.

    Each commit looks at the folder alone, and at the files only if something has changed in it: a file system with
    fine time stamps would write those of the log for each write after a look, which makes a commit half as slow again.

    Attributes:
        log_size: Bytes of the write-ahead log at the last close look.
    """

    def __init__(self, path: Path) -> None:
        self._folder = str(path.parent)
        self._paths = (str(path), f"{path}-wal")
        self._found: list[tuple[int, int] | None] = [None, None]
        self._settled: tuple[int, int, int] | None = None
        self.log_size = 0

    def check(self) -> None:
        """Compares the files with those found first, after a commit.

        Raises:
            StoreUnavailable: If one was deleted or replaced: what was committed since may be gone.
        """
        folder = self._state_of_folder()
        if folder is None or folder != self._settled:
            self.check_closely()
        self._settled = folder

    def check_closely(self) -> None:
        """The same in any case; now and then, for a file that was emptied."""
        for index, path in enumerate(self._paths):
            try:
                status = os.stat(path)
            except OSError:
                found = None
            else:
                is_emptied = index == 0 and status.st_size == 0
                self.log_size = status.st_size  # the log is the last of them
                found = None if is_emptied else (status.st_dev, status.st_ino)
            if self._found[index] is None:
                self._found[index] = found
            elif self._found[index] != found:
                raise StoreUnavailable("REPLACED", f"{path} was deleted, emptied or replaced while it was open")

    def _state_of_folder(self) -> tuple[int, int, int] | None:
        """Something that is another after a change in the folder; None if it would not tell of one that comes now."""
        try:
            status = os.stat(self._folder)
        except OSError:
            return None
        is_settled = status.st_mtime_ns < time.time_ns() - _COARSE_CLOCK_NS
        return (status.st_dev, status.st_ino, status.st_mtime_ns) if is_settled else None
