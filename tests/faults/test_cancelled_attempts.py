"""Handlers that are cancelled at any moment, by whomever; and whole programs that are interrupted at any moment."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiojobs_lite import JobContext, JobHandle, JobRunner, Outcome, Status, injected, job
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.cancelling import MOST, at_turn, cut, nothing_left
from tests.helpers.databases import sound
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

SEEDS = 20


class Rig:
    """A runner with a handler that awaits all sorts of things, and enqueues another job in between.

    Attributes:
        number: At its how manyeth wait the handler's first attempt is cancelled by its own task; None: it is not.
    """

    def __init__(self, database: Path) -> None:
        self.clock = FakeClock()
        self.ran: Counter[int] = Counter()
        self.number: int | None = None

        @job
        async def child(n: int) -> int:
            self.ran[n] += 1
            return n

        @job(max_attempts=2)
        async def parent(ctx: JobContext = injected) -> int:
            work = self._works(ctx)
            if self.number is None or ctx.attempt > 1:
                return await work
            result: int = await cut(work, self.number)
            return result

        self.child, self.parent = child, parent
        self.runner = JobRunner(
            database, jobs=[child, parent], clock=self.clock, durability="normal", drain_timeout=0, cancel_grace=5
        )

    async def _works(self, ctx: JobContext) -> int:
        await asyncio.sleep(0)
        handle = await self.runner.enqueue(self.child.using(idempotency_key=str(ctx.id)), ctx.id)
        async with asyncio.timeout(PATIENCE):
            await handle.result()
        with anyio.move_on_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)
        return await handle.result()


@pytest.fixture
def rig(database: Path) -> Rig:
    return Rig(database)


async def test_a_handler_cancelled_by_its_own_task_at_any_wait_failed_and_is_tried_again(rig: Rig) -> None:
    async with rig.runner as runner:
        await runner.run_until_idle()
        await Probe(runner).store.maintain(0)  # else a walk may be on its way later
        check = nothing_left()
        for number in range(MOST):
            rig.number = number
            handle = await runner.enqueue(rig.parent)
            await runner.run_until_idle()
            first = await handle.job()
            if first.status is Status.COMPLETED:
                break
            assert first.status is Status.PENDING
            assert [(one.outcome, one.error_type) for one in first.history] == [(Outcome.FAILED, "CancelledError")]
            rig.clock.advance("1h")
            await runner.run_until_idle()
            assert await handle.result() == handle.id
            assert ((await handle.job()).attempts, rig.ran[handle.id]) == (2, 1)
            check()
        assert number >= 3


NATIVE = None
EXPECTED: dict[Stop | None, tuple[Status, int, Outcome]] = {
    Stop.CANCEL: (Status.CANCELLED, 1, Outcome.CANCELLED),
    Stop.TIMEOUT: (Status.PENDING, 1, Outcome.TIMED_OUT),
    Stop.SHUTDOWN: (Status.COMPLETED, 1, Outcome.INTERRUPTED),  # no drain follows: it runs again at once
    NATIVE: (Status.PENDING, 1, Outcome.FAILED),
}


@pytest.mark.parametrize("why", EXPECTED)
async def test_a_handler_stopped_at_any_turn_ends_as_it_was_stopped_and_what_it_enqueued_is_whole(
    rig: Rig, why: Stop | None
) -> None:
    stopped: list[bool] = []

    def stop() -> None:
        run = probe.attempt(handle.id)
        if run is not None and run.is_entered and run.task:
            stopped.append(run.task.cancel() if why is NATIVE else probe.stop(handle.id, why))

    async with rig.runner as runner:
        probe = Probe(runner)
        await runner.run_until_idle()
        await Probe(runner).store.maintain(0)  # else a walk may be on its way later
        check, stops, never = nothing_left(), 0, 0
        for number in range(MOST):
            stopped.clear()
            handle: JobHandle[int] = await runner.enqueue(rig.parent)
            with at_turn(number, stop):
                await runner.run_until_idle()
            found = await handle.job()
            if not stopped:
                assert found.status is Status.COMPLETED
                never += stops > 0
            else:
                stops += 1
                assert (found.status, found.attempts, found.history[-1].outcome) == EXPECTED[why]
            assert rig.ran[handle.id] == await stored(runner, "child", handle.id)
            check()
            if never == 3:  # after its last line
                break
        assert stops >= 5


async def stored(runner: JobRunner, job_type: str, n: int) -> int:
    found = await runner.jobs.list(type=job_type, limit=1000)
    return sum(one.payload == {"n": n} for one in found)


# Handlers that cancel.


async def lets_its_own_timeout_pass() -> None:
    async with asyncio.timeout(0):
        await asyncio.Event().wait()


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def cancels_itself_and_returns() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "all the same"


async def moves_on() -> str:
    with anyio.move_on_after(0):
        await anyio.Event().wait()
    return "moved on"


async def cancels_a_group() -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.cancel_scope.cancel()
    return "alone"


async def cancels_a_child() -> str:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.Event().wait()).cancel()
    return "childless"


async def cancels_a_scope_around_itself() -> str:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep_forever()
    return "past it"


@pytest.mark.parametrize(
    ("handler", "failed"),
    [
        (lets_its_own_timeout_pass, "TimeoutError"),
        (cancels_itself, "CancelledError"),
        (cancels_itself_and_returns, None),
        (moves_on, None),
        (cancels_a_group, None),
        (cancels_a_child, None),
        (cancels_a_scope_around_itself, None),
    ],
)
async def test_a_handler_that_cancels_stops_no_other(handler: Callable[..., Any], failed: str | None) -> None:
    @job
    async def quick() -> str:
        return "ran"

    cancels: JobType[..., Any] = JobType(handler, max_attempts=2)
    async with JobRunner(":memory:", jobs=[cancels, quick], clock=FakeClock()) as runner:
        await Probe(runner).store.maintain(0)  # else a walk may be on its way later
        check = nothing_left()
        handle = await runner.enqueue(cancels)
        await runner.run_until_idle()
        found = await handle.job()
        assert [one.error_type for one in found.history] == ([failed] if failed else [])
        assert found.status is (Status.PENDING if failed else Status.COMPLETED)
        assert await (await runner.enqueue(quick)).result() == "ran"
        check()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


# Programs.


@slow
async def test_a_program_that_is_interrupted_at_any_moment_ends_and_has_lost_nothing(tmp_path: Path) -> None:
    async with program("-m", "tests.helpers.apps.interrupted", tmp_path, str(SEEDS)) as parent:
        for _ in range(SEEDS):
            await parent.line("ended", "forgotten", "hangs")
        assert await parent.ended() == 0
    assert [line for line in parent.lines if line.startswith("hangs")] == []
    assert [code for _, _, code in (*parent.said("ended"), *parent.said("forgotten"))] == ["-2"] * SEEDS
    forgotten = {int(seed) for _, seed, _ in parent.said("forgotten")}
    assert len(forgotten) <= 1  # by asyncio, once in hundreds of runs
    # The second signal of each odd seed may break off what asyncio.run does at its end: then asyncio complains.
    said = "\n".join((tmp_path / f"{seed}.err").read_text() for seed in range(0, SEEDS, 2))
    assert "KeyboardInterrupt" in said
    for complaint in ("never retrieved", "was destroyed", "never awaited", "please report", "ResourceWarning"):
        assert complaint not in said, said
    acknowledged, left = 0, {*range(4, SEEDS, 5), *forgotten}
    for seed in range(SEEDS):
        noted = tmp_path / f"{seed}.log"
        ids = set(map(int, noted.read_text().split())) if noted.exists() else set()
        acknowledged += len(ids)
        database = tmp_path / f"{seed}.db"
        if database.exists() and database.stat().st_size:
            assert sound(database)
            with closing(sqlite3.connect(database)) as connection:
                found = dict(connection.execute("SELECT id, status FROM aiojobs_jobs").fetchall())
            assert ids <= found.keys()
            # Those whose event loop was closed over them are left to the rescue.
            assert set(found.values()) <= {"completed", "pending", *(["processing"] if seed in left else [])}
        assert seed in left or list(tmp_path.glob(f"{seed}.db-owner-*")) == []
    assert acknowledged
