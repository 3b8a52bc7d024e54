"""What a wall clock that was ahead has written: finding it, and moving it back when the clock was set right."""

from __future__ import annotations

from typing import Final, NamedTuple

from aiojobs_lite.model.writes import unanswered

CLOCK_TOLERANCE_US: Final = 5_000_000  # by which a clock may be ahead: what it writes waits no longer than that


class Place(NamedTuple):
    """Where a list of pending jobs goes on: behind this job."""

    type: str
    priority: int
    scheduled_at: int
    id: int
    lane: str | None = None  # the job waits in it; those that do come behind all others


class AheadPage(NamedTuple):
    """What was written by a clock that was ahead.

    Attributes:
        ids: The ids of jobs.
        next: Where the list goes on; None at its end.
        has_starts: At the end: whether `MoveBack` would move starts that a rate by key has noted, or ends of pauses.
    """

    ids: tuple[int, ...]
    next: Place | None
    has_starts: bool = False


class ListAhead(NamedTuple):
    """Pending jobs, not held, that `MoveBack` would move if it were applied at this instant. Answer: an `AheadPage`.

    - By type, priority, `scheduled_at` and id; those that wait for a limit by key are perhaps behind all others. At
      most `limit` jobs are looked at.
    - Of a type that no transaction with a later instant than this one has changed, they may be missing.

    Attributes:
        now: The instant.
        limit: The size of a page.
        after: The `next` of the page before.
    """

    now: int
    limit: int
    after: Place | None = None

    def answer(self) -> AheadPage:
        """See `Query`."""
        unanswered()


class ListEndedAhead(NamedTuple):
    """Finished jobs that `MoveBack` would move if it were applied at this instant. Answer: at most `limit` ids."""

    now: int
    limit: int

    def answer(self) -> tuple[int, ...]:
        """See `Query`."""
        unanswered()


class MovedBack(NamedTuple):
    """How many jobs were moved back, and by how many microseconds at most."""

    jobs: int = 0
    longest: int = 0


class MoveBack(NamedTuple):
    """Moves back those of these jobs that were written by a clock that was ahead. Answer: a `MovedBack`.

    A clock was ahead by how much later than the transaction's instant it wrote a job; not more than
    `CLOCK_TOLERANCE_US` does not count. A pending job was written

    - when it was created, if no attempt of it has started,
    - when its latest attempt began, if it is suspended for an operation that waits: nothing is recorded of it,
    - at its `scheduled_at`, if it has started and has neither attempts nor counters: it was redriven, or released. One
      that has operations may have been suspended once, unless its latest recorded attempt snoozed.
    - when its latest recorded attempt ended, which set when it is due again.

    Its `scheduled_at` is moved back by as much as the clock was ahead if it lies less far behind the instant at which
    it was written, by more than `CLOCK_TOLERANCE_US`: it would wait for more than twice as long as it was to wait. What
    was moved lies before that instant by more than the tolerance, so that no other look moves it again. So what was to
    wait for long, for an instant of the calendar perhaps, is late rather than early; and what is due before it was
    written, by that calendar, or was written by a clock that was right, stays.

    The operations that wait of a pending job which is moved are over earlier by as much, if they were to be over no
    further behind the instant at which the job was written than that, and were stored by that clock: later than now by
    more than `CLOCK_TOLERANCE_US`, or steps, whose retry is of a later instant.

    An attempt that a rate by key has noted as started by a clock that was ahead started now.

    A finished job was written when it ended; it is as if it had ended now, after as long an attempt.
    """

    ids: tuple[int, ...]

    def answer(self) -> MovedBack:
        """See `Write`."""
        unanswered()
