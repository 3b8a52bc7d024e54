"""Instants and the alarm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.clock import MICROSECONDS, Alarm, SystemClock, after, to_datetime, to_micros, until_beat
from aiojobs_lite.testing.clock import FakeClock, FakeTimer
from tests.helpers.waiting import quiet

HOUR = 3600 * MICROSECONDS


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone.min])))
def test_an_instant_survives_the_way_to_microseconds_and_back(instant: datetime) -> None:
    micros = to_micros(instant)
    assert isinstance(micros, int)
    try:
        found = to_datetime(micros)
    except OverflowError:  # the first and the last day of the calendar, seen from another zone
        assert instant.year in {1, 9999}
        return
    assert found == instant
    assert found.tzinfo is UTC


def test_microseconds_are_counted_from_1970_and_exact() -> None:
    assert to_micros(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert to_micros(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=1)))) == HOUR
    assert to_micros(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == 253_402_300_799_999_999
    assert to_datetime(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def test_a_naive_instant_has_no_microseconds() -> None:
    with pytest.raises(TypeError, match="naive"):
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001  # the point


def test_after_adds_seconds_and_rounds_to_a_microsecond() -> None:
    assert after(5, 1.5) == 1_500_005
    assert after(0, 0.0000006) == 1
    assert after(10, 0) == 10


def test_the_system_clock_reads_what_the_machine_reads() -> None:
    before = time.time_ns() // 1000
    now = SystemClock().now()
    assert before <= now <= time.time_ns() // 1000


async def test_the_system_clock_calls_later_and_a_timer_can_be_called_off() -> None:
    called = asyncio.Event()
    never: list[int] = []
    clock = SystemClock()
    clock.call_later(0.001, lambda: never.append(1)).cancel()
    clock.call_later(0.002, called.set)
    await called.wait()
    assert never == []


class CountingClock(FakeClock):
    """Knows for how long its timers were set."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float] = []

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        self.delays.append(delay)
        return super().call_later(delay, callback)


async def waiting(alarm: Alarm, until: int | None = None) -> asyncio.Task[None]:
    """A task that waits for the alarm already."""
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        await alarm.wait(until)

    task = asyncio.create_task(wait())
    await started.wait()
    assert not task.done()
    return task


async def test_a_ring_wakes_the_waiter() -> None:
    alarm = Alarm(FakeClock())
    task = await waiting(alarm)
    alarm.ring()
    alarm.ring()  # twice is once
    await quiet()
    assert task.done()
    again = await waiting(alarm)
    alarm.ring()
    await quiet()
    assert again.done()


async def test_a_ring_while_nothing_waits_is_kept_once() -> None:
    alarm = Alarm(FakeClock())
    alarm.ring()
    alarm.ring()
    await alarm.wait()
    task = await waiting(alarm)
    await quiet()
    assert not task.done()
    alarm.ring()
    await task


async def test_the_alarm_rings_at_its_instant_and_not_before() -> None:
    clock = CountingClock()
    alarm = Alarm(clock)
    task = await waiting(alarm, after(clock.now(), 60))
    assert clock.delays == [60.0]
    clock.advance(59.9)
    await quiet()
    assert not task.done()
    clock.advance(0.1)
    await task


async def test_a_ring_before_the_instant_calls_the_timer_off() -> None:
    clock = CountingClock()
    alarm = Alarm(clock)
    task = await waiting(alarm, after(clock.now(), 60))
    alarm.ring()
    await task
    clock.advance(61)  # its timer would leave a ring behind
    late = await waiting(alarm)
    await quiet()
    assert not late.done()
    alarm.ring()
    await late


@pytest.mark.parametrize("ago", [0, 1, HOUR])
async def test_an_instant_that_is_past_rings_at_once_even_if_the_clock_stands_still(ago: int) -> None:
    clock = FakeClock()
    start = clock.now()
    await Alarm(clock).wait(start - ago)
    assert clock.now() == start


async def test_waiting_for_a_past_instant_lets_others_run() -> None:
    clock = FakeClock()
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)
    await Alarm(clock).wait(clock.now())
    assert turns == [1]


async def test_a_cancelled_wait_leaves_the_alarm_usable() -> None:
    clock = CountingClock()
    alarm = Alarm(clock)
    task = await waiting(alarm, after(clock.now(), 60))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    clock.advance(61)  # called off: leaves no ring behind
    again = await waiting(alarm)
    await quiet()
    assert not again.done()
    alarm.ring()
    await again


@pytest.mark.parametrize(("now", "pause"), [(1000.0, 0.2), (1000.05, 0.15), (1000.19, 0.01), (1000.2, 0.2)])
async def test_what_looks_at_the_same_multiples_wakes_together(
    monkeypatch: pytest.MonkeyPatch, now: float, pause: float
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        found, seldom = until_beat(0.2), until_beat(1.0)
    assert found == pytest.approx(pause) or found == pytest.approx(0.0, abs=1e-9)  # 1000.2 is not quite a multiple
    assert (seldom - found) / 0.2 == pytest.approx(round((seldom - found) / 0.2))
