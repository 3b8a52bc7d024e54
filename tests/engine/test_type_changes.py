"""Job types that change while the store fails, a caller is cancelled, a claim is in flight, or the drain begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Status, UnknownJobType, job
from aiojobs_lite.errors import DuplicateJobType, RunnerClosed, StoreError, StoreRejected, StoreUnavailable
from aiojobs_lite.model.runners import SetRunnerTypes
from aiojobs_lite.model.writes import Claim
from aiojobs_lite.testing.probe import Probe
from tests.helpers.cancelling import Call, at_every_moment, nothing_left
from tests.helpers.engine import faulty
from tests.helpers.fault_store import Fault, Kind, holding
from tests.helpers.mail import other
from tests.helpers.typed import Gate, said, types_of
from tests.helpers.waiting import quiet, until


def remade(runner: JobRunner, how: str) -> Awaitable[None]:
    """Adds, replaces or removes the type `t`."""
    if how == "remove":
        return runner.types.remove("t")
    return runner.types.add(said("new")) if how == "add" else runner.types.replace(said("new"))


async def outcome(runner: JobRunner) -> str | None:
    """What a job of the type `t` returns; None: the runner does not have it."""
    try:
        handle = await runner.enqueue_named("t")
    except UnknownJobType:
        return None
    return str(await handle.result())


def is_changing() -> bool:
    return any("TypeChanges.make" in repr(task.get_coro()) for task in asyncio.all_tasks())


BEFORE = {"add": None, "replace": "old", "remove": "old"}
AFTER = {"add": "new", "replace": "new", "remove": None}


@pytest.mark.parametrize("how", BEFORE)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(Kind.BEFORE, at=1, when=holding(SetRunnerTypes)), StoreUnavailable),
        (Fault(Kind.AFTER, at=1, when=holding(SetRunnerTypes)), StoreUnavailable),
        (Fault(Kind.REJECTED, when=holding(SetRunnerTypes)), StoreRejected),
        (Fault(Kind.BEFORE, "dead"), StoreUnavailable),
    ],
)
async def test_a_fault_of_the_store_changes_nothing_and_it_can_be_repeated(
    database: Path, how: str, fault: Fault, error: type[StoreError]
) -> None:
    store = faulty(database)
    async with JobRunner(store, jobs=[said("old")] if how != "add" else []) as runner:
        await runner.run_until_idle()
        store.faults.append(fault)
        with pytest.raises(error):
            await remade(runner, how)
        store.faults.clear()
        await until(lambda: runner.stats().degraded is None)
        assert await outcome(runner) == BEFORE[how]
        await remade(runner, how)
        assert await outcome(runner) == AFTER[how]
        assert set(await types_of(runner)) == ({"t"} if AFTER[how] else set())


@pytest.mark.parametrize("how", BEFORE)
async def test_a_cancelled_change_is_made_whole(database: Path, how: str) -> None:
    async with JobRunner(database) as runner:
        check = nothing_left()

        async def prepare(number: int) -> Call:
            if await outcome(runner) is not None:
                await runner.types.remove("t")
            if how != "add":
                await runner.types.add(said("old"))

            async def call() -> None:
                await remade(runner, how)

            return call

        async for _, ending in at_every_moment("as_it_waits", prepare):
            await until(lambda: not is_changing())
            check()
            found = await outcome(runner)
            assert found == AFTER[how] or ending.is_cancelled
            assert found in {BEFORE[how], AFTER[how]}
            assert ("t" in await types_of(runner)) is (found is not None)


async def test_changes_at_one_time_are_made_one_after_the_other(database: Path) -> None:
    async with JobRunner(database) as runner:
        types = [job(name=f"t{number}")(other.handler) for number in range(20)]
        await asyncio.gather(*[runner.types.add(job_type) for job_type in types])
        assert len(await types_of(runner)) == 20
        await asyncio.gather(*[runner.types.remove(one) for one in types[:10]], runner.types.add(said("new")))
        assert set(await types_of(runner)) == {*[one.name for one in types[10:]], "t"}
        assert await outcome(runner) == "new"
        with pytest.raises(DuplicateJobType):
            await asyncio.gather(*[runner.types.add(said(value)) for value in ("one", "two")])


async def test_types_change_while_the_runner_drains(database: Path) -> None:
    gate = Gate("done", name="gate")
    async with JobRunner(database, jobs=[gate.type]) as runner:
        await runner.enqueue(gate.type)
        await until(lambda: gate.running == 1)
        Probe(runner).drain()
        await runner.types.add(said("new"))
        await runner.types.remove(gate.type)
        handle = await runner.enqueue_named("t")
        gate.open.set()
        assert (await handle.job()).status is Status.PENDING  # nothing more is claimed
    async with runner:
        assert await types_of(runner) == {"t": None}
        await runner.run_until_idle()
        assert (await runner.jobs.get(handle.id)).status is Status.COMPLETED


async def test_a_change_in_flight_ends_with_its_runner(database: Path) -> None:
    store = faulty(database)
    async with JobRunner(store, drain_timeout=0.05, cancel_grace=0.05) as runner:
        await runner.run_until_idle()
        store.gate.clear()
        adding = asyncio.ensure_future(runner.types.add(said("new")))
        await quiet(beside_database=True)
    with pytest.raises((StoreUnavailable, RunnerClosed)):
        await adding


async def test_what_a_claim_in_flight_brings_starts_as_it_was(database: Path) -> None:
    gate = Gate("done")
    store = faulty(database)
    async with JobRunner(store, jobs=[other]) as runner:
        await runner.types.add(gate.type)
        await runner.enqueue(gate.type)
        await until(lambda: gate.running == 1)
        gate.open.set()
        await runner.run_until_idle()
        gate.open.clear()
        store.gate.clear()
        enqueued = asyncio.ensure_future(runner.enqueue(gate.type))
        await quiet(beside_database=True)
        assert any(isinstance(write, Claim) for write in store.tried[-1])
        removed = asyncio.ensure_future(runner.types.remove(gate.type))
        await until(lambda: any(isinstance(write, SetRunnerTypes) for write in Probe(runner).waiting_writes))
        more = asyncio.ensure_future(runner.enqueue(other))  # a claim goes with it
        await quiet(beside_database=True)
        store.gate.set()
        handle = await enqueued
        await removed
        await (await more).result()
        claims = [[write.types for write in writes if isinstance(write, Claim)] for writes in store.tried
                  if any(isinstance(write, SetRunnerTypes) for write in writes)]  # fmt: skip
        assert claims[-1] == [{"other"}]
        assert gate.running == 1
        gate.open.set()
        assert await handle.result() == "done"
