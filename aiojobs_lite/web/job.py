"""The page of one job: how it stands and why, its life, what it was given and what it gave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from starlette.responses import Response

from aiojobs_lite.model.job import Attempt, Job
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.runner.editing import JobEdit
from aiojobs_lite.runner.steps import JobStep
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.job_actions import JOB_ACTION_VIEWS, actions_on
from aiojobs_lite.web.jobs import line_state
from aiojobs_lite.web.notices import notice_of
from aiojobs_lite.web.site import Site, View
from aiojobs_lite.web.snippets import as_command, as_python
from aiojobs_lite.web.timeline import timeline_of

_LOG_LINES: Final = 200  # that the page shows, the newest
_STEPS: Final = 100  # whose results it shows


class Shown(NamedTuple):
    """A value that the page shows as JSON.

    Attributes:
        title: What it is.
        text: It.
        is_redacted: Whether the hook has changed it.
    """

    title: str
    text: str
    is_redacted: bool = False


async def show_job(site: Site, asked: Asked) -> Response:
    """The page of a job."""
    (job_id,) = asked.numbers
    jobs, now = site.runner.jobs, shown.now_utc()
    job = await jobs.get(job_id)
    steps, log = await jobs.steps(job_id), await jobs.log(job_id)
    payload = shown_as("payload", site, job.type, arguments_of(job.payload_json))
    return await site.show(
        asked, "job.html", job=job, state_name=line_state(job, now), explanation=await jobs.explain(job_id),
        bars=timeline_of(job, steps, now), steps=[_step_of(site, step) for step in steps[:_STEPS]],
        parent=await jobs.parent(job_id), log=log.lines[-_LOG_LINES:],
        left_out=log.dropped + max(len(log.lines) - _LOG_LINES, 0), values=[payload, *_values(site, job)],
        attempts=[_answered(attempt) for attempt in reversed(job.history)], actions=actions_on(job, now),
        facts=_facts(job), notice=await notice_of(site, asked), python=as_python(job, payload.text),
        command=as_command(job, payload.text), edits=_edits(site, job, await jobs.edits(job_id)),
        batch=await site.runner.batches.find(job_id),
    )  # fmt: skip


def shown_as(what: str, site: Site, name: str, stored: str, title: str | None = None) -> Shown:
    """A value that is stored as JSON, after the hook that redacts."""
    hook = None if site.redact is None else partial(site.redacted, what, name)
    return Shown(title or what.capitalize(), *shown.json_text(stored, hook))


def _values(site: Site, job: Job) -> list[Shown]:
    stored = (("result", job.result_json), ("metadata", job.metadata_json or None))
    return [shown_as(what, site, job.type, value) for what, value in stored if value is not None]


def _edits(site: Site, job: Job, edits: Sequence[JobEdit]) -> list[Shown]:
    """What the job had before each of its edits, the latest first."""
    return [
        shown_as("payload", site, job.type, json.dumps(dict(edit.payload)), f"Payload before {shown.at_utc(edit.at)}")
        for edit in reversed(edits)
    ]


def _step_of(site: Site, step: JobStep) -> dict[str, Any]:
    """An operation with its result, as far as the hook lets it be shown."""
    result = None
    if step.result_json is not None and site.redact is None:
        result = step.result_json
    elif step.result_json is not None:
        result = "hidden: redact= is set, and results of operations may be cut off"
    return {"step": step, "result": result}


def _answered(attempt: Attempt) -> dict[str, Any]:
    """An attempt, with what an endpoint answered it if it was a delivery."""
    details = attempt.details
    return {"attempt": attempt, "details": None if details is None else shown.json_text(json.dumps(details))[0]}


def _facts(job: Job) -> list[tuple[str, str]]:
    """The small print: what there is of it, by name."""
    found = [
        ("priority", job.priority), ("label", job.label), ("idempotency key", job.idempotency_key),
        ("unique key", job.unique_key), ("limits", (job.lane or "").replace("\n", " · ")), ("owner", job.owner),
        ("schedule", job.schedule), ("tick", shown.at_utc(job.tick) if job.tick else ""),
        ("version", str(job.version) if job.version > 1 else ""), ("interruptions", str(job.interruptions or "")),
        ("snoozes", str(job.snoozes or "")), ("crashes", str(job.crashes or "")),
    ]  # fmt: skip
    return [(name, value) for name, value in found if value]


JOB_VIEWS: Final = (View("GET", "jobs/{}", show_job), *JOB_ACTION_VIEWS)
