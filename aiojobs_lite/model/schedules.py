"""Cron schedules as a store knows them: the next tick of each, and the ticks that were dealt with."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import unanswered

ABANDONED_AFTER_US: Final = 60_000_000  # that a stored next tick is overdue


class ScheduleAnswer(NamedTuple):
    """The next tick in force, and the schedule that was replaced: its expression, time zone and next tick."""

    next_tick: int
    replaced: tuple[str, str, int] | None = None


class SetSchedule(NamedTuple):
    """Stores a schedule. An unchanged expression keeps the stored next tick."""

    name: str
    expression: str
    tz: str
    next_tick: int

    def answer(self) -> ScheduleAnswer:
        """See `Write`."""
        unanswered()


class TickAnswer(NamedTuple):
    """`fired`, `duplicate`, `overlap` or `skipped`, and the id of the job that was made."""

    what: Literal["fired", "duplicate", "overlap", "skipped"]
    job_id: int | None = None


class FireTick(NamedTuple):
    """Fires a schedule at one instant, once for all owners, and moves its next tick on, never back.

    - An owner whose expression or time zone is not the stored one moves nothing: its ticks fire, but the next tick is
      that of the schedule as it was stored last. If that next tick is overdue by more than `ABANDONED_AFTER_US`, no
      owner with the stored expression is left, and the schedule is stored as this owner has it.
    - A tick that was dealt with before is a `duplicate`; without a row it is `skipped`; both make no job.
    - With `skip_overlap` it is an `overlap`, without a job, while the schedule's latest job is pending or processing.
    - Ticks are dealt with as if one after the other, over all owners.
    """

    schedule: str
    expression: str
    tz: str
    tick: int
    next_tick: int
    row: NewJob | None
    skip_overlap: bool

    def answer(self) -> TickAnswer:
        """See `Write`."""
        unanswered()


class MoveTickBack(NamedTuple):
    """Moves the stored next tick of a schedule back to this one, if it is later: a clock was ahead that moved it on.

    A schedule that is stored with another expression or time zone stays; so does one if this tick is not after the
    transaction's instant: the clock went on since it was worked out. Answer: whether the schedule was moved.
    """

    schedule: str
    expression: str
    tz: str
    next_tick: int

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()
