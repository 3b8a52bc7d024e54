"""Steps that ran: those that wait together are one write of the next transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aiojobs_lite.errors import RunnerClosed, StoreRejected, StoreUnavailable
from aiojobs_lite.model.steps import NewRan, SaveRan, StepRow
from aiojobs_lite.model.writes import DeleteJob, Unit, Write
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.committer import Rig, committing, one_group, recovered
from tests.helpers.fault_store import FULL, REJECTED, EchoStore, Fault, FaultStore
from tests.helpers.waiting import quiet


class Steps(EchoStore):
    """Stores every step."""

    def __init__(self) -> None:
        super().__init__()
        self.inline = AtOnce()

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        return AtOnce().apply(units, now)


class AtOnce:
    """The same inline."""

    def apply(self, units: Sequence[Unit], now: int) -> Applied:  # as a store has it
        writes = [write for unit in units for write in unit]
        return Applied([None if isinstance(write, SaveRan) else f"saved {write}" for write in writes], None)


def step(number: int) -> NewRan:
    return NewRan(number, 1, "one", "s", "1", 1)


def stepped(rig: Rig, number: int) -> asyncio.Task[StepRow | None]:
    """An attempt that awaits a step."""

    async def attempt() -> StepRow | None:
        return await rig.committer.save_ran(step(number))

    return asyncio.create_task(attempt())


def has_step(number: int) -> Any:
    """Matches transactions with a step."""
    return lambda units: any(
        isinstance(write, SaveRan) and step(number) in write.steps for unit in units for write in unit
    )


async def test_steps_that_wait_are_one_write_beside_the_others(clock: FakeClock) -> None:
    store = FaultStore(Steps())
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            first, other, second = stepped(rig, 1), rig.call(DeleteJob(7)), stepped(rig, 2)
        assert [await first, await second] == [None, None]
        assert await other == f"saved {DeleteJob(7)}"
        written: list[Write[Any]] = [SaveRan([step(1), step(2)]), DeleteJob(7)]
        assert store.saved[-1] == written
        assert await stepped(rig, 3) is None
        assert store.saved[-1] == [SaveRan([step(3)])]


async def test_a_crowd_of_steps_is_saved_some_hundreds_a_transaction(clock: FakeClock) -> None:
    store = FaultStore(Steps())
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            tasks = [stepped(rig, number) for number in range(1234)]
        assert await asyncio.gather(*tasks) == [None] * 1234
        groups = [
            [one for write in group if isinstance(write, SaveRan) for one in write.steps] for group in store.saved
        ]
        assert [one for group in groups for one in group] == [step(number) for number in range(1234)]
        assert max(map(len, groups)) < 500


async def test_a_step_that_the_store_rejects_fails_alone(clock: FakeClock) -> None:
    store = FaultStore(Steps())
    store.faults.append(Fault(error=REJECTED, when=has_step(2)))
    store.faults.append(Fault(error=REJECTED, when=has_step(2)))
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            tasks = [stepped(rig, number) for number in (1, 2, 3)]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in found] == [type(None), StoreRejected, type(None)]
        assert store.saved[-2:] == [[SaveRan([step(1)])], [SaveRan([step(3)])]]


async def test_steps_fail_when_the_store_cannot_be_written_and_the_next_ones_are_saved(clock: FakeClock) -> None:
    store = FaultStore(Steps())
    async with committing(store, clock) as rig:
        async with one_group(rig, store):
            store.faults.append(Fault(error=FULL, when=has_step(1)))
            tasks = [stepped(rig, number) for number in (1, 2)]
            await quiet()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in found] == [StoreUnavailable] * 2
        with pytest.raises(StoreUnavailable):
            await stepped(rig, 3)
        await recovered(rig, clock)
        assert await stepped(rig, 4) is None


async def test_steps_that_wait_when_the_runner_is_closed_are_refused(clock: FakeClock) -> None:
    store = FaultStore(Steps())
    async with committing(store, clock) as rig, one_group(rig, store):
        waiting = stepped(rig, 1)
        await quiet()
        rig.committer.close()
        for task in (waiting, stepped(rig, 2)):
            with pytest.raises(RunnerClosed):
                await task


async def test_a_lone_step_is_done_at_once(clock: FakeClock) -> None:
    store = FaultStore(Steps(), has_inline=True)
    async with committing(store, clock) as rig:
        reply = rig.committer.save_ran(step(1))
        assert store.inlined == [[SaveRan([step(1)])]]
        assert reply.done()
