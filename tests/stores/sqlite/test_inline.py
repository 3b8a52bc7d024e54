"""Where a transaction is done: small ones at once, and nothing that may wait on the event loop's thread."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from aiojobs_lite.model.job import Failure, Outcome, Status
from aiojobs_lite.model.writes import Cancel, Delete, Finish, Insert, Pause, Prune, Redrive, Unpark, Write
from aiojobs_lite.stores.sqlite import inline as sqlite_place
from aiojobs_lite.stores.sqlite import store as sqlite
from aiojobs_lite.stores.sqlite.inline import Place
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.stores import NOW, claim, connected, new
from tests.helpers.waiting import PATIENCE, until

SMALL = Insert((new(),))


FAILED = Failure("ValueError", "bad", "x" * 1000)


def ended(failure: Failure | None = None, result: str | None = None) -> Finish:
    outcome, status = (Outcome.FAILED, Status.PENDING) if failure else (Outcome.SUCCEEDED, Status.COMPLETED)
    return Finish(1, "a", 1, "me", outcome, status, 1, NOW, NOW, 0, 0, 0, result, None, failure)


@pytest.mark.parametrize(
    ("writes", "is_small"),
    [
        ([SMALL], True),
        ([], True),
        ([Cancel(1, None), Delete(2), claim(slots={"a": 9}, look_at=[])], True),
        ([Insert((new(),) * 300)], True),
        ([Insert((new(),) * 301)], False),
        ([Insert((new(),) * 150)] * 2, True),
        ([Insert((new(),) * 150)] * 2 + [SMALL], False),
        ([Delete(n) for n in range(300)], True),
        ([Delete(n) for n in range(301)], False),
        ([ended()] * 150 + [claim(slots={"a": 149}, look_at=["a"], limit=149)], True),
        ([ended()] * 150 + [claim(slots={"a": 150}, look_at=["a"], limit=150)], False),
        ([ended()] * 150 + [claim(slots={"a": 150}, look_at=[], limit=150)], True),
        ([ended(FAILED)] * 60, True),
        ([ended(FAILED)] * 70, False),  # the tracebacks
        ([ended(result="x" * 30_000)] * 2, True),
        ([ended(result="x" * 30_000)] * 3, False),
        ([Insert((new()._replace(payload="x" * 30_000),) * 3)], False),
        ([Prune(1, 1, 1, 500)], False),
        ([Redrive(None, None)], False),
        ([Unpark(("a",)), SMALL], False),
        ([Pause("a", paused=True)], False),
    ],
)
def test_what_is_small_is_done_here(writes: Sequence[Write], is_small: bool) -> None:
    assert Place().allows(writes) is is_small


@pytest.mark.parametrize("trouble", [Place.was_refused, lambda place: place.took(0.02)])
def test_after_trouble_the_next_hundred_are_done_there(trouble: Callable[[Place], None]) -> None:
    place = Place()
    place.took(0.001)
    assert place.allows([SMALL])
    trouble(place)
    assert [place.allows([SMALL]) for _ in range(101)] == [False] * 100 + [True]


@pytest.mark.parametrize(
    ("writes", "pages"),
    [([SMALL], 4), ([Insert((new(),) * 160)], 14), ([Insert((new()._replace(payload="x" * 40_000),))], 24)],
)
def test_when_the_log_has_grown_a_checkpoint_is_due(writes: Sequence[Write], pages: int) -> None:
    place = Place()
    most = math.ceil(sqlite_place._LOG / pages)
    assert [place.allows(writes) for _ in range(most + 2)] == [True] * most + [False] * 2
    assert place.is_checkpoint_due
    place.checkpointed()
    assert place.allows(writes)


async def test_the_log_is_checkpointed_and_begun_anew_there(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_place, "_LOG", 50 * sqlite_place._LOG_EACH)
    log = database.with_name(f"{database.name}-wal")
    sizes = []
    async with watched(database, "normal") as (store, said):
        for _ in range(10):
            for _ in range(50):
                assert await store.apply([SMALL], NOW)
            sizes.append(log.stat().st_size)
        assert {here for word, here in said if word == "INSERT"} == {True}
        assert len([here for word, here in said if word == "COMMIT" and not here]) == 9
        assert sizes[-1] == sizes[1]  # it does not grow
    with connected(database) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (500,)


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy must not make what is tested too slow to be done here."""
    if "database" in request.fixturenames:
        monkeypatch.setattr(sqlite_place, "_LONG", PATIENCE)


@asynccontextmanager
async def watched(path: Path, durability: Literal["full", "normal"]) -> AsyncIterator[tuple[SqliteStore, list[Any]]]:
    """An open store, and what its write connection is asked to do: each statement with the thread that asks."""
    store = SqliteStore(path, durability)
    await store.open()
    assert store._write is not None
    connection = store._write._connection._conn
    said: list[Any] = []
    connection.set_trace_callback(lambda sql: said.append((sql.split()[0], threading.current_thread() is main)))
    main = threading.current_thread()
    try:
        yield store, said
    finally:
        connection.set_trace_callback(None)
        await store.close()


@pytest.mark.parametrize(
    ("durability", "disk", "commits_here"),
    [("normal", "slow", True), ("full", "slow", False), ("full", "quick", True)],
)
async def test_a_durable_commit_waits_for_a_slow_disk_there(
    database: Path, durability: Literal["full", "normal"], disk: str, commits_here: bool
) -> None:
    async with watched(database, durability) as (store, said):
        store._place.waited_for_disk(0.005 if disk == "slow" else 0.0001)
        await store.apply([SMALL], NOW)
        assert ("BEGIN", True) in said
        assert ("INSERT", True) in said
        assert ("COMMIT", commits_here) in said
        said.clear()
        await store.apply([Insert((new(),) * 400)], NOW)
        assert {here for _, here in said} == {False}


async def test_a_lock_of_somebody_else_is_waited_for_there(database: Path) -> None:
    async with watched(database, "normal") as (store, said):
        await store.apply([SMALL], NOW)
        with connected(database) as other:
            other.execute("BEGIN IMMEDIATE")
            said.clear()
            waiting = asyncio.create_task(store.apply([SMALL], NOW))
            await until(lambda: ("BEGIN", False) in said)
            other.execute("ROLLBACK")
            await waiting
        assert said[-1] == ("COMMIT", False)
        assert store.counts()["a"].pending == 2


async def test_at_once_is_for_commits_that_do_not_wait_for_the_disk_on_a_connection_that_is_free(
    database: Path, tmp_path: Path
) -> None:
    async with watched(database, "normal") as (store, _said):
        assert store.apply_at_once([SMALL], NOW) is not None
        assert store.apply_at_once([Insert((new(),) * 400)], NOW) is None
        there = asyncio.create_task(store.apply([Insert((new(),) * 400)], NOW))
        await asyncio.sleep(0)
        assert store.apply_at_once([SMALL], NOW) is None  # its thread is at work
        await there
        with connected(database) as other:
            other.execute("BEGIN IMMEDIATE")
            assert store.apply_at_once([SMALL], NOW) is None
            other.execute("ROLLBACK")
        assert store.counts()["a"].pending == 401
    async with watched(tmp_path / "full.db", "full") as (store, said):
        store._place.waited_for_disk(0.005)
        assert store.apply_at_once([SMALL], NOW) is None
        assert said == []


@pytest.mark.parametrize(("seconds", "there"), [(0.0001, 0), (0.001, 0), (0.002, 100), (0.005, 250), (1.0, 50_000)])
def test_a_slow_disk_is_waited_for_there_the_longer_the_slower_it_was(seconds: float, there: int) -> None:
    place = Place()
    assert place.is_disk_quick
    place.waited_for_disk(seconds)
    for _ in range(there):
        assert not place.is_disk_quick
        assert not place.allows_durable_commit([SMALL])
    assert place.is_disk_quick


@pytest.mark.parametrize("durability", ["normal", "full"])
async def test_what_each_durable_commit_here_took_is_measured(
    database: Path, monkeypatch: pytest.MonkeyPatch, durability: Literal["full", "normal"]
) -> None:
    monkeypatch.setattr(sqlite_place, "_QUICK_DISK", 0.0)  # none is
    async with watched(database, durability) as (store, _said):
        await store.apply([SMALL], NOW)
        assert store._place.is_disk_quick is (durability == "normal")


async def test_a_busy_event_loop_gives_way_to_a_call_that_is_overdue(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the thread may wait for the interpreter lock for seconds; here it waits for the moment itself."""
    given = threading.Event()
    monkeypatch.setattr(time, "sleep", lambda _seconds: given.set())
    async with watched(database, "normal") as (store, _said):
        assert store._write is not None
        assert await store._write.call(lambda connection: given.wait(PATIENCE))
        assert store._write.is_free
        assert store._write._help is not None
        assert store._write._help.cancelled()


def test_what_is_heavy_is_not_done_here() -> None:
    row = new()._replace(payload="x" * 40_000)
    assert Place().allows([Insert((row,))])
    assert not Place().allows([Insert((row, row))])


async def test_where_many_jobs_may_have_come_due_nothing_is_counted_here(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_MANY", 2)
    async with watched(database, "normal") as (store, said):
        await store.apply([Insert((new(due=5), new(due=6), new(due=7)))], NOW)
        said.clear()
        await store.apply([SMALL], NOW + 900_000)  # seen a moment ago: not many can have
        assert ("BEGIN", True) in said
        said.clear()
        await store.apply([SMALL], NOW + 10_000_000)
        assert {here for _, here in said} == {False}
        said.clear()
        await store.apply([SMALL], NOW + 10_000_001)  # none of them is to come any more
        assert ("BEGIN", True) in said
