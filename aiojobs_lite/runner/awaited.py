"""What a suspended job waits for, in words: for `runner.jobs.explain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.job import Failure
from aiojobs_lite.model.steps import Awaited, StepKind
from aiojobs_lite.sizes import MOST_IDS_SHOWN
from aiojobs_lite.telemetry.wording import counted, later


def what_ends(awaited: Sequence[Awaited], due: datetime, now: datetime) -> str:
    """What a job is suspended for, each of which makes it go on.

    Args:
        awaited: The operations.
        due: When the job is due. If it was rescheduled to later, no instant ends an operation before.
        now: The present instant.
    """
    shown = [_end_of(one, due, now) for one in awaited[:MOST_IDS_SHOWN]]
    more = len(awaited) - len(shown)
    return " or ".join(shown + [f"{counted(more, 'further operation')} ends"] * (more > 0))


def _end_of(awaited: Awaited, due: datetime, now: datetime) -> str:
    step, when = awaited.step, _when(awaited, due, now)
    if step.kind is StepKind.SLEEP:
        return f"the sleep {step.name!r} ends {when}"
    if step.kind is StepKind.EVENT:
        return f"the wait {step.name!r} ends{_wanted(awaited.event)}{when and f', or {when}'}"
    if step.kind is StepKind.CHILD:
        child = "its job" if awaited.child is None else f"job {awaited.child}"
        return f"{child} of {step.name!r} ends{when and f', or {when}'}"
    if step.kind is StepKind.PLANNED and not step.attempts:
        return f"the step {step.name!r} has run"
    if not step.attempts:
        return f"the step {step.name!r}, which its function snoozed, runs again {when}"
    return f"the step {step.name!r} is tried again {when} after its attempt {step.attempts} failed{_error(step.error)}"


def _when(awaited: Awaited, due: datetime, now: datetime) -> str:
    """When the time of an operation is over; empty: never."""
    if awaited.step.until is None:
        return ""
    at = max(to_datetime(awaited.step.until), due)
    return later(at, max(0.0, (at - now).total_seconds()))


def _wanted(event: EventMatch | None) -> str:
    if event is None:
        return ""
    values = [json.dumps(value, ensure_ascii=False) for value in json.loads(event.values)]
    pairs = [f"{field} = {value}" for field, value in zip(event.fields, values, strict=True)]
    having = f" with {' and '.join(pairs)}" if pairs else ""
    return f" by the event {event.event!r}{having}"


def _error(text: str | None) -> str:
    """What made a step fail, as far as it is known."""
    if text is None:
        return ""
    error = json.loads(text)
    return f" ({Failure(error.get('type', ''), error.get('message', ''), None).summary})"
