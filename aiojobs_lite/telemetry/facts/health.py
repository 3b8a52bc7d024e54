"""What a runner reports of its process, its database and itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.wording import span


@dataclass(frozen=True, slots=True)
class LoopBlocked(Fact):
    """The event loop stood still for `seconds`, more than one; published when the loop goes on. `type`: the job type
    whose handler blocked the loop. It is `?` for any other task, such as a task of the application or a task that a
    handler started. `stack`: what ran on the loop when it was half a second late.
    """

    level = logging.WARNING
    part = "engine"
    text = "blocked: the event loop stood still for {seconds:.1f} s in {type}"
    block = "stack"
    seconds: float
    type: str
    stack: str

    def _words(self) -> dict[str, str]:
        return {"type": "code that is no handler's own task" if self.type == "?" else f"a handler of {self.type}"}


@dataclass(frozen=True, slots=True)
class ProcessSuspended(Fact):
    """Nothing of the process ran for over a second: it was stopped, or its machine was, or had no processor for it."""

    level = logging.WARNING
    part = "engine"
    text = "suspended: the process did not run for {seconds:.1f} s (stopped, or no processor time); no job is the cause"
    seconds: float


@dataclass(frozen=True, slots=True)
class DefectFound(Fact):
    """A part of the runner was in a state that it should never stay in: a defect of this library, not of a handler. The
    runner has ended or woken the job or call that waited because of it. Please report the log line, which has no
    payload. `what`: the defect; `type`, `job_id`, `attempt`: where it was found, `?` and 0 if in no job; `age`: for how
    many seconds it has existed; `parts`: the state of the parts.
    """

    level = logging.ERROR
    part = "engine"
    text = "a defect of aiojobs_lite, please report this line: {what}{type}{job_id}{attempt}, for {age:.1f} s; {parts}"
    what: str
    job_id: int
    type: str
    attempt: int
    age: float
    parts: str

    def _words(self) -> dict[str, str]:
        job = f"; {self.type} job {self.job_id} attempt {self.attempt}" if self.job_id else ""
        return {"type": job, "job_id": "", "attempt": ""}


@dataclass(frozen=True, slots=True)
class StoreDegraded(Fact):
    """The database cannot be written; the runner claims nothing and keeps trying."""

    level = logging.ERROR
    part = "engine"
    text = "degraded: the database cannot be written ({reason}): no job starts until it can, tried again and again"
    reason: str


@dataclass(frozen=True, slots=True)
class StoreRecovered(Fact):
    """The database can be written again. `duration` in seconds."""

    level = logging.WARNING
    part = "engine"
    text = "recovered: the database can be written again, after {duration}"
    duration: float

    def _words(self) -> dict[str, str]:
        return {"duration": span(self.duration)}
