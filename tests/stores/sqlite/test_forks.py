"""A forked process that opens a file which was open at the fork: refused, before anything can be lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobClient, JobRunner
from aiojobs_lite.stores.sqlite import forks
from aiojobs_lite.stores.sqlite.connection import Connection
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.forks import forked, in_fork, working
from tests.helpers.pauses import LOOK_EVERY_S
from tests.helpers.rings import first_of, slow
from tests.helpers.waiting import PATIENCE, until

REFUSED = "open over a fork"
OF_A_RUNNER = (
    "A runner had it open when this process was forked, and SQLite cannot use it here: jobs would be lost. Start "
    "runners after the fork, or stop them before it; or start this process by spawn or forkserver."
)
OF_THE_APPLICATION = (
    "SQLite has no lock on it here, and does not know that: jobs would be lost. A connection of the application was "
    "open when this process was forked: connect after the fork, or close it before (`engine.dispose()` of SQLAlchemy). "
    "Or the file itself was opened and closed here, not by SQLite: do not."
)
READ = "SELECT 1 FROM aiojobs_meta"
Opened = AbstractContextManager[sqlite3.Connection]


async def test_a_runner_on_a_file_that_was_open_at_the_fork_is_refused_and_the_first_one_goes_on(
    database: Path,
) -> None:
    async def start() -> None:
        await JobRunner(database, jobs=[forked]).start()

    async with JobRunner(database, jobs=[forked]) as runner:
        assert in_fork(start) == f"StoreRefused: {database}: {REFUSED}. {OF_A_RUNNER}"
        assert await (await runner.enqueue(forked, 1)).result() == 2
        assert in_fork(partial(working, database)) == REFUSED


@slow
async def test_a_client_of_a_forked_process_is_refused_as_well_if_a_runner_had_the_file_open(database: Path) -> None:
    async def enqueues() -> int:
        with JobClient(database, jobs=[forked]) as client:
            return (await asyncio.to_thread(client.enqueue, forked, 1)).id

    async with JobRunner(database, jobs=[forked]):
        assert in_fork(enqueues) == f"StoreRefused: {database}: {REFUSED}. {OF_A_RUNNER}"
    assert in_fork(enqueues) == "1"
    with JobClient(database, jobs=[forked]) as client:  # it has no file open during a fork
        assert (await asyncio.to_thread(client.enqueue, forked, 1)).id == 2
        assert in_fork(enqueues) == "3"
        assert in_fork(partial(working, database)) == "worked"


@slow
async def test_a_runner_that_was_closed_before_the_fork_stands_in_no_way(database: Path) -> None:
    for _ in range(2):
        async with JobRunner(database, jobs=[forked]):
            pass
        assert in_fork(partial(working, database)) == "worked"
    async with JobRunner(database, jobs=[forked]) as runner:  # nor does what the forked process had open
        assert await (await runner.enqueue(forked, 1)).result() == 2


@slow
async def test_a_runner_whose_event_loop_was_closed_over_it_stands_in_the_way(database: Path) -> None:
    store = SqliteStore(database)
    await asyncio.to_thread(asyncio.run, store.open())
    found = in_fork(partial(working, database))
    await store.close()
    assert found == REFUSED
    assert in_fork(partial(working, database)) == "worked"


async def test_the_forked_process_of_a_forked_process_is_refused_as_well(database: Path) -> None:
    async def forks_again() -> str:
        return in_fork(partial(working, database))

    async with JobRunner(database, jobs=[forked]):
        assert in_fork(forks_again) == REFUSED
    assert in_fork(forks_again) == "worked"


@pytest.mark.parametrize("link", [os.symlink, os.link])
async def test_a_file_is_the_same_by_another_name(database: Path, link: Callable[[Path, Path], None]) -> None:
    async with JobRunner(database, jobs=[forked]):
        link(database, other := database.with_name("other.db"))
        found = in_fork(partial(working, other))
        other.unlink()
        assert found == REFUSED


@slow
async def test_another_file_is_open_to_a_forked_process(database: Path) -> None:
    async with JobRunner(database, jobs=[forked]):
        for other in (database.with_name("other.db"), ":memory:"):
            assert in_fork(partial(working, other)) == "worked"


@slow
async def test_a_file_that_has_taken_the_place_of_the_open_one_is_another(database: Path) -> None:
    store = SqliteStore(database)
    await store.open()
    for suffix in ("", "-wal", "-shm"):
        database.with_name(f"{database.name}{suffix}").unlink()
    found = in_fork(partial(working, database))
    await store.close()
    assert found == "worked"


async def test_a_database_in_memory_is_each_process_s_own() -> None:
    async with JobRunner(":memory:", jobs=[forked]):
        assert in_fork(partial(working, ":memory:")) == "worked"


@pytest.mark.parametrize("statement", first_of(1, ["BEGIN IMMEDIATE", "BEGIN", "SELECT"]))
async def test_a_fork_in_the_middle_of_a_transaction_changes_nothing(database: Path, statement: str) -> None:
    """The copy of the lock would never be given back: the forked process would wait for it, and blame another."""
    begun, free = threading.Event(), threading.Event()

    def holds(connection: sqlite3.Connection) -> None:
        cursor = connection.execute(READ if statement == "SELECT" else statement)
        connection.execute(READ).fetchall()
        begun.set()
        assert free.wait(PATIENCE)
        cursor.close()
        connection.rollback()

    store = SqliteStore(database)
    await store.open()
    connection = await Connection.connect(str(database))
    holding = asyncio.create_task(connection.call(holds))
    await until(begun.is_set)
    found = in_fork(partial(working, database))
    free.set()
    await holding
    await connection.close()
    await store.close()
    assert found == REFUSED
    assert in_fork(partial(working, database)) == "worked"


async def test_a_fork_waits_for_a_transaction_whose_locks_in_memory_it_would_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The forked process would wait for such a lock for ever, with whatever file it uses SQLite."""
    monkeypatch.setattr(forks, "PATIENCE_S", PATIENCE)
    forked_too_soon: list[bool] = []
    has_ended = threading.Event()

    async def is_too_soon() -> bool:
        return not has_ended.is_set()

    def forks_meanwhile(_: sqlite3.Connection) -> None:
        forking.start()
        forking.join(0.05)  # it is right however long it is: if the fork does not wait, it is over by then
        has_ended.set()

    forking = threading.Thread(target=lambda: forked_too_soon.append(in_fork(is_too_soon) == "True"))
    connection = await Connection.connect(":memory:")
    await connection.call(forks_meanwhile)
    await until(lambda: not forking.is_alive(), LOOK_EVERY_S)  # no executor: its first import registers for forks
    await connection.close()
    assert forked_too_soon == [False]


@slow
async def test_a_fork_while_a_file_is_opened_or_closed_is_a_fork_while_it_is_open(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, connect = [], sqlite3.connect

    async def works() -> str:
        sqlite3.connect = connect  # in the forked process
        return await working(database)

    class Forking(sqlite3.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.execute("PRAGMA schema_version").fetchall()
            found.append(in_fork(works))

        def close(self) -> None:
            found.append(in_fork(works))
            super().close()

    await made(database)
    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Forking))
    connection = await Connection.connect(str(database))
    await connection.close()
    monkeypatch.setattr(sqlite3, "connect", connect)
    assert found == [REFUSED, REFUSED]
    assert in_fork(partial(working, database)) == "worked"


async def test_a_connection_that_could_not_be_opened_stands_in_no_way(database: Path) -> None:
    await made(database)
    threads = {*threading.enumerate()}
    with pytest.raises(sqlite3.OperationalError) as caught:
        await Connection.connect(str(database.parent))
    await until(lambda: {*threading.enumerate()} <= threads)
    assert list(forks.OPENED_BY_THREAD) == []
    del caught


# Connections of the application's own.


def connected(database: Path, *statements: str) -> Opened:
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    for statement in statements:
        connection.execute(statement).fetchall()
    return closing(connection)


async def made(database: Path) -> None:
    async with JobRunner(database, jobs=[forked]):
        pass


@pytest.mark.parametrize("statements", first_of(1, [[READ], ["BEGIN IMMEDIATE"], ["BEGIN", READ]]))
async def test_a_connection_of_the_application_that_was_open_at_the_fork_is_as_bad(
    database: Path, statements: list[str]
) -> None:
    async def start() -> None:
        await JobRunner(database, jobs=[forked]).start()

    await made(database)
    with connected(database, *statements):
        assert in_fork(start) == f"StoreRefused: {database}: {REFUSED}. {OF_THE_APPLICATION}"
    assert in_fork(partial(working, database)) == "worked"


async def test_a_connection_of_the_application_from_after_the_fork_stands_in_no_way(database: Path) -> None:
    async def connects() -> str:
        with connected(database, READ):
            return await working(database)

    await made(database)
    assert in_fork(connects) == "worked"


@slow
async def test_a_lock_that_the_application_has_taken_from_sqlite_is_missed_in_a_forked_process(database: Path) -> None:
    async def reads() -> str:
        with connected(database, READ):
            database.read_bytes()  # the end of that drops all locks of this process
            return await working(database)

    await made(database)
    assert in_fork(reads) == REFUSED


@slow
async def test_a_connection_that_has_not_read_before_the_fork_stands_in_no_way(database: Path) -> None:
    await made(database)
    with connected(database):
        assert in_fork(partial(working, database)) == "worked"


@slow
async def test_a_connection_that_the_forked_process_closes_at_once_stands_in_no_way(database: Path) -> None:
    """SQLite forbids it; pools of connections do it all the same."""
    await made(database)
    with connected(database, READ) as connection:

        async def closes() -> str:
            connection.close()
            return await working(database)

        assert in_fork(closes) == "worked"


def no_table(folder: Path) -> Path:
    return folder / "missing"


def table_without_locks(folder: Path) -> Path:
    for descriptor in range(256):
        (folder / str(descriptor)).write_text("pos:\t0\nflags:\t02\n")
    return folder


@slow
@pytest.mark.parametrize("table", [no_table, table_without_locks])
async def test_a_system_that_shows_no_locks_says_nothing_of_them(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Callable[[Path], Path]
) -> None:
    (folder := tmp_path / "fdinfo").mkdir()
    monkeypatch.setattr(forks, "LOCKS", str(table(folder)))
    await made(database)
    assert in_fork(partial(working, database)) == "worked"


async def test_a_process_that_was_not_forked_is_not_asked_for_its_locks(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "LOCKS", None)  # would raise
    assert await working(database) == "worked"
