"""Cron schedules as a store knows them: the next tick of each, and the ticks that were dealt with.

A *declared* schedule is that of a job type, in code; a store knows when it fires, and the code the rest. A *stored* one
was made at run time, and the store has all of it. The same writes fire both.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.writes import Inserted, unanswered

ABANDONED_AFTER_US: Final = 60_000_000  # that a stored next tick is overdue
RESTARTED_WITHIN_US: Final = 3_600_000_000  # that the code of a schedule is back, and its ticks meanwhile were missed


class ScheduleAnswer(NamedTuple):
    """The next tick in force, and the schedule that was replaced: its expression, time zone and next tick."""

    next_tick: int
    replaced: tuple[str, str, int] | None = None
    is_taken: bool = False


class SetSchedule(NamedTuple):
    """Stores a declared schedule. An unchanged expression keeps the stored next tick. If a stored schedule has its name
    nothing is done, and the answer says that it `is_taken`. One that was stopped goes on; if that was more than
    `RESTARTED_WITHIN_US` ago, it is as a new one.
    """

    name: str
    expression: str
    tz: str
    next_tick: int

    def answer(self) -> ScheduleAnswer:
        """See `Write`."""
        unanswered()


class StopSchedules(NamedTuple):
    """Notes which declared schedules have left the code, unless another runner has registered a type of their name: one
    of which no end is noted, and that is not among the dead ones. Those that are stopped already stay as they are; one
    that fires goes on. Answer: the names of those that were stopped now, sorted.

    Attributes:
        names: Of the schedules that the code of this runner does not declare.
        owner: The id of this runner.
        dead: Runners that are dead, whether or not that is noted.
    """

    names: tuple[str, ...]
    owner: str
    dead: tuple[str, ...]

    def answer(self) -> tuple[str, ...]:
        """See `Write`."""
        unanswered()


class PlacedSchedule(NamedTuple):
    """What became of a `PutSchedule`.

    Attributes:
        next_tick: The next tick in force.
        is_new: Whether there was none of its name.
        is_taken: Whether a declared schedule has its name, and nothing was done.
    """

    next_tick: int
    is_new: bool = False
    is_taken: bool = False


class PutSchedule(NamedTuple):
    """Makes a stored schedule, or replaces one wholly. Answer: a `PlacedSchedule`.

    - An unchanged expression and time zone keep the next tick, as with `SetSchedule`.
    - A replaced one keeps its pause, its latest job and its latest tick.

    Attributes:
        name: Its name; no declared schedule has it.
        expression: The cron expression.
        tz: The time zone.
        next_tick: When it fires next.
        job_type: The type of its jobs.
        payload: Their payload.
        options: The options of their enqueues as a JSON object, or None.
        catch_up: What becomes of ticks that were missed.
        overlap: What becomes of a tick while the job before is not finished.
        revision: A random number: what was read of a schedule is out of date if another one is stored.
        worked_out_at: What the clock showed when the next tick was worked out. It may have been set back since then.
    """

    name: str
    expression: str
    tz: str
    next_tick: int
    job_type: str
    payload: str
    options: str | None
    catch_up: str
    overlap: str
    revision: int
    worked_out_at: int

    def answer(self) -> PlacedSchedule:
        """See `Write`."""
        unanswered()


class DeleteSchedule(NamedTuple):
    """Deletes a schedule. Its jobs stay, and so do the ticks that were dealt with. Answer: whether there was one."""

    name: str

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class PauseSchedule(NamedTuple):
    """Has a schedule make no jobs, or has it go on. Answer: whether there is one.

    Its next tick stays where it is: when it goes on, its ticks meanwhile are missed ones. One that is paused already
    keeps its pause.

    Attributes:
        name: Its name.
        paused: Whether it is paused, or resumed.
        by: The person or program that pauses it.
    """

    name: str
    paused: bool
    by: str | None = None

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class TickAnswer(NamedTuple):
    """What became of a tick, and the id of the job that was made.

    Attributes:
        what: `fired`, `duplicate`, `overlap`, `skipped`, `refused`, `paused` or `changed`; see `FireTick`.
        job_id: The job; None: none was made.
    """

    what: Literal["fired", "duplicate", "overlap", "skipped", "refused", "paused", "changed"]
    job_id: int | None = None


class FireTick(NamedTuple):
    """Fires a schedule at one instant, once for all owners, and moves its next tick on, never back.

    - A schedule that is paused is `paused`. A stored one of another `revision`, or that is not there any more, is
      `changed`; so is a declared one whose name a stored schedule has. Nothing is done then.
    - A declared one that is not there is stored: another program has deleted it, and its code is there.
    - An owner whose expression or time zone is not the stored one moves nothing: its ticks fire, but the next tick is
      that of the schedule as it was stored last. If that next tick is overdue by more than `ABANDONED_AFTER_US`, no
      owner with the stored expression is left, and the schedule is stored as this owner has it.
    - A tick that was dealt with before is a `duplicate`; without a job it is `skipped`; both make no job.
    - With `skip_overlap` it is an `overlap`, without a job, while the schedule's latest job is pending or processing.
    - A job that its conditions refuse is `refused`, and so is one that another job stands for.
    - Ticks are dealt with as if one after the other, over all owners.

    Attributes:
        schedule: The name of the schedule.
        expression: Its expression, as this owner knows it.
        tz: Its time zone.
        tick: The instant.
        next_tick: The tick after it.
        job: The job to be made, or None.
        skip_overlap: See above.
        revision: That of a stored schedule, as it was read; None: it is a declared one.
        worked_out_at: What the clock showed when the next tick was worked out. It may have been set back since then.
    """

    schedule: str
    expression: str
    tz: str
    tick: int
    next_tick: int
    job: Candidate | None
    skip_overlap: bool
    revision: int | None
    worked_out_at: int

    def answer(self) -> TickAnswer:
        """See `Write`."""
        unanswered()


class RunSchedule(NamedTuple):
    """Makes a job of a schedule between its ticks, which stay as they are, whether it is paused or not. It counts as
    its latest job. Answer: the job, why it is refused, or None if there is no such schedule.
    """

    schedule: str
    job: Candidate

    def answer(self) -> Inserted | Refused | None:
        """See `Write`."""
        unanswered()


class MoveTickBack(NamedTuple):
    """Moves the stored next tick of a schedule back to this one, if it is later: a clock was ahead that moved it on.

    A schedule that is stored with another expression or time zone stays. So does a declared one if this tick is not
    after the transaction's instant: the clock went on since it was worked out, and its owner waits for it. One that was
    made at run time is due then. Answer: whether the schedule was moved.

    Attributes:
        schedule: The name of the schedule.
        expression: Its expression, as this owner knows it.
        tz: Its time zone.
        next_tick: When it fires next.
        worked_out_at: What the clock showed when the next tick was worked out. It may have been set back since then.
    """

    schedule: str
    expression: str
    tz: str
    next_tick: int
    worked_out_at: int

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()
