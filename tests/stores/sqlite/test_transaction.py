"""What goes wrong below: locks, full and read-only databases, I/O errors at any statement, commits in doubt."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Claimed, Outcome, Status
from aiojobs_lite.model.writes import Cancel, Delete, Insert, Pause, Redrive, SetSchedule, Tick, Write
from aiojobs_lite.stores.base import JobFilter
from aiojobs_lite.stores.sqlite import store as sqlite
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.stores import (
    NOW,
    at,
    claim,
    connected,
    counted,
    end,
    everything,
    finished,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)


class Faulty:
    """The connection of a store, which fails at the n-th statement from now: before it, or after doing its work."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.fail_at: int | None = None
        self.fail_after_commit = False
        self.statements: list[str] = []

    def arm(self, fail_at: int | None) -> None:
        self.fail_at = fail_at
        self.statements = []

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        self.statements.append(sql)
        if sql == "ROLLBACK":
            return self._connection.execute(sql)
        if self.fail_at is not None and len(self.statements) >= self.fail_at:
            self.fail_at = None
            raise _io_error()
        cursor = self._connection.execute(sql, parameters)
        if self.fail_after_commit and sql == "COMMIT":
            self.fail_after_commit = False
            raise _io_error()
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _io_error() -> sqlite3.Error:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname, error.sqlite_errorcode = "SQLITE_IOERR_WRITE", 778
    return error


@contextmanager
def faulty(store: SqliteStore) -> Iterator[Faulty]:
    """Puts the failing connection below a store."""
    assert store._write is not None
    connection = store._write._connection._conn
    wrapper = Faulty(connection)
    store._write._connection._connection = wrapper  # type: ignore[assignment]
    try:
        yield wrapper
    finally:
        store._write._connection._connection = connection


async def run_sql(store: SqliteStore, sql: str) -> Any:
    """Executes a statement on the connection that writes."""
    return await store._on_writer(lambda connection: connection.execute(sql).fetchall())


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(database, "normal")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores do not wait for locks."""
    monkeypatch.setattr("aiojobs_lite.stores.sqlite.file.BUSY_TIMEOUT", 0.01)


async def test_a_locked_database_is_unavailable_until_it_is_let_go(impatient: None, store: SqliteStore) -> None:
    (held,) = await running(store, new())
    with connected(Path(str(store.shared_path))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY") as caught:
            await one(store, end(held))
        assert caught.value.code == "SQLITE_BUSY"
        assert (await stored(store, held.id)).status is Status.PROCESSING  # reading goes on
        assert shown(store) == await counted(store)
        other.execute("ROLLBACK")
    assert await one(store, end(held)) is True


async def test_a_locked_database_is_waited_for(store: SqliteStore) -> None:
    with connected(Path(str(store.shared_path))) as other:
        other.execute("BEGIN IMMEDIATE")
        call = asyncio.create_task(inserted(store, new()))
        await stored_or_none(store)
        assert not call.done()
        other.execute("ROLLBACK")
        assert await call == [1]


async def stored_or_none(store: SqliteStore) -> None:
    """A read takes a while, in which the writer would have come through."""
    for _ in range(5):
        assert await store.get(1) is None


async def test_an_open_of_a_locked_new_database_is_unavailable(
    impatient: None, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_lite.stores.sqlite.file._WAL_PATIENCE", 0.0)
    with connected(database) as other:
        other.execute("BEGIN EXCLUSIVE")
        locked = SqliteStore(database)
        with pytest.raises(StoreUnavailable, match="locked"):
            await locked.open()
        with pytest.raises(StoreUnavailable, match="CLOSED"):
            await locked.changed()
        other.execute("ROLLBACK")
    await locked.open()
    assert await inserted(locked, new()) == [1]
    await locked.close()


async def test_a_full_database_stores_nothing_and_goes_on_when_there_is_room(store: SqliteStore) -> None:
    (held,) = await running(store, new())
    ((pages,),) = await run_sql(store, "PRAGMA page_count")
    await run_sql(store, f"PRAGMA max_page_count = {pages}")
    big = new("b")._replace(payload='{"x": "' + "y" * 50_000 + '"}')
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        await store.apply([end(held), Insert((new(), big)), claim("two")], NOW)
    assert [job.status for job in await everything(store)] == [Status.PROCESSING]
    assert shown(store) == await counted(store)
    await run_sql(store, "PRAGMA max_page_count = 1000000")
    answers = (await store.apply([end(held), Insert((new(), big)), claim("two")], NOW)).answers
    assert (answers[0], len(answers[1]), len(answers[2].jobs)) == (True, 2, 1)
    assert shown(store) == await counted(store)


async def test_a_read_only_database_is_unavailable(store: SqliteStore) -> None:
    await run_sql(store, "PRAGMA query_only = ON")
    for writes in ([Insert((new(),))], []):
        with pytest.raises(StoreUnavailable, match="SQLITE_READONLY"):
            await store.apply(writes, NOW)
    await run_sql(store, "PRAGMA query_only = OFF")
    assert await inserted(store, new()) == [1]


async def test_an_apply_without_writes_proves_that_the_store_can_be_written(store: SqliteStore) -> None:
    """A transaction that writes nothing succeeds on a full disk: another connection must see that one was written."""
    with connected(Path(str(store.shared_path))) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        await store.apply([], NOW)
        assert other.execute("PRAGMA data_version").fetchone() != before


async def test_an_io_error_of_changed_is_a_store_error(store: SqliteStore) -> None:
    with faulty(store) as connection:
        connection.arm(1)
        with pytest.raises(StoreUnavailable, match="SQLITE_IOERR_WRITE"):
            await store.changed()
        assert not await store.changed()


async def test_an_io_error_of_a_read_is_a_store_error(store: SqliteStore) -> None:
    assert store._read is not None
    await store._read._connection.set_progress_handler(lambda: 1, 1)
    for call in (store.get(1), store.find(JobFilter())):
        with pytest.raises(StoreUnavailable, match="SQLITE_INTERRUPT"):
            await call


def _everything_at_once(held: list[Claimed], dead: int, pending: int) -> list[Write]:
    """One write of every kind that changes rows."""
    return [
        end(held[0]),
        end(held[1]),
        end(held[2], Outcome.FAILED, scheduled_at=at(5)),
        Cancel(pending, "x"),
        Redrive(dead, None),
        Delete(pending),
        Pause("z", paused=True),
        SetSchedule("s", "* * * * *", "UTC", at(60)),
        Tick("s", at(0), at(60), new("b"), skip_overlap=True),
        Insert((new("a", idempotency_key="k"), new("b"), new("b", due=9))),
        claim("two", slots={"a": 2, "b": 2}),
    ]


async def test_an_io_error_at_any_statement_leaves_nothing_half_written(store: SqliteStore) -> None:
    held = await running(store, *(new() for _ in range(3)))
    dead = await finished(store, new(), Status.DEAD)
    (pending,) = await inserted(store, new("b"))
    writes = _everything_at_once(held, dead, pending)
    before, counts = await everything(store), shown(store)
    with faulty(store) as connection:
        failed_at = 0
        while True:
            failed_at += 1
            connection.arm(failed_at)
            try:
                applied = await store.apply(writes, NOW)
            except StoreUnavailable:
                assert await everything(store) == before
                assert shown(store) == counts
            else:
                break
    assert failed_at > 30
    assert connection.statements[-1] == "COMMIT"
    assert applied.answers[:6] == [True, True, True, Status.CANCELLED, 1, Status.CANCELLED]
    assert len(applied.answers[-1].jobs) == 4
    assert shown(store) == await counted(store)
    with connected(Path(str(store.shared_path))) as other:
        assert other.execute("SELECT type FROM pauses").fetchall() == [("z",)]
        assert other.execute("SELECT count(*) FROM ticks").fetchone() == (1,)


async def test_an_io_error_while_a_stale_end_is_looked_for_leaves_nothing_half_written(store: SqliteStore) -> None:
    held = await running(store, *(new() for _ in range(4)))
    writes = [*map(end, held[:3]), end(held[3])._replace(owner="two")]
    for failed_at in range(1, 20):
        with faulty(store) as connection:
            connection.arm(failed_at)
            try:
                answers = (await store.apply(writes, NOW)).answers
            except StoreUnavailable:
                assert len(await store.find(JobFilter(status=Status.PROCESSING))) == 4
                continue
            break
    assert failed_at > 8
    assert answers == [True, True, True, False]
    assert shown(store) == await counted(store)


async def test_after_a_commit_in_doubt_the_counts_are_those_of_the_rows(store: SqliteStore) -> None:
    (held,) = await running(store, new())
    with faulty(store) as connection:
        connection.fail_after_commit = True
        with pytest.raises(StoreUnavailable):
            await store.apply([end(held), Insert((new("b", idempotency_key="k"),))], NOW)
    answers = (await store.apply([end(held), Insert((new("b", idempotency_key="k"),))], NOW)).answers
    assert answers[0] is False
    assert not answers[1][0].is_new
    assert shown(store) == await counted(store)


async def test_changed_tells_the_counts_after_a_commit_in_doubt(store: SqliteStore) -> None:
    with faulty(store) as connection:
        connection.fail_after_commit = True
        with pytest.raises(StoreUnavailable):
            await inserted(store, new())
    assert await store.changed()
    assert shown(store)["a"].pending == 1


async def test_a_transaction_that_a_fault_left_open_does_not_block_the_next(store: SqliteStore) -> None:
    await run_sql(store, "BEGIN IMMEDIATE")
    await run_sql(store, "INSERT INTO pauses VALUES ('a')")
    assert len(await running(store, new())) == 1


@pytest.mark.parametrize(
    "write",
    [
        Insert((new()._replace(payload="\ud800"),)),
        Insert((new()._replace(type="\udfff"),)),
        Insert((new(idempotency_key="\ud800"),)),
        Insert((new()._replace(scheduled_at=2**63),)),
        Insert((new(priority=3),)),
        Insert((new(max_attempts=0),)),
        Cancel(2**63, None),
        Redrive(-(2**70), None),
    ],
)
async def test_values_that_sqlite_refuses_are_rejected_and_nothing_is_written(store: SqliteStore, write: Write) -> None:
    (held,) = await running(store, new())
    with pytest.raises(StoreRejected):
        await store.apply([Insert((new("b"),)), end(held), write, claim()], NOW)
    assert [job.status for job in await everything(store)] == [Status.PROCESSING]
    assert shown(store) == await counted(store)
    assert await one(store, end(held)) is True


async def test_a_filter_that_sqlite_refuses_is_rejected(store: SqliteStore) -> None:
    with pytest.raises(StoreRejected):
        await store.find(JobFilter(type="\ud800"))


async def test_a_filter_cannot_smuggle_sql(store: SqliteStore) -> None:
    await inserted(store, new())
    assert await store.find(JobFilter(type="a' OR '1'='1")) == []


@pytest.mark.parametrize("seed", range(3))
async def test_no_cancellation_leaves_a_lock_or_a_connection_in_doubt(store: SqliteStore, seed: int) -> None:
    """After each cancelled call a connection that waits for nobody can write, and sees whole transactions only."""
    chance = random.Random(seed)
    cancelled = 0
    with connected(Path(str(store.shared_path))) as other:
        other.execute("PRAGMA busy_timeout = 0")
        for n in range(150):
            held = await running(store, new("held"))
            task = asyncio.create_task(store.apply([Insert((new("a"),)), *map(end, held), Insert((new("b"),))], at(n)))
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            cancelled += task.cancel()
            await asyncio.wait([task])
            other.execute("BEGIN IMMEDIATE")
            sql = "SELECT sum(type = 'a'), sum(type = 'b'), sum(status = 'completed') FROM jobs"
            assert len(set(other.execute(sql).fetchone())) == 1
            other.execute("ROLLBACK")
    assert cancelled > 0
    assert await run_sql(store, "SELECT 1") == [(1,)]
    assert shown(store) == await counted(store)


async def test_the_write_ahead_log_stays_bounded_beside_a_reader(store: SqliteStore) -> None:
    log = Path(f"{store.shared_path}-wal")
    payload = '{"x": "' + "y" * 20_000 + '"}'
    sizes = []
    for n in range(15):
        (held,) = await running(store, new()._replace(payload=payload))
        await store.apply([Insert(tuple(new("b")._replace(payload=payload) for _ in range(60)))], at(n))
        assert len(await store.find(JobFilter(limit=1000))) == min(1000, 61 * (n + 1))
        assert await one(store, end(held)) is True
        sizes.append(log.stat().st_size)
    assert max(sizes) < 3 * 1000 * 4096 < 15 * 60 * 20_000
    with connected(Path(str(store.shared_path))) as other:
        assert other.execute("SELECT count(*) FROM jobs").fetchone() == (15 * 61,)


async def test_only_the_writer_checkpoints(store: SqliteStore) -> None:
    assert store._read is not None
    for pragma, expected in (("wal_autocheckpoint", 0), ("query_only", 1)):
        assert await store._on_reader(partial(_ask, f"PRAGMA {pragma}")) == [(expected,)]
    assert (await run_sql(store, "PRAGMA wal_autocheckpoint"))[0][0] == 1000


def _ask(sql: str, connection: sqlite3.Connection) -> Any:
    return connection.execute(sql).fetchall()


async def test_looking_for_wrong_counts_takes_a_small_share_of_the_time(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inserted(store, new())
    monkeypatch.setattr(sqlite, "_RECOUNTING", 1e-9)
    await store.recount(NOW)  # so the next one is far away
    with connected(database) as program:
        program.execute("UPDATE counts SET pending = 9")
    await store.changed()
    for next_recount, pending in ((store._next_recount, 9), (0.0, 1)):
        store._next_recount = next_recount
        await store.recount(NOW)
        await store.changed()
        assert store.counts()["a"].pending == pending
