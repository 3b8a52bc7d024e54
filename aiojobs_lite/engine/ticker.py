"""Cron: fires each schedule at its instants, once over all runners of the database."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiojobs_lite.clock import MICROSECONDS, Alarm, Clock, to_datetime, to_micros
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.writes import SetSchedule, Tick, TickAnswer, Write
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import TickFired, TickSkipped
from aiojobs_lite.telemetry.meters import Metrics

_log = logging.getLogger("aiojobs_lite.cron")
CatchUp = Literal["latest", "skip", "all"]
Overlap = Literal["skip", "queue"]

_LATEST_MAY_BE = 86400.0  # seconds late that a missed tick is still run by catch_up="latest"
_ON_TIME = 60.0  # seconds late that a tick does not count as missed
_MOST_CAUGHT_UP = 100  # ticks of catch_up="all"; the oldest beyond them are dropped
_MOST_COUNTED = 1000  # ticks that were missed; beyond them nobody counts
_RETRY = 0.25  # seconds until a tick that could not be written is tried again


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job type that runs by the clock.

    Attributes:
        name: Its stable name, that of the job type.
        job_type: What runs; it takes no arguments.
        cron: When.
        catch_up: What becomes of ticks that were missed: `latest`, `skip` or `all`.
        overlap: What becomes of a tick whose predecessor has not ended: `skip` or `queue`.
    """

    name: str
    job_type: JobType[..., Any]
    cron: CronSchedule
    catch_up: CatchUp = "latest"
    overlap: Overlap = "skip"

    def first(self, now: int) -> SetSchedule:
        """The write that stores it; a new one never fires for the past."""
        next_tick = to_micros(self.cron.next_after(to_datetime(now)))
        return SetSchedule(self.name, self.cron.expression, self.cron.tz, next_tick)

    def due(self, stored: int, now: int) -> list[int]:
        """The ticks to run now, oldest first, given the stored next tick; it is due.

        The latest is always among them, so that the store learns of it; `runs` says whether it makes a job.
        """
        most = _MOST_CAUGHT_UP if self.catch_up == "all" else 1
        start = to_datetime(stored - 1)
        return [to_micros(tick) for tick in self.cron.latest_between(start, to_datetime(now), most)]

    def runs(self, tick: int, now: int) -> bool:
        """Whether a tick that is so late still makes a job."""
        late = (now - tick) / MICROSECONDS
        return self.catch_up == "all" or late <= (_LATEST_MAY_BE if self.catch_up == "latest" else _ON_TIME)


class Ticker:
    """Fires the schedules of one runner.

    Args:
        schedules: What to fire.
        clock: When.
        bus: Hears of each tick.
        metrics: Counts skipped ticks.
        write: Makes a write durable and returns its answer.
    """

    def __init__(
        self,
        schedules: list[Schedule],
        clock: Clock,
        bus: Bus,
        metrics: Metrics,
        write: Callable[[Write], Awaitable[Any]],
    ) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._clock = clock
        self._bus = bus
        self._metrics = metrics
        self._write = write
        self._next: dict[str, int] = {}
        self._alarm = Alarm(clock)
        self._closed = False

    @property
    def is_idle(self) -> bool:
        """Whether no tick is due."""
        now = self._clock.now()
        return self._closed or all(tick > now for tick in self._next.values())

    def first(self, now: int) -> list[SetSchedule]:
        """The writes that store the schedules."""
        return [schedule.first(now) for schedule in self._schedules.values()]

    def begin(self, next_ticks: list[int]) -> None:
        """Takes the next ticks in force: the answers to `first`."""
        self._next = dict(zip(self._schedules, next_ticks, strict=True))
        self.look_again()

    def look_again(self) -> None:
        """The wall clock jumped. A stored tick beyond the next one was written by a clock that went ahead."""
        for name, tick in self._next.items():
            self._wait_for(name, tick)
        self._alarm.ring()

    def close(self) -> None:
        """Fires nothing more."""
        self._closed = True
        self._alarm.ring()

    async def run(self) -> None:
        """Fires, for ever."""
        while True:
            now = self._clock.now()
            due = [] if self._closed else [name for name, tick in self._next.items() if tick <= now]
            try:
                for name in due:
                    await self._fire(self._schedules[name], now)
            except StoreUnavailable:  # told by the committer; the tick is not lost
                await self._alarm.wait(now + int(_RETRY * MICROSECONDS))
                continue
            if not due:
                await self._alarm.wait(None if self._closed else min(self._next.values(), default=None))

    def _wait_for(self, name: str, tick: int) -> None:
        """The next tick of a schedule is this one, or an earlier one that the clock has still to come to."""
        following = self._schedules[name].cron.next_after(to_datetime(self._clock.now()))
        self._next[name] = min(tick, to_micros(following))

    async def _fire(self, schedule: Schedule, now: int) -> None:
        next_tick = to_micros(schedule.cron.next_after(to_datetime(now)))
        ticks = schedule.due(self._next[schedule.name], now)
        self._tell_of_missed(schedule, self._next[schedule.name], ticks[0])
        for tick, following in zip(ticks, [*ticks[1:], next_tick], strict=True):  # where the next start would go on
            runs = schedule.runs(tick, now)
            row = schedule.job_type.bind().row(now)._replace(schedule=schedule.name, tick=tick) if runs else None
            skip_overlap = schedule.overlap == "skip" and not (schedule.catch_up == "all" and len(ticks) > 1)
            try:
                answer = await self._write(Tick(schedule.name, tick, following, row, skip_overlap))
            except StoreRejected:
                _log.exception("the tick of %s at %s is lost", schedule.name, to_datetime(tick))  # not the others
            else:
                self._tell(schedule, tick, answer)
        self._wait_for(schedule.name, next_tick)  # the clock may have been set back meanwhile

    def _tell_of_missed(self, schedule: Schedule, stored: int, first: int) -> None:
        """Counts the ticks from the stored one to the first that is dealt with, to 1,000."""
        if stored < first:
            missed = schedule.cron.latest_between(to_datetime(stored - 1), to_datetime(first - 1), _MOST_COUNTED)
            self._skipped(schedule, stored, "catch_up", len(missed))

    def _tell(self, schedule: Schedule, tick: int, answer: TickAnswer) -> None:
        at = to_datetime(tick)
        if answer.what == "fired":
            if self._bus.is_watched(TickFired):
                self._bus.publish(TickFired(schedule.name, at, answer.job_id or 0))
        elif answer.what != "duplicate":
            self._skipped(schedule, tick, "overlap" if answer.what == "overlap" else "too late")

    def _skipped(self, schedule: Schedule, first: int, reason: str, ticks: int = 1) -> None:
        self._metrics.skipped_ticks += ticks
        if self._bus.is_watched(TickSkipped):
            self._bus.publish(TickSkipped(schedule.name, to_datetime(first), reason, ticks))
