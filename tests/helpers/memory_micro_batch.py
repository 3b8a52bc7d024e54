"""What becomes of the items of several enqueues, in plain Python: read, put together, written anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.job import Job, NewJob
from aiojobs_lite.model.limits import LimitedLane
from aiojobs_lite.model.micro_batch import Capacity
from aiojobs_lite.model.payloads import SECRET_KEY, VERSION_KEY, stored_payload
from tests.helpers.memory_limits import set_limits

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases


def begun(candidate: Candidate) -> NewJob:
    """The job that a row becomes that is added: a full one is due at once, and has no unique key."""
    row, capacity = candidate.row, candidate.capacity
    if capacity is None:
        return row
    _, items = _read(row.payload)
    if items is not None and len(items) < capacity.items:
        return row
    due = min(row.scheduled_at, row.created_at)
    return row._replace(scheduled_at=due, unique_key=None, unique_scope=None)


def append(phases: MemoryPhases, job: Job, candidate: Candidate, capacity: Capacity) -> bool:
    """Gives a pending job the items of a row, and returns whether it takes them. Once complete it is due at once."""
    row, due = candidate.row, job.scheduled_at
    name, items = _read(stored_payload(job.payload_json))
    _, more = _read(row.payload)
    fits = False
    if items is not None and more is not None:
        items = items + more
        fits = len(items) <= capacity.items and len(_written({name: items}).encode()) <= capacity.bytes
    is_complete = not fits or items is None or len(items) >= capacity.items
    if is_complete:
        due = min(due, to_datetime(row.created_at))
    payload = stored_payload(job.payload_json)
    if fits:
        payload = _written({**json.loads(stored_payload(job.payload_json)), name: items})
        if isinstance(row.lane, LimitedLane):
            set_limits(phases.rows, row.lane.limits)
    phases.give(job, row._replace(payload=payload, lane=job.lane), due)
    if is_complete:
        phases.put(phases.rows.jobs[job.id], unique_key=None, unique_scope=None)
    return fits


def _read(payload: str) -> tuple[str, list[Any] | None]:
    """The name of the only argument of a payload, and its items; None: it is no list, or not the only one."""
    arguments = {name: value for name, value in json.loads(payload).items() if name not in (VERSION_KEY, SECRET_KEY)}
    if len(arguments) != 1:
        return "", None
    ((name, items),) = arguments.items()
    return name, items if isinstance(items, list) else None


def _written(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
