"""After every test: no thread, no task, no descriptor is left, and the database is sound."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # a timed test fails on a busy machine
settings.load_profile("house")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

ANYIO_POOL = "AnyIO process pool shutdown task"  # lives as long as the event loop, which then ends its processes


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Threads and descriptors are the same after a test as before it."""
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
    left = [thread.name for thread in set(threading.enumerate()) - threads]
    assert not left, f"threads left behind: {left}"
    if _descriptors() - descriptors:
        gc.collect()
    assert not _descriptors() - descriptors, "descriptors left open"


@pytest.fixture(autouse=True)
async def no_task_left(nothing_left_open: None) -> AsyncIterator[None]:
    """No task of a test outlives it."""
    before = asyncio.all_tasks()
    yield
    await asyncio.get_running_loop().shutdown_default_executor()  # the loop's own threads, for asyncio.to_thread
    allowed = (asyncio.current_task(), *(task for task in asyncio.all_tasks() if task.get_name() == ANYIO_POOL))
    left = [task for task in asyncio.all_tasks() - before if task not in allowed]
    assert not left, f"tasks left behind: {left}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Path of a database that does not exist yet; checked at the end, when it must be sound and have no live owner."""
    path = tmp_path / "jobs.db"
    yield path
    if path.exists():
        assert sound(path)


@pytest.fixture
def owner_files(database: Path) -> Callable[[], list[str]]:
    """Lists the files of live (or dead and not yet buried) owners of the database."""
    return lambda: sorted(entry.name for entry in database.parent.glob(f"{database.name}-owner-*"))


def sound(path: Path) -> bool:
    """Whether the database at a path passes SQLite's own check, and its counts agree with its rows."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        counted = """
            SELECT type, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing'),
                count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'dead'),
                count(*) FILTER (WHERE status = 'cancelled'),
                count(*) FILTER (WHERE status = 'pending' AND attempts > 0), count(parked)
            FROM jobs GROUP BY type
        """
        kept = "SELECT type, pending, processing, completed, dead, cancelled, retrying, parked FROM counts"
        tallies = {row[0]: row[1:] for row in connection.execute(kept) if any(row[1:])}
        assert {row[0]: row[1:] for row in connection.execute(counted)} == tallies
    return True


def _descriptors() -> set[tuple[str, str]]:
    """Open descriptors by number and target; empty where the system does not tell."""
    found = set()
    folder = "/proc/self/fd"
    for number in os.listdir(folder) if os.path.isdir(folder) else []:
        try:
            target = os.readlink(f"{folder}/{number}")
        except OSError:
            continue  # the listing's own
        if "/proc/" not in target and not target.startswith(("anon_inode:", "socket:", "pipe:")):
            found.add((number, target))
    return found
