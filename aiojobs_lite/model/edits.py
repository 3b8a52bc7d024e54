"""Edits: other arguments for a job that has not run, or not well; and what it had before."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import unanswered


class Edited(NamedTuple):
    """Whether a job was edited, and if not, why. True if it was.

    Attributes:
        status: Its status; None: there is no such job.
        obstacle: What stood against it: its status, a payload that is not the one that was read, operations that are
            stored, or another job that has its new unique key.
        key: That key.
    """

    status: Status | None
    obstacle: Literal["status", "changed", "operations", "key"] | None = None
    key: str | None = None

    def __bool__(self) -> bool:
        """Whether it was."""
        return self.status is not None and self.obstacle is None


class EditJob(NamedTuple):
    """Gives a pending or dead job another payload, and keeps the one that it had. Answer: an `Edited`.

    A pending one that was held for its payload is claimable again, due now at the latest.

    Attributes:
        id: The job.
        before: The payload that it must have.
        payload: Its payload from now on.
        lane: The lane of a job with this payload.
        unique_key: The key of one, which it has for as long as it would have had its own; None: no key any more.
    """

    id: int
    before: str
    payload: str
    lane: str | None
    unique_key: str | None

    def answer(self) -> Edited:
        """See `Write`."""
        unanswered()


class EditRow(NamedTuple):
    """An edit of a job: when it was, and the payload that the job had before, as it is stored."""

    at: datetime
    payload: str


class ListEdits(NamedTuple):
    """The edits of a job. Answer: an `EditRow` of each, the oldest first."""

    job_id: int

    def answer(self) -> list[EditRow]:
        """See `Query`."""
        unanswered()
