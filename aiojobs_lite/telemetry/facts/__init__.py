"""What a runner reports of itself, one frozen class a kind of fact: for its log lines and for `runner.watch()`;
one file for each group.

| fact | level | when |
|---|---|---|
| `JobEnqueued` | debug | a job was made durable by this runner |
| `AttemptStarted` | debug | a handler is about to be called |
| `AttemptTakesLong` | info | a handler has run for over 5 s; once an attempt |
| `JobCompleted` | info | an attempt succeeded |
| `ResultNotStored` | warning | a job is completed, and what its handler returned could not be kept |
| `AttemptFailed` | warning | an attempt failed, timed out or was lost, and will be tried again |
| `RetryRequested` | info | a handler raised `Retry`: the attempt failed, and will be tried again |
| `JobBecameDead` | error | no attempt is left |
| `JobBecameCancelled`, `JobSnoozed` | info | a job was cancelled; a handler postponed its job |
| `JobInterrupted` | warning | a drain stopped an attempt; the job will run again |
| `JobHeld` | error | a stored payload no longer fits its handler |
| `EventSent` | debug | an event is durable, with what it started, woke and cancelled |
| `StepCompleted`, `JobSuspended` | debug | a step returned; a handler waits, and its attempt was given back |
| `StepRetried`, `StepGivenUp` | warning | a step failed, and is tried again; or failed for good |
| `StepSnoozed` | info | a step postponed itself |
| `SuspensionSwallowed` | warning | a handler went on although its attempt was suspended |
| `StepsSkipped` | warning | a handler ended without asking for steps whose results are stored |
| `RepeatedOutsideSteps` | warning | a durable handler does in each attempt what it should do once |
| `JobRedriven`, `DeadRedriven` | info | dead or cancelled jobs were sent back to pending |
| `JobRescheduled` | info | it was set when a pending job is due |
| `TypePaused` | warning | no runner claims jobs of a type until it is resumed |
| `TypeResumed` | info | a paused type is claimed again |
| `LimitChanged` | info | a limit by key was changed, by the code of a runner that started or by a call |
| `LimitPaused` | warning | no runner starts jobs of a limit by key until it is resumed |
| `LimitResumed` | info | a paused limit by key was resumed |
| `RateRestarted` | info | the count of a rate began anew for a key |
| `AttemptStuck` | error | a handler runs on after it was stopped |
| `LoopBlocked` | warning | the event loop stood still for over a second; in which handler |
| `ProcessSuspended` | warning | nothing of the process ran for over a second; no job is the cause |
| `DefectFound` | error | the runner found a defect of this library in itself, and ended or woke what it held up |
| `EndRefused` | error | an attempt ended that this runner no longer owns |
| `TickFired` | debug | a cron schedule made a job |
| `TickSkipped` | warning | a cron schedule made none, with the reason |
| `SchedulesLeft` | warning | schedules make no jobs, because no code of a live runner declares them any more |
| `OwnerRescued`, `JobsMovedBack` | warning | jobs of a dead runner, or of a clock that was ahead, were given back |
| `RunnerStarted` | info | the runner works; on which database, with which types and schedules |
| `DrainStarted`, `DrainFinished` | info | the runner stops; what was interrupted |
| `DrainWaits` | warning | a drain takes over a second; what it waits for |
| `StoreDegraded` | error | the database cannot be written |
| `StoreRecovered` | warning | the database can be written again |
| `PayloadsUnfit` | warning | at the start, jobs wait whose payload no longer fits their handler |
| `TypesUnclaimed` | warning | jobs wait whose type is not registered in this runner |
"""

from aiojobs_lite.telemetry.fact import Fact
from aiojobs_lite.telemetry.facts.events import EventSent
from aiojobs_lite.telemetry.facts.health import (
    DefectFound,
    LoopBlocked,
    ProcessSuspended,
    StoreDegraded,
    StoreRecovered,
)
from aiojobs_lite.telemetry.facts.jobs import (
    AttemptFailed,
    AttemptStarted,
    AttemptStuck,
    AttemptTakesLong,
    DeadRedriven,
    EndRefused,
    JobBecameCancelled,
    JobBecameDead,
    JobCompleted,
    JobEnqueued,
    JobHeld,
    JobInterrupted,
    JobRedriven,
    JobRescheduled,
    JobSnoozed,
    ResultNotStored,
    RetryRequested,
)
from aiojobs_lite.telemetry.facts.limits import LimitChanged, LimitPaused, LimitResumed, RateRestarted
from aiojobs_lite.telemetry.facts.owners import (
    DrainFinished,
    DrainStarted,
    DrainWaits,
    JobsMovedBack,
    OwnerRescued,
    RunnerStarted,
)
from aiojobs_lite.telemetry.facts.steps import (
    JobSuspended,
    RepeatedOutsideSteps,
    StepCompleted,
    StepGivenUp,
    StepRetried,
    StepSnoozed,
    StepsSkipped,
    SuspensionSwallowed,
)
from aiojobs_lite.telemetry.facts.ticks import SchedulesLeft, TickFired, TickSkipped
from aiojobs_lite.telemetry.facts.types import PayloadsUnfit, TypePaused, TypeResumed, TypesUnclaimed

__all__ = [
    "AttemptFailed",
    "AttemptStarted",
    "AttemptStuck",
    "AttemptTakesLong",
    "DeadRedriven",
    "DefectFound",
    "DrainFinished",
    "DrainStarted",
    "DrainWaits",
    "EndRefused",
    "EventSent",
    "Fact",
    "JobBecameCancelled",
    "JobBecameDead",
    "JobCompleted",
    "JobEnqueued",
    "JobHeld",
    "JobInterrupted",
    "JobRedriven",
    "JobRescheduled",
    "JobSnoozed",
    "JobSuspended",
    "JobsMovedBack",
    "LimitChanged",
    "LimitPaused",
    "LimitResumed",
    "LoopBlocked",
    "OwnerRescued",
    "PayloadsUnfit",
    "ProcessSuspended",
    "RateRestarted",
    "RepeatedOutsideSteps",
    "ResultNotStored",
    "RetryRequested",
    "RunnerStarted",
    "SchedulesLeft",
    "StepCompleted",
    "StepGivenUp",
    "StepRetried",
    "StepSnoozed",
    "StepsSkipped",
    "StoreDegraded",
    "StoreRecovered",
    "SuspensionSwallowed",
    "TickFired",
    "TickSkipped",
    "TypePaused",
    "TypeResumed",
    "TypesUnclaimed",
]
