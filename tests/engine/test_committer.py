"""The group commit: what shares a transaction, which callers get a fault, and that nothing of the engine is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aiojobs_lite.errors import AttemptNotOwned, RunnerClosed, StoreError, StoreRejected, StoreUnavailable
from aiojobs_lite.model.ends import Complete
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Insert, Unit, Write
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.committer import CLAIM, Rig, committing, degraded, one_group, recovered, scripted
from tests.helpers.engine import going
from tests.helpers.fault_store import FULL, IOERR, REJECTED, EchoStore, Fault, FaultStore, holding
from tests.helpers.waiting import quiet, until


async def test_writes_that_arrive_during_a_transaction_share_the_next_one(clock: FakeClock) -> None:
    store = scripted()
    store.gate.clear()
    async with committing(store, clock) as rig:
        first = rig.call(DeleteJob(1))
        await until(lambda: len(store.tried) == 1)
        others = [rig.call(DeleteJob(number)) for number in (2, 3, 4)]
        await quiet()
        assert store.tried == [[DeleteJob(1)]]  # one at a time
        assert not rig.committer.is_idle
        store.gate.set()
        assert [await task for task in (first, *others)] == [f"saved {DeleteJob(number)}" for number in (1, 2, 3, 4)]
        assert store.saved == [[DeleteJob(1)], [DeleteJob(2), DeleteJob(3), DeleteJob(4)]]
        await until(lambda: rig.committer.is_idle)


async def test_a_crowd_is_saved_in_its_order_some_hundreds_a_transaction(clock: FakeClock) -> None:
    store = scripted()
    async with committing(store, clock) as rig:
        tasks = [rig.call(DeleteJob(number)) for number in range(1234)]
        await asyncio.gather(*tasks)
        assert [write for group in store.saved for write in group] == [DeleteJob(number) for number in range(1234)]
        assert max(map(len, store.saved)) == 250


async def test_between_two_transactions_the_host_has_its_turn(clock: FakeClock) -> None:
    """A store that does them on the event loop's own thread never gives way by itself."""

    class Here(FaultStore):
        async def apply(self, units: Sequence[Unit], now: int) -> Applied:
            order.append(f"{len(units)} writes")
            return Applied([None] * len(units), None)

    order: list[str] = []
    async with committing(Here(EchoStore()), clock) as rig:
        calls = [rig.call(DeleteJob(number)) for number in range(600)]
        await asyncio.sleep(0)  # now they wait

        def host() -> None:
            order.append("host")
            if len(order) < 20:
                asyncio.get_running_loop().call_soon(host)

        host()
        await asyncio.gather(*calls)
    first, second = (index for index, what in enumerate(order) if what == "250 writes")
    assert "host" in order[first:second]
    assert "host" in order[second : order.index("100 writes")]


async def test_a_claim_rides_along_and_its_answer_goes_to_the_dispatcher_alone(clock: FakeClock) -> None:
    store = scripted()
    async with committing(store, clock) as rig:
        inserting = rig.call(Insert(()))
        await until(lambda: rig.committer.is_waiting)
        rig.claims.append(CLAIM)
        assert await inserting == f"saved {Insert(())}"
        written: list[Write[Any]] = [Insert(()), CLAIM]
        assert store.saved == [written]
        assert [str(answer) for _, answer in rig.taken] == [f"saved {CLAIM}"]
        await rig.call(DeleteJob(1))
        assert rig.taken[1][1] is None
        assert True in rig.asked_for_claim  # jobs are about to be inserted
        before = len(store.saved)
        rig.claims.append(CLAIM)
        rig.committer.wake()
        await until(lambda: len(store.saved) > before)
        assert store.saved[-1] == [CLAIM]  # a claim alone is enough to commit


async def test_what_waits_for_idleness_is_woken_each_time_nothing_is_left(clock: FakeClock) -> None:
    store = scripted()
    async with committing(store, clock) as rig:
        rig.committer.went_idle.clear()
        await rig.call(DeleteJob(1))
        await rig.committer.went_idle.wait()
        asked = len(rig.asked_for_claim)
        await quiet()
        assert len(rig.asked_for_claim) == asked  # it sleeps
        assert store.tried == [[DeleteJob(1)]]


# A store that cannot be written.


async def test_a_caller_is_published_and_the_writes_of_the_engine_are_repeated_until_saved(clock: FakeClock) -> None:
    store = scripted(FULL, IOERR, FULL)
    async with committing(store, clock) as rig:
        caller = rig.call(DeleteJob(1))
        await until(lambda: rig.committer.is_waiting)
        rig.keep(DeleteJob(2), DeleteJob(3))
        with pytest.raises(StoreUnavailable, match="SQLITE_FULL") as caught:
            await caller
        assert caught.value.code == "SQLITE_FULL"
        assert rig.health.fault == "SQLITE_FULL"
        assert rig.kept.answers == {}
        clock.advance(0.05)
        await until(lambda: len(store.tried) == 2)
        await until(lambda: rig.health.fault == "SQLITE_IOERR_WRITE")
        rig.keep(DeleteJob(4))  # those that come meanwhile wait behind the others
        await recovered(rig, clock)
        assert rig.kept.answers == {DeleteJob(number): (f"saved {DeleteJob(number)}", None) for number in (2, 3, 4)}
        assert store.saved == [[DeleteJob(2), DeleteJob(3), DeleteJob(4)]]
        assert await rig.call(DeleteJob(5)) == f"saved {DeleteJob(5)}"


async def test_the_bus_has_word_once_of_the_fault_and_once_of_its_end(clock: FakeClock) -> None:
    store = scripted(FULL, IOERR, FULL)
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1))
        await degraded(rig, store)
        await recovered(rig, clock)
        first, last = rig.published()
        assert isinstance(first, StoreDegraded)
        assert "SQLITE_FULL" in first.reason
        assert isinstance(last, StoreRecovered)
        assert last.duration >= 0
        store.fail_next(IOERR)
        rig.keep(DeleteJob(2))
        await until(lambda: rig.health.is_degraded)
        await recovered(rig, clock)
        assert [type(event) for event in rig.published()] == [StoreDegraded, StoreRecovered]


async def test_while_degraded_callers_are_refused_at_once_and_nothing_is_claimed(clock: FakeClock) -> None:
    store = scripted(FULL)
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1))
        await degraded(rig, store)
        asked = len(rig.asked_for_claim)
        rig.claims.append(CLAIM)
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"\(SQLITE_\w+: .+\)\. "):
                await rig.call(DeleteJob(2))
        assert (len(store.tried), len(rig.asked_for_claim)) == (1, asked)
        await recovered(rig, clock)
        assert store.saved[0] == [DeleteJob(1)]
        await until(lambda: [CLAIM] in store.saved)
        assert all(DeleteJob(2) not in group for group in store.tried)


async def test_the_pauses_double_up_to_half_a_second_and_begin_anew(clock: FakeClock) -> None:
    store = scripted(*[FULL] * 6)
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1))
        await degraded(rig, store)
        for tries, pause in enumerate((0.05, 0.1, 0.2, 0.4, 0.5, 0.5), 1):
            assert len(store.tried) == tries
            clock.advance(pause - 0.001)
            rig.keep(DeleteJob(tries + 1))  # rings, and does not make it sooner
            rig.committer.wake()
            await quiet()
            assert len(store.tried) == tries
            clock.advance(0.001)
            await until(lambda: len(store.tried) == tries + 1)  # noqa: B023  # called before the next turn
            await quiet()
        assert not rig.health.is_degraded
        store.fail_next(FULL)
        rig.keep(DeleteJob(99))
        await until(lambda: rig.health.is_degraded)
        tries = len(store.tried)
        clock.advance(0.05)
        await until(lambda: len(store.tried) == tries + 1)


async def test_a_store_that_fails_with_nothing_to_write_is_tried_with_an_empty_transaction(clock: FakeClock) -> None:
    store = scripted(FULL)
    async with committing(store, clock) as rig:
        with pytest.raises(StoreUnavailable):
            await rig.call(DeleteJob(1))
        assert rig.committer.is_idle  # nothing is kept for it
        clock.advance(0.05)
        await until(lambda: not rig.health.is_degraded)
        assert store.saved == [[]]


async def test_a_caller_who_waited_behind_the_failing_transaction_is_published_or_served(clock: FakeClock) -> None:
    store = scripted(FULL, FULL)
    store.gate.clear()
    async with committing(store, clock) as rig:
        first = rig.call(DeleteJob(1))
        await until(lambda: len(store.tried) == 1)
        second = rig.call(DeleteJob(2))
        await quiet()
        store.gate.set()
        with pytest.raises(StoreUnavailable):
            await first
        clock.advance(0.05)
        with pytest.raises(StoreUnavailable):
            await second
        await recovered(rig, clock)
        assert [write for group in store.saved for write in group] == []


async def test_writes_of_the_engine_keep_their_order_through_a_fault(clock: FakeClock) -> None:
    store = scripted(FULL)
    store.gate.clear()
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1), DeleteJob(2))
        await until(lambda: len(store.tried) == 1)
        rig.keep(DeleteJob(3))  # while the others are in flight
        store.gate.set()
        await until(lambda: rig.health.is_degraded)
        await recovered(rig, clock)
        assert store.saved == [[DeleteJob(1), DeleteJob(2), DeleteJob(3)]]


# A caller who goes away.


@pytest.mark.parametrize("begun", [False, True])
async def test_a_cancelled_caller_blocks_nothing_and_its_write_is_whole(clock: FakeClock, begun: bool) -> None:
    store = scripted()
    store.gate.clear()
    async with committing(store, clock) as rig:
        first = rig.call(DeleteJob(1))
        await until(lambda: len(store.tried) == 1)
        caller = first if begun else rig.call(DeleteJob(2))
        await quiet()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        store.gate.set()
        assert await rig.call(DeleteJob(3)) == f"saved {DeleteJob(3)}"
        saved = [write for group in store.saved for write in group]
        assert saved == [DeleteJob(number) for number in ((1, 3) if begun else (1, 2, 3))]


@pytest.mark.parametrize("error", [FULL, REJECTED])
async def test_a_cancelled_caller_of_a_failing_transaction_disturbs_nothing(
    clock: FakeClock, error: StoreError
) -> None:
    store = scripted(error)
    async with committing(store, clock) as rig:
        store.gate.clear()
        gone = rig.call(DeleteJob(1))
        await until(lambda: len(store.tried) == 1)
        gone.cancel()
        store.gate.set()
        await quiet()
        assert (rig.health.is_degraded) is (error is FULL)
        await recovered(rig, clock)
        assert await rig.call(DeleteJob(2)) == f"saved {DeleteJob(2)}"
        assert all(DeleteJob(1) not in group for group in store.saved)


# A write that the store rejects.


async def test_a_fault_that_no_store_should_have_fails_its_own_caller_only(clock: FakeClock) -> None:
    store = scripted(ZeroDivisionError("oops"))
    async with committing(store, clock) as rig:
        with pytest.raises(StoreRejected, match="ZeroDivisionError: oops") as caught:
            await rig.call(DeleteJob(1))
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert await rig.call(DeleteJob(2)) == f"saved {DeleteJob(2)}"


async def test_a_rejected_write_fails_its_own_caller_only(clock: FakeClock) -> None:
    store = scripted()
    store.faults.append(Fault(error=REJECTED, when=holding(DeleteJob(3))))
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            tasks = [rig.call(DeleteJob(number)) for number in range(1, 6)]
            await quiet()
            rig.keep(DeleteJob(6))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(answer) for answer in answers] == [
            str(REJECTED) if number == 3 else f"saved {DeleteJob(number)}" for number in range(1, 6)
        ]
        await until(lambda: DeleteJob(6) in rig.kept.answers)
        assert rig.kept.answers[DeleteJob(6)] == (f"saved {DeleteJob(6)}", None)
        assert not rig.health.is_degraded
        assert [len(group) for group in store.tried] == [1, 6, *[1] * 6]  # together once, then one by one
        assert len(rig.taken) == 6
        assert rig.published() == []


async def test_a_rejected_claim_does_not_fail_the_write_beside_it(clock: FakeClock) -> None:
    store = scripted()
    store.faults.append(Fault(error=REJECTED, when=holding(CLAIM)))
    async with committing(store, clock) as rig:
        caller = rig.call(DeleteJob(1))
        await until(lambda: rig.committer.is_waiting)
        rig.claims.append(CLAIM)
        assert await caller == f"saved {DeleteJob(1)}"
        assert store.tried == [[DeleteJob(1), CLAIM], [DeleteJob(1)]]


async def test_a_rejected_claim_alone_ends_the_part_which_can_be_started_again(clock: FakeClock) -> None:
    """Else it would be asked for and rejected for ever, without a pause and without a word."""
    store = scripted()
    store.faults.append(Fault(error=REJECTED, when=holding(CLAIM)))
    rig = Rig(store, clock)
    rig.claims.append(CLAIM)
    with pytest.raises(StoreRejected):
        await rig.committer.run()
    assert rig.committer.is_idle
    async with going(rig.committer.run):
        assert await rig.call(DeleteJob(1)) == f"saved {DeleteJob(1)}"


async def test_a_rejected_write_of_the_engine_is_given_back_and_not_repeated(clock: FakeClock) -> None:
    store = scripted()
    store.faults.append(Fault(error=REJECTED, when=holding(DeleteJob(1))))
    async with committing(store, clock) as rig:
        rig.keep(DeleteJob(1))
        await until(lambda: bool(rig.kept.answers))
        answer, error = rig.kept.answers[DeleteJob(1)]
        assert (answer, str(error)) == (None, str(REJECTED))
        await quiet()
        assert store.tried == [[DeleteJob(1)]]
        store.faults.append(Fault(error=REJECTED, when=holding(DeleteJob(2))))
        with pytest.raises(StoreRejected, match="no such thing"):
            await rig.call(DeleteJob(2))


async def test_a_store_that_fails_while_they_are_tried_one_by_one_loses_none(clock: FakeClock) -> None:
    store = scripted(None, REJECTED, None, None, None, FULL)  # the engine's own go first
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            tasks = [rig.call(DeleteJob(number)) for number in (1, 2, 3)]
            await quiet()
            rig.keep(DeleteJob(4), DeleteJob(5))
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(answer) for answer in answers] == [f"saved {DeleteJob(1)}", *[str(FULL)] * 2]
        assert answers[1] is not answers[2]  # the first was tried when it failed, and both have an error of their own
        assert rig.health.fault == "SQLITE_FULL"
        await recovered(rig, clock)
        assert rig.kept.answers == {DeleteJob(number): (f"saved {DeleteJob(number)}", None) for number in (4, 5)}


# Units.


async def test_a_unit_is_one_and_each_of_its_writes_is_answered(clock: FakeClock) -> None:
    store = scripted()
    async with committing(store, clock) as rig:
        two, three = DeleteJob(1), CancelJob(1, None)
        assert [*await rig.committer.write_all(two, three)] == [f"saved {two}", f"saved {three}"]
        async with one_group(rig, store):
            units = [
                asyncio.ensure_future(rig.committer.write_all(DeleteJob(number), CancelJob(number, None)))
                for number in (2, 3)
            ]
            single = rig.call(DeleteJob(4))
            await quiet()
        assert [[*await unit] for unit in units] == [
            [f"saved {DeleteJob(number)}", f"saved {CancelJob(number, None)}"] for number in (2, 3)
        ]
        assert await single == f"saved {DeleteJob(4)}"
        assert len(store.saved[-1]) == 5


async def test_a_unit_that_is_rejected_poisons_only_itself(clock: FakeClock) -> None:
    store = scripted()
    store.faults.append(Fault(error=REJECTED, when=holding(DeleteJob(2))))
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            bad = asyncio.ensure_future(rig.committer.write_all(CancelJob(1, None), DeleteJob(2)))
            good = asyncio.ensure_future(rig.committer.write_all(CancelJob(3, None), DeleteJob(3)))
            await quiet()
        with pytest.raises(StoreRejected):
            await bad
        assert [*await good] == [f"saved {CancelJob(3, None)}", f"saved {DeleteJob(3)}"]
        assert all(CancelJob(1, None) not in group for group in store.saved)


@pytest.mark.parametrize("has_inline", [False, True])
async def test_a_unit_whose_attempt_is_not_held_any_more_says_so(clock: FakeClock, has_inline: bool) -> None:
    store = FaultStore(NotHeld(), has_inline=has_inline)
    async with committing(store, clock) as rig:
        with pytest.raises(AttemptNotOwned, match="attempt 2 of job 7") as caught:
            await rig.committer.write_all(DeleteJob(1), Complete(7, 2, "me", "a"))
        assert (caught.value.job_id, caught.value.attempt) == (7, 2)
        assert await rig.committer.write(Complete(7, 2, "me", "a")) is None
        rig.keep(Complete(8, 1, "me", "a"))
        await until(lambda: bool(rig.kept.answers))
        assert [*rig.kept.answers.values()] == [(None, None)]


class NotHeld(EchoStore):
    """No attempt is held any more."""

    def __init__(self) -> None:
        super().__init__()
        self.inline = NotHeldInline()

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        return NotHeldInline().apply(units, now)


class NotHeldInline:
    def apply(self, units: Sequence[Unit], now: int) -> Applied:
        return Applied([None for unit in units for _ in unit], None)


async def test_callers_of_one_failed_transaction_get_an_error_each_with_its_cause(clock: FakeClock) -> None:
    fault = StoreUnavailable("SQLITE_FULL", "database or disk is full")
    fault.__cause__ = OSError("no space")
    store = EchoStore()

    async def fails(_units: Sequence[Unit], _now: int) -> Applied:
        await asyncio.sleep(0)
        raise fault

    store.apply = fails  # type: ignore[method-assign, assignment]  # the same object each time
    async with committing(FaultStore(store), clock) as rig:
        errors = await asyncio.gather(*[rig.call(DeleteJob(n)) for n in range(3)], return_exceptions=True)
        assert len({id(error) for error in errors} | {id(fault)}) == 4
        for error in errors:
            assert isinstance(error, StoreUnavailable)
            assert (error.code, error.__cause__) == (fault.code, fault.__cause__)


async def test_what_is_in_flight_is_settled_before_it_says_so(clock: FakeClock) -> None:
    store = scripted()
    async with committing(store, clock) as rig:
        store.gate.clear()
        rig.keep(DeleteJob(1))
        await until(lambda: len(store.tried) == 1)
        settled = asyncio.ensure_future(rig.committer.settle())
        await quiet()
        assert not settled.done()
        store.gate.set()
        await settled
        assert DeleteJob(1) in rig.kept.answers
        store.faults.append(Fault(error=FULL, at=1))
        rig.keep(DeleteJob(2))
        await degraded(rig, store)
        with pytest.raises(StoreUnavailable):
            await rig.committer.settle()
    rig.committer.close()
    with pytest.raises(RunnerClosed):
        await rig.committer.settle()


# The end.


async def test_closing_refuses_what_waits_and_what_comes(clock: FakeClock) -> None:
    rig = Rig(scripted(), clock)
    waiting = [rig.call(DeleteJob(number)) for number in (1, 2)]
    await quiet()
    waiting[1].cancel()
    await quiet()
    rig.keep(DeleteJob(3))
    rig.committer.close()
    with pytest.raises(RunnerClosed, match="does nothing more"):
        await waiting[0]
    with pytest.raises(RunnerClosed):
        await rig.committer.write(DeleteJob(4))
    assert rig.kept.answers == {}


async def test_a_caller_of_a_transaction_that_is_given_up_learns_that_it_may_have_happened(
    clock: FakeClock,
) -> None:
    store = scripted()
    async with committing(store, clock) as rig:
        store.gate.clear()
        task, tried = rig.call(DeleteJob(1)), len(store.tried)
        await until(lambda: len(store.tried) > tried)
    with pytest.raises(
        StoreUnavailable, match="the runner was left while it was being written: it may be there"
    ) as caught:
        await task
    assert caught.value.code == "CLOSED"


async def test_who_waits_for_the_next_transaction_when_one_finds_the_store_unusable_is_refused(
    clock: FakeClock,
) -> None:
    """Else a caller would wait for a foreign lock twice: once behind the transaction before, once in its own."""
    store = scripted(FULL)
    async with committing(store, clock) as rig:
        store.gate.clear()
        first = rig.call(DeleteJob(1))
        await until(lambda: bool(store.tried))
        second = rig.call(DeleteJob(2))
        rig.keep(DeleteJob(3))
        await quiet()
        store.gate.set()
        with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
            await first
        with pytest.raises(StoreUnavailable, match=r"\(SQLITE_\w+: .+\)\. "):
            await second
        await recovered(rig, clock)
        assert store.saved == [[DeleteJob(3)]]
