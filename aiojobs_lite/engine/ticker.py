"""Cron: fires each schedule at its instants, once over all runners of the database.

Those that code declares are known from the start on. Those that were made at run time are read when they are due; of
them nothing is kept but when the first one fires next. Both are fired by the same lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, Alarm, Clock, to_datetime
from aiojobs_lite.engine.ports import Commits
from aiojobs_lite.errors import RunnerClosed, ScheduleTaken, StoreRejected, StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.handlers.schedules import job_of_tick
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.model.schedule_rows import DueSchedules, ListMovedAhead, LookAtTicks, ScheduleRow
from aiojobs_lite.model.schedules import FireTick, MoveTickBack, ScheduleAnswer, SetSchedule, TickAnswer
from aiojobs_lite.policy.catch_up import Schedule, as_catch_up, as_overlap, dropped, schedule_of
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import TickFired, TickSkipped
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.wording import instant

_log = get_log("cron")
_RETRY_US: Final = MICROSECONDS // 4  # until a tick that could not be written is tried again
_PAUSE_S: Final = 60  # until a schedule that raised is tried again
_COUNTED_IN_A_TURN: Final = 20  # missed ticks, 4 ms
DUE_PAGE: Final = 100  # stored schedules that are read and fired together


@dataclass(frozen=True, slots=True)
class _Due:
    """A schedule that is due.

    Attributes:
        schedule: When it fires.
        row: Its next tick in the store, and what it makes.
        now: What the clock showed when it was found.
    """

    schedule: Schedule
    row: ScheduleRow
    now: int

    def tick(self, tick: int, following: int, job: Candidate | None, *, skip_overlap: bool = False) -> FireTick:
        """The write that fires one of its ticks."""
        rule = self.schedule.rule
        return FireTick(self.schedule.name, *rule, tick, following, job, skip_overlap, self.row.revision, self.now)


class Ticker:
    """Fires the schedules of one runner.

    Args:
        schedules: Those that are declared; the job type of each has its name.
        registry: Has these job types, and those of the schedules that the store has.
        store: Has the schedules that were made at run time.
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
        store: Store,
        clock: Clock,
        commits: Commits,
        bus: Bus,
        metrics: Metrics,
    ) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._registry = registry
        self._store = store
        self._clock = clock
        self._commits = commits
        self._bus = bus
        self._metrics = metrics
        self._next: dict[str, int] = {}  # of the declared ones
        self._paused: set[str] = set()  # declared ones
        self._first_stored: int | None = None  # the first next tick of the stored ones that is to come
        self._paused_until: dict[str, int] = {}  # the schedules that raised
        self._skipped: set[tuple[str, str, int]] = set()  # that were counted, and whose schedule has more to write
        self._replaced: list[tuple[str, tuple[str, str, int]]] = []  # what they owe is still to be counted
        self._ahead: set[str] = set()  # the declared ones whose stored tick is, or was, beyond the next one
        self._alarm = Alarm(clock)
        self._is_out_of_date = True  # what is known of the stored ones
        self._is_looking = False  # at the stored ones
        self._is_draining = False

    @property
    def is_idle(self) -> bool:
        """Whether no tick is to be fired now."""
        if self._is_draining:
            return True
        now = self._clock.now()
        return not (self._is_looking or self._replaced or self._due(now) or self._is_to_look(now))

    @property
    def next_ticks(self) -> Mapping[str, int]:
        """When each declared schedule fires next, in microseconds."""
        return self._next

    @property
    def first_stored(self) -> int | None:
        """When the first of the stored schedules fires next, in microseconds, as far as is known; None: none does."""
        return self._first_stored

    def first(self, now: int) -> list[SetSchedule]:
        """The writes that store the declared schedules."""
        return [schedule.first(now) for schedule in self._schedules.values()]

    def begin(self, answers: Sequence[ScheduleAnswer]) -> None:
        """Takes the next ticks in force: the answers to `first`.

        Raises:
            ScheduleTaken: If a schedule that was made at run time has the name of a declared one.
        """
        pairs = list(zip(self._schedules, answers, strict=True))
        for name, answer in pairs:
            if answer.is_taken:
                raise ScheduleTaken(name, is_declared=False)
        self._next = {name: answer.next_tick for name, answer in pairs}
        self._replaced = [(name, answer.replaced) for name, answer in pairs if answer.replaced is not None]
        self.clock_jumped()

    def look_again(self) -> None:
        """Schedules were made, deleted, paused or resumed: perhaps, and perhaps by another owner."""
        self._is_out_of_date = True
        self._alarm.ring()

    def clock_jumped(self) -> None:
        """Waits anew. A stored tick beyond the next one was written by a clock that went ahead."""
        self._paused_until.clear()
        for name, tick in self._next.items():
            with self._guarded(name):
                self._wait_for(name, tick)
        self.look_again()

    async def correct(self) -> None:
        """Moves stored ticks back which a clock has written that was ahead."""
        for name in sorted(self._ahead):
            await self._move_back(self._schedules[name])
        after = self._clock.now() + CLOCK_TOLERANCE_US, ""
        while page := await self._store.ask(ListMovedAhead(after, DUE_PAGE)):
            for row in page:
                with self._guarded(row.name):
                    await self._move_back(_schedule_of(row))
            after = page[-1].moved_at or 0, page[-1].name
            self.look_again()

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
            looks = not self._is_draining and self._is_to_look(now)
            try:
                for name in due:
                    with self._guarded(name):
                        await self._fire_declared(name, now)
                if looks:
                    await self._fire_stored(now)
            except StoreUnavailable:  # published as `StoreDegraded`; the tick is not lost
                await self._alarm.wait(now + _RETRY_US)
                continue
            if not due and not looks:
                await self._alarm.wait(None if self._is_draining else self._next_look())

    async def _move_back(self, schedule: Schedule) -> None:
        now = self._clock.now()
        await self._commits.write(MoveTickBack(schedule.name, *schedule.rule, schedule.next_after(now), now))

    # What is due, and when.

    def _at(self, name: str) -> int:
        """When a declared schedule is to be looked at."""
        return max(self._next[name], self._paused_until.get(name, self._next[name]))

    def _due(self, now: int) -> list[str]:
        return [name for name in self._next if name not in self._paused and self._at(name) <= now]

    def _is_to_look(self, now: int) -> bool:
        """Whether the stored schedules are to be looked at."""
        first = self._first_stored
        return self._is_out_of_date or (first is not None and first <= now)

    def _next_look(self) -> int | None:
        """When a schedule is due next, declared or stored."""
        found = [self._at(name) for name in self._next if name not in self._paused]
        if self._first_stored is not None:
            found.append(self._first_stored)
        return min(found, default=None)

    def _wait_for(self, name: str, tick: int) -> None:
        """The next tick of a declared schedule is this one, or an earlier one that the clock has still to come to."""
        following = self._schedules[name].next_after(self._clock.now())
        if following < tick:
            self._ahead.add(name)
        self._next[name] = min(tick, following)

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

    # Firing.

    async def _fire_declared(self, name: str, now: int) -> None:
        schedule = self._schedules[name]
        if await self._fire(_Due(schedule, ScheduleRow(name, *schedule.rule, self._next[name]), now)):
            self._wait_for(name, schedule.next_after(now))  # the clock may have been set back meanwhile
        else:
            self._paused.add(name)  # until a look finds that it is not

    async def _fire_stored(self, now: int) -> None:
        """Fires the stored schedules that are due, and finds out which is the next one."""
        self._is_out_of_date, self._is_looking = False, True
        types = self._registry.names()
        try:
            full = True
            while full:
                self._paused_until = {
                    name: until for name, until in self._paused_until.items() if until > now or name in self._next
                }
                without = tuple(self._paused_until)
                page = await self._store.ask(DueSchedules(types, now, DUE_PAGE, without))
                _raise_first(await asyncio.gather(*[self._fire_row(row, now) for row in page], return_exceptions=True))
                full = len(page) == DUE_PAGE
            outlook = await self._store.ask(LookAtTicks(types, now, tuple(self._next)))
        except BaseException:
            self._is_out_of_date = True  # in the next run
            raise
        finally:
            self._is_looking = False
        self._paused = set(outlook.paused)
        retried = [until for name, until in self._paused_until.items() if name not in self._next]
        self._first_stored = min([*retried, *([] if outlook.next_tick is None else [outlook.next_tick])], default=None)
        self._commits.wake()  # the runner may be idle

    async def _fire_row(self, row: ScheduleRow, now: int) -> None:
        with self._guarded(row.name):
            await self._fire(_Due(_schedule_of(row), row, now))

    async def _fire(self, due: _Due) -> bool:
        """Fires what is due of a schedule; returns whether it was, and is not paused."""
        schedule, stored, now = due.schedule, due.row.next_tick, due.now
        next_tick = schedule.next_after(now)
        ticks = schedule.due(stored, now)
        if ticks:
            return await self._fire_all(due, ticks, next_tick)
        # Stored by a version with another expression, or under other rules of its time zone.
        text = "%s does not fire at %s, as its expression is now: its next tick is %s"
        _log.info(text, schedule.name, _shown(stored), _shown(next_tick))
        if due.row.revision is not None:
            await self._commits.write(due.tick(stored, next_tick, None))
        return True

    async def _fire_all(self, due: _Due, ticks: Sequence[int], next_tick: int) -> bool:
        schedule, stored, now = due.schedule, due.row.next_tick, due.now
        missed = await self._count(schedule.missed(stored, ticks[0]))
        skip_overlap = schedule.skips_overlap(ticks)
        for tick, following in zip(ticks, [*ticks[1:], next_tick], strict=True):  # where the next start would go on
            job = self._job(due.row, tick, now) if schedule.runs(tick, now) else None
            write = due.tick(tick, following, job, skip_overlap=skip_overlap)
            try:
                answer = await self._commits.write(write)
            except StoreRejected:
                _log.exception("the tick of %s at %s makes no job", schedule.name, _shown(tick))  # not the others
                self._skip_once(schedule, tick, "rejected", 1)
                if due.row.revision is not None:
                    await self._commits.write(write._replace(job=None))  # else it would be due again at once
                continue
            if answer.what == "paused":
                return False
            if answer.what == "changed":
                return True
            self._skip_once(schedule, stored, "catch_up", missed)
            self._publish(schedule, tick, answer)
        self._skipped = {one for one in self._skipped if one[0] != schedule.name}
        return True

    def _job(self, row: ScheduleRow, tick: int, now: int) -> Candidate:
        return job_of_tick(self._registry.get(row.job_type or row.name), row, tick, now)

    # Telling.

    def _publish(self, schedule: Schedule, tick: int, answer: TickAnswer) -> None:
        if answer.what == "fired":
            if self._bus.is_watched(TickFired):
                self._bus.publish(TickFired(schedule.name, to_datetime(tick), answer.job_id or 0))
        elif answer.what != "duplicate":
            self._skip(schedule, tick, "too late" if answer.what == "skipped" else answer.what, 1)

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


def _raise_first(found: Iterable[BaseException | None]) -> None:
    """Raises the first error that is found among what several calls returned."""
    for error in filter(None, found):
        raise error


def _schedule_of(row: ScheduleRow) -> Schedule:
    return schedule_of(row.name, row.expression, row.tz, as_catch_up(row.catch_up), as_overlap(row.overlap))


def _shown(tick: int) -> str:
    return instant(to_datetime(tick))
