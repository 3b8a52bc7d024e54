"""Cron: fires each schedule at its instants, once over all runners of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, Alarm, Clock, to_datetime
from aiojobs_lite.engine.ports import Commits
from aiojobs_lite.errors import RunnerClosed, StoreRejected, StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.schedules import FireTick, MoveTickBack, ScheduleAnswer, SetSchedule, TickAnswer
from aiojobs_lite.policy.catch_up import Schedule, dropped
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import TickFired, TickSkipped
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.wording import instant

_log = get_log("cron")
_RETRY_US: Final = MICROSECONDS // 4  # until a tick that could not be written is tried again
_PAUSE_S: Final = 60  # until a schedule that raised is tried again
_COUNTED_IN_A_TURN: Final = 20  # missed ticks, 4 ms


class Ticker:
    """Fires the schedules of one runner.

    Args:
        schedules: What to fire; the job type of each has its name.
        registry: Has these job types.
        clock: When.
        commits: Makes the ticks durable.
        bus: Gets a fact for each tick.
        metrics: Counts skipped ticks.
    """

    def __init__(
        self,
        *,
        schedules: Iterable[Schedule],
        registry: Registry,
        clock: Clock,
        commits: Commits,
        bus: Bus,
        metrics: Metrics,
    ) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._registry = registry
        self._clock = clock
        self._commits = commits
        self._bus = bus
        self._metrics = metrics
        self._next: dict[str, int] = {}
        self._paused_until: dict[str, int] = {}  # the schedules that raised
        self._skipped: set[tuple[str, str, int]] = set()  # that were counted, and whose schedule has more to write
        self._replaced: list[tuple[str, tuple[str, str, int]]] = []  # what they owe is still to be counted
        self._ahead: set[str] = set()  # the schedules whose stored tick is, or was, beyond the next one
        self._alarm = Alarm(clock)
        self._is_draining = False

    @property
    def is_idle(self) -> bool:
        """Whether no tick is to be fired now."""
        return self._is_draining or not (self._replaced or self._due(self._clock.now()))

    @property
    def next_ticks(self) -> Mapping[str, int]:
        """When each schedule fires next, in microseconds."""
        return self._next

    def first(self, now: int) -> list[SetSchedule]:
        """The writes that store the schedules."""
        return [schedule.first(now) for schedule in self._schedules.values()]

    def begin(self, answers: Sequence[ScheduleAnswer]) -> None:
        """Takes the next ticks in force: the answers to `first`."""
        self._next = dict(zip(self._schedules, (answer.next_tick for answer in answers), strict=True))
        pairs = zip(self._schedules, answers, strict=True)
        self._replaced = [(name, answer.replaced) for name, answer in pairs if answer.replaced is not None]
        self.clock_jumped()

    def clock_jumped(self) -> None:
        """Waits anew. A stored tick beyond the next one was written by a clock that went ahead."""
        self._paused_until.clear()
        for name, tick in self._next.items():
            with self._guarded(name):
                self._wait_for(name, tick)
        self._alarm.ring()

    def corrections(self, now: int) -> list[MoveTickBack]:
        """The writes that move stored ticks back which a clock has written that was ahead."""
        schedules = [self._schedules[name] for name in sorted(self._ahead)]
        return [MoveTickBack(one.name, *one.rule, one.next_after(now)) for one in schedules]

    def drain(self) -> None:
        """Fires nothing more."""
        self._is_draining = True
        for name, replaced in self._replaced:  # a start that ends at once tells of them all the same
            with self._guarded(name):
                self._skip(self._schedules[name], replaced[2], "changed", len([*self._dropped(name, replaced)]))
        self._replaced.clear()
        self._alarm.ring()

    async def run(self) -> None:
        """Fires, until it is cancelled."""
        await self._publish_dropped()
        while True:
            now = self._clock.now()
            due = [] if self._is_draining else self._due(now)
            try:
                for name in due:
                    with self._guarded(name):
                        await self._fire(self._schedules[name], now)
            except StoreUnavailable:  # published as `StoreDegraded`; the tick is not lost
                await self._alarm.wait(now + _RETRY_US)
                continue
            if not due:
                await self._alarm.wait(None if self._is_draining else min(map(self._at, self._next), default=None))

    def _at(self, name: str) -> int:
        """When a schedule is to be looked at."""
        return max(self._next[name], self._paused_until.get(name, self._next[name]))

    def _due(self, now: int) -> list[str]:
        return [name for name in self._next if self._at(name) <= now]

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """What one schedule raises is logged, and pauses this one alone; its tick is not lost."""
        try:
            yield
        except (StoreUnavailable, RunnerClosed):  # true of all schedules
            raise
        except Exception:  # noqa: BLE001  # whatever it is, the other schedules go on
            _log.exception("the schedule %s could not fire; it is tried again in %d s", name, _PAUSE_S)
            self._paused_until[name] = self._clock.now() + _PAUSE_S * MICROSECONDS

    def _wait_for(self, name: str, tick: int) -> None:
        """The next tick of a schedule is this one, or an earlier one that the clock has still to come to."""
        following = self._schedules[name].next_after(self._clock.now())
        if following < tick:
            self._ahead.add(name)
        self._next[name] = min(tick, following)

    async def _fire(self, schedule: Schedule, now: int) -> None:
        stored, next_tick = self._next[schedule.name], schedule.next_after(now)
        ticks = schedule.due(stored, now)
        if ticks:
            await self._fire_all(schedule, ticks, next_tick, now)
        else:  # stored by a version with another expression, or under other rules of its time zone
            text = "%s does not fire at %s, as its expression is now: its next tick is %s"
            _log.info(text, schedule.name, _shown(stored), _shown(next_tick))
        self._wait_for(schedule.name, next_tick)  # the clock may have been set back meanwhile

    async def _fire_all(self, schedule: Schedule, ticks: Sequence[int], next_tick: int, now: int) -> None:
        stored = self._next[schedule.name]
        missed = await self._count(schedule.missed(stored, ticks[0]))
        skip_overlap = schedule.skips_overlap(ticks)
        for tick, following in zip(ticks, [*ticks[1:], next_tick], strict=True):  # where the next start would go on
            row = self._row(schedule, tick, now) if schedule.runs(tick, now) else None
            write = FireTick(schedule.name, *schedule.rule, tick, following, row, skip_overlap)
            try:
                answer = await self._commits.write(write)
            except StoreRejected:
                _log.exception("the tick of %s at %s makes no job", schedule.name, _shown(tick))  # not the others
                self._skip_once(schedule, tick, "rejected", 1)
            else:
                self._skip_once(schedule, stored, "catch_up", missed)
                self._publish(schedule, tick, answer)
        self._skipped.clear()

    def _row(self, schedule: Schedule, tick: int, now: int) -> NewJob:
        row = self._registry.get(schedule.name).bind().row(now)
        return row._replace(schedule=schedule.name, tick=tick)

    def _publish(self, schedule: Schedule, tick: int, answer: TickAnswer) -> None:
        if answer.what == "fired":
            if self._bus.is_watched(TickFired):
                self._bus.publish(TickFired(schedule.name, to_datetime(tick), answer.job_id or 0))
        elif answer.what != "duplicate":
            self._skip(schedule, tick, "overlap" if answer.what == "overlap" else "too late", 1)

    def _skip_once(self, schedule: Schedule, first: int, reason: str, ticks: int) -> None:
        """The same of ticks that are dealt with again if a later write fails."""
        what = schedule.name, reason, first
        if ticks and what not in self._skipped:
            self._skipped.add(what)
            self._skip(schedule, first, reason, ticks)

    async def _publish_dropped(self) -> None:
        """Publishes the ticks that are dropped with the expressions that were replaced."""
        while self._replaced:
            name, replaced = self._replaced[0]
            with self._guarded(name):
                ticks = await self._count(self._dropped(name, replaced))
                if self._replaced:  # else the drain did it
                    self._skip(self._schedules[name], replaced[2], "changed", ticks)
            del self._replaced[:1]

    def _dropped(self, name: str, replaced: tuple[str, str, int]) -> Iterator[int]:
        return dropped(name, replaced, self._clock.now())

    async def _count(self, ticks: Iterable[int]) -> int:
        """How many ticks there are. Each takes time to find, hence many turns of the event loop."""
        count = 0
        for count, _ in enumerate(ticks, 1):
            if count % _COUNTED_IN_A_TURN == 0:
                await asyncio.sleep(0)
        return count

    def _skip(self, schedule: Schedule, first: int, reason: str, ticks: int) -> None:
        """Counts and publishes ticks that make no job, from `first` on."""
        if not ticks:
            return
        self._metrics.skipped_ticks += ticks
        if self._bus.is_watched(TickSkipped):
            self._bus.publish(TickSkipped(schedule.name, to_datetime(first), reason, ticks))


def _shown(tick: int) -> str:
    return instant(to_datetime(tick))
