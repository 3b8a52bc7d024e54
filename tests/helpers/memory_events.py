"""The events of a store of plain Python; written from `model/events.py` alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.events import (
    DELIVERED_AT_ONCE,
    SAME_ID_US,
    STARTED_AMONG,
    Delivered,
    DeliverEvents,
    EventRow,
    FindCancelled,
    FindEvents,
    FindStarted,
    PlaceHeld,
    PruneEvents,
    SendEvents,
    Sent,
    SetListeners,
    fits,
    matches,
    memo_of,
)
from aiojobs_lite.model.job import Held, NewJob, Status
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.runners import SetRunnerTypes
from aiojobs_lite.model.steps import NewStep, SaveSteps, StepKind, StepState
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Inserted
from tests.helpers import memory_runners, memory_steps
from tests.helpers.memory_admission import CancelOn, admit, admit_uncancelled, set_cancels
from tests.helpers.memory_steps import Durable

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


def send_events(phases: MemoryPhases, write: SendEvents) -> tuple[Sent, ...] | Refused | None:
    """See `SendEvents`."""
    if write.step is None:
        return _send(phases, write)
    job_id, _, _, name = write.step
    if phases.held(write.step) is None:
        return None
    step = phases.rows.durable.steps.get((job_id, name))
    if step is not None and step.state is not StepState.WAITING:
        return ()
    sent = _send(phases, write)
    if not isinstance(sent, Refused):
        memo = json.dumps({"ids": [one.id for one in sent]}, separators=(",", ":"))
        done = NewStep(name, StepKind.RUN, StepState.DONE, memo, attempts=1)
        memory_steps.save_steps(phases, SaveSteps(*write.step[:3], (done,)))
    return sent


def deliver_events(phases: MemoryPhases, _write: DeliverEvents) -> Delivered:
    """See `DeliverEvents`."""
    durable, left = phases.rows.durable, DELIVERED_AT_ONCE
    woken: list[int] = []
    cancelled: list[int] = []
    for number in sorted(durable.unreached):
        count, found = _reach(phases, durable.events[number], durable.unreached[number], left)
        left -= count
        woken += found.woken
        cancelled += found.cancelled
        if found.has_more:
            break
        del durable.unreached[number]
    return Delivered(tuple(dict.fromkeys(woken)), tuple(dict.fromkeys(cancelled)), bool(durable.unreached))


def set_listeners(phases: MemoryPhases, write: SetListeners) -> None:
    """See `SetListeners`."""
    for listener in write.listeners:
        phases.rows.durable.listeners[listener.type] = listener


def set_runner_types(phases: MemoryPhases, write: SetRunnerTypes) -> None:
    """See `SetRunnerTypes`."""
    for job_type in memory_runners.set_runner_types(phases.rows.runners, write):
        phases.rows.durable.listeners.pop(job_type, None)


def place_held(phases: MemoryPhases, write: PlaceHeld) -> Inserted | Refused | None:
    """See `PlaceHeld`."""
    rows = phases.rows
    held = rows.jobs.get(write.id)
    if held is None or held.held is not Held.LISTENER:
        return None
    if write.place is None:
        phases.delete_job(DeleteJob(write.id))
        return None
    inserted = admit(phases, Admit((write.place._replace(max_pending=None),)))
    if isinstance(inserted, Refused):
        return inserted
    phases.delete_job(DeleteJob(write.id))
    (job,) = inserted
    if job.is_new:
        rows.durable.held_before[job.id] = held.id
    for match in write.place.cancel_on if job.is_new else ():
        cause = rows.durable.first_event(match, held.id, stored_payload(held.payload_json))
        if cause is not None:
            _cancel(phases, job.id, cause.name)
            break
    return job


def prune_events(phases: MemoryPhases, write: PruneEvents) -> int:
    """See `PruneEvents`."""
    durable = phases.rows.durable
    old = sorted(
        (event.sent_at, number)
        for number, event in durable.events.items()
        if event.sent_at < write.before and number not in durable.unreached and number != max(durable.events)
    )[: max(write.limit, 0)]
    for _, number in old:
        del durable.events[number], durable.behind[number]
    return len(old)


def find_events(rows: Rows, query: FindEvents) -> tuple[EventRow, ...]:
    """See `FindEvents`."""
    found = [
        (event.sent_at, number, event)
        for number, event in rows.durable.events.items()
        if (query.ids is None or number in query.ids)
        and query.name in {None, event.name}
        and (query.before is None or (event.sent_at, number) < query.before)
        and (number in rows.durable.unreached or not query.is_unreached)
    ]
    return tuple(event for *_, event in sorted(found, reverse=True)[: query.limit])


def find_started(rows: Rows, query: FindStarted) -> tuple[tuple[int, str], ...]:
    """See `FindStarted`."""
    event, behind = rows.durable.events.get(query.id), rows.durable.behind.get(query.id, 0)
    if event is None:
        return ()
    near = [job for number, job in sorted(rows.jobs.items()) if behind < number <= behind + STARTED_AMONG]
    return tuple((job.id, job.type) for job in near if memo_of(event) in stored_payload(job.payload_json))


def find_cancelled(rows: Rows, query: FindCancelled) -> tuple[int, ...]:
    """See `FindCancelled`."""
    event = EventRow(0, query.event, query.data, 0, None)
    found = {
        job_id
        for match, job_id, step in rows.durable.waits.values()
        if step is None and job_id > query.after and match.event == query.event and matches(match, event)
        and not rows.jobs[job_id].is_finished
    }  # fmt: skip
    return tuple(sorted(found)[: query.limit])


def _send(phases: MemoryPhases, write: SendEvents) -> tuple[Sent, ...] | Refused:
    durable = phases.rows.durable
    known, numbers = _numbered(durable, write)
    last_job = phases.rows.last_id
    starts = [
        (index, candidate)
        for index, event in enumerate(write.events)
        for candidate in event.starts
    ]  # fmt: skip
    places = [place for place, (index, _) in enumerate(starts) if numbers[index][1]]
    cancels: list[CancelOn] = []
    admitted = admit_uncancelled(phases, Admit(tuple(starts[place][1] for place in places)), cancels)
    if isinstance(admitted, Refused):
        return admitted._replace(position=places[admitted.position])
    sent: list[Sent] = []
    left = DELIVERED_AT_ONCE
    for index, (number, is_new) in enumerate(numbers):
        if not is_new:
            sent.append(Sent(number, is_new=False))
            continue
        event_row = known[number]
        started = tuple(job for place, job in zip(places, admitted, strict=True) if starts[place][0] == index)
        held = _hold(phases, event_row, write.knows)
        is_first = not any(durable.events[one].name == event_row.name for one in durable.unreached)
        count, found = _reach(phases, event_row, durable.last_wait, left if is_first else 0)
        left -= count
        durable.events[number], durable.behind[number] = event_row, last_job
        last_job = max([last_job, *held, *[job.id for job in started if job.is_new]])
        if found.has_more:
            durable.unreached[number] = durable.last_wait
        sent.append(Sent(number, True, started, held, *found))
        set_cancels(phases, [one for one in cancels if starts[places[one.position]][0] == index])
    return tuple(sent)


def _numbered(durable: Durable, write: SendEvents) -> tuple[dict[int, EventRow], list[tuple[int, bool]]]:
    """All events with the new ones; and the number of each that is sent, and whether it is new."""
    known = dict(durable.events)
    last = max(known, default=0)
    numbers: list[tuple[int, bool]] = []
    for event in write.events:
        same = [
            (one.sent_at, one.id)
            for one in known.values()
            if event.key is not None and one.key == event.key and abs(one.sent_at - event.sent_at) < SAME_ID_US
        ]
        if not same:
            last += 1
            known[last] = EventRow(last, event.name, event.data, event.sent_at, event.key)
        numbers.append((max(same)[1], False) if same else (last, True))
    return known, numbers


def _hold(phases: MemoryPhases, event: EventRow, knows: Collection[str]) -> tuple[int, ...]:
    held = []
    for job_type, listener in sorted(phases.rows.durable.listeners.items()):
        if job_type in knows or not any(fits(pattern, event.name) for pattern in listener.patterns):
            continue
        now, most = phases.now, listener.max_attempts
        job_id = phases.new_job(NewJob(job_type, memo_of(event), listener.priority, now, most, now))
        phases.put(phases.rows.jobs[job_id], held=Held.LISTENER)
        held.append(job_id)
    return tuple(held)


def _reach(phases: MemoryPhases, event: EventRow, last: int, most: int) -> tuple[int, Delivered]:
    durable = phases.rows.durable
    found = sorted(
        (json.dumps(wait[0].fields, ensure_ascii=False, separators=(",", ":")), number, wait)
        for number, wait in durable.waits.items()
        if number <= last and matches(wait[0], event) and not phases.rows.jobs[wait[1]].is_finished
    )
    reached = [wait for *_, wait in found[:most]]
    for _, number, _ in found[:most]:
        del durable.waits[number]
    woken, cancelled = dict[int, None](), dict[int, None]()
    for _, job_id, step in reached:
        if step is None:
            cancelled[job_id] = None
        else:
            woken[job_id] = None
            memory_steps.end(phases, (job_id, step), StepState.DONE, memo_of(event))
    for job_id in cancelled:
        _cancel(phases, job_id, event.name)
    return len(reached), Delivered(tuple(woken), tuple(cancelled), len(found) > most)


def _cancel(phases: MemoryPhases, job_id: int, event: str) -> None:
    reason, job = f"event {event}", phases.rows.jobs[job_id]
    phases.cancel_job(CancelJob(job_id, reason))
    if job.status is Status.PENDING:
        phases.cancelled.append(Cancellation(job_id, job.type, reason))


WRITES: Final[Mapping[type, Callable[[MemoryPhases, Any], Any]]] = {
    DeliverEvents: deliver_events,
    PlaceHeld: place_held,
    PruneEvents: prune_events,
    SendEvents: send_events,
    SetListeners: set_listeners,
}
