"""The events of the ends of runs: `inngest/function.finished`, `.failed` and `.cancelled`, each once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiojobs_lite.clock import to_micros
from aiojobs_lite.durable.notes import notes_of
from aiojobs_lite.errors import JobNotFound
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.event import Event
from aiojobs_lite.handlers.event_data import JsonText
from aiojobs_lite.handlers.group import Jobs
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.inngest.call import event_texts
from aiojobs_lite.inngest.defers import deferred_events, takes_deferred
from aiojobs_lite.inngest.functions import FunctionConfig
from aiojobs_lite.inngest.ids import run_id
from aiojobs_lite.inngest.raw_json import object_of
from aiojobs_lite.inngest.run_errors import error_of_run
from aiojobs_lite.inngest.run_events import run_events
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.job_events import JOB_CANCELLED
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.model.steps import ListSteps
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.runner.events import EventToSend
from aiojobs_lite.runner.runner import JobRunner

RUN_FINISHED: Final = "inngest/function.finished"
RUN_FAILED: Final = "inngest/function.failed"
RUN_CANCELLED: Final = "inngest/function.cancelled"
ENDED: Final = "inngest.ended"
"""The job type that sends the events of a run's end."""

CANCELLED_RUN: Final = "inngest.cancelled"
"""The job type that is started for each run that is cancelled."""

_LARGEST_BYTES: Final = 16 * 1024 * 1024  # of an event with those of a run, and its result
_STATUSES: Final = {Status.COMPLETED: "Completed", Status.DEAD: "Failed", Status.CANCELLED: "Cancelled"}
_BESIDES: Final = {Status.DEAD: RUN_FAILED, Status.CANCELLED: RUN_CANCELLED}
_OF_ENDS: Final = (RUN_FINISHED, RUN_FAILED, RUN_CANCELLED)
_CORRELATION: Final = "correlation_id"
_BACKOFF: Final = Backoff(base="1s", cap="5m")
_MOST_ATTEMPTS: Final = 100


def make_ends(group: Jobs, functions: Mapping[str, FunctionConfig]) -> JobType[..., Any]:
    """Adds the job types that send the events of ends to a group; returns the one that takes the id of a run.

    Args:
        group: The group of the application.
        functions: The functions that are known, by name; they may change.
    """

    @group.job(name=ENDED, max_attempts=_MOST_ATTEMPTS, backoff=_BACKOFF)
    async def ended(job_id: int, *, runner: JobRunner = injected) -> None:
        try:
            job = await runner.jobs.get(job_id)
        except JobNotFound:  # it was deleted meanwhile
            return
        events = events_of_end(job) if job.is_finished else []
        if job.is_finished and takes_deferred(functions.values()):
            events += await _deferred(runner, job)
        if events:
            await runner.events.send_many(events, largest=_LARGEST_BYTES)

    def is_run(event: Event[Any]) -> bool:
        return event.data.get("type") in functions

    @group.on(JOB_CANCELLED, name=CANCELLED_RUN, when=is_run, max_attempts=_MOST_ATTEMPTS, backoff=_BACKOFF)
    async def cancelled(event: Event[dict[str, Any]], runner: JobRunner = injected) -> None:
        await runner.enqueue(ended, event.data["id"])

    for job_type in (ended, cancelled):  # what they send is sent, however often the process dies
        job_type.policy = replace(job_type.policy, outlives_crashes=True)
    return ended


async def _deferred(runner: JobRunner, job: Job) -> list[EventToSend]:
    """The events of the runs that a run has deferred to its end."""
    durable = runner.durables.durable
    rows = [] if durable is None else await durable.store.ask(ListSteps(job.id))
    return deferred_events(notes_of(rows), run_id(to_micros(job.created_at), job.id), job.type)


def events_of_end(job: Job) -> list[EventToSend]:
    """The events of a run's end; none for a run that such an event has started: it would not end."""
    sent = _events_of(job)
    if any(sent[0].startswith(f'{{"name":"{name}",') for name in _OF_ENDS):
        return []
    run = run_id(to_micros(job.created_at), job.id)
    data = {"function_id": _text(job.type), "run_id": _text(run), "event": sent[0], "events": f"[{','.join(sent)}]"}
    if job.status is Status.COMPLETED:
        data["result"] = job.result_json or "null"
    else:
        data["error"] = _text(_error_of(job))
    if _CORRELATION in sent[0]:
        correlation = json.loads(sent[0])["data"].get("_inngest", {}).get(_CORRELATION)
        data |= {} if correlation is None else {_CORRELATION: _text(correlation)}
    finished = {**data, "_inngest": _text({"data": {"status": _STATUSES[job.status]}})}
    found = [EventToSend(RUN_FINISHED, JsonText(object_of(finished)), f"{run}:finished")]
    if job.status in _BESIDES:
        found.append(EventToSend(_BESIDES[job.status], JsonText(object_of(data)), run))
    return found


def _events_of(job: Job) -> list[str]:
    """The events of a run, as an SDK sees them; a job that a program enqueued itself may have none."""
    try:
        return event_texts(arguments_of(job.payload_json))
    except ValueError:
        return [_text(event) for event in run_events(job.payload)]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _error_of(job: Job) -> dict[str, Any]:
    """What made a run fail, in exactly the fields that functions get."""
    error: dict[str, Any] = json.loads(error_of_run(job))
    details = (job.history[-1].details if job.history else None) or {}
    return {"error": details.get("error") or error["message"], **error}
