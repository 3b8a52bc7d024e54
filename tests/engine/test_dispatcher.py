"""What is claimed and when: free slots, what is known of due jobs, and when that is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.writes import Claim, ClaimAnswer
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.telemetry.facts import AttemptStarted, JobCompleted
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import claimed, going, registry_of, turns
from tests.helpers.waiting import PATIENCE, next_fact, until

NOW = to_micros(FakeClock().time)
SECOND = 1_000_000


@job(name="free")
async def unlimited() -> None: ...


@job(name="two", concurrency=2)
async def limited() -> None: ...


class Desk:
    def __init__(self, clock: FakeClock, *job_types: Any, max_running: int = 10) -> None:
        self.started: list[Claimed] = []
        self.wakes = 0
        self.dispatcher = Dispatcher(
            "me", clock, registry_of(*job_types), max_running, start=self.started.extend, wake=self._wake
        )

    def _wake(self) -> None:
        self.wakes += 1

    def committed(
        self,
        due: Mapping[str, int | None] | None = None,
        *,
        jobs: list[Claimed] | None = None,
        held_back: str | None = None,
        changed: bool = False,
    ) -> None:
        """A transaction; with `jobs` or `held_back` there was a claim in it."""
        answer = None
        if jobs is not None or held_back is not None:
            answer = ClaimAnswer(jobs or [], frozenset({held_back} if held_back else ()))
        self.dispatcher.committed(Applied([], due or {}, changed), answer)

    def looks_at(self) -> list[str] | None:
        claim = self.dispatcher.next_claim(inserting=False)
        return None if claim is None else sorted(claim.look_at)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_at_first_every_type_is_looked_at_then_what_is_known_counts(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited, limited)
    assert desk.dispatcher.next_claim(inserting=False) == Claim(
        "me", 10, {"free": 10, "two": 2}, {"two": 2}, ["free", "two"]
    )
    desk.committed({"free": None, "two": NOW + 5 * SECOND, "of nobody here": NOW})
    assert desk.looks_at() is None
    assert desk.dispatcher.is_idle
    inserting = desk.dispatcher.next_claim(inserting=True)  # new jobs may be claimed as they are inserted
    assert inserting == Claim("me", 10, {"free": 10, "two": 2}, {"two": 2}, [])
    clock.advance(5)
    assert desk.looks_at() == ["two"]
    assert not desk.dispatcher.is_idle
    desk.committed({"free": NOW})
    assert desk.looks_at() == ["free", "two"]


def test_slots_are_taken_by_the_claim_and_freed_by_the_end(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited, limited, max_running=3)
    jobs = [claimed(1, "two"), claimed(2, "two")]
    desk.committed({"free": NOW, "two": NOW}, jobs=jobs)
    assert desk.started == jobs
    claim = desk.dispatcher.next_claim(inserting=False)
    assert claim is not None
    assert (claim.limit, claim.slots, claim.look_at) == (1, {"free": 1, "two": 0}, ["free"])
    desk.committed(jobs=[claimed(3, "free")])
    assert desk.dispatcher.next_claim(inserting=True) is None  # all of the runner's slots are taken
    assert not desk.dispatcher.is_idle
    desk.dispatcher.released("two")
    claim = desk.dispatcher.next_claim(inserting=False)
    assert claim is not None
    assert (claim.limit, claim.slots) == (1, {"free": 1, "two": 1})


def test_without_slots_nothing_is_claimed_ever(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited, max_running=0)
    desk.committed({"free": NOW})
    assert desk.dispatcher.next_claim(inserting=True) is None
    assert desk.dispatcher.is_idle


def test_a_type_that_is_held_back_is_asked_for_again_when_something_changed(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited, limited)
    desk.committed({"free": None, "two": NOW}, held_back="two")
    assert desk.looks_at() is None
    assert desk.dispatcher.is_idle  # what waits cannot run
    desk.committed({"two": NOW})
    assert desk.looks_at() is None
    desk.committed(changed=True)  # somebody else has committed: perhaps an end
    assert desk.looks_at() == ["free", "two"]
    desk.committed({"free": None, "two": NOW}, held_back="two")
    desk.dispatcher.look_again("two")  # resumed
    assert desk.looks_at() == ["two"]
    desk.committed({"two": NOW}, jobs=[claimed(1, "two")], held_back="two")
    assert desk.looks_at() is None
    desk.dispatcher.released("two")
    assert desk.looks_at() == ["two"]
    desk.committed({"two": NOW}, held_back="two")
    desk.dispatcher.look_again("nobody")
    assert desk.looks_at() is None
    desk.dispatcher.look_again()
    assert desk.looks_at() == ["free", "two"]


def test_a_closed_one_claims_nothing(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited)
    desk.dispatcher.close()
    assert desk.dispatcher.next_claim(inserting=True) is None
    assert desk.dispatcher.is_idle


def test_the_age_of_the_oldest_due_job_grows_with_the_clock(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited, limited)
    assert desk.dispatcher.oldest_due_age() == 0.0
    desk.committed({"free": NOW - 30 * SECOND, "two": NOW + 60 * SECOND})
    assert desk.dispatcher.oldest_due_age() == 30.0
    clock.advance(120)
    assert desk.dispatcher.oldest_due_age() == 150.0
    desk.committed({"free": None})
    assert desk.dispatcher.oldest_due_age() == 60.0
    desk.committed({"two": None})
    assert desk.dispatcher.oldest_due_age() == 0.0


async def test_the_committer_is_woken_when_the_next_job_becomes_due(clock: FakeClock) -> None:
    desk = Desk(clock, unlimited, limited)
    async with going(desk.dispatcher.run):
        desk.committed({"free": NOW + 10 * SECOND, "two": None})
        await turns()
        wakes = desk.wakes
        clock.advance(9.999)
        await turns()
        assert desk.wakes == wakes
        clock.advance(0.001)
        await turns()
        assert desk.wakes > wakes
        assert desk.looks_at() == ["free"]
        desk.committed({"free": NOW + 30 * SECOND})
        await turns()
        desk.committed({"two": NOW + 20 * SECOND})  # sooner than what it waits for
        await turns()
        wakes = desk.wakes
        clock.advance(10)
        await turns()
        assert desk.wakes > wakes
        assert desk.looks_at() == ["two"]


# Through runners.


async def test_jobs_held_back_by_the_limit_run_when_another_owner_finishes(database: Path) -> None:
    gates: dict[str, asyncio.Event] = {name: asyncio.Event() for name in ("one", "two")}
    ran: list[str] = []

    def handler(name: str) -> Any:
        @job(name="shared", concurrency=1)
        async def shared() -> None:
            ran.append(name)
            await gates[name].wait()

        return shared

    one, two = (JobRunner(database, jobs=[handler(name)]) for name in gates)
    async with asyncio.timeout(PATIENCE), one:
        first = await one.enqueue("shared")
        await until(lambda: ran == ["one"])
        async with two:
            events = two.watch()
            second = await two.enqueue("shared")
            third = await two.enqueue("shared")
            await two.run_until_idle()
            assert ran == ["one"]
            assert two.stats().by_type["shared"].processing == 1
            one._engine_here().drain("test")  # so that only the other can go on
            gates["one"].set()
            await first.result()
            assert (await next_fact(events, AttemptStarted)).job_id == second.id
            assert two.stats().by_type["shared"].processing == 1
            gates["two"].set()
            await third.result()
        assert ran == ["one", "two", "two"]


async def test_a_scheduled_job_runs_at_its_time_and_not_before(clock: FakeClock) -> None:
    runner = JobRunner(":memory:", jobs=[unlimited], clock=clock)
    async with asyncio.timeout(PATIENCE), runner:
        later = await runner.enqueue(unlimited.using(delay="10s"))
        sooner = await runner.enqueue(unlimited.using(delay="5s"))
        events = runner.watch()
        clock.advance(5)
        assert (await next_fact(events, JobCompleted)).job_id == sooner.id
        clock.advance(5)
        assert (await next_fact(events, JobCompleted)).job_id == later.id
