"""The watchers of jobs: they miss no state that stays, however slow they are, and end when there is no more to come."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aiojobs_lite.engine import watchers as module
from aiojobs_lite.engine.watchers import JobWatch, JobWatchers
from aiojobs_lite.errors import JobNotFound, RunnerClosed, StoreUnavailable
from aiojobs_lite.model.job import Claimed, Status
from aiojobs_lite.model.progress import GetLog, GetStandings, JobChange
from aiojobs_lite.model.writes import DeleteJob, Write
from aiojobs_lite.sizes import MOST_LOG_LINES
from tests.helpers.conformance.progress import report
from tests.helpers.engine import going
from tests.helpers.memory_store import MemoryStore
from tests.helpers.stores import again, answers, claimed, complete, new, running
from tests.helpers.waiting import PATIENCE, quiet, until

P, DONE = Status.PROCESSING, Status.COMPLETED


class Rig:
    """Watchers beside a store in memory."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.when_committed: Callable[[], None] | None = None
        self.asked: list[object] = []
        self.faults: list[StoreUnavailable] = []
        self.watchers = JobWatchers(store=self)
        self.watchers.connect(commits=self)

    async def ask(self, query: Any) -> Any:
        self.asked.append(query)
        if self.faults:
            raise self.faults.pop()
        return await self.store.ask(query)

    async def write(self, *writes: Write[Any]) -> None:
        await answers(self.store, *writes)
        if self.when_committed is not None:
            self.when_committed()

    async def job(self) -> Claimed:
        (job,) = await running(self.store, new())
        return job

    def watch(self, job: Claimed, *, from_start: bool = False) -> JobWatch:
        return self.watchers.watch(job.id, from_start=from_start)


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(module, "SHOW_EVERY_S", 0)
    rig = Rig()
    await rig.store.open()
    async with asyncio.timeout(PATIENCE), going(rig.watchers.run):
        yield rig


def texts(change: JobChange) -> list[str]:
    return [line.text for line in change.lines]


async def test_the_first_change_is_how_the_job_stands_and_the_last_is_its_end(rig: Rig) -> None:
    job = await rig.job()
    watch = rig.watch(job)
    first = await anext(watch)
    assert (first.id, first.status, first.attempts, first.progress, first.lines) == (job.id, P, 1, None, ())
    await rig.write(report(job, 1, "a", far=0.5))
    second = await anext(watch)
    assert second.progress is not None
    assert (second.progress.fraction, texts(second), second.is_finished) == (0.5, ["a"], False)
    await rig.write(again(job))
    third = await anext(watch)
    assert (third.status, third.error, third.lines) == (Status.PENDING, "ValueError: no", ())
    (job,) = await claimed(rig.store)
    await rig.write(complete(job))
    last = await anext(watch)
    assert (last.status, last.attempts, last.progress, last.is_finished) == (DONE, 2, second.progress, True)
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(watch)


async def test_a_watcher_from_the_start_gets_the_lines_that_are_kept(rig: Rig) -> None:
    job = await rig.job()
    await rig.write(report(job, 1, "a", "b"), report(job, 2, "c", dropped=3))
    old, now = rig.watch(job, from_start=True), rig.watch(job)
    change = await anext(old)
    assert (texts(change), change.dropped) == (["a", "b", "c"], 3)
    assert texts(await anext(now)) == []
    await rig.write(report(job, 3, "d"))
    for watch in (old, now):
        change = await anext(watch)
        assert (texts(change), change.dropped) == (["d"], 0)
    finished = await rig.job()
    await rig.write(report(finished, 4, "x"), complete(finished))
    assert [texts(change) async for change in rig.watch(finished, from_start=True)] == [["x"]]
    assert [texts(change) async for change in rig.watch(finished)] == [[]]


async def test_a_slow_watcher_skips_states_but_no_lines_and_holds_up_no_other(rig: Rig) -> None:
    job = await rig.job()
    slow, quick = rig.watch(job), rig.watch(job)
    await anext(slow)
    await anext(quick)
    for number in range(5):
        await rig.write(report(job, number + 1, str(number), far=number / 10))
        await anext(quick)
    await rig.write(complete(job))
    assert (await anext(quick)).status is DONE
    (only,) = [change async for change in slow]
    assert (only.status, texts(only), only.dropped) == (DONE, ["0", "1", "2", "3", "4"], 0)


async def test_lines_that_were_dropped_before_they_were_read_are_counted(rig: Rig) -> None:
    job = await rig.job()
    watch, quick = rig.watch(job), rig.watch(job)
    await anext(watch)
    await anext(quick)
    for serial in (1, 2, 3):
        await rig.write(report(job, serial, *map(str, range(MOST_LOG_LINES // 2))))
        await anext(quick)
    change = await anext(watch)
    assert (len(change.lines), change.dropped) == (MOST_LOG_LINES, MOST_LOG_LINES // 2)


async def test_many_watchers_of_one_job_cost_one_read(rig: Rig) -> None:
    job = await rig.job()
    watches = [rig.watch(job) for _ in range(50)]
    for watch in watches:
        await anext(watch)
    await quiet()
    rig.asked.clear()
    await rig.write(report(job, 1, "a"))
    assert [texts(await anext(watch)) for watch in watches] == [["a"]] * 50
    assert rig.asked == [GetStandings([job.id]), GetLog(job.id, 0)]


async def test_nothing_is_missed_between_the_first_read_and_the_next_look(rig: Rig) -> None:
    job = await rig.job()
    watch = rig.watch(job)
    asked, ask = list[object](), rig.store.ask

    async def ask_and_end(query: Any) -> Any:
        answer = await ask(query)
        if not asked:
            asked.append(query)
            await answers(rig.store, report(job, 1, "a"), complete(job))  # the commit of another process
        return answer

    rig.store.ask = ask_and_end  # type: ignore[method-assign]  # it ends within the first read
    changes = [change async for change in watch]
    assert [change.status for change in changes] == [P, DONE]
    assert texts(changes[1]) == ["a"]


async def test_a_job_that_is_gone_ends_its_watchers(rig: Rig) -> None:
    with pytest.raises(JobNotFound, match="there is no job 99"):
        await anext(rig.watchers.watch(99, from_start=True))
    job = await rig.job()
    watch = rig.watch(job)
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await rig.write(complete(job), DeleteJob(job.id))  # in one transaction: its end is never visible
    with pytest.raises(JobNotFound):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(watch)


async def test_a_drain_ends_them_after_what_is_known(rig: Rig) -> None:
    job = await rig.job()
    watch, behind = rig.watch(job), rig.watch(job)
    await anext(watch)
    await anext(behind)
    await rig.write(report(job, 1, "a"))
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await quiet()
    rig.watchers.drain()
    assert texts(await anext(behind)) == ["a"]
    for end in (waiting, anext(behind), anext(rig.watch(job))):
        with pytest.raises(RunnerClosed):
            await end


async def test_a_watcher_that_is_cancelled_or_dropped_is_forgotten(rig: Rig) -> None:
    job = await rig.job()
    watch = rig.watch(job)
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await quiet()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await rig.write(report(job, 1, "a"))
    assert texts(await anext(watch)) == ["a"]  # a wait that is cancelled loses nothing
    async for _ in rig.watch(job):
        break
    del watch, waiting
    gc.collect()
    rig.watchers.look_again()
    await until(lambda: rig.when_committed is None)
    await quiet()
    rig.asked.clear()
    await rig.write(complete(job))
    await quiet()
    assert rig.asked == []


async def test_a_fault_of_the_store_is_made_up_for(rig: Rig) -> None:
    job = await rig.job()
    watch = rig.watch(job)
    rig.faults.append(StoreUnavailable("SQLITE_IOERR", "no"))
    with pytest.raises(StoreUnavailable):
        await anext(watch)
    assert (await anext(watch)).status is P  # it may be asked again
    rig.faults.append(StoreUnavailable("CLOSED", "the store is closed"))
    with pytest.raises(RunnerClosed):
        await anext(rig.watch(job))


async def test_a_look_that_fails_is_done_again_by_the_next_run(rig: Rig) -> None:
    job = await rig.job()
    watch = rig.watch(job)
    await anext(watch)
    await quiet()
    other = JobWatchers(store=rig)
    other.connect(commits=rig)
    watch = other.watch(job.id, from_start=False)
    await anext(watch)
    await rig.write(report(job, 1, "a"))
    await quiet()
    rig.faults.append(StoreUnavailable("SQLITE_IOERR", "no"))
    with pytest.raises(StoreUnavailable):
        await other.run()
    async with going(other.run):
        assert texts(await anext(watch)) == ["a"]
