"""Reports of types that are paused and resumed, whatever process did it."""

from __future__ import annotations

from typing import Any

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine.pauses import PauseMonitor
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import TypePaused, TypeResumed
from tests.helpers.engine import published_on
from tests.helpers.memory_store import MemoryStore
from tests.helpers.stores import answers, at


async def test_each_look_publishes_what_has_changed_since_the_one_before() -> None:
    store, bus = MemoryStore(), Bus()
    await store.open()
    published: Any = published_on(bus)
    monitor = PauseMonitor(store=store, bus=bus)
    monitor.look()
    assert published() == []
    await answers(store, PauseType("b", paused=True, by="ann"), PauseType("a", paused=True), now=1)
    monitor.look()
    monitor.look()
    assert published() == [TypePaused("a", to_datetime(at(1)), None), TypePaused("b", to_datetime(at(1)), "ann")]
    await answers(store, PauseType("a", paused=False), now=2)
    monitor.look()
    assert published() == [TypeResumed("a")]
    await answers(store, PauseType("b", paused=False), PauseType("b", paused=True, by="ben"), now=3)
    monitor.look()
    assert published() == [TypePaused("b", to_datetime(at(3)), "ben")]
    await store.close()
