"""What `runner.jobs.steps` and `runner.jobs.parent` show: the operations of a job, and what started it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durable.ledger import JSON_NULL
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import JobNotFound
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.steps import GetParent, ListChildren, ListSteps, StepKind, StepRow, StepState, result_of

LONGEST_SHOWN_RESULT_CHARS: Final = 10_000
"""A longer result of an operation is shown cut off."""


@dataclass(frozen=True, slots=True)
class JobStep:
    """One operation of a durable handler, as it stands.

    Attributes:
        name: Its name in the job, with the count of its use: `fetch`, `fetch#2`.
        kind: `run` (a step, or what else is done at once), `sleep`, `event` or `child`; `planned`: a step that waits to
            be run by itself.
        state: `waiting`: its end is to come, or it failed and is tried again; `done`; `failed` for good.
        attempts: How often it was run.
        started_at: When it was stored first, UTC: of a step the end of its first run.
        ended_at: When it was done, or failed for good, UTC; None: it is waiting.
        until: When it is over, or is tried again, UTC; None: no instant ends it.
        result_json: What the handler is given, as JSON word for word, cut off after 10,000 characters; None: nothing
            yet, or no end but the instant.
        error: Its latest error, or None.
        traceback: That of its latest error, without local variables, as far as it is a step; else None.
        child_id: The job that it has started, as far as that is there; else None.
        event_id: The id of the event that it was given, or None.
    """

    name: str
    kind: Literal["run", "sleep", "event", "child", "planned"]
    state: Literal["waiting", "done", "failed"]
    attempts: int
    started_at: datetime
    ended_at: datetime | None
    until: datetime | None
    result_json: str | None
    error: str | None
    traceback: str | None
    child_id: int | None
    event_id: str | None


class ParentStep(NamedTuple):
    """The operation that has started a job.

    Attributes:
        job_id: The job of the operation.
        name: Its name there.
    """

    job_id: int
    name: str


async def steps_of(engine: Engine, job_id: int) -> list[JobStep]:
    """The operations of a job in the order in which they were stored first.

    Raises:
        JobNotFound: If there is no such job.
    """
    rows = await engine.ask(ListSteps(job_id))
    await _check_exists(engine, job_id, rows)
    children = dict(await engine.ask(ListChildren(job_id))) if rows else {}
    return [_shown(row, children) for row in rows]


async def parent_of(engine: Engine, job_id: int) -> ParentStep | None:
    """The operation that has started a job, or None.

    Raises:
        JobNotFound: If there is no such job.
    """
    found = await engine.ask(GetParent(job_id))
    await _check_exists(engine, job_id, found)
    return None if found is None else ParentStep(*found)


async def _check_exists(engine: Engine, job_id: int, found: Sequence[object] | None) -> None:
    if not found and await engine.ask(GetJob(job_id)) is None:
        raise JobNotFound(job_id)


def _shown(row: StepRow, children: Mapping[str, int]) -> JobStep:
    is_failed_child = row.kind is StepKind.CHILD and row.state is StepState.FAILED
    result = None if is_failed_child or row.kind is StepKind.SLEEP else row.memo
    if row.kind is StepKind.CHILD and result is not None:
        result = result_of(result)
    error = _decoded(row.error)
    event = _decoded(row.memo) if row.kind is StepKind.EVENT and row.memo != JSON_NULL else {}
    return JobStep(
        name=row.name,
        kind=row.kind.value,
        state=row.state.value,
        attempts=row.attempts,
        started_at=to_datetime(row.started_at),
        ended_at=_instant(row.ended_at),
        until=_instant(row.until),
        result_json=None if result is None else result[:LONGEST_SHOWN_RESULT_CHARS],
        error=_of_child(_decoded(row.memo)) if is_failed_child else _of_step(error),
        traceback=error.get("traceback"),
        child_id=children.get(row.name),
        event_id=event.get("id"),
    )


def _of_step(error: Mapping[str, Any]) -> str | None:
    return f"{error.get('type', '')}: {error.get('message', '')}" if error else None


def _of_child(memo: Mapping[str, Any]) -> str:
    error = memo.get("error", {})
    return error.get("error") or error.get("reason") or str(error.get("status", ""))


def _decoded(text: str | None) -> Mapping[str, Any]:
    decoded = None if text is None else json.loads(text)
    return decoded if isinstance(decoded, dict) else {}


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else to_datetime(micros)
