"""Cron schedules as a store has them: their rows, and the questions about them."""

from __future__ import annotations

from typing import NamedTuple

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import unanswered


class ScheduleRow(NamedTuple):
    """A schedule as it is stored. Of a declared one all but the times, the latest job and the pause is in the code.

    Attributes:
        name: Its name.
        expression: See `PutSchedule`.
        tz: See `PutSchedule`.
        next_tick: When it fires next.
        job_type: The type of the jobs of a stored one; None: it is a declared one.
        payload: See `PutSchedule`.
        options: See `PutSchedule`.
        catch_up: See `PutSchedule`.
        overlap: See `PutSchedule`.
        revision: See `PutSchedule`; None: it is a declared one.
        latest_job: The job that it made last, or None.
        last_tick: The latest tick that made a job since this is stored, or None.
        paused_since: Since when it is paused, or None.
        paused_by: The person or program that paused it, or None.
        created_at: When a stored one was made.
        updated_at: When a stored one was put last; when a declared one was stopped, see `StopSchedules`.
        moved_at: When the next tick of a stored one was written: the later of what the clock showed then, and what it
            showed when the tick was worked out.
    """

    name: str
    expression: str
    tz: str
    next_tick: int
    job_type: str | None = None
    payload: str | None = None
    options: str | None = None
    catch_up: str | None = None
    overlap: str | None = None
    revision: int | None = None
    latest_job: int | None = None
    last_tick: int | None = None
    paused_since: int | None = None
    paused_by: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    moved_at: int | None = None


class GetSchedule(NamedTuple):
    """One schedule. Answer: its row, or None."""

    name: str

    def answer(self) -> ScheduleRow | None:
        """See `Query`."""
        unanswered()


class ListSchedules(NamedTuple):
    """Schedules by name, in the order of code points. Answer: at most `limit` rows.

    Attributes:
        prefix: What their names begin with.
        after: Only those behind this name; None: from the first on.
        limit: At most so many.
    """

    prefix: str = ""
    after: str | None = None
    limit: int = 100

    def answer(self) -> list[ScheduleRow]:
        """See `Query`."""
        unanswered()


class FindLeft(NamedTuple):
    """Declared schedules that are not among these names, and are not stopped. Answer: their names, sorted. It costs all
    schedules.
    """

    known: tuple[str, ...]

    def answer(self) -> list[str]:
        """See `Query`."""
        unanswered()


class DueSchedules(NamedTuple):
    """Stored schedules that are not paused and whose next tick is not after an instant. Answer: at most `limit` rows,
    by next tick and name.

    Costs what is due, and the number of types, however many schedules are stored.

    Attributes:
        types: Those of their jobs.
        now: The instant.
        limit: At most so many; which ones of more is open.
        without: The names of schedules that are left out.
    """

    types: tuple[str, ...]
    now: int
    limit: int
    without: tuple[str, ...] = ()

    def answer(self) -> list[ScheduleRow]:
        """See `Query`."""
        unanswered()


class TickOutlook(NamedTuple):
    """What comes next of the schedules of an owner.

    Attributes:
        next_tick: The first next tick of a stored schedule behind the instant of the query, or None.
        paused: The declared ones that are paused.
    """

    next_tick: int | None
    paused: frozenset[str]


class LookAtTicks(NamedTuple):
    """What comes next of schedules. Answer: a `TickOutlook`. Costs the number of types and names, however many
    schedules are stored.

    Attributes:
        types: The types of the jobs of stored schedules.
        after: The instant behind which their next ticks are looked for; schedules that are paused have none.
        declared: The names of declared ones.
    """

    types: tuple[str, ...]
    after: int
    declared: tuple[str, ...]

    def answer(self) -> TickOutlook:
        """See `Query`."""
        unanswered()


class ListMovedAhead(NamedTuple):
    """Stored schedules whose next tick was written by a clock that was ahead, by when that was, and by name. Answer: at
    most `limit` rows. Costs what is found.

    Attributes:
        after: Only those that are behind this instant and this name.
        limit: At most so many.
    """

    after: tuple[int, str]
    limit: int

    def answer(self) -> list[ScheduleRow]:
        """See `Query`."""
        unanswered()


class TickRow(NamedTuple):
    """A tick that was dealt with.

    Attributes:
        tick: The instant.
        job_id: The job that it made; None: none.
        status: Where that job stands; None: it was deleted or pruned.
    """

    tick: int
    job_id: int | None
    status: Status | None


class ListTicks(NamedTuple):
    """The latest ticks of a schedule that are kept, the latest first. Answer: at most `limit` rows."""

    schedule: str
    limit: int

    def answer(self) -> list[TickRow]:
        """See `Query`."""
        unanswered()
