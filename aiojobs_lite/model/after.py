"""Jobs that run after others: held until all of these have ended."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import Inserted, unanswered

AfterFailed = Literal["cancel", "run"]
"""What becomes of a job if one of those that it was to run after is not completed: it is cancelled, or runs anyway."""

FAILED: Final = "job {job}, which it was to run after, {status}"
"""The reason of one that is cancelled."""


class After(NamedTuple):
    """What a job is to run after.

    Attributes:
        jobs: The ids of these jobs; none: it is an ordinary job.
        runs_anyway: Whether it also runs if one of them is dead or cancelled, or is deleted before it has ended.
        delay: How long after the last end it is due, in microseconds.
        at: When it is due instead, or None.
    """

    jobs: tuple[int, ...] = ()
    runs_anyway: bool = False
    delay: int = 0
    at: int | None = None


class Cancellation(NamedTuple):
    """A job that was cancelled because one that it was to run after failed, or by an event."""

    id: int
    type: str
    reason: str


class AfterAnswer(NamedTuple):
    """The answer to `InsertAfter`: one `Inserted` a row; or a job that is not there, that the batch takes no jobs, or
    which condition refuses a row: then nothing was inserted.
    """

    inserted: tuple[Inserted, ...]
    missing: int | None = None
    is_closed: bool = False
    refused: Refused | None = None


class InsertAfter(NamedTuple):
    """Adds jobs that may run after others, be in a batch and have conditions, all or none. Answer: an `AfterAnswer`.

    - A job that is to run after jobs of which some have not ended is held with the reason `after`. At the end of the
      transaction in which the last of these ends it is released, and due as its `After` says.
    - If one of them is dead or cancelled, or is deleted before it has ended, and the job does not run anyway, it is
      cancelled instead: at once, also when it is inserted.
    - What has ended before counts; a job that is redriven later does not. Of several that fail in one transaction the
      one with the lowest id is the reason.
    - A row whose (type, idempotency key) is taken makes no job. With conditions a row is added as `Admit` does it.
    - The job that a row finds instead, or gives its payload to, is not added to the batch, and waits for no more.
    - A job does not expire while it is held after others: its expiry counts from when it is due then.

    Attributes:
        rows: The jobs.
        after: What each is to run after.
        batch: The batch that they are added to, or None; it takes them as if it were in `InsertInBatch`.
        is_member: See `InsertInBatch`.
        conditions: Each row with its conditions; none: no row has any.
    """

    rows: tuple[NewJob, ...]
    after: tuple[After, ...]
    batch: int | None
    is_member: bool
    conditions: tuple[Candidate, ...] = ()

    def answer(self) -> AfterAnswer:
        """See `Write`."""
        unanswered()


class ListAfter(NamedTuple):
    """The jobs that a held job still waits for. Answer: at most `limit` ids, in their order."""

    job: int
    limit: int

    def answer(self) -> tuple[int, ...]:
        """See `Query`."""
        unanswered()
