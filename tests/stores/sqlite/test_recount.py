"""The walk that looks for wrong counts: in short steps, on a connection of its own, and nothing waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindJobs, GetJob, ListOwners, ListProcessing
from aiojobs_lite.stores.sqlite import recount
from aiojobs_lite.stores.sqlite.recount import Walk
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.sqlite_store import lister_of, notices_change, opened, recounts_at_once, writer_of
from tests.helpers.stores import NOW, complete, connected, counted, inserted, new, one, running, shown
from tests.helpers.waiting import PATIENCE, quiet, until

Step = tuple[int, int]  # rows asked for, rows found


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """The steps of every walk."""
    found: list[Step] = []
    really = Walk._take_step

    def noted(walk: Walk, connection: sqlite3.Connection) -> bool:
        asked = walk._step
        before = sum(sum(sums.counts[:1]) + sum(sums.counts[4:]) for sums in walk._found.values())
        goes_on = really(walk, connection)
        after = sum(sum(sums.counts[:1]) + sum(sums.counts[4:]) for sums in walk._found.values())
        found.append((asked, after - before))
        return goes_on

    monkeypatch.setattr(Walk, "_take_step", noted)
    return found


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Walk]]:
    """Every walk stands in its first step, on the thread of its connection, until the block ends; those that do."""
    standing: list[Walk] = []
    may_go_on = threading.Event()
    really = Walk._take_step

    def waits(walk: Walk, connection: sqlite3.Connection) -> bool:
        standing.append(walk)
        may_go_on.wait(PATIENCE)
        return really(walk, connection)

    with monkeypatch.context() as patched:
        patched.setattr(Walk, "_take_step", waits)
        try:
            yield standing
        finally:
            may_go_on.set()


def spoil(database: Path, script: str = "UPDATE aiojobs_counts SET pending = pending + 7") -> None:
    """Makes the counts wrong, as another program may."""
    with connected(database) as program:
        program.execute(script)


async def test_nothing_waits_for_a_walk(store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = await running(store, new(), owner="me")
    spoil(database)
    await notices_change(store)
    with held_up(monkeypatch) as standing:
        walk = asyncio.create_task(store.maintain(NOW))
        await until(lambda: len(standing) == 1)
        assert await store.ask(ListOwners()) == {"me"}
        assert await store.ask(ListProcessing("me")) == {job.id}
        assert await store.ask(GetJob(job.id)) is not None
        assert len(await store.ask(FindJobs(type="a"))) == 1
        assert await one(store, complete(job)) is Status.COMPLETED
        assert not await notices_change(store)
        assert not walk.done()
    await walk


async def test_a_quick_question_does_not_wait_for_a_list(store: SqliteStore) -> None:
    """A list that no index finds may look at a million rows."""
    await inserted(store, new())
    begun, may_go_on = threading.Event(), threading.Event()

    def long_list(_connection: sqlite3.Connection) -> None:
        begun.set()
        may_go_on.wait(PATIENCE)

    occupied = asyncio.create_task(lister_of(store).call(long_list))
    await until(begun.is_set)
    listed = asyncio.create_task(store.ask(FindJobs(type="a")))
    assert await store.ask(GetJob(1)) is not None
    for query in (FindJobs(ids=[1]), FindJobs(owner="me"), FindJobs(status=Status.PROCESSING)):
        assert len(await store.ask(query)) <= 1
    assert not listed.done()
    may_go_on.set()
    await occupied
    assert len(await listed) == 1


async def test_a_walk_takes_steps_that_grow_while_they_are_quick_and_sees_each_job_once(
    store: SqliteStore, database: Path, steps: list[Step]
) -> None:
    await inserted(store, *(new("ab"[n % 2]) for n in range(1500)))
    spoil(database)
    await notices_change(store)
    await store.maintain(NOW)
    assert steps[0][0] == 100
    assert sum(found for _, found in steps) == 1500
    assert all(found <= asked for asked, found in steps)
    assert all(after <= 2 * before for (before, _), (after, _) in pairwise(steps))
    await notices_change(store)
    assert shown(store) == await counted(store)


async def test_a_step_that_takes_long_is_followed_by_a_smaller_one(
    store: SqliteStore, database: Path, steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "LONGEST_STEP_S", 0.0)
    await inserted(store, *(new() for _ in range(200)))
    spoil(database)
    await notices_change(store)
    await store.maintain(NOW)
    assert [asked for asked, _ in steps[:8]] == [100, 50, 25, 12, 6, 3, 1, 1]
    assert sum(found for _, found in steps) == 200


async def test_what_moves_during_the_walk_stays_moved(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = await running(store, new("x"))
    await inserted(store, new(), new(due=9))
    spoil(database, "UPDATE aiojobs_counts SET pending = pending + 7, scheduled = 0, dead = 3")
    spoil(database, "DELETE FROM aiojobs_counts WHERE type = 'x'")
    await notices_change(store)
    with held_up(monkeypatch) as standing:
        walk = asyncio.create_task(store.maintain(NOW))
        await until(lambda: len(standing) == 1)
        await inserted(store, new(), new("b"))
        await running(store, new("c"))
    await walk
    await notices_change(store)
    assert shown(store) == await counted(store)
    assert await one(store, complete(job)) is Status.COMPLETED


async def test_two_owners_that_find_the_same_put_it_right_once(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await inserted(store, new(), new())
    async with opened(database) as other:
        spoil(database)
        for each in (store, other):
            await notices_change(each)
        with held_up(monkeypatch) as standing:
            walks = [asyncio.create_task(each.maintain(NOW)) for each in (store, other)]
            await until(lambda: len(standing) == 2)
        await asyncio.gather(*walks)
        for each in (store, other):
            await notices_change(each)
            assert shown(each) == await counted(each)
    assert caplog.text.count("were put right") == 1


async def test_a_walk_is_given_up_when_the_store_is_closed(
    store: SqliteStore, database: Path, steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "LONGEST_STEP_S", 0.0)
    await inserted(store, *(new() for _ in range(500)))
    spoil(database)
    await notices_change(store)
    walk = asyncio.create_task(store.maintain(NOW))
    await until(lambda: len(steps) > 5)
    await store.close()
    with pytest.raises(StoreUnavailable, match="CLOSED"):
        await walk
    assert sum(found for _, found in steps) < 500
    await store.open()
    monkeypatch.undo()
    recounts_at_once(store)
    await store.maintain(NOW)
    await notices_change(store)
    assert shown(store) == await counted(store)


async def test_a_walk_for_which_the_log_grows_too_long_is_given_up_and_the_next_has_more(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_most_log", 0)
    monkeypatch.setattr("aiojobs_lite.stores.sqlite.store.RECOUNT_SHARE", 1e9)
    await inserted(store, new())
    spoil(database)
    await notices_change(store)
    with held_up(monkeypatch) as standing:
        walk = asyncio.create_task(store.maintain(NOW))
        await until(lambda: len(standing) == 1)
        await inserted(store, *(new() for _ in range(200)))
    await walk
    assert writer_of(store).is_in_doubt
    assert shown(store) != await counted(store)
    monkeypatch.setattr(store, "_most_log", 2**20)
    await store.maintain(NOW)
    await notices_change(store)
    assert shown(store) == await counted(store)


async def test_a_cancelled_walk_closes_its_connection_and_is_made_again(
    store: SqliteStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inserted(store, new())
    spoil(database)
    await notices_change(store)
    threads = threading.active_count()
    with held_up(monkeypatch) as standing:
        walk = asyncio.create_task(store.maintain(NOW))
        await until(lambda: len(standing) == 1)
        walk.cancel()
        await quiet(beside_database=True)
    with pytest.raises(asyncio.CancelledError):
        await walk
    await until(lambda: threading.active_count() == threads, 0.01)
    await store.maintain(NOW)
    await notices_change(store)
    assert shown(store) == await counted(store)
