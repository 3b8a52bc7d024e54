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
    """The process did not run for over a second: it or its machine was stopped, or other programs took all processors.
    No job is the cause. `seconds`: for how long.
    """

    level = logging.WARNING
    part = "engine"
    text = "suspended: the process did not run for {seconds:.1f} s (stopped, or no processor time); no job is the cause"
    seconds: float


@dataclass(frozen=True, slots=True)
class DefectFound(Fact):
    """The runner has found a defect of this library: a part of it was stuck. Please report the log line; it has no
    payload. No handler is the cause. A job or a call that waited for this part has been woken or ended. `what`: the
    defect; `type`, `job_id`, `attempt`: the job in which it was found (`?` and 0: in none); `age`: its age in seconds;
    `parts`: the state of the parts.
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
