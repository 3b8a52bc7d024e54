"""What a handler reports while it runs: how far it is, and lines of a log. Who looks on sees it, in every process.

An attempt reports only while it is owned. What was reported stays with the job over all its attempts, and goes with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from aiojobs_lite.model.job import FINISHED, Job, JobProgress, Status
from aiojobs_lite.model.writes import unanswered
from aiojobs_lite.sizes import MOST_LOG_LINES

__all__ = ["JobChange", "JobLog", "LogLine"]

LINES_OF_ONE: Final = 50
"""Log lines that count as one more job where a prune is limited."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a handler logged.

    Attributes:
        number: Its number in the log of its job, from 1; lines that were dropped have numbers too.
        attempt: The attempt that logged it.
        at: When, UTC.
        text: What was logged.
    """

    number: int
    attempt: int
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class JobLog:
    """The log of a job.

    Attributes:
        lines: The newest lines, the oldest of them first.
        dropped: How many lines that were asked for are not kept any more.
    """

    lines: tuple[LogLine, ...] = ()
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class JobChange:
    """How a job stands, and what is new of it since the change before.

    Attributes:
        id: The job.
        status: Where it stands.
        attempts: Attempts spent so far.
        progress: What its handler reported last, or None.
        error: Type and message of the latest failure, or None.
        reason: Why it is dead, cancelled or held, or why its result was not kept, or None.
        lines: The lines that its handlers logged since.
        dropped: How many lines since were dropped, the oldest, before they could be read.
    """

    id: int
    status: Status
    attempts: int
    progress: JobProgress | None
    error: str | None
    reason: str | None
    lines: tuple[LogLine, ...] = ()
    dropped: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether it is completed, dead or cancelled."""
        return self.status in FINISHED


class NewLine(NamedTuple):
    """A line to be stored; the instant in microseconds."""

    at: int
    text: str


class Report(NamedTuple):
    """Stores what an attempt reports. Answer: whether it is owned by (id, attempt, owner); if not, nothing is stored.

    - It is carried out before the ends of its transaction: its attempt has not ended yet. One that lies in the unit of
      an end says so, and is carried out after it, if the end is.
    - The same report may come twice, if it is in doubt whether it was stored: the second adds no lines.
    - All lines of a job are numbered, those that are dropped as well. Kept are those among the last `MOST_LOG_LINES`.

    Attributes:
        id: The job.
        attempt: Its number.
        owner: The owner that runs it.
        serial: A number that no other report of this owner has.
        at: When the attempt reported how far it is, in microseconds; None: it did not, since the report before.
        fraction: How far it is, from 0 to 1, or None.
        text: What it does, or None.
        lines: What it logged since the report before, at most `MOST_LOG_LINES`.
        dropped: How many lines before these were logged since, and are not kept.
        goes_with_end: Whether it lies in the unit of the end of its attempt, by which it is fenced.
    """

    id: int
    attempt: int
    owner: str
    serial: int
    at: int | None
    fraction: float | None
    text: str | None
    lines: tuple[NewLine, ...] = ()
    dropped: int = 0
    goes_with_end: bool = False

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class GetLog(NamedTuple):
    """The log of a job. Answer: its lines, at most the newest `MOST_LOG_LINES`; none without such a job.

    Attributes:
        id: The job.
        after: Only lines of a higher number.
    """

    id: int
    after: int = 0

    def answer(self) -> JobLog:
        """See `Query`."""
        unanswered()


class Standing(NamedTuple):
    """How a job stands, as far as it may change.

    Attributes:
        status: Where it stands.
        attempts: Attempts spent so far.
        progress: What its handler reported last, or None.
        error: Type and message of the latest failure, or None.
        reason: Why it is dead, cancelled or held, or why its result was not kept, or None.
        last_line: The number of the last line of its log.
    """

    status: Status
    attempts: int
    progress: JobProgress | None
    error: str | None
    reason: str | None
    last_line: int


class GetStandings(NamedTuple):
    """How these jobs stand. Answer: the `Standing` of each that is there. Costs less than the jobs themselves."""

    ids: Collection[int]

    def answer(self) -> Mapping[int, Standing]:
        """See `Query`."""
        unanswered()


def standing_of(job: Job, last_line: int) -> Standing:
    """How a job stands, whose log ends with a line of this number."""
    return Standing(job.status, job.attempts, job.progress, job.error, job.reason, last_line)


def log_of(lines: list[LogLine], last: int, after: int) -> JobLog:
    """The answer to `GetLog`, of stored lines in their order, and the number of the last one."""
    newest = tuple([line for line in lines if line.number > max(after, last - MOST_LOG_LINES)])
    return JobLog(newest, max(last - after, 0) - len(newest))


def weight_of(last_line: int, steps: int = 0) -> int:
    """As how many jobs one counts where a prune is limited, by the number of its last line, and of its operations."""
    return 1 + min(last_line, MOST_LOG_LINES) // LINES_OF_ONE + steps
