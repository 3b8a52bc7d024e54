"""Edits of jobs: `runner.jobs.edit` and `edits`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import JobNotAllowed, JobNotFound
from aiojobs_lite.model.edits import Edited, EditJob, ListEdits
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.limits import with_keys_of
from aiojobs_lite.model.payloads import arguments_of, redacted, stored_payload
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.runner.redriving import payload_with

_TRIES: Final = 3  # to edit a job whose payload changes meanwhile
_ALLOWED: Final = "a pending or dead job"
_CHANGED: Final = "that nothing else changes it: repeat the call"
_OPERATIONS: Final = "a job without stored operations: a durable handler did them with the arguments that it has"
_GATHERS: Final = "a job that gathers no items"


@dataclass(frozen=True, slots=True)
class JobEdit:
    """What a job had before it was edited.

    Attributes:
        at: When it was edited.
        payload: Its arguments until then, `REDACTED` in place of those that are secret.
    """

    at: datetime
    payload: Mapping[str, Any]


async def edit_one(engine: Engine, job_id: int, arguments: Mapping[str, Any]) -> None:
    """Gives a job other arguments in place of those of the same names."""
    answer = Edited(None)
    for _ in range(_TRIES):
        answer = await engine.write(await _edit(engine, job_id, arguments))
        if answer.obstacle != "changed":
            break
    if answer.status is None:
        raise JobNotFound(job_id)
    if answer:
        return
    allowed = {
        "changed": _CHANGED, "operations": _OPERATIONS, "key": f"that no other job has its unique key, {answer.key}",
    }.get(answer.obstacle or "", _ALLOWED)  # fmt: skip
    raise JobNotAllowed(job_id, answer.status, "edited", allowed)


async def _edit(engine: Engine, job_id: int, arguments: Mapping[str, Any]) -> EditJob:
    job = await engine.ask(GetJob(job_id))
    if job is None:
        raise JobNotFound(job_id)
    if job.status not in (Status.PENDING, Status.DEAD):
        raise JobNotAllowed(job_id, job.status, "edited", _ALLOWED)
    job_type = engine.registry.get(job.type)
    how = job_type.how
    if how.flow is not None and how.flow.batch is not None:
        raise JobNotAllowed(job_id, job.status, "edited", _GATHERS)
    before = stored_payload(job.payload_json)
    payload = payload_with(before, job_type, arguments)
    made = how.candidate(how.row(job_type, payload, engine.now())).row
    lane = made.lane if job.lane is None else with_keys_of(job.lane, made.lane)
    return EditJob(job_id, before, payload, lane, made.unique_key)


async def edits_of(engine: Engine, job_id: int) -> list[JobEdit]:
    """The edits of a job, the oldest first."""
    found = await engine.ask(ListEdits(job_id))
    if not found and await engine.ask(GetJob(job_id)) is None:
        raise JobNotFound(job_id)
    return [JobEdit(one.at, json.loads(arguments_of(redacted(one.payload)))) for one in found]
