"""What a runner reports of single jobs and attempts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import clause, counted, failed_words, instant, later, span


@dataclass(frozen=True, slots=True)
class JobEnqueued(Fact):
    """A job was made durable by this runner."""

    level = logging.DEBUG
    text = "enqueued: {type} job {job_id}"
    job_id: int
    type: str


@dataclass(frozen=True, slots=True)
class AttemptStarted(Fact):
    """A handler is about to be called."""

    level = logging.DEBUG
    text = "started: {type} job {job_id} attempt {attempt}"
    job_id: int
    type: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptTakesLong(Fact):
    """A handler has run for over 5 s, `age` seconds at this moment. Published once an attempt."""

    text = "still running: {type} job {job_id} attempt {attempt}, for {age}"
    job_id: int
    type: str
    attempt: int
    age: float

    def _words(self) -> dict[str, str]:
        return {"age": span(self.age)}


@dataclass(frozen=True, slots=True)
class JobCompleted(Fact):
    """An attempt succeeded. `duration` in seconds. If its result could not be kept, `ResultNotStored` comes as well."""

    text = "completed: {type} job {job_id} attempt {attempt} in {duration:.3f} s"
    job_id: int
    type: str
    attempt: int
    duration: float


@dataclass(frozen=True, slots=True)
class ResultNotStored(Fact):
    """A job is completed, but what its handler returned could not be kept: too large, or no JSON. It stays completed;
    callers that await its result get `ResultNotKept`.
    """

    level = logging.WARNING
    text = "completed without its result: {type} job {job_id} attempt {attempt}: {reason}"
    job_id: int
    type: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptFailed(Fact):
    """An attempt failed and will be tried again at `next_at`, `wait` seconds from then. `outcome`: `failed`,
    `timed_out` or `lost`. `max_attempts`: all attempts of the job. The log line has the traceback, if it is the first
    of its kind.
    """

    level = logging.WARNING
    text = "{outcome}: {type} job {job_id} attempt {attempt}{max_attempts}: {error}; again {next_at}"
    job_id: int
    type: str
    attempt: int
    max_attempts: int
    outcome: str
    error: str
    next_at: datetime
    wait: float

    def _words(self) -> dict[str, str]:
        return failed_words(self.outcome, self.max_attempts, self.next_at, self.wait) | {"error": clause(self.error)}


@dataclass(frozen=True, slots=True)
class RetryRequested(AttemptFailed):
    """A handler raised `Retry`: as `AttemptFailed`, but no fault, and without a traceback."""

    level = logging.INFO
    text = "retry: {type} job {job_id} attempt {attempt}{max_attempts} {outcome}: {error}; again {next_at}"


@dataclass(frozen=True, slots=True)
class JobBecameDead(Fact):
    """No attempt is left; the job stays dead until it is redriven. The log line has the traceback, unless the handler
    raised `Abandon`.
    """

    level = logging.ERROR
    text = "dead: {type} job {job_id} after attempt {attempt}{reason}: {error}; it runs again only if redriven"
    job_id: int
    type: str
    attempt: int
    reason: str
    error: str

    def _words(self) -> dict[str, str]:
        return {"reason": self.reason and f" ({self.reason})", "error": clause(self.error)}


@dataclass(frozen=True, slots=True)
class JobBecameCancelled(Fact):
    """A job was cancelled."""

    text = "cancelled: {type} job {job_id}{reason}"
    job_id: int
    type: str
    reason: str

    def _words(self) -> dict[str, str]:
        return {"reason": self.reason and f" ({self.reason})"}


@dataclass(frozen=True, slots=True)
class JobSnoozed(Fact):
    """A handler postponed its job to `next_at`, `wait` seconds from then; no attempt was used."""

    text = "snoozed: {type} job {job_id}, to run again {next_at}"
    job_id: int
    type: str
    next_at: datetime
    wait: float

    def _words(self) -> dict[str, str]:
        return {"next_at": later(self.next_at, self.wait)}


@dataclass(frozen=True, slots=True)
class JobInterrupted(Fact):
    """A drain stopped an attempt; it was given back."""

    level = logging.WARNING
    text = "interrupted: {type} job {job_id} attempt {attempt}; it will run again"
    job_id: int
    type: str
    attempt: int


@dataclass(frozen=True, slots=True)
class JobHeld(Fact):
    """A stored payload no longer fits its handler; the job waits until it is looked at again."""

    level = logging.ERROR
    text = "held: {type} job {job_id} waits for a handler that takes its payload: {reason}"
    job_id: int
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobRedriven(Fact):
    """A dead or cancelled job was sent back to pending."""

    text = "redriven: {type} job {job_id}"
    job_id: int
    type: str


@dataclass(frozen=True, slots=True)
class JobRescheduled(Fact):
    """A person or a program set when a pending job is due."""

    text = "rescheduled: {type} job {job_id}, due {scheduled_at}"
    job_id: int
    type: str
    scheduled_at: datetime

    def _words(self) -> dict[str, str]:
        return {"scheduled_at": instant(self.scheduled_at)}


@dataclass(frozen=True, slots=True)
class DeadRedriven(Fact):
    """All dead jobs of a type, or of every type, were sent back to pending."""

    text = "redriven: {jobs} of {types}"
    jobs: int
    types: str

    def _words(self) -> dict[str, str]:
        return {"jobs": counted(self.jobs, "dead job")}


@dataclass(frozen=True, slots=True)
class AttemptStuck(Fact):
    """A handler runs on after it was stopped, and keeps its slot. `why`: `timeout`, `cancel` or `shutdown`. `since`:
    when it was stopped. `stack`: where the handler is.
    """

    level = logging.ERROR
    text = (
        "stuck: {type} job {job_id} attempt {attempt} was stopped ({why}) at {since}, and runs on, in its slot "
        "until it ends"
    )
    block = "stack"
    job_id: int
    type: str
    attempt: int
    why: str
    stack: str
    since: datetime

    def _words(self) -> dict[str, str]:
        return {"since": instant(self.since)}


@dataclass(frozen=True, slots=True)
class EndRefused(Fact):
    """An attempt ended that this runner no longer owned; nothing was written."""

    level = logging.ERROR
    text = "refused: the end of {type} job {job_id} attempt {attempt} is not stored: this runner no longer owns it"
    job_id: int
    type: str
    attempt: int
