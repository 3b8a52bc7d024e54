"""The events that the library sends itself, of jobs that have ended: `job.dead`, `job.completed` and `job.cancelled`.

A store sends one of each job that dies, completes or is cancelled, in the transaction of its end, if a type listens to
it by its name, or an operation or a cancellation waits for it; else none. No beginning of names with an asterisk stands
for these events. A job that such an event has started sends none of its own: no listener starts itself again and again.

- The ends of attempts come before the other writes of a transaction: what begins to listen with them is sent none. Jobs
  are cancelled by other writes as well, by an event, by their expiry and with one that they were to run after: these
  events follow upon each such write.
- Of jobs that ended together those that died come first, then those that completed, each by their ids.
- A job that has ended waits for nothing any more when its own event is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.payloads import arguments_of, redacted

JOB_DEAD: Final = "job.dead"
JOB_COMPLETED: Final = "job.completed"
JOB_CANCELLED: Final = "job.cancelled"

JOB_EVENTS: Final[Mapping[Status, str]] = {
    Status.DEAD: JOB_DEAD,
    Status.COMPLETED: JOB_COMPLETED,
    Status.CANCELLED: JOB_CANCELLED,
}
"""The names, by how a job has ended."""

LARGEST_COPY_CHARS: Final = 50_000
"""A payload, or a result, of more is not copied into such an event."""


def data_of_end(
    job_id: int,
    job_type: str,
    payload: str,
    attempts: int,
    reason: str | None,
    error: str | None,
    result: str | None,
) -> str | None:
    """What an event says of a job that has ended, as JSON; None: such an event has started the job.

    Args:
        job_id: The job.
        job_type: Its type.
        payload: Its arguments as JSON.
        attempts: How many attempts it has had.
        reason: Why it is dead or cancelled; or why its result was not kept.
        error: Its latest error, or None.
        result: What it returned as JSON, or None.
    """
    arguments = arguments_of(redacted(payload))
    decoded = _decoded(arguments)
    if _is_of_event(decoded):
        return None
    known = {"id": job_id, "type": job_type, "attempts": attempts, "reason": reason, "error": error}
    copied = f'"payload":{_copied(arguments, decoded)},"result":{_copied(result, _decoded(result))}'
    return f"{json.dumps(known, ensure_ascii=False, separators=(',', ':'))[:-1]},{copied}}}"


def _copied(text: str | None, decoded: Any) -> str:
    """JSON word for word; null for what is none, or is too large."""
    return "null" if text is None or decoded is None or len(text) > LARGEST_COPY_CHARS else text


def _decoded(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):  # another program has written it
        return None


def _is_of_event(arguments: Any) -> bool:
    """Whether these are the arguments of a listener of such an event, or the event for which a job is held."""
    if not isinstance(arguments, dict):
        return False
    (given,) = arguments.values() if len(arguments) == 1 else [arguments]
    return any(
        isinstance(event, dict) and event.get("name") in JOB_EVENTS.values() and "sent_at" in event
        for event in (given if isinstance(given, list) else [given])
    )
