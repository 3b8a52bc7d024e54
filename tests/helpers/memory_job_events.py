"""The events that a store of plain Python sends itself; written from `model/job_events.py` alone."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from aiojobs_lite.model.events import NewEvent, SendEvents
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.job_events import JOB_EVENTS, data_of_end
from aiojobs_lite.model.payloads import stored_payload
from tests.helpers import memory_steps
from tests.helpers.memory_events import send_events

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases


def note_ends(phases: MemoryPhases) -> None:
    """Sends the events of the jobs that have ended, which wait for nothing any more, and of those that these cancel."""
    while True:
        memory_steps.note_ends(phases)
        ended, phases.ends_to_send = phases.ends_to_send, []
        if not ended:
            return
        _send(phases, sorted(ended, key=itemgetter(0)))


def _send(phases: MemoryPhases, ended: Sequence[tuple[int, Status | None]]) -> None:
    durable = phases.rows.durable
    for status, name in JOB_EVENTS.items():
        is_listened_to = any(name in listener.patterns for listener in durable.listeners.values())
        if not is_listened_to and not any(match.event == name for match, *_ in durable.waits.values()):
            continue
        jobs = [phases.rows.jobs[job_id] for job_id, how in ended if how is status and job_id in phases.rows.jobs]
        said = [
            data_of_end(
                job.id, job.type, stored_payload(job.payload_json), job.attempts, job.reason, job.error, job.result_json
            )
            for job in jobs
        ]
        events = tuple(NewEvent(name, data, phases.now) for data in said if data is not None)
        if events:
            send_events(phases, SendEvents(events))
            phases.has_sent = True
