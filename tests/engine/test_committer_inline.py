"""A write that nothing competes with: done without a turn of the event loop, and never out of order."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.writes import DeleteJob, Insert, Write
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.committer import CLAIM, committing, degraded, scripted
from tests.helpers.fault_store import FULL, Fault, Kind
from tests.helpers.waiting import quiet, until


async def test_a_lone_write_is_done_at_once_with_the_claim_that_goes_with_it(clock: FakeClock) -> None:
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        rig.claims.append(CLAIM)
        insert = Insert(())
        assert await rig.write(insert) == f"inline {insert}"
        written: list[Write[Any]] = [insert, CLAIM]
        assert store.inlined == [written]
        assert rig.asked_for_claim[-1]
        ((applied, answer),) = rig.taken
        assert answer is applied.answers[1]
        assert store.tried == []


async def test_what_it_makes_due_is_claimed_though_nothing_else_happens(clock: FakeClock) -> None:
    """The tick of a schedule, say: nothing asks for a claim before it is written, and nothing wakes the committer."""
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        await rig.write(DeleteJob(1))
        rig.claims.append(CLAIM)
        await until(lambda: store.saved == [[CLAIM]])
        await quiet()
        asked = len(rig.asked_for_claim)
        await rig.write(Insert(()))  # without a claim: no slot is free, and who frees one asks
        await quiet()
        assert len(rig.asked_for_claim) == asked + 1


async def test_a_caller_alone_is_served_at_once_some_times_in_each_turn(clock: FakeClock) -> None:
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        for _ in range(2):
            answers = [await rig.write(DeleteJob(number)) for number in range(17)]
            assert [answer.startswith("inline") for answer in answers] == [True] * 16 + [False]
            await quiet()
        assert store.saved == [[DeleteJob(16)]] * 2


async def test_callers_who_come_together_are_served_together_and_so_is_who_comes_next(clock: FakeClock) -> None:
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        calls = [rig.call(DeleteJob(number)) for number in range(10)]
        assert [(await call).startswith("inline") for call in calls] == [True] + [False] * 9
        calls = [rig.call(DeleteJob(number)) for number in range(10)]
        assert [(await call).startswith("inline") for call in calls] == [False] * 10
        assert [len(group) for group in store.saved] == [9, 10]
        await quiet()
        answers = [await rig.call(DeleteJob(number)) for number in range(2)]
        assert [answer.startswith("inline") for answer in answers] == [False, True]


async def test_nothing_overtakes_what_waits_or_is_in_flight(clock: FakeClock) -> None:
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1))
        assert (await rig.write(DeleteJob(2))).startswith("saved")
        store.gate.clear()
        rig.keep(DeleteJob(3))
        await until(lambda: store.tried[-1] == [DeleteJob(3)])
        late = rig.call(DeleteJob(4))
        await quiet()
        store.gate.set()
        assert (await late).startswith("saved")
        assert store.inlined == []


@pytest.mark.parametrize("fault", [Fault(Kind.LATE, "inline"), Fault(Kind.REJECTED, "inline")])
async def test_what_cannot_be_done_at_once_waits_its_turn(clock: FakeClock, fault: Fault) -> None:
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        store.faults = [fault]
        assert await rig.call(DeleteJob(1)) == f"saved {DeleteJob(1)}"
        assert not rig.health.is_degraded
        assert rig.published() == []


async def test_what_failed_at_once_is_not_done_again_for_its_caller(clock: FakeClock) -> None:
    """It may be there all the same: a fault of the commit itself."""
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        store.faults = [Fault(method="inline", error=FULL)]
        with pytest.raises(type(FULL)):
            await rig.write(DeleteJob(1))
        assert rig.health.fault == FULL.code
        await until(lambda: not rig.health.is_degraded)
        assert store.saved == [[]]
        assert rig.looks == 1  # at everything: it may be there
        assert [type(event) for event in rig.published()] == [StoreDegraded, StoreRecovered]


async def test_a_degraded_store_is_not_tried_at_once(clock: FakeClock) -> None:
    store = scripted(FULL, has_inline=True)
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1))
        await degraded(rig, store)
        with pytest.raises(type(FULL)):
            await rig.write(DeleteJob(2))
        assert store.inlined == []


async def test_each_transaction_that_is_carried_out_is_measured_once(clock: FakeClock) -> None:
    store = scripted(has_inline=True)
    async with committing(store, clock) as rig:
        await rig.write(DeleteJob(1))
        assert (store.inlined, rig.meter.durations().count) == ([[DeleteJob(1)]], 1)
        store.faults = [Fault(method="inline", kind=Kind.LATE)]
        await rig.write(DeleteJob(2))  # in the committer's own task
        assert (store.saved, rig.meter.durations().count) == ([[DeleteJob(2)]], 2)
        before = rig.meter.durations()
        store.faults = [Fault(method="inline", error=FULL)]
        with pytest.raises(type(FULL)):
            await rig.write(DeleteJob(3))
        assert rig.meter.durations() == before
        assert before.total > 0
