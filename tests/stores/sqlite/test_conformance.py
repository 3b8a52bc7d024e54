"""The SQLite store does what every store must, in memory and on a file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers import conformance, new_file
from tests.helpers.callers import Caller, SqliteCaller
from tests.helpers.rings import drawn, slow
from tests.helpers.sqlite_store import StrictConnection, make_faulty

pytestmark = drawn(3)

globals().update(conformance.test_classes())


@pytest.fixture(params=["full", *(pytest.param(name, marks=slow) for name in ("memory", "inline", "thread"))])
def make(request: pytest.FixtureRequest, database: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Store]:
    """New stores, not open; those on the file share it. Small transactions are done half inline and half on the
    connection's thread, wholly inline, or wholly on the thread.
    """
    if request.param == "thread":
        monkeypatch.setattr(InlinePolicy, "admit", lambda self, units, pending: False)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=StrictConnection))
    path = None if request.param == "memory" else database
    if request.param == "full":  # the others make their tables themselves
        database.write_bytes(new_file.image())
    return lambda: SqliteStore(path, "full" if request.param == "full" else "normal")


@pytest.fixture
async def store(make: Callable[[], Store]) -> AsyncIterator[Store]:
    """An open store."""
    made = make()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def caller(store: Store, database: Path) -> Iterator[Caller]:
    """A connection of a program to the file, which is there if the store has one."""
    made = SqliteCaller(database)
    yield made
    made.close()
    if store.joining is None:
        database.unlink()


@pytest.fixture
async def two(database: Path) -> AsyncIterator[tuple[Store, Store]]:
    """Two open stores of one file."""
    async with AsyncExitStack() as stack:
        made = SqliteStore(database, "normal"), SqliteStore(database, "full")
        for one in made:
            stack.push_async_callback(one.close)
            await one.open()
        yield made


@pytest.fixture
def lose_answer() -> Callable[[Store], None]:
    """Has the next commit of a store carried out, and its answer lost."""

    def lose(store: Store) -> None:
        assert isinstance(store, SqliteStore)
        make_faulty(store).fail_after_commit = True

    return lose
