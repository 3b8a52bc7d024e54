"""What a runner reports of itself, one frozen class a kind of fact: for its log lines and for `runner.watch()`.

| fact | level | when |
|---|---|---|
| `JobEnqueued` | debug | a job was made durable by this runner |
| `AttemptStarted` | debug | a handler is about to be called |
| `JobCompleted` | info | an attempt succeeded |
| `ResultNotStored` | warning | a job is completed, and what its handler returned could not be kept |
| `AttemptFailed` | warning | an attempt failed, timed out or was lost, and will be tried again |
| `JobBecameDead` | error | no attempt is left |
| `JobBecameCancelled` | info | a job was cancelled |
| `JobSnoozed` | info | a handler postponed its job |
| `JobInterrupted` | warning | a drain stopped an attempt; the job will run again |
| `JobHeld` | error | a stored payload no longer fits its handler |
| `JobRedriven`, `DeadRedriven` | info | dead or cancelled jobs were sent back to pending |
| `TypePaused` | warning | no runner claims jobs of a type until it is resumed |
| `TypeResumed` | info | a paused type is claimed again |
| `AttemptStuck` | error | a handler runs on after it was stopped |
| `LoopBlocked` | warning | the event loop stood still for over a second; in which handler |
| `ProcessSuspended` | warning | nothing of the process ran for over a second; no job is the cause |
| `DefectFound` | error | the runner found a defect of this library in itself, and ended or woke what it held up |
| `EndRefused` | error | an attempt ended that this runner no longer owns |
| `TickFired` | debug | a cron schedule made a job |
| `TickSkipped` | warning | a cron schedule made none, with the reason |
| `OwnerRescued` | warning | jobs of a dead runner were given back |
| `DrainStarted`, `DrainFinished` | info | the runner stops; what was interrupted |
| `StoreDegraded` | error | the database cannot be written |
| `StoreRecovered` | warning | the database can be written again |
| `TypesUnclaimed` | warning | jobs wait whose type is not registered in this runner |
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from aiojobs_lite.telemetry.fact import Fact as Fact  # noqa: PLC0414  # this module is the public one
from aiojobs_lite.telemetry.wording import counted, ended_words, instant, later, skipped_words, span, waited_for_words


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
    """An attempt failed and will be tried again at `next_at`, `wait` seconds from then."""

    level = logging.WARNING
    text = "failed: {type} job {job_id} attempt {attempt} ({outcome}): {error}; again {next_at}"
    job_id: int
    type: str
    attempt: int
    outcome: str
    error: str
    next_at: datetime
    wait: float

    def _words(self) -> dict[str, str]:
        return {"next_at": later(self.next_at, self.wait)}


@dataclass(frozen=True, slots=True)
class JobBecameDead(Fact):
    """No attempt is left; the job stays dead until it is redriven."""

    level = logging.ERROR
    text = "dead: {type} job {job_id} after attempt {attempt}{reason}: {error}; it runs again only if redriven"
    job_id: int
    type: str
    attempt: int
    reason: str
    error: str

    def _words(self) -> dict[str, str]:
        return {"reason": self.reason and f" ({self.reason})"}


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
class DeadRedriven(Fact):
    """All dead jobs of a type, or of every type, were sent back to pending."""

    text = "redriven: {jobs} of {types}"
    jobs: int
    types: str

    def _words(self) -> dict[str, str]:
        return {"jobs": counted(self.jobs, "dead job")}


@dataclass(frozen=True, slots=True)
class TypePaused(Fact):
    """The claims of a type were stopped, in every runner of the database."""

    level = logging.WARNING
    part = "engine"
    text = "paused: no runner starts jobs of {type} until it is resumed"
    type: str


@dataclass(frozen=True, slots=True)
class TypeResumed(Fact):
    """A paused type is claimed again."""

    part = "engine"
    text = "resumed: jobs of {type} start again"
    type: str


@dataclass(frozen=True, slots=True)
class AttemptStuck(Fact):
    """A handler runs on after it was stopped, in its slot. `why`: `timeout`, `cancel` or `shutdown`. `stack`: where."""

    level = logging.ERROR
    text = "stuck: {type} job {job_id} attempt {attempt} was stopped ({why}) and runs on, in its slot until it ends"
    block = "stack"
    job_id: int
    type: str
    attempt: int
    why: str
    stack: str


@dataclass(frozen=True, slots=True)
class LoopBlocked(Fact):
    """The event loop stood still for `seconds`, over one; reported when it goes on. `type`: the job type whose handler
    blocked it; `?` if it was no handler's own task, such as the application or a task that a handler started. `stack`:
    where it was when it was half a second late.
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
    """A part of the runner was in a state that it should never stay in: a defect of this library, not of a handler.
    What it held up was ended or woken. Please report the log line: `what` was found; in which attempt of which job, 0
    and `?` if in none; for how many seconds it has been there; what is known of the `parts`; there is no payload in it.
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
class EndRefused(Fact):
    """An attempt ended that this runner no longer owned; nothing was written."""

    level = logging.ERROR
    text = "refused: the end of {type} job {job_id} attempt {attempt} is not stored: this runner no longer owns it"
    job_id: int
    type: str
    attempt: int


@dataclass(frozen=True, slots=True)
class TickFired(Fact):
    """A cron schedule made a job."""

    level = logging.DEBUG
    part = "cron"
    text = "tick: {schedule} at {tick} made job {job_id}"
    schedule: str
    tick: datetime
    job_id: int

    def _words(self) -> dict[str, str]:
        return {"tick": instant(self.tick)}


@dataclass(frozen=True, slots=True)
class TickSkipped(Fact):
    """A cron schedule made no job at `ticks` instants from `tick` on. `reason`: `overlap`, `too late`, `catch_up` for
    those that a later one stands for, `changed` for those that were due when the expression was replaced, or `rejected`
    for one that the database refuses to store.
    """

    level = logging.WARNING
    part = "cron"
    text = "tick skipped: {schedule} at {tick}{ticks}: {reason}"
    schedule: str
    tick: datetime
    reason: str
    ticks: int = 1

    def _words(self) -> dict[str, str]:
        return skipped_words(self.tick, self.reason, self.ticks)


@dataclass(frozen=True, slots=True)
class OwnerRescued(Fact):
    """Jobs of a dead runner were given back."""

    level = logging.WARNING
    part = "engine"
    text = "rescued: {jobs} of the dead owner {owner}"
    owner: str
    jobs: int

    def _words(self) -> dict[str, str]:
        return {"jobs": counted(self.jobs, "job")}


@dataclass(frozen=True, slots=True)
class DrainStarted(Fact):
    """The runner claims nothing more. `why`: `close`, or the name of a signal such as `SIGTERM`. `running` attempts are
    waited for; `types`: of which types, each with how many; `timeout`: for how many seconds, then they are interrupted.
    """

    part = "engine"
    text = "drain started ({why}): {running} running{types}{timeout}"
    why: str
    running: int
    types: str
    timeout: float

    def _words(self) -> dict[str, str]:
        return waited_for_words(self.why, self.running, self.types, self.timeout)


@dataclass(frozen=True, slots=True)
class DrainFinished(Fact):
    """The drain is finished: each attempt has its end, or the runner was left. `duration` in seconds, the others ids of
    jobs. `interrupted`: stored as such, they will run again. `left`: their handlers still run; another runner gives
    them back when they run no more. `unsaved`: their ends are not stored; the next runner gives them back.
    """

    part = "engine"
    text = "drain finished in {duration}: {interrupted}{left}{unsaved}"
    duration: float
    interrupted: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    unsaved: tuple[int, ...] = ()

    def _words(self) -> dict[str, str]:
        return {"duration": span(self.duration), **ended_words(self.interrupted, self.left, self.unsaved)}


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


@dataclass(frozen=True, slots=True)
class TypesUnclaimed(Fact):
    """Jobs wait whose type is not registered in this runner. `types`: their names, each with how many jobs wait."""

    level = logging.WARNING
    part = "engine"
    text = "unclaimed: jobs wait for a runner that has registered their types, this one has not: {types}"
    types: str
