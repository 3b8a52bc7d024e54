"""The drain, with parts that only note what they are asked; `tests/runner/test_drain.py` drains whole runners."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import drain as module
from aiojobs_lite.engine.drain import Drain
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.model.ends import Again
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.runners import MarkDraining
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted, DrainWaits, Fact
from tests.helpers.engine import claimed, published_on
from tests.helpers.waiting import PATIENCE, quiet, until

IDENTITY = Identity(5, {})


@job
async def waits() -> None: ...


class Draining:
    """A drain and its surroundings; a stop interrupts all attempts but those of `stubborn` jobs."""

    def __init__(self, jobs: int, *, stubborn: int = 0, timeout: float = PATIENCE, grace: float = PATIENCE) -> None:
        self.attempts = AttemptRegister()
        self.runs = [Running(claimed(number, "waits"), waits) for number in range(jobs)]
        for run in self.runs:
            self.attempts.add(run)
        self.stubborn = stubborn
        self.calls: list[str] = []
        self.stops: list[Stop] = []
        self.bus = Bus()
        self.facts = published_on(self.bus)
        self.progress = Progress()
        parts: Any = SimpleNamespace(
            attempts=self.attempts, committer=self, executor=self, recorder=self,
            dispatcher=self.noting("dispatcher"), ticker=self.noting("ticker"),
            watchers=self.noting("watchers"),
            figures=self.noting("figures"),
        )  # fmt: skip
        owners: Any = None
        self.drain_part = Drain(
            bus=self.bus, parts=parts, owners=owners, progress=self.progress, identity=IDENTITY,
            drain_timeout=timeout, cancel_grace=grace,
        )  # fmt: skip

    def keep(self, unit: Any, done: Any) -> None:
        assert unit == (MarkDraining(IDENTITY.owner),)
        self.calls.append("others know")

    def noting(self, name: str) -> Any:
        return SimpleNamespace(drain=lambda: self.calls.append(name))

    def add_listener(self, listener: Any) -> None:
        self.listener = listener

    @property
    def processes(self) -> Draining:
        return self

    def drain(self) -> None:
        self.calls.append("processes")

    def end(self, run: Running) -> None:
        """An attempt that was stopped has ended, and its end is stored."""
        self.attempts.ended(run)
        self.attempts.saved(run.claimed.id)
        self.listener.attempt_ended(Again(run.claimed.id, 1, "one", "waits", Outcome.INTERRUPTED, 0, refund=True))

    async def drained(self) -> DrainFinished:
        """Drains; returns what is reported of it."""
        async with asyncio.timeout(PATIENCE):
            await self.drain_part.run()
        self.drain_part.finish()
        self.drain_part.finish()  # reports once
        *_, finished = self.facts()
        assert isinstance(finished, DrainFinished)
        return finished

    def stop_all(self, why: Stop) -> int:
        self.stops.append(why)
        stopped = [run for run in self.attempts if run.claimed.id >= self.stubborn]
        for run in stopped:
            asyncio.get_running_loop().call_soon(self.end, run)
        return self.attempts.running


def test_it_begins_once_and_stops_what_makes_work() -> None:
    draining = Draining(0)
    draining.drain_part.begin("SIGTERM")
    draining.drain_part.begin("close")
    assert draining.calls == ["dispatcher", "ticker", "processes", "watchers", "figures"]
    assert draining.progress.phase is Phase.DRAINING


async def test_an_attempt_that_ends_by_itself_is_waited_for_and_counts_as_neither() -> None:
    draining = Draining(1)
    draining.drain_part.begin("SIGTERM")
    running = asyncio.create_task(draining.drain_part.run())
    await quiet()
    assert (draining.stops, running.done()) == ([], False)
    draining.attempts.ended(draining.runs[0])
    await running
    draining.drain_part.finish()
    started, finished = draining.facts()
    assert started == DrainStarted("SIGTERM", 1, "waits (1)", PATIENCE)
    assert isinstance(finished, DrainFinished)
    assert (finished.interrupted, finished.left, finished.unsaved) == ((), (), (0,))  # its end is not stored yet
    assert 0 <= finished.duration < PATIENCE


async def test_after_the_timeout_all_are_stopped_and_those_that_ended_are_reported() -> None:
    draining = Draining(3, stubborn=1, timeout=0.02, grace=0.02)
    began = time.monotonic()
    finished = await draining.drained()
    assert time.monotonic() - began > 0.03  # a timer may ring a little early
    assert draining.stops == [Stop.SHUTDOWN]
    assert draining.attempts.running == 1
    assert (finished.interrupted, finished.unsaved) == ((1, 2), ())


@pytest.mark.parametrize("why", ["close", "SIGTERM", "SIGINT"])
async def test_a_drain_that_takes_long_says_once_what_it_waits_for(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.01)
    draining = Draining(2)
    draining.drain_part.begin(why)
    draining.runs[1].started -= 90
    draining.attempts.ended(draining.runs[0])
    running = asyncio.create_task(draining.drain_part.run())
    published: list[Fact] = []

    def has_both() -> bool:
        published.extend(draining.facts())
        return len(published) == 2

    await until(has_both)
    draining.drain_part.hurry()
    await running
    waits = published[1]
    assert isinstance(waits, DrainWaits)
    assert (waits.why, waits.running, waits.attempts) == (why, 1, "waits 1 for 1 min 30 s")
    assert waits.timeout == pytest.approx(PATIENCE - 0.01)
    assert draining.facts() == []


@pytest.mark.parametrize("why", ["no time left", "hurried"])
async def test_a_drain_that_does_not_wait_says_nothing_of_it(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S", 0.01)
    draining = Draining(1, timeout=0.01 if why == "no time left" else PATIENCE)
    if why == "hurried":
        draining.drain_part.hurry()
    await draining.drain_part.run()
    assert [type(fact) for fact in draining.facts()] == [DrainStarted]


@pytest.mark.parametrize("when", ["before", "while it waits"])
async def test_a_hurry_ends_the_wait_at_once_and_no_grace(when: str) -> None:
    draining = Draining(2)
    if when == "before":
        draining.drain_part.hurry()
    running = asyncio.create_task(draining.drain_part.run())
    if when != "before":
        await quiet()
        assert draining.stops == []
        draining.drain_part.hurry()
    await running
    assert draining.stops == [Stop.SHUTDOWN]
    assert draining.attempts.running == 0


async def test_a_hurry_does_not_shorten_the_grace() -> None:
    draining = Draining(1, stubborn=1)
    draining.drain_part.hurry()
    running = asyncio.create_task(draining.drain_part.run())
    await until(lambda: draining.stops != [])
    await quiet()
    assert not running.done()
    draining.attempts.ended(draining.runs[0])
    await running


async def test_a_drain_that_is_cancelled_leaves_no_task() -> None:
    draining = Draining(1)
    before = asyncio.all_tasks()
    running = asyncio.create_task(draining.drain_part.run())
    await quiet()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == before
