"""An owner that may be taken for dead, units on a real store, and the order in which everything is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Status, job
from aiojobs_lite.errors import AttemptNotOwned, StoreRefused
from aiojobs_lite.model.ends import Complete
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import CancelJob, Insert
from aiojobs_lite.stores.base import OwnerReport, Owners
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted, JobInterrupted
from tests.helpers.engine import engine_of
from tests.helpers.waiting import next_fact, quiet, until


@job
async def quick(n: int = 0) -> int:
    return n


class LosableOwners:
    """Owners whose store says when this one is lost and regained."""

    def __init__(self, order: list[str]) -> None:
        self.order = order
        self.lost: Callable[[], None] = lambda: None
        self.regained: Callable[[], None] = lambda: None

    async def acquire(self, owner: str, *, lost: Callable[[], None], regained: Callable[[], None]) -> None:
        self.order.append("acquire")
        self.lost, self.regained = lost, regained

    async def dead(self, owners: Collection[str]) -> set[str]:
        return set()

    def note_interrupted(self) -> None:
        self.order.append("note")

    def beat(self) -> None:
        raise NotImplementedError

    def report(self, text: str) -> None:
        self.order.append("report" if text else "report nothing")

    async def reports(self, owners: Collection[str]) -> Mapping[str, OwnerReport]:
        return {}

    def was_interrupted(self, owner: str) -> bool:
        return False

    def release(self) -> None:
        self.order.append("release")


class LosableStore(SqliteStore):
    """A store in memory whose owners can be lost, and which notes when it is opened and closed."""

    def __init__(self) -> None:
        super().__init__(None)
        self.order: list[str] = []
        self.losable = LosableOwners(self.order)
        self.owners: Owners = self.losable  # type: ignore[assignment]  # in place of files

    async def open(self) -> None:
        self.order.append("open")
        await super().open()

    async def close(self) -> None:
        self.order.append("close")
        await super().close()


async def test_an_owner_that_is_lost_stops_everything_and_claims_again_when_it_is_regained() -> None:
    entered: list[int] = []

    @job
    async def waits(n: int) -> None:
        entered.append(n)
        if len(entered) == 1:
            await asyncio.Event().wait()

    store = LosableStore()
    async with JobRunner(store, jobs=[waits]) as runner:
        facts = runner.watch()
        first = await runner.enqueue(waits, 1)
        await until(lambda: entered == [1])
        store.losable.lost()
        assert (await next_fact(facts, JobInterrupted)).job_id == first.id
        found = await first.job()
        assert (found.status, found.attempts, found.interruptions) == (Status.PENDING, 0, 1)  # its attempt is refunded
        second = await runner.enqueue(waits, 2)
        await quiet()
        assert (entered, runner.stats().running) == ([1], 0)
        store.losable.regained()
        await first.result()
        await second.result()
        assert sorted(entered[1:]) == [1, 2]


async def test_everything_is_closed_in_the_reverse_order_and_ownership_is_given_up_last() -> None:
    store = LosableStore()
    async with JobRunner(store, jobs=[quick]) as runner:
        assert await (await runner.enqueue(quick, 3)).result() == 3
    assert store.order == ["open", "acquire", "close", "release"]


async def test_ownership_is_kept_while_an_attempt_that_was_left_still_runs() -> None:
    release = asyncio.Event()

    @job
    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    store = LosableStore()
    async with JobRunner(store, jobs=[stubborn], drain_timeout=0, cancel_grace=0) as runner:
        facts = runner.watch()
        handle = await runner.enqueue(stubborn)
        await until(lambda: runner.stats().running == 1)
    assert store.order == ["open", "acquire", "close", "report"]
    assert (await next_fact(facts, DrainFinished)).left == (handle.id,)
    release.set()
    await until(lambda: store.order[-1] == "release")


async def test_the_phase_goes_on_and_never_back(database: Path) -> None:
    runner = JobRunner(database, jobs=[quick])
    async with runner:
        engine = engine_of(runner)
        facts = runner.watch()
        assert engine.phase.name == "RUNNING"
        engine.drain("test")
        engine.drain("again")
        await engine.until_draining()
        assert engine.phase.name == "DRAINING"
        assert (await next_fact(facts, DrainStarted)).why == "test"
        assert await engine.write(Insert((NewJob("quick", "{}", 1, 0, 1, 0),)))  # enqueuing goes on
    engine.drain("too late")
    assert engine.phase.name == "CLOSED"
    await engine.until_idle()


async def test_a_unit_whose_attempt_is_not_held_is_not_applied(database: Path) -> None:
    async with JobRunner(database, jobs=[quick], max_running=0) as runner:
        engine = engine_of(runner)
        row = NewJob("quick", "{}", 1, 0, 1, 0)
        inserted, status = await engine.write_all(Insert((row,)), CancelJob(77, None))
        assert ([one.is_new for one in inserted], status) == ([True], None)
        with pytest.raises(AttemptNotOwned):
            await engine.write_all(Insert((row,)), Complete(inserted[0].id, 1, "another", "quick"))
        refused = asyncio.ensure_future(engine.write_all(Insert((row,)), Complete(1, 1, "another", "quick")))
        _, status = await engine.write_all(Insert((row,)), CancelJob(78, None))
        assert status is None
        with pytest.raises(AttemptNotOwned):
            await refused
        assert runner.stats().pending == 2


async def test_a_start_that_is_cancelled_and_then_refused_is_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    opening, go_on = asyncio.Event(), asyncio.Event()

    class RefusedStore(LosableStore):
        async def open(self) -> None:
            opening.set()
            await go_on.wait()
            raise StoreRefused("jobs.db", "corrupt", "Restore it.")

    runner = JobRunner(RefusedStore(), jobs=[quick])
    entering = asyncio.ensure_future(runner.__aenter__())
    await opening.wait()
    entering.cancel()
    await until(lambda: engine_of(runner).is_draining)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert caplog.text == ""
