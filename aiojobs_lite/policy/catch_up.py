"""Which ticks of a schedule run: those on time, and those that were missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from aiojobs_lite.clock import LAST_INSTANT, MICROSECONDS, to_datetime, to_micros
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.durations import Duration
from aiojobs_lite.errors import InvalidSchedule
from aiojobs_lite.intervals import IntervalSchedule, jitter_of, read_schedule, split_jitter
from aiojobs_lite.model.schedules import SetSchedule

CatchUp = Literal["latest", "skip", "all"]
Overlap = Literal["skip", "queue"]

_LATEST_MAY_BE_S: Final = 86400.0  # late that a missed tick is still run by catch_up="latest"
_ON_TIME_S: Final = 60.0  # late that a tick does not count as missed
_MOST_CAUGHT_UP: Final = 100  # ticks of catch_up="all"; the oldest beyond them are dropped
_MOST_COUNTED: Final = 1000  # ticks that were missed; those beyond them are not counted


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job type runs by the clock, and what becomes of ticks that cannot run on time.

    Attributes:
        name: Its stable name, that of the job type, which takes no arguments.
        cron: When.
        catch_up: What becomes of ticks that were missed: `latest`, `skip` or `all`.
        overlap: What becomes of a tick whose predecessor's job is not finished: `skip` or `queue`.
        jitter: How much later a tick may fire, as it is stored; empty: none.
    """

    name: str
    cron: CronSchedule | IntervalSchedule
    catch_up: CatchUp = "latest"
    overlap: Overlap = "skip"
    jitter: str = ""

    @property
    def rule(self) -> tuple[str, str]:
        """The expression and the time zone, as they are stored."""
        return self.cron.normal + (f" jitter={self.jitter}" if self.jitter else ""), self.cron.tz

    def first(self, now: int) -> SetSchedule:
        """The write that stores it; a new one never fires for the past."""
        return SetSchedule(self.name, *self.rule, self.next_after(now))

    def next_after(self, now: int) -> int:
        """The next tick after an instant, both in microseconds; the end of time if none follows."""
        try:
            return to_micros(self.cron.next_after(to_datetime(now)))
        except InvalidSchedule:
            return LAST_INSTANT

    def due(self, stored: int, now: int) -> list[int]:
        """The ticks to run now, oldest first, given the stored next tick; it is due.

        The latest is always among them, so that the store learns of it; `runs` says whether it makes a job. None if
        the stored one is no tick of this expression, and no tick came after it.
        """
        most = _MOST_CAUGHT_UP if self.catch_up == "all" else 1
        start = to_datetime(stored - 1)
        return [to_micros(tick) for tick in self.cron.latest_between(start, to_datetime(now), most)]

    def missed(self, stored: int, first: int) -> Iterator[int]:
        """The ticks from the stored one to the first that is dealt with, up to 1,000. Each takes 0.2 ms to find."""
        tick = self.next_after(stored - 1) if stored < first else first
        for _ in range(_MOST_COUNTED):
            if tick >= first:
                return
            yield tick
            tick = self.next_after(tick)

    def runs(self, tick: int, now: int) -> bool:
        """Whether a tick that is so late still makes a job."""
        late = (now - tick) / MICROSECONDS
        return self.catch_up == "all" or late <= (_LATEST_MAY_BE_S if self.catch_up == "latest" else _ON_TIME_S)

    def skips_overlap(self, ticks: Sequence[int]) -> bool:
        """Whether these ticks, due together, each make no job while the job of the tick before is not finished."""
        return self.overlap == "skip" and not (self.catch_up == "all" and len(ticks) > 1)


def schedule_of(
    name: str,
    expression: str | CronSchedule,
    tz: str,
    catch_up: CatchUp = "latest",
    overlap: Overlap = "skip",
    jitter: Duration | None = None,
) -> Schedule:
    """The schedule of an expression as it is given or stored.

    Raises:
        InvalidSchedule: If the expression or the zone cannot work.
        InvalidOption: If the jitter cannot work, or a zone stands beside a `CronSchedule` of another one.
    """
    cron = read_schedule(expression, tz, name)
    stored = split_jitter(expression)[1] if isinstance(expression, str) else ""
    return Schedule(name, cron, catch_up, overlap, jitter_of((stored or 0) if jitter is None else jitter, cron))


def as_catch_up(stored: str | None) -> CatchUp:
    """What a store has; `latest` for what a later release may have stored."""
    return cast("CatchUp", stored) if stored in get_args(CatchUp) else "latest"


def as_overlap(stored: str | None) -> Overlap:
    """What a store has; `skip` for what a later release may have stored."""
    return cast("Overlap", stored) if stored in get_args(Overlap) else "skip"


def dropped(name: str, replaced: tuple[str, str, int], now: int) -> Iterator[int]:
    """The ticks that a schedule owes that was replaced (expression, time zone, next tick), up to 1,000; the stored one
    if its expression is no longer taken.
    """
    expression, tz, stored = replaced
    if stored > now:
        return
    try:
        yield from Schedule(name, read_schedule(expression, tz, name)).missed(stored, now + 1)
    except (InvalidSchedule, OverflowError):  # OverflowError: the end of time
        yield stored
