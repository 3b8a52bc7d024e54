"""The start of an engine: what comes in which order, and what a first rescue that fails does not hold up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from aiojobs_lite import job
from aiojobs_lite.engine import startup
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.engine.startup import Startup
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.schedules import ScheduleAnswer, SetSchedule
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import RunnerStarted, TypesUnclaimed
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import published_on, registry_of
from tests.helpers.memory_store import MemoryDatabase, MemoryStore
from tests.helpers.stores import inserted, new
from tests.helpers.waiting import PATIENCE, quiet

SCHEDULE = SetSchedule("s", "* * * * *", "UTC", 60)

IDENTITY = Identity(5, {})


@job
async def known(x: int = 0) -> None: ...


async def one_turn() -> None:
    """What a part does takes a turn of the event loop."""
    await asyncio.sleep(0)


class Part:
    """A part that notes its calls in the list of all parts."""

    def __init__(self, name: str, calls: list[str], phase: Callable[[], Phase]) -> None:
        self._name = name
        self._calls = calls
        self._phase = phase
        self.rescues: Callable[[], Awaitable[None]] = one_turn
        self.stopped: list[Stop] = []
        self.answers: list[Any] = []
        self.has_slots = True

    def first(self, now: int) -> list[SetSchedule]:
        assert now == FakeClock().now()
        return [SCHEDULE]

    def begin(self, answers: list[Any]) -> None:
        self.answers = answers

    @property
    def next_ticks(self) -> dict[str, int]:
        return {"s": FakeClock().now() + 60_000_000} if self.answers else {}

    async def run(self) -> None:
        self._calls.append(f"{self._name} runs")
        await asyncio.Event().wait()

    async def rescue(self) -> None:
        await self.rescues()
        self._calls.append("rescue")

    async def release_all(self) -> None:
        self._calls.append("release")

    def look(self) -> None:
        self._calls.append("look")

    def start_claiming(self) -> None:
        self._calls.append(f"claims, {self._phase().name}")

    def stop_claiming(self) -> None:
        self._calls.append("claims nothing")

    def stop_all(self, why: Stop) -> int:
        self.stopped.append(why)
        return 0


class Starting:
    """A start, whose parts only note what they are asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.progress = Progress()
        self.bus = Bus()
        self.facts = published_on(self.bus)
        self.database = MemoryDatabase()
        self.store = MemoryStore(self.database)
        names = ("committer", "dispatcher", "ticker", "janitor", "releaser", "executor", "pauses", "other")
        self.parts = {name: Part(name, self.calls, lambda: self.progress.phase) for name in names}
        parts: Any = SimpleNamespace(others=[self.parts["other"]], **self.parts)
        self.part = Startup(
            store=self.store, clock=FakeClock(), bus=self.bus, registry=registry_of(known),
            identity=IDENTITY, parts=parts, progress=self.progress,
        )  # fmt: skip

    async def begun(self) -> None:
        """Begins, and ends all parts again."""
        async with asyncio.timeout(PATIENCE), anyio.create_task_group() as group:
            await self.part.begin(group)
            await quiet()
            group.cancel_scope.cancel()


@pytest.fixture
async def starting() -> Any:
    made = Starting()
    yield made
    await made.store.close()
    made.store.owners.release()


async def test_the_store_is_opened_this_owner_lives_and_the_schedules_are_stored(starting: Starting) -> None:
    await starting.part.open()
    assert starting.progress.phase is Phase.STARTING
    assert await starting.store.owners.dead({IDENTITY.owner, "other"}) == {"other"}
    assert starting.parts["ticker"].answers == [ScheduleAnswer(SCHEDULE.next_tick)]
    assert starting.facts() == []


async def test_types_that_are_not_registered_here_are_named_with_what_waits(starting: Starting) -> None:
    await starting.store.open()
    await inserted(starting.store, new("known"), *(new("strange") for _ in range(2)), new("other"))
    await starting.part.open()
    assert starting.facts() == [TypesUnclaimed("other (1), strange (2)")]


async def test_nothing_is_claimed_by_the_start(starting: Starting) -> None:
    """That comes when the application has entered the runner."""
    await starting.begun()
    rescue, release = starting.calls.index("rescue"), starting.calls.index("release")
    assert rescue < release
    before = set(starting.calls[:rescue])
    assert before == {f"{name} runs" for name in ("committer", "dispatcher", "ticker", "other")}
    assert set(starting.calls[release + 1 :]) == {"janitor runs", "releaser runs"}


async def test_the_start_is_published_with_what_is_there_when_it_is_complete(starting: Starting) -> None:
    await starting.part.open()
    await inserted(starting.store, *(new("known") for _ in range(3)))
    await starting.begun()
    (started,) = starting.facts()
    assert isinstance(started, RunnerStarted)
    assert started.database == str(starting.store)
    assert started.types == "1 job type (known)"
    assert started.schedules == "1 schedule (s in 1 min (00:01:00 UTC))"
    assert (started.pending, started.dead, started.pid, started.owner) == (
        3,
        0,
        os.getpid(),
        IDENTITY.owner,
    )


async def fails() -> None:
    raise StoreUnavailable("SQLITE_BUSY", "locked")


async def hangs() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("rescues", "why"), [(fails, "StoreUnavailable"), (hangs, "TimeoutError")])
async def test_a_first_rescue_that_fails_or_takes_long_is_put_off(
    starting: Starting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    rescues: Callable[[], Awaitable[None]], why: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(startup, "FIRST_RESCUE_S", 0.01)
    starting.parts["janitor"].rescues = rescues
    await starting.begun()
    assert {"rescue", "release"} & {*starting.calls} == set()
    assert {"janitor runs", "releaser runs"} <= {*starting.calls}
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"jobs of dead processes could not be given back at the start, which is tried again: {why}("
    )


async def test_a_first_rescue_with_a_defect_fails_the_start(starting: Starting) -> None:
    async def defect() -> None:
        raise ZeroDivisionError

    starting.parts["janitor"].rescues = defect
    with pytest.raises(BaseExceptionGroup) as raised:
        await starting.begun()
    assert raised.group_contains(ZeroDivisionError)
    assert not any(call.startswith("claims") for call in starting.calls)


async def test_an_owner_that_is_lost_claims_nothing_and_stops_all_until_it_is_regained(starting: Starting) -> None:
    await starting.part.open()
    starting.database.lose(IDENTITY.owner)
    assert starting.calls == ["look", "claims nothing"]
    assert starting.parts["executor"].stopped == [Stop.SHUTDOWN]
    starting.database.regain(IDENTITY.owner)
    assert starting.calls == ["look", "claims nothing", "claims, STARTING"]
