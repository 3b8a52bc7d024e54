"""What is claimed and when: free slots, what is known of due jobs, and when that is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.ends import Complete
from aiojobs_lite.model.expiries import Expired
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.writes import Claim, ClaimAnswer
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.telemetry.facts import AttemptStarted, JobCompleted
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import claimed, going, registry_of
from tests.helpers.instants import SECOND
from tests.helpers.waiting import next_fact, quiet, until

NOW = to_micros(FakeClock().time)


@job(name="free")
async def unlimited() -> None: ...


@job(name="two", concurrency=2)
async def limited() -> None: ...


@job(name="cpu", process=True)
def in_process() -> None: ...


@job(name="cpu too", process=True)
def in_process_too() -> None: ...


TYPES = frozenset({"free", "two"})


class Rig:
    """A dispatcher, what it starts and gives back, and how often it wakes the committer."""

    def __init__(self, clock: FakeClock, *job_types: Any, max_running: int = 10) -> None:
        self.started: list[Claimed] = []
        self.given_back: list[Claimed] = []
        self.wakes = 0
        self.gone: list[Expired] = []
        self.dispatcher = Dispatcher(
            owner="me", clock=clock, registry=registry_of(*job_types), max_running=max_running, workers=2
        )
        self.dispatcher.connect(commits=self, attempts=self, expiries=self)  # type: ignore[arg-type]  # needs no more
        self.dispatcher.start_claiming()

    def start(self, jobs: Sequence[Claimed]) -> None:
        self.started += jobs

    def give_back(self, jobs: Sequence[Claimed]) -> None:
        self.given_back += jobs

    def expired(self, jobs: Sequence[Expired]) -> None:
        self.gone += jobs

    def wake(self) -> None:
        self.wakes += 1

    def committed(self, due: int | None = None, expires_at: int | None = None) -> None:
        """A transaction without a claim."""
        self.dispatcher.committed(Applied([], due, expires_at), None)

    def claimed(
        self, *jobs: Claimed, due: int | None = None, limited: str | None = None, expired: Sequence[Expired] = (),
        is_partial: bool = False,
    ) -> None:  # fmt: skip
        """The answer to a claim."""
        answer = ClaimAnswer(list(jobs), frozenset({limited} if limited else ()), is_partial)
        self.dispatcher.committed(Applied([], due, expired=expired), answer)

    def claims(self) -> Claim | None:
        return self.dispatcher.next_claim(inserting=False)

    def slots(self) -> dict[str, int]:
        claim = self.claims()
        assert claim is not None
        return dict(claim.slots)


def test_at_first_it_claims_and_then_at_the_instant_that_the_store_says(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited, limited)
    assert rig.claims() == Claim("me", 10, TYPES, {"two": 2}, {"two": 2}, frozenset(), 2)
    rig.claimed(due=NOW + 5 * SECOND)
    assert rig.claims() is None
    assert rig.dispatcher.is_idle
    assert rig.dispatcher.next_claim(inserting=True) is not None  # new jobs may be claimed as they are inserted
    rig.claimed(due=NOW + 5 * SECOND)
    clock.advance(5)
    assert not rig.dispatcher.is_idle
    assert rig.claims() is not None
    rig.claimed()
    assert rig.claims() is None
    clock.advance("1d")
    assert rig.claims() is None  # not before something else happens


def test_a_write_makes_it_sooner_and_never_later(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    rig.claims()
    rig.claimed()
    rig.committed(NOW + 5 * SECOND)
    rig.committed(NOW + 9 * SECOND)
    rig.committed(None)
    assert rig.claims() is None
    clock.advance(5)
    assert rig.claims() is not None
    rig.claimed(due=NOW + 9 * SECOND)
    rig.committed(NOW)
    assert rig.claims() is not None


def test_it_claims_when_a_job_expires_even_without_a_slot_and_then_as_before(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited, max_running=1)
    rig.claims()
    rig.claimed(claimed(1, "free"), due=NOW)
    rig.committed(expires_at=NOW + 5 * SECOND)
    assert rig.claims() is None
    clock.advance(5)
    claim = rig.claims()
    assert claim is not None
    assert claim.limit == 0
    rig.claimed(due=NOW, expired=[Expired(2, "free")])
    assert rig.gone == [Expired(2, "free")]
    assert rig.claims() is None
    rig.dispatcher.released("free")
    claim = rig.claims()  # at once: the claim without a slot says nothing of what is due
    assert claim is not None
    assert claim.limit == 1
    rig.claimed()
    rig.committed(expires_at=NOW)
    assert not rig.dispatcher.is_idle
    rig.dispatcher.drain()
    assert rig.claims() is None
    assert rig.dispatcher.is_idle


async def test_it_wakes_the_committer_when_the_first_job_expires(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    async with going(rig.dispatcher.run):
        rig.claims()
        rig.claimed(due=NOW + 9 * SECOND)
        rig.committed(expires_at=NOW + 5 * SECOND)
        await quiet()
        before = rig.wakes
        clock.advance(4)
        await quiet()
        assert rig.wakes == before
        clock.advance(1)
        await until(lambda: rig.wakes > before)


def test_slots_are_taken_by_the_claim_and_freed_by_the_end(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited, limited, max_running=3)
    jobs = [claimed(1, "two"), claimed(2, "two")]
    rig.claims()
    rig.claimed(*jobs, due=NOW)
    assert rig.started == jobs
    claim = rig.claims()
    assert claim is not None
    assert (claim.limit, claim.slots) == (1, {"two": 0})
    rig.claimed(claimed(3, "free"))
    assert rig.dispatcher.next_claim(inserting=True) is None  # all of the runner's slots are taken
    assert not rig.dispatcher.is_idle
    rig.dispatcher.released("two")
    claim = rig.claims()  # the type was full: jobs of it may wait
    assert claim is not None
    assert (claim.limit, claim.slots) == (1, {"two": 1})


def test_types_that_need_a_worker_process_are_offered_no_more_than_there_are_free_ones(clock: FakeClock) -> None:
    rig = Rig(clock, in_process, in_process_too, unlimited)
    first = rig.claims()
    assert first is not None
    assert (first.pooled, first.pool_slots) == ({"cpu", "cpu too"}, 2)
    rig.claimed(claimed(1, "cpu"), claimed(2, "cpu too"), claimed(3, "free"), due=NOW + SECOND)
    assert [rig.dispatcher.free(name) for name in ("cpu", "free")] == [0, 7]
    assert rig.dispatcher.difference({"cpu": 1, "free": 2}) == "2 in worker processes for 1"
    assert rig.claims() is None
    rig.dispatcher.released("free")
    assert rig.claims() is None
    rig.dispatcher.released("cpu")
    then = rig.claims()
    assert then is not None
    assert (then.limit, then.pool_slots) == (9, 1)
    rig.claimed()
    rig.dispatcher.recount({"cpu": 2, "free": 1})
    again = rig.claims()
    assert again is not None
    assert again.pool_slots == 0


def test_what_a_claim_was_given_does_not_change_while_it_is_in_flight(clock: FakeClock) -> None:
    rig = Rig(clock, limited)
    rig.claims()
    rig.claimed(claimed(1, "two"), due=NOW)
    claim = rig.claims()
    assert claim is not None
    rig.dispatcher.released("two")
    assert claim.slots == {"two": 1}
    rig.claimed(claimed(2, "two"))  # it took all that it was offered, but a slot got free meanwhile
    assert rig.slots() == {"two": 1}


def test_the_end_of_a_type_without_a_limit_asks_for_nothing(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    rig.claims()
    rig.claimed(claimed(1, "free"))
    rig.dispatcher.released("free")
    assert rig.claims() is None
    assert rig.dispatcher.is_idle


def test_without_slots_nothing_is_claimed_ever(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited, max_running=0)
    rig.committed(NOW)
    assert rig.dispatcher.next_claim(inserting=True) is None
    assert rig.dispatcher.is_idle


@pytest.mark.parametrize("name", ["two", "free"])  # a type without a limit may be paused
def test_a_type_that_is_held_back_is_offered_again_when_something_changed(clock: FakeClock, name: str) -> None:
    rig = Rig(clock, unlimited, limited)
    offered = rig.slots()

    def at_its_limit() -> None:
        rig.claims()
        rig.claimed(limited=name)
        assert rig.claims() is None
        assert rig.dispatcher.is_idle  # what waits cannot run
        rig.committed(NOW)
        assert rig.slots() == {**offered, name: 0}
        rig.claimed()

    at_its_limit()
    wakes = rig.wakes
    rig.dispatcher.attempt_ended(Complete(1, 1, "another", name))
    assert rig.wakes > wakes
    assert rig.slots() == offered
    at_its_limit()
    rig.dispatcher.look_again(name)  # resumed
    assert rig.slots() == offered
    at_its_limit()
    rig.dispatcher.look_again("of another runner")
    assert rig.slots() == {**offered, name: 0}
    rig.dispatcher.look_again()
    assert rig.slots() == offered


def test_the_end_of_an_own_attempt_offers_a_type_that_is_held_back_again(clock: FakeClock) -> None:
    rig = Rig(clock, limited)
    rig.claims()
    rig.claimed(claimed(1, "two"), limited="two")
    assert rig.claims() is None
    rig.dispatcher.released("two")  # its end goes with the same transaction as the claim
    assert rig.slots() == {"two": 2}


def test_what_changes_while_a_claim_is_in_flight_is_looked_at_by_another(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    rig.claims()
    rig.dispatcher.look_again()
    rig.claimed(due=NOW + 5 * SECOND)
    assert rig.claims() is not None
    rig.claimed(due=NOW + 5 * SECOND)
    assert rig.claims() is None


async def test_a_store_that_is_wrong_about_what_is_due_is_asked_again_after_a_pause(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    async with going(rig.dispatcher.run):
        for pause in (0.002, 0.004, 0.008, 0.016, 0.02, 0.02):
            assert rig.claims() is not None
            rig.claimed(due=NOW - SECOND)
            await quiet()
            assert rig.claims() is None
            assert not rig.dispatcher.is_idle
            wakes = rig.wakes
            clock.advance(pause)
            await quiet()
            assert rig.wakes > wakes
        rig.claims()
        rig.claimed(claimed(1, "free"), due=NOW - SECOND)  # right again
        assert rig.claims() is not None
        rig.claimed()
        assert rig.claims() is None


def test_a_claim_that_looked_at_a_part_of_what_is_due_is_followed_by_another_without_a_pause(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    for _ in range(3):
        assert rig.claims() is not None
        rig.claimed(due=NOW - SECOND, is_partial=True)
    assert not rig.dispatcher.is_idle
    assert rig.claims() is not None
    rig.claimed()
    assert rig.claims() is None


def test_a_job_that_becomes_due_while_its_claim_is_in_flight_is_no_wrong_hint(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    rig.claims()
    clock.advance(5)
    rig.claimed(due=NOW + 5 * SECOND)
    assert rig.claims() is not None


def test_before_the_start_it_claims_nothing_and_after_the_drain_began_it_gives_back(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    rig.dispatcher.stop_claiming()
    assert rig.dispatcher.next_claim(inserting=True) is None
    rig.dispatcher.start_claiming()
    assert rig.claims() is not None
    rig.dispatcher.drain()
    rig.claimed(claimed(1, "free"))
    assert (rig.started, [job.id for job in rig.given_back]) == ([], [1])
    assert not rig.dispatcher.is_idle
    rig.dispatcher.released("free")
    assert rig.dispatcher.is_idle
    rig.dispatcher.start_claiming()
    assert rig.dispatcher.next_claim(inserting=True) is None


def test_what_a_claim_is_given_does_not_grow_with_the_types_that_are_registered(clock: FakeClock) -> None:
    types: list[JobType[..., Any]] = [JobType(noop, name=f"type {number}") for number in range(100)]
    rig = Rig(clock, *types)
    claim = rig.claims()
    assert claim is not None
    assert (len(claim.types), claim.slots, claim.concurrency) == (100, {}, {})
    rig.claimed(claimed(1, "type 5"), due=NOW)
    again = rig.claims()
    assert again is not None
    assert again.types is claim.types
    assert again.slots is claim.slots


async def noop() -> None: ...


async def test_the_committer_is_woken_when_the_next_job_becomes_due(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    async with going(rig.dispatcher.run):
        rig.claims()
        rig.claimed(due=NOW + 10 * SECOND)
        await quiet()
        wakes = rig.wakes
        clock.advance(9.999)
        await quiet()
        assert rig.wakes == wakes
        clock.advance(0.001)
        await quiet()
        assert rig.wakes > wakes
        assert rig.claims() is not None
        rig.claimed(due=NOW + 30 * SECOND)
        await quiet()
        rig.committed(NOW + 20 * SECOND)  # sooner than what it waits for
        await quiet()
        wakes = rig.wakes
        clock.advance(10)
        await quiet()
        assert rig.wakes > wakes
        assert rig.claims() is not None


async def test_after_a_jump_of_the_clock_it_looks_again_and_waits_anew(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited)
    async with going(rig.dispatcher.run):
        rig.claims()
        rig.claimed(due=NOW + 3600 * SECOND)
        await quiet()
        wakes = rig.wakes
        rig.dispatcher.clock_jumped()
        assert rig.wakes > wakes
        assert rig.claims() is not None


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
    async with one:
        first = await one.enqueue_named("shared")
        await until(lambda: ran == ["one"])
        async with two:
            events = two.watch()
            second = await two.enqueue_named("shared")
            third = await two.enqueue_named("shared")
            await two.run_until_idle()
            assert ran == ["one"]
            assert two.stats().by_type["shared"].processing == 1
            Probe(one).drain()  # so that only the other can go on
            gates["one"].set()
            await first.result()
            assert (await next_fact(events, AttemptStarted)).job_id == second.id
            assert two.stats().by_type["shared"].processing == 1
            gates["two"].set()
            await third.result()
        assert ran == ["one", "two", "two"]


async def test_a_scheduled_job_runs_at_its_time_and_not_before(clock: FakeClock) -> None:
    runner = JobRunner(":memory:", jobs=[unlimited], clock=clock)
    async with runner:
        later = await runner.enqueue(unlimited.using(delay="10s"))
        sooner = await runner.enqueue(unlimited.using(delay="5s"))
        events = runner.watch()
        clock.advance(5)
        assert (await next_fact(events, JobCompleted)).job_id == sooner.id
        clock.advance(5)
        assert (await next_fact(events, JobCompleted)).job_id == later.id


def test_what_is_held_is_not_claimed_until_the_types_are_set_and_claims_in_flight_keep_theirs(clock: FakeClock) -> None:
    rig = Rig(clock, unlimited, limited)
    before = rig.claims()
    assert before is not None
    rig.claimed()
    rig.dispatcher.hold({"two", "unknown"})
    rig.dispatcher.look_again()
    held = rig.claims()
    assert held is not None
    assert (before.types, held.types) == (TYPES, {"free"})
    rig.claimed()
    rig.dispatcher.set_types([unlimited, limited], {})
    assert rig.wakes > 0
    assert rig.claims() == before


def test_attempts_that_run_count_for_the_types_that_are_set(clock: FakeClock) -> None:
    @job(name="free", concurrency=3)
    async def limited_now() -> None: ...

    rig = Rig(clock, unlimited, limited, in_process)
    rig.claims()
    rig.claimed(claimed(1, "free"), claimed(2, "cpu"), claimed(3, "two"), limited="two")
    rig.dispatcher.set_types([limited_now, in_process_too], {"free": 1, "cpu": 1, "two": 1})
    claim = rig.claims()
    assert claim == Claim("me", 7, frozenset({"free", "cpu too"}), {"free": 2}, {"free": 3}, frozenset({"cpu too"}), 2)
    for name in ("free", "cpu", "two"):
        rig.dispatcher.released(name)
    assert rig.dispatcher.difference({}) == ""
    assert rig.slots() == {"free": 3}
