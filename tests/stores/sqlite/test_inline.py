"""Where a transaction is done: small ones inline, and nothing that may wait on the event loop's thread."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.model.ends import Again, Complete
from aiojobs_lite.model.job import Failure, Held, Outcome
from aiojobs_lite.model.schedules import SetSchedule
from aiojobs_lite.model.steps import NewRan, SaveRan
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, PauseType, Prune, RedriveDead, Release, Write
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.sqlite import inline
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from tests.helpers.sqlite_store import policy_of, watched
from tests.helpers.stores import NOW, alone, applied, claim, connected, fire, inserted, new
from tests.helpers.waiting import PATIENCE, until

SMALL = Insert((new(),))
LARGE = Insert((new(),) * 400)
MUCH = 1000  # pending jobs


def complete(result: str | None = None) -> Complete:
    return Complete(1, 1, "me", "a", result)


def failed(traceback: str = "x" * 1000) -> Again:
    return Again(1, 1, "me", "a", Outcome.FAILED, NOW, failure=Failure("ValueError", "bad", traceback))


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy must not make what is tested too slow to be done inline."""
    if "database" in request.fixturenames:
        monkeypatch.setattr(inline, "LONG_INLINE_S", PATIENCE)


# The policy.


@pytest.mark.parametrize(
    ("writes", "pending", "is_small"),
    [
        ([SMALL], 0, True),
        ([], 0, True),
        ([CancelJob(1, None), DeleteJob(2), fire("s", 1, 2, None, skip_overlap=True)], MUCH, True),
        ([Insert((new(),) * 300)], 0, True),
        ([Insert((new(),) * 301)], 0, False),
        ([Insert((new(),) * 150)] * 2, 0, True),
        ([Insert((new(),) * 150)] * 2 + [SMALL], 0, False),
        ([DeleteJob(n) for n in range(300)], 0, True),
        ([DeleteJob(n) for n in range(301)], 0, False),
        ([complete()] * 150 + [claim(limit=149)], MUCH, True),
        ([complete()] * 150 + [claim(limit=150)], MUCH, False),
        ([complete()] * 150 + [claim(limit=150)], 149, True),  # it finds no more
        ([failed()] * 60, 0, True),
        ([failed()] * 70, 0, False),  # the tracebacks
        ([failed("")] * 101, 0, False),  # the statements
        ([complete("x" * 30_000)] * 2, 0, True),
        ([complete("x" * 30_000)] * 3, 0, False),
        ([Insert((new()._replace(payload="x" * 40_000),))], 0, True),
        ([Insert((new()._replace(payload="x" * 40_000),) * 2)], 0, False),
        ([Prune(1, 1, 1, 500)], 0, False),
        ([RedriveDead((1,))], 0, False),
        ([SetSchedule("s", "* * * * *", "UTC", NOW)], 0, False),
        ([Release((1,), Held.PAYLOAD), SMALL], 0, False),
        ([PauseType("a", paused=True)], 0, False),
    ],
)
def test_what_is_small_is_done_inline(writes: Sequence[Write[Any]], pending: int, is_small: bool) -> None:
    assert InlinePolicy().admit(alone(writes), pending) is is_small
    assert InlinePolicy().admit([tuple(writes)], pending) is is_small  # in however many units


@pytest.mark.parametrize("trouble", [InlinePolicy.was_refused, lambda policy: policy.took(0.02)])
def test_after_trouble_the_next_hundred_are_done_on_the_thread(trouble: Callable[[InlinePolicy], None]) -> None:
    policy = InlinePolicy()
    policy.took(0.001)
    assert policy.admit([(SMALL,)], 0)
    trouble(policy)
    assert [policy.admit([(SMALL,)], 0) for _ in range(101)] == [False] * 100 + [True]


@pytest.mark.parametrize(
    ("writes", "pages"),
    [([SMALL], 4), ([Insert((new(),) * 160)], 14), ([Insert((new()._replace(payload="x" * 40_000),))], 24)],
)
def test_when_the_log_has_grown_a_checkpoint_is_due(writes: Sequence[Write[Any]], pages: int) -> None:
    policy = InlinePolicy()
    most = math.ceil(inline.LOG_PAGES / pages)
    assert [policy.admit(alone(writes), 0) for _ in range(most + 2)] == [True] * most + [False] * 2
    assert policy.is_checkpoint_due
    policy.checkpointed()
    assert policy.admit(alone(writes), 0)


@pytest.mark.parametrize(("seconds", "on_thread"), [(0.0001, 0), (0.001, 0), (0.002, 100), (0.005, 250), (1.0, 50_000)])
def test_a_slow_disk_is_waited_for_on_the_thread_the_longer_the_slower_it_was(seconds: float, on_thread: int) -> None:
    policy = InlinePolicy()
    assert policy.is_disk_quick
    policy.waited_for_disk(seconds)
    for _ in range(on_thread):
        assert not policy.is_disk_quick
        assert not policy.admit_durable_commit([(SMALL,)])
    assert policy.is_disk_quick


def test_a_durable_commit_of_many_units_is_left_to_the_thread() -> None:
    policy = InlinePolicy()
    assert policy.admit_durable_commit([(SMALL, SMALL, SMALL)] * 4)
    assert not policy.admit_durable_commit([(SMALL,)] * 5)
    steps = [NewRan(number, 1, "one", "s", "1", 1) for number in range(5)]
    assert policy.admit_durable_commit([(SaveRan(steps[:4]),)])
    assert not policy.admit_durable_commit([(), (SaveRan(steps),)])


def test_the_memos_of_steps_that_ran_count() -> None:
    assert InlinePolicy().admit([(SaveRan([NewRan(1, 1, "one", "s", "1" * 60_000, 1)]),)], 0)
    assert not InlinePolicy().admit([(SaveRan([NewRan(1, 1, "one", "s", "1" * 40_000, 1)] * 2),)], 0)
    assert not InlinePolicy().admit([(SaveRan([NewRan(1, 1, "one", "s", "1", 1)] * 301),)], 0)


# The writer.


async def test_the_log_is_checkpointed_and_begun_anew_on_the_thread(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "LOG_PAGES", 50 * inline.LOG_PAGES_EACH)
    log = database.with_name(f"{database.name}-wal")
    sizes = []
    async with watched(database, "normal") as (store, asked):
        for _ in range(10):
            for _ in range(50):
                await inserted(store, new())
            sizes.append(log.stat().st_size)
        assert {one.is_inline for one in asked if one.word == "INSERT"} == {True}
        assert len([one for one in asked if one.word == "COMMIT" and not one.is_inline]) == 9
        assert sizes[-1] == sizes[1]  # it does not grow
    with connected(database) as connection:
        assert connection.execute("SELECT count(*) FROM aiojobs_jobs").fetchone() == (500,)


@pytest.mark.parametrize(
    ("durability", "disk", "commits_inline"),
    [("normal", "slow", True), ("full", "slow", False), ("full", "quick", True)],
)
async def test_a_durable_commit_waits_for_a_slow_disk_on_the_thread(
    database: Path, durability: Durability, disk: str, commits_inline: bool
) -> None:
    async with watched(database, durability) as (store, asked):
        policy_of(store).waited_for_disk(0.005 if disk == "slow" else 0.0001)
        await inserted(store, new())
        assert ("BEGIN", True) in asked
        assert ("INSERT", True) in asked
        assert ("COMMIT", commits_inline) in asked
        asked.clear()
        await store.apply([(LARGE,)], NOW)
        assert {one.is_inline for one in asked} == {False}


@pytest.mark.parametrize("durability", ["normal", "full"])
async def test_what_each_durable_commit_inline_took_is_measured(
    database: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    monkeypatch.setattr(inline, "QUICK_DISK_S", 0.0)  # none is
    async with watched(database, durability) as (store, _):
        await inserted(store, new())
        assert policy_of(store).is_disk_quick is (durability == "normal")


async def test_a_lock_of_another_process_is_waited_for_on_the_thread(database: Path) -> None:
    async with watched(database, "normal") as (store, asked):
        await inserted(store, new())
        with connected(database) as other:
            other.execute("BEGIN IMMEDIATE")
            asked.clear()
            waiting = asyncio.create_task(inserted(store, new()))
            await until(lambda: ("BEGIN", False) in asked)
            other.execute("ROLLBACK")
            await waiting
        assert asked[-1] == ("COMMIT", False)
        assert store.counts().total.pending == 2


async def test_inline_is_for_commits_that_do_not_wait_for_the_disk_on_a_connection_that_is_free(
    database: Path, tmp_path: Path
) -> None:
    async with watched(database, "normal") as (store, _):
        assert store.inline.apply([(SMALL,)], NOW) is not None
        assert store.inline.apply([(LARGE,)], NOW) is None
        on_thread = asyncio.create_task(store.apply([(LARGE,)], NOW))
        await asyncio.sleep(0)
        assert store.inline.apply([(SMALL,)], NOW) is None  # its thread is at work
        await on_thread
        with connected(database) as other:
            other.execute("BEGIN IMMEDIATE")
            assert store.inline.apply([(SMALL,)], NOW) is None
            other.execute("ROLLBACK")
        assert store.counts().total.pending == 401
    async with watched(tmp_path / "full.db", "full") as (store, asked):
        policy_of(store).waited_for_disk(0.005)
        assert store.inline.apply([(SMALL,)], NOW) is None
        assert asked == []


async def test_where_many_jobs_may_have_come_due_nothing_is_counted_inline(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiojobs_lite.stores.sqlite.writer.MANY_DUE", 2)
    async with watched(database, "normal") as (store, asked):
        await inserted(store, new(due=5), new(due=6), new(due=7))
        asked.clear()
        await inserted(store, new(), now=0.9)  # looked at a moment ago: not many can have come due
        assert ("BEGIN", True) in asked
        asked.clear()
        await inserted(store, new(), now=10)
        assert {one.is_inline for one in asked} == {False}
        asked.clear()
        await inserted(store, new(), now=10.000001)  # none of them is to come any more
        assert ("BEGIN", True) in asked


async def test_a_claim_that_may_take_many_is_done_on_the_thread_and_one_that_may_not_inline(database: Path) -> None:
    async with watched(database, "normal") as (store, asked):
        await inserted(store, *(new() for _ in range(250)))
        asked.clear()
        assert len((await applied(store, claim(limit=1000))).answers[0].jobs) == 250  # no more are pending
        assert {one.is_inline for one in asked} == {True}
        await inserted(store, *(new() for _ in range(1000)))
        asked.clear()
        assert len((await applied(store, claim(limit=1000))).answers[0].jobs) == 1000
        assert {one.is_inline for one in asked} == {False}
