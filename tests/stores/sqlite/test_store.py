"""What goes wrong below the store: locks, full and read-only databases; and what only the writer does."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindJobs, GetJob
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.cancelling import Call, at_every_moment
from tests.helpers.rings import slow
from tests.helpers.sqlite_store import faulty, notices_change, opened, raw, reader_of, run_sql
from tests.helpers.stores import (
    NOW,
    alone,
    answers,
    at,
    claim,
    complete,
    connected,
    counted,
    everything,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

LONG = new("a")._replace(payload='{"x": "' + "y" * 70_000 + '"}')  # too long to be inserted inline, without a wait


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores do not wait for locks."""
    for module in ("file", "writer", "schema", "connection"):
        monkeypatch.setattr(f"aiojobs_lite.stores.sqlite.{module}.BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr("aiojobs_lite.stores.sqlite.schema.WAL_PATIENCE_S", 0.0)


# Locks.


async def test_a_locked_database_is_unavailable_until_it_is_let_go(
    impatient: None, store: SqliteStore, database: Path
) -> None:
    (held,) = await running(store, new())
    with connected(database) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY") as caught:
            await one(store, complete(held))
        assert caught.value.code == "SQLITE_BUSY"
        assert (await stored(store, held.id)).status is Status.PROCESSING  # reading goes on
        assert shown(store) == await counted(store)
        other.execute("ROLLBACK")
    assert await one(store, complete(held)) is Status.COMPLETED


async def test_a_locked_database_is_waited_for(store: SqliteStore, database: Path) -> None:
    with connected(database) as other:
        other.execute("BEGIN IMMEDIATE")
        call = asyncio.create_task(inserted(store, new()))
        for _ in range(5):  # a read takes a while, in which the writer would have come through
            assert await store.ask(GetJob(1)) is None
        assert not call.done()
        other.execute("ROLLBACK")
        assert await call == [1]


async def test_a_store_that_is_closed_waits_for_no_lock(store: SqliteStore, database: Path) -> None:
    with connected(database) as other:
        other.execute("BEGIN IMMEDIATE")
        call = asyncio.create_task(inserted(store, new()))
        await asyncio.sleep(0)
        await store.close()
        with pytest.raises(StoreUnavailable):
            await call
        other.execute("ROLLBACK")


async def test_an_open_of_a_locked_new_database_is_unavailable(impatient: None, database: Path) -> None:
    with connected(database) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked = SqliteStore(database)
        with pytest.raises(StoreUnavailable, match="locked"):
            await locked.open()
        with pytest.raises(StoreUnavailable, match="CLOSED"):
            await locked.apply([], NOW)
        other.execute("ROLLBACK")
    await locked.open()
    assert await inserted(locked, new()) == [1]
    await locked.close()


# Full and read-only databases.


async def test_a_full_database_stores_nothing_and_goes_on_when_there_is_space(store: SqliteStore) -> None:
    (held,) = await running(store, new())
    ((pages,),) = await run_sql(store, "PRAGMA page_count")
    await run_sql(store, f"PRAGMA max_page_count = {pages}")
    big = new("b")._replace(payload='{"x": "' + "y" * 50_000 + '"}')
    writes = alone([complete(held), Insert((new(), big)), claim("two", types="ab")])
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        await store.apply(writes, NOW)
    assert [job.status for job in await everything(store)] == [Status.PROCESSING]
    assert shown(store) == await counted(store)
    await run_sql(store, "PRAGMA max_page_count = 1000000")
    ended, made, answer = (await store.apply(writes, NOW)).answers
    assert (ended, len(made), len(answer.jobs)) == (Status.COMPLETED, 2, 2)
    assert shown(store) == await counted(store)


async def test_a_read_only_database_is_unavailable(store: SqliteStore) -> None:
    await run_sql(store, "PRAGMA query_only = ON")
    units: list[list[Unit]] = [[(Insert((new(),)),)], []]
    for transaction in units:
        with pytest.raises(StoreUnavailable, match="SQLITE_READONLY"):
            await store.apply(transaction, NOW)
    await run_sql(store, "PRAGMA query_only = OFF")
    assert await inserted(store, new()) == [1]


async def test_an_apply_without_units_proves_that_the_store_can_be_written(store: SqliteStore, database: Path) -> None:
    """A transaction that writes nothing succeeds on a full disk: another connection must see that one was written."""
    with connected(database) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        await store.apply([], NOW)
        assert other.execute("PRAGMA data_version").fetchone() != before


# Looks and queries.


async def test_a_commit_of_another_connection_is_noticed_once(store: SqliteStore, database: Path) -> None:
    """Each look wakes the engine: one for nothing costs a claim."""
    assert not await notices_change(store)
    await inserted(store, new())
    assert not await notices_change(store)
    async with opened(database) as other:
        await inserted(other, new("b"))
        assert await notices_change(store)
        assert not await notices_change(store)
        await inserted(other, new("b"))
        await inserted(store, new("c"))  # knows of it, and does not swallow it
        assert shown(store)["b"].pending == 2
        assert await notices_change(store)
        assert not await notices_change(store)
        with pytest.raises(StoreRejected):
            await one(other, Insert((new(max_attempts=0),)))
        assert not await notices_change(store)


async def test_an_io_error_of_a_look_is_a_store_error(store: SqliteStore) -> None:
    with faulty(store) as connection:
        connection.arm(1)
        with pytest.raises(StoreUnavailable, match="SQLITE_IOERR_WRITE"):
            await notices_change(store)
        assert not await notices_change(store)


async def test_an_io_error_of_a_query_is_a_store_error(store: SqliteStore) -> None:
    raw(reader_of(store)).set_progress_handler(lambda: 1, 1)
    for query in (GetJob(1), FindJobs(ids=[1])):
        with pytest.raises(StoreUnavailable, match="SQLITE_INTERRUPT"):
            await store.ask(query)


async def test_a_query_that_sqlite_refuses_is_rejected(store: SqliteStore) -> None:
    with pytest.raises(StoreRejected):
        await store.ask(FindJobs(type="\ud800"))


# The log and the connections.


async def test_only_the_writer_checkpoints_and_writes(store: SqliteStore) -> None:
    for pragma, expected in (("wal_autocheckpoint", 0), ("query_only", 1)):
        reader = reader_of(store)
        found = await reader.call(partial(_ask, f"PRAGMA {pragma}"))
        assert found == [(expected,)]
    await inserted(store, *(new() for _ in range(400)))  # on the thread: inline it does not either
    assert await run_sql(store, "PRAGMA wal_autocheckpoint") == [(1000,)]


def _ask(sql: str, connection: sqlite3.Connection) -> Any:
    return connection.execute(sql).fetchall()


@slow
async def test_the_write_ahead_log_stays_bounded_beside_a_reader(store: SqliteStore, database: Path) -> None:
    log = Path(f"{database}-wal")
    payload = '{"x": "' + "y" * 20_000 + '"}'
    sizes = []
    for n in range(15):
        (held,) = await running(store, new()._replace(payload=payload))
        await inserted(store, *(new("b")._replace(payload=payload) for _ in range(60)), now=n)
        assert len(await store.ask(FindJobs(limit=1000))) == min(1000, 61 * (n + 1))
        assert await one(store, complete(held)) is Status.COMPLETED
        sizes.append(log.stat().st_size)
    assert max(sizes) < 3 * 1000 * 4096 < 15 * 60 * 20_000
    with connected(database) as other:
        assert other.execute("SELECT count(*) FROM aiojobs_jobs").fetchone() == (15 * 61,)


@pytest.mark.parametrize("way", ["as_it_waits", "at_a_turn", "at_two_turns"])
async def test_no_cancellation_leaves_a_lock_or_a_connection_in_doubt(
    store: SqliteStore, database: Path, way: str
) -> None:
    """After each cancelled call a connection that waits for no lock can write, and sees whole transactions only."""

    async def prepare(moment: int) -> Call:
        (held,) = await running(store, new("held"))
        unit: Unit = (Insert((LONG,)), complete(held), Insert((new("b"),)))
        return lambda: store.apply([unit], at(moment))

    with connected(database) as other:
        other.execute("PRAGMA busy_timeout = 0")
        async for _moment, _ending in at_every_moment(way, prepare):
            other.execute("BEGIN IMMEDIATE")
            sql = "SELECT sum(type = 'a'), sum(type = 'b'), sum(status = 'completed') FROM aiojobs_jobs"
            assert len(set(other.execute(sql).fetchone())) == 1
            other.execute("ROLLBACK")
    assert await run_sql(store, "SELECT 1") == [(1,)]
    assert shown(store) == await counted(store)
    assert await answers(store) == []
