"""What a driver says of a run, one operation each: plain data, whether a coroutine asks for it or an answer has it.

A name is that of the operation in its job, as `NewStep` has it. A memo is JSON, word for word as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.job import Failure
from aiojobs_lite.model.steps import StepKind
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.verdict import Verdict


class StepRan(NamedTuple):
    """A step ran, and gave this. It is made for nearly each step, hence a tuple.

    Attributes:
        name: Its name.
        memo: What it gave.
        seconds: How long it took; None: no function was called, and nothing is published of it.
    """

    name: str
    memo: str
    seconds: float | None = None

    @property
    def kind(self) -> StepKind:
        """What it is."""
        return StepKind.RUN


@dataclass(frozen=True, slots=True)
class StepRaised:
    """A step was run, and failed. It is tried again, unless it may not, or has no attempts left.

    Attributes:
        name: Its name.
        failure: The record of what made it fail.
        verdict: Whether it may be tried again, and when.
        max_attempts: How often it is run at most; None: as often as the job may be attempted.
        backoff: The waits between; None: those of the job type.
        memo: What the driver is given for it, once it failed for good, or None.
        attempts: How often that for which it was run had failed before, if that is more often than the step itself.
    """

    name: str
    failure: Failure
    verdict: Verdict
    max_attempts: int | None = None
    backoff: Backoff | None = None
    memo: str | None = None
    attempts: int = 0
    kind: ClassVar = StepKind.RUN


@dataclass(frozen=True, slots=True)
class StepPlanned:
    """A step is to be run by itself, beside others: the driver is called with its name as the target."""

    name: str
    kind: ClassVar = StepKind.PLANNED


@dataclass(frozen=True, slots=True)
class Sleep:
    """The run goes on at an instant, in microseconds."""

    name: str
    until: int
    kind: ClassVar = StepKind.SLEEP


@dataclass(frozen=True, slots=True)
class WaitForEvent:
    """The run waits for an event, until an instant in microseconds; None: for ever.

    Attributes:
        name: Its name.
        match: Which event it is.
        until: When the wait is over.
        after: The memo of an event of that name: only those that were sent after it end the wait, and none of these is
            missed; None: those do that were sent since the job was enqueued.
    """

    name: str
    match: EventMatch
    until: int | None = None
    after: str | None = None
    kind: ClassVar = StepKind.EVENT


@dataclass(frozen=True, slots=True)
class InvokeJob:
    """The run starts a job, and waits for its end, until an instant in microseconds; None: for ever."""

    name: str
    child: Candidate
    until: int | None = None
    kind: ClassVar = StepKind.CHILD


@dataclass(frozen=True, slots=True)
class StartJob:
    """The run starts a job, and does not wait for it; its memo is the id of the job."""

    name: str
    child: Candidate
    kind: ClassVar = StepKind.RUN


Recorded = StepRan | StepRaised | StepPlanned | Sleep | WaitForEvent
"""What is stored of a run by itself."""

Operation = Recorded | InvokeJob
"""What an answer of a driver has."""


@dataclass(frozen=True, slots=True)
class RunReturned:
    """The run is at its end, and returned this JSON; None: nothing."""

    result: str | None = None


@dataclass(frozen=True, slots=True)
class RunRaised:
    """The run failed outside of its steps, or could not be reached; it is tried again, unless it may not.

    Attributes:
        failure: The record of what made it fail.
        verdict: Whether it may be tried again, and when.
    """

    failure: Failure
    verdict: Verdict


RunEnd = RunReturned | RunRaised
"""How a run is at its end."""
