"""Events: what they start, whom they reach, some in each transaction, and what is kept of them."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.events import (
    CANCELLED_BY,
    DELIVERED_AT_ONCE,
    SAME_ID_US,
    STARTED_AMONG,
    Delivered,
    DeliverEvents,
    EventRow,
    FindEvents,
    FindStarted,
    NewEvent,
    PlaceHeld,
    PruneEvents,
    SendEvents,
    Sent,
    SetListeners,
    memo_of,
)
from aiojobs_lite.model.job import Held, NewJob, Status
from aiojobs_lite.model.job_events import JOB_EVENTS
from aiojobs_lite.model.steps import NewStep, StepKind, StepState
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Inserted
from aiojobs_lite.stores.sqlite.children import note_place
from aiojobs_lite.stores.sqlite.moves import cancel_job, delete_job
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.steps import EndedStep, Saving, end_steps, find_attempts
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction
from aiojobs_lite.stores.sqlite.unique import admit, admit_uncancelled
from aiojobs_lite.stores.sqlite.waits import (
    CancelOn,
    drop_waits,
    first_event,
    last_wait,
    looks_for,
    set_cancels,
    waiting_for,
)

LISTENER_ROW: Final = "(?, ?, ?, ?)"


class _Reached(NamedTuple):
    """What an event has reached.

    Attributes:
        waits: How many waits; at most as many as were asked for.
        delivered: See `Delivered`; whether more are left.
    """

    waits: int
    delivered: Delivered


def send_events(transaction: Transaction, write: SendEvents) -> tuple[Sent, ...] | Refused | None:
    """See `SendEvents`."""
    if write.step is None:
        return _send(transaction, write)
    job_id, attempt, owner, name = write.step
    fence = (job_id, attempt, owner)
    found = find_attempts(transaction, [(fence, name)])
    if fence not in found.created_at:
        return None
    known = found.steps.get((job_id, name))
    if known is not None and known.step.state is not StepState.WAITING:
        return ()
    sent = _send(transaction, write)
    if not isinstance(sent, Refused):
        memo = json.dumps({"ids": [one.id for one in sent]}, separators=(",", ":"))
        saving = Saving(transaction, find_attempts(transaction, [(fence, name)]), [job_id])
        saving.save(fence, NewStep(name, StepKind.RUN, StepState.DONE, memo, attempts=1))
        saving.write()
    return sent


def deliver_events(transaction: Transaction, _write: DeliverEvents) -> Delivered:
    """See `DeliverEvents`."""
    left = DELIVERED_AT_ONCE
    woken: list[int] = []
    cancelled: list[int] = []
    for *columns, last in transaction.run("unreached_events").fetchall():
        event = EventRow._make(columns)
        reached = _reach(transaction, event, looks_for(transaction, event), last, left)
        woken += reached.delivered.woken
        cancelled += reached.delivered.cancelled
        left -= reached.waits
        if reached.delivered.has_more:
            break
        transaction.run("note_reached", (columns[0],))
    has_more = transaction.one("any_unreached")[0]
    return Delivered(_once(woken), _once(cancelled), bool(has_more))


def set_listeners(transaction: Transaction, write: SetListeners) -> None:
    """See `SetListeners`."""
    types = [(listener.type,) for listener in write.listeners]
    if types:
        transaction.run_all("forget_listeners", ID_ROW, types)
    rows = {
        (pattern, listener.type): (pattern, listener.type, listener.priority, listener.max_attempts)
        for listener in write.listeners
        for pattern in listener.patterns
    }
    if rows:
        transaction.run_all("insert_listeners", LISTENER_ROW, list(rows.values()))
    if any(pattern in JOB_EVENTS.values() for pattern, _ in rows):
        transaction.await_ends()
    transaction.has_fewer_waits = True


def place_held(transaction: Transaction, write: PlaceHeld) -> Inserted | Refused | None:
    """See `PlaceHeld`."""
    found = transaction.one("held_for", (write.id, Held.LISTENER.value))
    if found is None:
        return None
    if write.place is None:
        delete_job(transaction, DeleteJob(write.id))
        return None
    event, created_at = found
    inserted = admit(transaction, Admit((write.place._replace(max_pending=None),)))
    if isinstance(inserted, Refused):
        return inserted
    delete_job(transaction, DeleteJob(write.id))
    (job,) = inserted
    if job.is_new:
        note_place(transaction, job.id, write.id)
    for match in write.place.cancel_on if job.is_new else ():
        cause = first_event(transaction, match, write.id, created_at, event)
        if cause is not None:
            _cancel(transaction, job.id, write.place.row.type, cause.name)
            break
    return job


def prune_events(transaction: Transaction, write: PruneEvents) -> int:
    """See `PruneEvents`."""
    return transaction.run("prune_events", (write.before, max(write.limit, 0))).rowcount


def find_events(connection: sqlite3.Connection, sql: Sql, query: FindEvents) -> tuple[EventRow, ...]:
    """See `FindEvents`."""
    if query.ids is not None and not query.ids:
        return ()
    name = "events_of_page" if query.name is None else "events_of_name"
    if query.is_unreached:
        name = "events_unreached"
    if query.ids is not None:
        name = "events_of_ids"
    last = (LARGEST_INTEGER, 0) if query.before is None else query.before
    parameters: dict[str, Any] = {"name": query.name, "at": last[0], "id": last[1], "limit": query.limit}
    parameters["unreached"] = query.is_unreached
    text = sql[name].replace("{ids}", ", ".join(str(int(event)) for event in query.ids or ()))
    return tuple(map(EventRow._make, connection.execute(text, parameters).fetchall()))


def find_started(connection: sqlite3.Connection, sql: Sql, query: FindStarted) -> tuple[tuple[int, str], ...]:
    """See `FindStarted`."""
    found = find_events(connection, sql, FindEvents(ids=(query.id,)))
    if not found:
        return ()
    parameters = {"id": query.id, "most": STARTED_AMONG, "event": memo_of(found[0])}
    return tuple(connection.execute(sql["started_by"], parameters).fetchall())


def _send(transaction: Transaction, write: SendEvents) -> tuple[Sent, ...] | Refused:
    """Stores events, with all that follows from them."""
    last_job = transaction.last_job
    numbered = _numbered(transaction, write.events)
    starting = [(index, row) for index, event in enumerate(write.events) if numbered[index][1] for row in event.starts]
    started: defaultdict[int, list[Inserted]] = defaultdict(list)  # by the index of the event
    cancels: defaultdict[int, list[CancelOn]] = defaultdict(list)
    if starting:
        admitted = admit_uncancelled(transaction, Admit(tuple([row for _, row in starting])))
        if isinstance(admitted, Refused):
            return admitted._replace(position=_position(write.events, starting, admitted.position))
        for (index, _), job in zip(starting, admitted[0], strict=True):
            started[index].append(job)
        for one in admitted[1]:
            cancels[starting[one.position][0]].append(one)
    sent: list[Sent] = []
    left = DELIVERED_AT_ONCE
    for index, (event, (number, is_new)) in enumerate(zip(write.events, numbered, strict=True)):
        if not is_new:
            sent.append(Sent(number, is_new=False))
            continue
        row = EventRow(number, event.name, event.data, event.sent_at, event.key)
        held = _hold_for_listeners(transaction, row, write.knows)
        reached = _reach_now(transaction, row, left, last_job)
        left -= reached.waits
        sent.append(Sent(number, True, tuple(started[index]), held, *reached.delivered))  # noqa: FBT003  # it is new
        set_cancels(transaction, cancels[index])  # now, for it cancels none of its own
        last_job = max([last_job, *held, *[job.id for job in started[index] if job.is_new]])
    return tuple(sent)


def _position(events: Sequence[NewEvent], starting: Sequence[tuple[int, Candidate]], position: int) -> int:
    """Which of the jobs of all events one is, by its place among those of the events that are new."""
    index = starting[position][0]
    of_new = [one for one, _ in starting].index(index)  # how many come before those of its event
    return sum([len(event.starts) for event in events[:index]]) + position - of_new


def _numbered(transaction: Transaction, events: Sequence[NewEvent]) -> list[tuple[int, bool]]:
    """The number of each event, and whether it is new."""
    (number,) = transaction.one("last_event")
    numbered: list[tuple[int, bool]] = []
    with_key: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)  # when each was sent, and its number
    for event in events:
        found = None
        if event.key is not None:
            after, before = event.sent_at - SAME_ID_US, event.sent_at + SAME_ID_US
            same = [one for one in with_key[event.key] if after < one[0] < before]
            between = {"key": event.key, "after": after, "before": before}
            found = max([*same, *transaction.run("event_of_key", between).fetchall()], default=None)
        if found is not None:
            numbered.append((found[1], False))
            continue
        number += 1
        numbered.append((number, True))
        if event.key is not None:
            with_key[event.key].append((event.sent_at, number))
    return numbered


def _hold_for_listeners(transaction: Transaction, event: EventRow, knows: Collection[str]) -> tuple[int, ...]:
    """Adds the jobs of listeners whose types the sender does not know; returns their ids."""
    if not transaction.one("any_listener")[0]:
        return ()
    starts = range(0 if event.name in JOB_EVENTS.values() else len(event.name) + 1)
    patterns = [(event.name,), *[(f"{event.name[:end]}*",) for end in starts]]
    found = transaction.run_all_rows("listeners_of", ID_ROW, list(dict.fromkeys(patterns)))
    by_type = {job_type: more for job_type, *more in found if job_type not in knows}
    ids = []
    for job_type, (priority, max_attempts) in sorted(by_type.items()):
        now = transaction.now
        job_id = transaction.insert_pending(NewJob(job_type, memo_of(event), priority, now, max_attempts, now))
        transaction.run("hold_for", (Held.LISTENER.value, job_id))
        transaction.tally(job_type).held += 1
        ids.append(job_id)
    return tuple(ids)


def _reach_now(transaction: Transaction, event: EventRow, most: int, last_job: int) -> _Reached:
    """Stores an event that is behind a job, and reaches what waits for it, unless events before it have not reached
    all.
    """
    looks = list(looks_for(transaction, event))
    last = last_wait(transaction) if looks else 0
    if looks and transaction.one("unreached_of_name", (event.name,)) is not None:
        most = 0
    reached = _reach(transaction, event, looks, last, most)
    reaches = last if reached.delivered.has_more else None
    transaction.run("insert_event", {**event._asdict(), "reaches": reaches, "behind": last_job})
    return reached


def _reach(
    transaction: Transaction, event: EventRow, looks: Iterable[tuple[str, str]], last: int, most: int
) -> _Reached:
    """Reaches some of what waited for an event."""
    waiting = waiting_for(transaction, event, looks, last, most + 1)
    has_more = len(waiting) > most
    del waiting[most:]
    if waiting:
        drop_waits(transaction, [one.id for one in waiting])
    memo = memo_of(event)
    steps = [one for one in waiting if one.step is not None]
    end_steps(
        transaction,
        [EndedStep(one.step or 0, one.job_id, StepState.DONE, memo, bool(one.suspends)) for one in steps],
    )
    cancelled = {one.job_id: one.type for one in waiting if one.step is None}
    for job_id, job_type in cancelled.items():
        _cancel(transaction, job_id, job_type, event.name)
    return _Reached(len(waiting), Delivered(_once([one.job_id for one in steps]), tuple(cancelled), has_more))


def _cancel(transaction: Transaction, job_id: int, job_type: str, event: str) -> None:
    """Cancels a job by an event, or asks it to stop."""
    reason = CANCELLED_BY.format(event=event)
    if cancel_job(transaction, CancelJob(job_id, reason)) is Status.PENDING:
        transaction.cancelled.append(Cancellation(job_id, job_type, reason))


def _once(ids: Iterable[int]) -> tuple[int, ...]:
    """Each of these ids once, in their order."""
    return tuple(dict.fromkeys(ids))
