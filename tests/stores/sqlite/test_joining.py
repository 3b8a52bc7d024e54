"""Transactions of callers on the file: what is refused, and that a connection is left as it was found."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from aiojobs_lite.errors import StoreRefused, StoreUnavailable, TransactionRefused
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.stores.sqlite import joining as module
from aiojobs_lite.stores.sqlite.joining import SqliteJoining
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.databases import sound
from tests.helpers.rings import slow
from tests.helpers.sqlite_store import made, opened
from tests.helpers.stores import NOW, counted, everything, new, shown
from tests.helpers.waiting import until

UNITS: Sequence[Unit] = [(Insert((new(), new("b", idempotency_key="k"))),)]
NOTES = "CREATE TABLE notes (text TEXT)"
NOTE = "INSERT INTO notes VALUES ('x')"


def joining_of(path: Path, *, is_open: bool = False) -> SqliteJoining:
    return SqliteJoining(path, load_sql(), lambda: is_open)


@pytest.fixture
def connection(database: Path, store: SqliteStore) -> Iterator[sqlite3.Connection]:
    """A connection of a program to the file of an open store."""
    with closing(sqlite3.connect(database, timeout=1)) as connection:
        connection.execute(NOTES)
        yield connection


@pytest.fixture
def joining(store: SqliteStore) -> SqliteJoining:
    assert store.joining is not None
    return store.joining


# Settings.

SETTINGS = (
    "foreign_keys",
    "recursive_triggers",
    "busy_timeout",
    "synchronous",
    "query_only",
    "reverse_unordered_selects",
)


def settings_of(connection: sqlite3.Connection) -> list[Any]:
    found = [tuple(connection.execute(f"PRAGMA {name}").fetchone()) for name in SETTINGS]
    return [
        connection.row_factory,
        connection.text_factory,
        connection.isolation_level,
        connection.total_changes >= 0,
        *found,
    ]


class Odd(sqlite3.Connection):
    """A connection whose methods are a program's own."""

    def execute(self, *_: Any) -> Any:
        raise AssertionError("the program's own method is called")

    def cursor(self, *_: Any) -> Any:
        raise AssertionError("the program's own method is called")


@pytest.mark.parametrize("level", ["", "IMMEDIATE", "EXCLUSIVE"])
async def test_the_settings_of_a_connection_do_not_matter_and_stay(
    store: SqliteStore, joining: SqliteJoining, connection: sqlite3.Connection, level: Any
) -> None:
    connection.row_factory = lambda cursor, row: {"row": row}
    connection.row_factory = sqlite3.Row
    connection.text_factory = bytes
    connection.isolation_level = level
    for setting in ("foreign_keys = 1", "recursive_triggers = 1", "busy_timeout = 17", "reverse_unordered_selects = 1"):
        connection.execute(f"PRAGMA {setting}")
    before = settings_of(connection)
    for _ in range(2):
        ((first, second),) = await joining.apply(connection, UNITS, NOW)
        assert (first.is_new, connection.in_transaction, settings_of(connection)) == (True, True, before)
    assert not second.is_new
    connection.commit()
    assert len(await everything(store)) == 3
    await store.apply([], NOW)
    assert shown(store) == await counted(store)


async def test_methods_of_a_class_of_the_program_are_not_called(
    store: SqliteStore, joining: SqliteJoining, database: Path
) -> None:
    with closing(sqlite3.connect(database, factory=Odd)) as odd:
        await joining.apply(odd, UNITS, NOW)
        odd.commit()
    assert len(await everything(store)) == 2


async def test_triggers_and_views_of_the_program_stay_its_own(
    store: SqliteStore, joining: SqliteJoining, connection: sqlite3.Connection
) -> None:
    connection.execute("CREATE TRIGGER shouting AFTER INSERT ON notes BEGIN UPDATE notes SET text = upper(text); END")
    connection.execute(NOTE)
    await joining.apply(connection, UNITS, NOW)
    connection.commit()
    assert connection.execute("SELECT text FROM notes").fetchall() == [("X",)]


# What is refused.


def closed(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.close()
    return connection


def attached(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("ATTACH ? AS jobs", (str(path),))
    return connection


def of_another_thread(path: Path) -> sqlite3.Connection:
    made: list[sqlite3.Connection] = []
    thread = threading.Thread(target=lambda: made.append(sqlite3.connect(path)))
    thread.start()
    thread.join()
    return made[0]


def only_reading(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA query_only = 1")
    return connection


REFUSED: dict[str, Callable[[Path], Any]] = {
    "closed": closed,
    "another thread": of_another_thread,
    "read-only": lambda path: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True),
    "read-only ": only_reading,
    "no transaction": lambda path: sqlite3.connect(path, isolation_level=None),
    "another database": lambda path: sqlite3.connect(path.with_name("other.db")),
    "another database ": lambda _: sqlite3.connect(":memory:"),
    "another database  ": lambda _: sqlite3.connect(""),
    "another database   ": attached,
    "not a connection": str,
    "not a connection ": lambda path: sqlite3.connect(path).cursor(),
}


REMEDIES = {
    "closed": "Enqueue before the connection is closed, in its open transaction.",
    "another thread": "Use it in the thread that made it, or make it by sqlite3.connect(..., check_same_thread=False). "
    "In a thread without an event loop use a JobClient.",
    "read-only": "Open a connection that may write, without mode=ro and query_only.",
    "no transaction": "The connection commits each statement by itself, so nothing would belong together. Execute "
    '"BEGIN IMMEDIATE" first, and COMMIT after.',
    "another database": "Connect to the file of the jobs itself; an attached file is not enough.",
    "not a connection": "Pass a connection of sqlite3 or aiosqlite, or a connection or session of SQLAlchemy over one "
    "of them.",
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_cannot_take_a_job_is_refused_and_stays_as_it_was(
    store: SqliteStore, joining: SqliteJoining, database: Path, why: str
) -> None:
    given = REFUSED[why](database)
    connection = getattr(given, "connection", given)
    for _ in range(2):
        with pytest.raises(TransactionRefused) as refused:
            await joining.apply(given, UNITS, NOW)
        assert refused.value.why == why.strip()
        assert str(refused.value).endswith(REMEDIES[why.strip()])
        with pytest.raises(TransactionRefused):
            joining.apply_blocking(given, UNITS, NOW)
    if isinstance(connection, sqlite3.Connection) and why != "closed":
        assert not connection.in_transaction
        if why != "another thread":
            connection.close()
    assert await everything(store) == []
    del connection, given


async def test_what_is_another_database_is_named(joining: SqliteJoining, database: Path, tmp_path: Path) -> None:
    for name, said in ((":memory:", "a database in memory"), (tmp_path / "other.db", f"{tmp_path / 'other.db'}")):
        with closing(sqlite3.connect(name)) as connection, pytest.raises(TransactionRefused) as refused:
            await joining.apply(connection, UNITS, NOW)
        assert f"The connection is to {said}, the jobs are in {database}." in str(refused.value)


async def test_a_connection_of_aiosqlite_that_is_closed_or_never_opened_is_refused(
    joining: SqliteJoining, database: Path
) -> None:
    connection = await aiosqlite.connect(database)
    with pytest.raises(TransactionRefused, match="It is awaited: use"):
        joining.apply_blocking(connection, UNITS, NOW)
    await connection.close()
    for one in (connection, aiosqlite.connect(database)):
        with pytest.raises(TransactionRefused) as refused:
            await joining.apply(one, UNITS, NOW)
        assert refused.value.why == "closed"


async def test_a_file_under_another_name_is_the_same_file(
    store: SqliteStore, joining: SqliteJoining, database: Path
) -> None:
    link = database.with_name("link.db")
    link.symlink_to(database)
    with closing(sqlite3.connect(link)) as connection:
        await joining.apply(connection, UNITS, NOW)
        connection.commit()
    assert len(await everything(store)) == 2


async def test_the_version_of_the_tables_is_checked(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        with pytest.raises(TransactionRefused, match=r"Start a runner on the file first: it makes them\.") as refused:
            await joining_of(database).apply(connection, UNITS, NOW)
        assert refused.value.why == "no job tables"
        connection.execute("CREATE TABLE aiojobs_meta (key, value)")
        with pytest.raises(TransactionRefused) as refused:
            await joining_of(database).apply(connection, UNITS, NOW)
        assert refused.value.why == "no job tables"
        connection.execute("DROP TABLE aiojobs_meta")
        connection.commit()
    await made(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE aiojobs_meta SET value = 1 WHERE key = 'schema'")
        with pytest.raises(TransactionRefused) as refused:
            await joining_of(database).apply(connection, UNITS, NOW)
        assert refused.value.why == "older job tables"
        assert "Start a runner of this release on the file, which brings them up to date." in str(refused.value)
        connection.execute("UPDATE aiojobs_meta SET value = 99 WHERE key = 'schema'")
        with pytest.raises(StoreRefused, match="this release knows"):
            await joining_of(database).apply(connection, UNITS, NOW)
        await joining_of(database, is_open=True).apply(connection, UNITS, NOW)  # a newer release has migrated meanwhile
        connection.rollback()


# Locks.


async def test_a_lock_is_waited_for_beside_the_event_loop_and_not_for_ever(
    joining: SqliteJoining, connection: sqlite3.Connection, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(joining.apply(connection, UNITS, NOW))
        await until(lambda: True)
        assert not waiting.done()
        other.execute("COMMIT")
        await waiting
        connection.rollback()
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(module, "BUSY_TIMEOUT_S", 0)
        with pytest.raises(StoreUnavailable) as locked:
            await joining.apply(connection, UNITS, NOW)
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
            joining.apply_blocking(connection, UNITS, NOW)
        assert (locked.value.code, connection.in_transaction) == ("SQLITE_BUSY", False)
        other.execute("COMMIT")


async def test_a_transaction_that_has_read_what_others_changed_since_is_outdated(
    store: SqliteStore, joining: SqliteJoining, connection: sqlite3.Connection
) -> None:
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM notes").fetchall()
    await store.apply(UNITS, NOW)
    with pytest.raises(StoreUnavailable, match=r"begin it by BEGIN IMMEDIATE") as outdated:
        await joining.apply(connection, UNITS, NOW)
    assert (outdated.value.code, connection.in_transaction) == ("SQLITE_BUSY_SNAPSHOT", True)
    connection.rollback()
    connection.execute("BEGIN IMMEDIATE")
    await joining.apply(connection, UNITS, NOW)
    connection.commit()
    assert len(await everything(store)) == 3


# Faults.


@slow
@pytest.mark.parametrize("every", [1, 3])
async def test_a_fault_at_any_moment_leaves_all_of_the_call_or_nothing(tmp_path: Path, every: int) -> None:
    """SQLite is interrupted at its n-th step, for every n. It may roll back the whole transaction by that."""
    path = tmp_path / "jobs.db"
    whole, undone = 0, 0
    async with opened(path) as store:
        assert store.joining is not None
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(NOTES)
            for nth in range(1, 10_000):
                connection.execute(NOTE)
                kept = len(await everything(store))
                interrupt_at(connection, nth, every)
                is_done = False
                with suppress(StoreUnavailable):
                    await store.joining.apply(connection, UNITS, NOW)
                    is_done = True
                connection.set_progress_handler(None, 0)
                assert connection.execute("PRAGMA busy_timeout").fetchall() == [(5000,)]
                whole += connection.in_transaction
                undone += not connection.in_transaction
                connection.commit()
                assert len(await everything(store)) == (kept + (2 if kept == 0 else 1) if is_done else kept)
                await store.apply([], NOW)
                assert shown(store) == await counted(store)
                if is_done:
                    break
            ((notes,),) = connection.execute("SELECT count(*) FROM notes").fetchall()
    assert notes == whole
    assert whole > 20
    assert sound(path)


def interrupt_at(connection: sqlite3.Connection, nth: int, every: int) -> None:
    """Interrupts SQLite once, so many times a number of steps from now."""
    left = nth

    def count() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    connection.set_progress_handler(count, every)


async def test_a_cancelled_caller_of_aiosqlite_leaves_all_or_nothing(store: SqliteStore, database: Path) -> None:
    assert store.joining is not None
    async with aiosqlite.connect(database) as connection:
        task = asyncio.create_task(store.joining.apply(connection, UNITS, NOW))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await connection.rollback()
        assert await everything(store) == []
        await store.joining.apply(connection, UNITS, NOW)
        await connection.commit()
    assert len(await everything(store)) == 2
