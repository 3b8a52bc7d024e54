"""Where a job stands, in a few words for an error."""

from __future__ import annotations

from aiojobs_lite.clock import MICROSECONDS, to_micros
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.telemetry.wording import span


def state_of(job: Job, now: int) -> str:
    """Where a job stands at an instant (microseconds since 1970 UTC), and how its latest attempt failed.

    `it waits for attempt 2 of 5, again in 2.0 s; attempt 1 failed: ValueError: ...`
    """
    return "; ".join(filter(None, [_stands(job, now), _failed(job)]))


def _stands(job: Job, now: int) -> str:
    if job.status is Status.PROCESSING:
        asked = ", and was asked to stop" if job.cancel_requested else ""
        return f"attempt {job.attempts} of {job.max_attempts} runs{asked}"
    if job.status is not Status.PENDING:
        return f"it is {job.status}"
    waits = f"it waits for attempt {job.attempts + 1} of {job.max_attempts}"
    if job.held is not None:
        return f"{waits}, held: {job.reason or job.held}"
    wait = (to_micros(job.scheduled_at) - now) / MICROSECONDS
    if wait <= 0:
        return f"{waits}, due since {span(-wait)}"
    return f"{waits}, {'again ' if job.attempts or job.snoozes else 'due '}in {span(wait)}"


def _failed(job: Job) -> str:
    if job.error is None:
        return ""
    number = next((one.attempt for one in reversed(job.history) if one.error_type is not None), None)
    return f"{'the latest attempt' if number is None else f'attempt {number}'} failed: {job.error}"
