"""Short ways to say what the tests of durable steps and events write."""

from __future__ import annotations

import json
from typing import Any

from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.ends import Again
from aiojobs_lite.model.event_match import EventMark, EventMatch, json_values
from aiojobs_lite.model.events import EventRow, NewEvent, SendEvents, memo_of
from aiojobs_lite.model.job import Claimed, Held, Outcome
from aiojobs_lite.model.steps import (
    ListSteps,
    NewRan,
    NewStep,
    SaveRan,
    SaveSteps,
    StartChild,
    StepKind,
    StepRow,
    StepState,
)
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import NOW, again, at, new


def done(name: str, memo: str | None = "1", **fields: Any) -> NewStep:
    """A step that ran."""
    return NewStep(name, StepKind.RUN, StepState.DONE, memo, attempts=1, **fields)


def match(event: str = "e", **values: Any) -> EventMatch:
    """The events of a name whose data has these values; two underscores stand for a dot."""
    by_path = {name.replace("__", "."): value for name, value in sorted(values.items())}
    return EventMatch(event, tuple(by_path), json_values(by_path.values()))


def wait(
    name: str, of: EventMatch | None = None, until: float | None = None, after: EventMark | None = None
) -> NewStep:
    """An operation that waits for an event."""
    until_us = None if until is None else at(until)
    return NewStep(name, StepKind.EVENT, StepState.WAITING, until=until_us, match=of or match(), after=after)


def save(job: Claimed, *steps: NewStep, **said: bool) -> SaveSteps:
    """Stores operations of an attempt; what is said of them as in `SaveSteps`."""
    return SaveSteps(job.id, job.attempt, job.owner, steps, **said)


def ran(*steps: tuple[Claimed, str, int], memo: str = "1") -> SaveRan:
    """Stores steps that ran: job, name and place of each."""
    return SaveRan([NewRan(job.id, job.attempt, job.owner, name, memo, place) for job, name, place in steps])


def suspend(job: Claimed, *names: str, until: float | None = None, **fields: Any) -> Again:
    """The job is suspended for these operations: held, or until an instant."""
    when: dict[str, Any] = {"scheduled_at": NOW, "held": Held.EVENT} if until is None else {"scheduled_at": at(until)}
    return again(job, Outcome.SUSPENDED, **({"refund": True, "waits_for": names} | when | fields))


def start(
    job: Claimed, name: str = "child", *, is_awaited: bool = True, until: float | None = None, **row: Any
) -> Any:  # fmt: skip
    """Starts a job of type `child`."""
    child = Candidate(new("child", **row))
    return StartChild(
        job.id, job.attempt, job.owner, name, child, is_awaited, None if until is None else at(until)
    )  # fmt: skip


def event(name: str = "e", *starts: Candidate, sent: float = 0, key: str | None = None, **data: Any) -> NewEvent:
    """An event with this data."""
    return NewEvent(name, json.dumps(data, separators=(",", ":")), at(sent), key, starts)


def send(*events: NewEvent, **fields: Any) -> Any:
    """Sends events."""
    return SendEvents(events, **fields)


def memo(number: int, given: NewEvent) -> str:
    """What an operation is given of an event that has a number."""
    return memo_of(EventRow(number, given.name, given.data, given.sent_at, given.key))


async def steps_of(store: Store, job_id: int) -> dict[str, StepRow]:
    """The operations of a job, by name."""
    return {step.name: step for step in await store.ask(ListSteps(job_id))}
