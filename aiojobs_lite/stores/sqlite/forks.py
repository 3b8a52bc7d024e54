"""Files that were open when this process was forked: SQLite must not use them in the forked process.

SQLite notes which locks a process has on each file, once for all its connections. A fork copies these notes, and none
of the locks. So SQLite takes locks in the forked process for held that are not, as long as one of the copied
connections is there, and these must not even be closed. The last other process that closes the file then finds no lock,
and deletes the log under the forked process: jobs are lost that were acknowledged.

- The library knows of its own connections, on every system, before SQLite opens the file.
- A connection of the application's own shows by what the system says (Linux): SQLite reads, and there is no lock.

SQLite has locks in memory as well, for all connections of a process. One that another thread has at the fork is never
given back in the forked process, where all that uses SQLite, whatever the file, would wait for ever. So a fork waits
for the transactions of the library's connections.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Collection
from pathlib import Path
from threading import Thread
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.origin import count_forks
from aiojobs_lite.stores.sqlite.owner_file import FileId, descriptors_of, file_ids

LOCKS: Final = "/proc/self/fdinfo"  # of Linux; see proc_pid_fdinfo(5)
_LOCK: Final = "lock:"
_OF_A_RUNNER: Final = (
    "A runner had it open when this process was forked, and SQLite cannot use it here: jobs would be lost. Start "
    "runners after the fork, or stop them before it; or start this process by spawn or forkserver."
)
_OF_THE_APPLICATION: Final = (
    "SQLite has no lock on it here, and does not know that: jobs would be lost. A connection of the application was "
    "open when this process was forked: connect after the fork, or close it before (`engine.dispose()` of SQLAlchemy). "
    "Or the file itself was opened and closed here, not by SQLite: do not."
)
PATIENCE_S: Final = 0.5  # that a fork waits; what takes longer waits for another program, and has no lock meanwhile


class Opened(NamedTuple):
    """An open connection: its file, or None in memory, and a lock that is taken while it uses SQLite."""

    file: FileId | None
    lock: threading.Lock


OPENED_BY_THREAD: Final[WeakKeyDictionary[Thread, Opened]] = WeakKeyDictionary()
"""Each open connection of this process, for as long as its thread exists."""
INHERITED_FILES: Final[set[FileId]] = set()
"""The files that the processes which this one was forked from had open then."""


def _watch_forks() -> None:
    """Has each fork wait until no connection uses SQLite, and notes in the forked process what was open."""
    forking = threading.local()

    def before() -> None:
        deadline = time.monotonic() + PATIENCE_S
        locks = [opened.lock for opened in list(OPENED_BY_THREAD.values())]
        forking.locks = [lock for lock in locks if lock.acquire(timeout=max(0, deadline - time.monotonic()))]

    def after_in_parent() -> None:
        for lock in forking.locks:
            lock.release()

    def after_in_child() -> None:
        INHERITED_FILES.update(opened.file for opened in OPENED_BY_THREAD.values() if opened.file is not None)
        OPENED_BY_THREAD.clear()

    os.register_at_fork(before=before, after_in_parent=after_in_parent, after_in_child=after_in_child)


_watch_forks()


def note_open(thread: Thread, database: str) -> threading.Lock:
    """Notes that the connection of a thread is about to be opened; returns its lock."""
    lock = threading.Lock()
    OPENED_BY_THREAD[thread] = Opened(next(iter(file_ids((database,), ())), None), lock)
    return lock


def note_closed(thread: Thread) -> None:
    """Notes that it was closed."""
    OPENED_BY_THREAD.pop(thread, None)


def check_inherited(path: Path) -> None:
    """Checks that no runner had a file open when this process was forked; opens nothing.

    Raises:
        StoreRefused: If one had.
    """
    if INHERITED_FILES and not INHERITED_FILES.isdisjoint(file_ids((str(path),), ())):
        raise StoreRefused(str(path), "open over a fork", _OF_A_RUNNER)


def check_lock(database: str) -> None:
    """Checks that this process has the lock that SQLite takes it to have. To be called in a transaction that has read.

    Raises:
        StoreRefused: If it has none, in a forked process.
    """
    if count_forks() and _is_without_lock(database):
        raise StoreRefused(database, "open over a fork", _OF_THE_APPLICATION)


def _is_without_lock(database: str) -> bool:
    """Whether the system says that this process has no lock on a file; not if it says nothing of locks there."""
    try:
        opened = {found for file in file_ids((database,), ()) for found in descriptors_of(file)}
        return bool(opened) and not _have_lock(opened) and _are_locks_shown(Path(database).parent)
    except OSError:
        return False


def _have_lock(descriptors: Collection[int]) -> bool:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # it was closed meanwhile, or the system has no such table
            if _LOCK in Path(LOCKS, str(descriptor)).read_text():
                return True
    return False


def _are_locks_shown(folder: Path) -> bool:
    """Whether the system shows locks of this process in a folder: a lock on a file without a name is."""
    with tempfile.TemporaryFile(dir=folder) as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _have_lock([file.fileno()])
