"""`Admit`: adds jobs under conditions, such as a unique key. What has none is an `Insert`, which costs less."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.unique import OnConflict
from aiojobs_lite.model.writes import Inserted, unanswered

MOST_SKEW_US: Final = 5_000_000
"""What begins so long after now was made by a clock that was ahead: no window of it counts, no job waits for it."""

Conflict = OnConflict | Literal["append"]
"""What is done about the job that has the key of a new one."""


class Candidate(NamedTuple):
    """A job to be added, and under which conditions.

    Attributes:
        row: The job; with a `unique_key` it is added unless another job of its type has that key.
        on_conflict: What happens if one has.
        max_wait: A job that gets the time of this row is due at the latest so many microseconds after its own enqueue;
            if that is more than `MOST_SKEW_US` to come, after now, and no later than before. None: at whatever time.
        window_key: It is added unless a job of its type was added with this key less than `window` ago, by the shorter
            one of that job's and this one's.
        window: For how many microseconds it has its `window_key`, from the transaction on that adds it.
        window_slack: It is added although the window is not over, if at most so many microseconds are left of it. Then
            its own begins behind that one: with a slack of n windows n more are added at once, then one each window.
        max_pending: It is added only while fewer jobs of its type are pending, whatever they wait for.
        expires: No attempt begins so many microseconds after it is due, or after its enqueue if it was due before; then
            it is cancelled. None: whenever. A job that gets the payload of this row gets that as well.
        capacity: With `append` how much one job takes.
        cancel_on: The events that cancel it until it ends. A job that gets the payload of this row gets these
            as well.
    """

    row: NewJob
    on_conflict: Conflict = "return"
    max_wait: int | None = None
    window_key: str | None = None
    window: int = 0
    max_pending: int | None = None
    expires: int | None = None
    capacity: Capacity | None = None
    cancel_on: tuple[EventMatch, ...] = ()
    window_slack: int = 0


class Refused(NamedTuple):
    """Why no job of an `Admit` was added.

    Attributes:
        position: Which of the rows is refused, from 0.
        why: `key`: another payload has its idempotency key. `unique`: a job has its unique key, and `on_conflict` is
            `raise`, or `replace` or `append` and that job is not pending, or has operations. `full`: `max_pending` jobs
            of its type are pending.
        job_id: The job that is there; None: it is one of the rows before.
        status: Its status; None if it is not there any more, or not yet.
        pending: How many jobs of its type are pending, with the rows before it; 0 if that does not matter.
        wanted: With `full`, how many jobs of its type all rows would add, those behind it as well; a row that makes no
            job, or is refused, does not count.
        left: How many of them that row and those behind it would add.
    """

    position: int
    why: Literal["key", "unique", "full"]
    job_id: int | None
    status: Status | None
    pending: int = 0
    wanted: int = 0
    left: int = 0


class Admit(NamedTuple):
    """Adds jobs under conditions, all or none. Answer: one `Inserted` a row, in their order, or `Refused`.

    It has three steps:

    1. The pending jobs that have a key of a row (its unique one, or that of a window that is not over), and whose
       expiry has come, are cancelled. They stay so, whatever becomes of the rows. None is cancelled by a later step: no
       job that a row has added, or given its payload, however late they are stored.
    2. What becomes of each row is found, as if any number of jobs might be pending. Rows see the rows before them.
    3. The rows that are to be added are counted, and those are too many beyond their `max_pending`.

    The first row that is refused, by step 2 or 3, is the answer. Else all is done. Of each row step 2 looks at, in this
    order:

    - A job of its type has its idempotency key: the answer is that job. With another payload (as JSON) it is refused.
    - A job of its type has its unique key (until its first attempt begins or until it is finished, by its
      `unique_scope`), or one was added with its window's key, whose window is not over. By `on_conflict` the answer is
      that job; it is refused; or that job, if it is pending and has no operations yet, gets the payload and the time of
      the row. One that is held gets no time to come: its release says when it is due. With both keys a row whose
      window is not over makes no job, whatever `on_conflict` says: the answer is the job of the window.
    - With `append` that job gets the items of the row behind its own, and nothing else of it. Once it has as many items
      as its `capacity` says it is due at once and gives its unique key up. If they are too many, or too many bytes, it
      does so without them, and the row is added. A new row with as many has no unique key and is due at once.
    - Else it is to be added. It is too many if `max_pending` jobs of its type are pending, with those to be added
      before it; a row that makes no job counts for none.

    For each window that begins up to two that are over are forgotten, the one first that ended first, then by type and
    key: a clock that is set back does not bring them back.
    """

    rows: tuple[Candidate, ...]

    def answer(self) -> list[Inserted] | Refused:
        """See `Write`."""
        unanswered()


def window_end(since: int, until: int, candidate: Candidate, now: int) -> int:
    """Until when the window of a key is taken, for a candidate; now, if it is over or was begun by a clock ahead.

    Args:
        since: When the job was added that has it.
        until: When it is over, for that job.
        candidate: The candidate.
        now: The instant of the transaction.
    """
    end = min(until, since + candidate.window + candidate.window_slack)
    return end if since <= now + MOST_SKEW_US and end > now else now
