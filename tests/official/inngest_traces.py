"""Runs and events of a runner, as the suites of Inngest look at them."""

from __future__ import annotations

import json
from typing import Any, Final

from aiojobs_lite import Job, JobRunner, Status
from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import EventNotFound, JobNotFound
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.ids import BOOKKEEPING, job_of_run, number_of, run_id, shown_name
from aiojobs_lite.runner.steps import LONGEST_SHOWN_RESULT_CHARS
from aiojobs_lite.steps import JobStep
from tests.official.graphql import Output, TracedEvent, TracedRun, TracedStep

_STATUSES: Final = {Status.COMPLETED: "COMPLETED", Status.DEAD: "FAILED", Status.CANCELLED: "CANCELLED"}
_OWN: Final = "inngest."  # begins the names of job types that are no functions


class RunnerReader:
    """Reads them in a runner, by its public methods.

    Args:
        runner: It runs the functions.
    """

    def __init__(self, runner: JobRunner) -> None:
        self._runner = runner

    async def run(self, run_id: str) -> TracedRun | None:
        """See `Reader`."""
        try:
            job = await self._runner.jobs.get(job_of_run(run_id) or 0)
        except JobNotFound:
            return None
        steps = [
            TracedStep(shown_name(step.name), _of_step(step))
            for step in await self._runner.jobs.steps(job.id)
            if not step.name.startswith(BOOKKEEPING)
        ]
        events = [json.dumps(from_memo(memo)) for memo in job.payload.get("events") or [job.payload["event"]]]
        status = _STATUSES.get(job.status, "RUNNING")
        error = _error_of(job)
        output = (
            Output()
            if not job.is_finished
            else Output(job.result_json or "null")
            if error is None
            else Output(error=error)
        )
        ended_with = None if not job.is_finished else job.result_json if error is None else json.dumps(error)
        return TracedRun(run_id, status, output, ended_with, events, steps)

    async def event(self, event_id: str) -> TracedEvent | None:
        """See `Reader`."""
        number = number_of(event_id)
        try:
            event = await self._runner.events.get(number or 0)
            started = await self._runner.events.started(event.number)
        except EventNotFound:
            return None
        found = await self._runner.jobs.get_many([job for job, name in started.items() if not name.startswith(_OWN)])
        memo = {"id": event.id, "name": event.name, "data": json.loads(event.data_json)}
        raw = json.dumps(from_memo({**memo, "sent_at": to_micros(event.sent_at)}))
        return TracedEvent(
            event.id, event.name, raw, [run_id(to_micros(job.created_at), job.id) for job in found.values()]
        )


def _error_of(job: Job) -> dict[str, Any] | None:
    """The error of a run that failed, as its SDK answered it."""
    if job.status is not Status.DEAD:
        return None
    latest = job.history[-1]
    if latest.details is not None:
        return {name: value for name, value in latest.details.items() if name != "error"}
    return {"name": latest.error_type, "message": latest.message or job.reason or "", "stack": latest.traceback}


def _of_step(step: JobStep) -> Output:
    """What a step gave, of the memo that its SDK has for it."""
    if step.state == "waiting" or step.result_json is None:
        return Output()
    if len(step.result_json) == LONGEST_SHOWN_RESULT_CHARS:  # it is cut off
        return Output(json.dumps(step.result_json))
    memo = json.loads(step.result_json)
    if step.kind == "run" and isinstance(memo, dict) and "error" in memo:
        return Output(error=memo["error"])
    return Output(json.dumps(memo["data"]) if step.kind == "run" else step.result_json)
