"""What becomes of the operations of durable handlers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import instant, later


@dataclass(frozen=True, slots=True)
class StepCompleted(Fact):
    """A step returned, and what it returned is durable. `duration` in seconds."""

    level = logging.DEBUG
    text = "step completed: {step} of {type} job {job_id} in {duration:.3f} s"
    job_id: int
    type: str
    step: str
    duration: float


@dataclass(frozen=True, slots=True)
class StepRetried(Fact):
    """A step failed, and is tried again: at `next_at`, which is `wait` seconds after the failure. The log line has the
    traceback, each distinct one once; a `Retry` has none.
    """

    level = logging.WARNING
    text = "step failed: {step} of {type} job {job_id}, attempt {attempt} of {max_attempts}: {error}; again {next_at}"
    job_id: int
    type: str
    step: str
    attempt: int
    max_attempts: int
    error: str
    next_at: datetime
    wait: float

    def _words(self) -> dict[str, str]:
        return {"next_at": later(self.next_at, self.wait)}


@dataclass(frozen=True, slots=True)
class StepSnoozed(Fact):
    """A step raised `Snooze`, and is run again at `next_at`, `wait` seconds from then; no attempt of it was used."""

    text = "step snoozed: {step} of {type} job {job_id}, to run again {next_at}"
    job_id: int
    type: str
    step: str
    next_at: datetime
    wait: float

    def _words(self) -> dict[str, str]:
        return {"next_at": later(self.next_at, self.wait)}


@dataclass(frozen=True, slots=True)
class StepGivenUp(Fact):
    """A step failed for good, or raised `Abandon`. Its handler gets `StepFailed`, and may go on. The log line has the
    traceback, if it is the first of its kind; none of an `Abandon`.
    """

    level = logging.WARNING
    text = "step failed for good: {step} of {type} job {job_id}, attempt {attempt}: {error}"
    job_id: int
    type: str
    step: str
    attempt: int
    error: str


@dataclass(frozen=True, slots=True)
class JobSuspended(Fact):
    """All branches of a handler wait: its attempt was given back, until `until` or until what it waits for has come."""

    level = logging.DEBUG
    text = "suspended: {type} job {job_id} waits for {waits_for} {until}"
    job_id: int
    type: str
    waits_for: str
    until: datetime | None

    def _words(self) -> dict[str, str]:
        return {"until": "" if self.until is None else f"until {instant(self.until)}"}


@dataclass(frozen=True, slots=True)
class SuspensionSwallowed(Fact):
    """A handler went on although its attempt was suspended. What it did since counts for nothing; its job goes on at
    its next attempt.
    """

    level = logging.WARNING
    text = "the suspension was swallowed: {type} job {job_id} {problem}; let CancelledError pass in its handler"
    job_id: int
    type: str
    problem: str


@dataclass(frozen=True, slots=True)
class StepsSkipped(Fact):
    """A handler ended without asking for operations whose results are stored: it took another way than before."""

    level = logging.WARNING
    text = "skipped: {type} job {job_id} ended without {names}, which an attempt before had stored"
    job_id: int
    type: str
    names: str


@dataclass(frozen=True, slots=True)
class RepeatedOutsideSteps(Fact):
    """A durable handler enqueued a job, or sent an event, outside of its operations: each further attempt does it
    again. Published once for each job type of a runner.
    """

    level = logging.WARNING
    text = "repeated: {type} job {job_id} calls {call} outside of a step, in each attempt again; write {instead}"
    job_id: int
    type: str
    call: str
    instead: str
