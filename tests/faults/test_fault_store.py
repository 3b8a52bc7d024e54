"""One call of the store goes wrong, each in turn and in every way: what was promised holds all the same."""

from __future__ import annotations

import asyncio
import random
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from aiojobs_lite.engine import clock_monitor, guard, maintenance
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.stores.sqlite import inline
from aiojobs_lite.stores.sqlite import store as sqlite_store
from tests.helpers.databases import sound
from tests.helpers.day import INLINE, User, World, aftermath, check
from tests.helpers.fault_store import Fault, FaultStore, Kind
from tests.helpers.rings import deep, depth, first_of, share
from tests.helpers.waiting import PATIENCE

# The most calls of a day that go wrong in turn: those of a method that is called again and again are all alike.
MOST = {"open": 9, "apply": 99, "ask": 10, "changes": 3, "maintain": 2, "acquire": 2, "dead": 3, "close": 9}
INLINE_KINDS = (Kind.BEFORE, Kind.AFTER, Kind.REJECTED, Kind.GONE_AFTER)  # without a wait the others would be the same


class Days:
    """Lives through the script, each time on a database of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        self._folder = folder
        self._patch = monkeypatch
        self._log = caplog
        self._numbers = count()
        monkeypatch.setattr(guard, "RESTART_PAUSE_S", 0.001)
        monkeypatch.setattr(sqlite_store, "LOOK_EVERY_S", 0.005)
        monkeypatch.setattr(clock_monitor, "CLOCK_LOOK_EVERY_S", 0.005)
        monkeypatch.setattr(maintenance, "MAINTAIN_EVERY_S", 4.0)
        monkeypatch.setattr(inline, "LONG_INLINE_S", PATIENCE)  # a busy machine is none that is too slow for it

    async def each(self, kind: Kind, method: str, most: int, *, has_inline: bool = False) -> int:
        """A day for each call of a method, which goes wrong in it; returns how many there were."""
        step = depth(8, share(1, 3))  # each eighth call in the first ring, each one in the second, or each third
        first = random.randint(1, min(step, most))
        for number in range(first, most + 1, step):
            fault = Fault(kind, method, number)
            try:
                if not await self.day(fault, has_inline=has_inline):
                    return number - 1  # the day was over before
            except BaseException as error:
                error.add_note(f"{fault}, {has_inline=}")
                raise
        return most

    async def day(self, fault: Fault | None, *, has_inline: bool) -> bool:
        """One day, the day after, and what must be true then; returns whether the fault was met."""
        database = self._folder / f"{next(self._numbers)}.db"
        world = World()
        faults = [] if fault is None else [fault]
        store = FaultStore(open_store(database, "normal"), *faults, clock=world.clock, has_inline=has_inline)
        before = asyncio.all_tasks()
        with self._patch.context() as patch:
            steady = SimpleNamespace(monotonic=lambda: world.clock.now() / 1e6)
            patch.setattr(clock_monitor, "time", steady)  # the clock goes fast, and is not taken for one that jumps
            await User(world, store).day()
        assert [task for task in asyncio.all_tasks() - before if not task.done()] == []
        jobs = await aftermath(world, database)
        check(world, jobs, fault.kind if fault else None)
        assert sound(database)
        if fault is None or (fault.kind is not Kind.REJECTED and fault.method != "close"):  # neither is in the contract
            assert "please report it" not in self._log.text
        self._log.clear()
        return fault is not None and store.was_met(fault)


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Days:
    return Days(tmp_path, monkeypatch, caplog)


@pytest.mark.parametrize("has_inline", [True, False])
async def test_a_day_without_a_fault(days: Days, has_inline: bool) -> None:
    assert await days.day(None, has_inline=has_inline) is False


@deep
@pytest.mark.parametrize("kind", first_of(1, Kind))
async def test_whatever_call_goes_wrong(days: Days, kind: Kind) -> None:
    methods = ["apply"] if kind is Kind.REJECTED else list(MOST)
    met = {method: await days.each(kind, method, MOST[method]) for method in methods}
    assert met["apply"] > 15


@deep
@pytest.mark.parametrize("kind", first_of(1, INLINE_KINDS))
async def test_whatever_transaction_inline_goes_wrong(days: Days, kind: Kind) -> None:
    assert await days.each(kind, "inline", INLINE, has_inline=True) == INLINE
