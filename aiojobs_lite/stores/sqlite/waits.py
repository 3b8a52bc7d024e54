"""Which events the operations of jobs wait for, and which cancel jobs, until they come or the job ends."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.event_match import EventMark, EventMatch, values_at
from aiojobs_lite.model.events import EventRow, FindCancelled, data_of, matches, memo_of
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

WAIT_ROW: Final = "(?, ?, ?, ?, ?, ?)"
_EVENTS_A_LOOK: Final = 100
_FIELDS_A_LOOK: Final = 2  # as many as the query has
_DIGITS: Final = 19  # that the number of an event has less than
_EXACT: Final = 2**53  # whole numbers up to it are the same as floats
_LABELS: Final = re.compile(r"[ !#-&(-\-/-\[\]-~]+(\.[ !#-&(-\-/-\[\]-~]+)*")  # ASCII without quotes and escapes
Wait = tuple[EventMatch, int, int | None]  # what for, the job, and the row of its operation; None: it is cancelled


class CancelOn(NamedTuple):
    """The events that cancel a job.

    Attributes:
        position: Which row of an `Admit` has them.
        job_id: The job.
        matches: The events.
        is_new: Whether the job was added; else it was given the payload of the row.
    """

    position: int
    job_id: int
    matches: Sequence[EventMatch]
    is_new: bool


class Waiting(NamedTuple):
    """What waits for an event: the row of an operation of a job, or without one the job, which is cancelled."""

    id: int
    job_id: int
    step: int | None
    suspends: int | None
    type: str


def add_waits(transaction: Transaction, waits: Sequence[Wait]) -> None:
    """Notes what jobs wait for, with numbers above those that an event may still reach."""
    if waits:
        last = last_wait(transaction)
        rows = [
            (last + index, match.event, _as_text(match.fields), match.values, job_id, step)
            for index, (match, job_id, step) in enumerate(waits, start=1)
        ]
        transaction.run_all("insert_waits", WAIT_ROW, rows)
        transaction.await_ends()


def set_cancels(transaction: Transaction, cancels: Sequence[CancelOn]) -> None:
    """Sets which events cancel jobs."""
    known = [(one.job_id,) for one in cancels if not one.is_new]
    if known and transaction.awaits_ends:
        transaction.run_all("forget_cancels", ID_ROW, known)
    add_waits(transaction, [(match, one.job_id, None) for one in cancels for match in one.matches])


def wait_of(transaction: Transaction, job_id: int, step: int) -> tuple[int, EventMatch] | None:
    """What an operation waits for, and the number of that."""
    found = transaction.one("wait_of_step", (job_id, step))
    return None if found is None else (found[0], match_of(*found[1:]))


def match_of(event: str, fields: str, values: str) -> EventMatch:
    """What is waited for, as it is stored."""
    return EventMatch(event, _of_text(fields), values)


def drop_waits(transaction: Transaction, waits: Sequence[int]) -> None:
    """Deletes some of what is waited for, by its numbers."""
    transaction.run_all("delete_waits", ID_ROW, [(wait,) for wait in waits])
    transaction.has_fewer_waits = True


def last_wait(transaction: Transaction) -> int:
    """The highest number of all that wait, and of those that an event may still reach."""
    (last,) = transaction.one("last_wait")
    return int(last)


def waiting_for(
    transaction: Transaction, event: EventRow, looks: Iterable[tuple[str, str]], last: int, most: int
) -> list[Waiting]:
    """Some of what waited for an event when it was sent."""
    found: list[Waiting] = []
    for fields, values in looks:
        wanted = {"event": event.name, "fields": fields, "vals": values, "last": last, "most": most - len(found)}
        found += map(Waiting._make, transaction.run("waiting_for_event", wanted).fetchall())
    return found


def forget_waits(transaction: Transaction, ids: Sequence[tuple[int]]) -> int:
    """Forgets what these jobs wait for; returns how much that was."""
    return transaction.run_all("forget_waits", ID_ROW, ids) if ids else 0


def first_event(
    transaction: Transaction, match: EventMatch, job_id: int, created_at: int, but: str | None = None,
    after: EventMark | None = None,
) -> EventRow | None:  # fmt: skip
    """The first event that matches and was sent since a job was enqueued, or since the job was that was held in its
    place, and after another one; not the one that is `but` as JSON.
    """
    (first,) = transaction.one("held_before", (job_id,) * 2)
    since = _since(transaction, match.event, (created_at, 0), (first, 0), after)
    wanted = {"event": match.event, **_having(match), "most": _EVENTS_A_LOOK}
    for query, (behind, number) in zip(("events_since_instant", "events_since"), since[:2], strict=True):
        wanted |= {"behind": behind, "id": number}
        is_more = True
        while is_more:
            found = transaction.run(query, wanted).fetchall()
            for *columns, at in found:
                event = EventRow._make(columns)
                is_meant = event.sent_at > since.later and (not match.fields or matches(match, event))
                if is_meant and memo_of(event) != but:
                    return event
                wanted |= {"behind": at, "id": event.id}
            is_more = len(found) == _EVENTS_A_LOOK
    return None


class _Since(NamedTuple):
    """Behind what events are looked for.

    Attributes:
        instant: Of the events of a release before, an instant and the number of an event.
        job: Of the others, a job and the number of an event.
        later: The instant behind which they were sent.
    """

    instant: tuple[int, int]
    job: tuple[int, int]
    later: int = -LARGEST_INTEGER


def _since(
    transaction: Transaction, name: str, instant: tuple[int, int], job: tuple[int, int], after: EventMark | None
) -> _Since:
    """Behind what events are looked for that were sent after an event, besides."""
    if after is None:
        return _Since(instant, job)
    number = int(after.id) if after.id.isascii() and after.id.isdigit() and len(after.id) < _DIGITS else None
    wanted = {"event": name, "sent_at": after.sent_at, "key": after.id, "number": number}
    found = transaction.one("sent_event", wanted)
    if found is None:
        return _Since(instant, job, after.sent_at)
    row, behind = found
    if behind is None:
        return _Since(max(instant, (after.sent_at, row)), job)
    return _Since((LARGEST_INTEGER, 0), max(job, (behind, row)))


def looks_for(transaction: Transaction, event: EventRow) -> Iterator[tuple[str, str]]:
    """By which fields and values anything may wait for an event."""
    awaited = transaction.run("awaited_fields", {"event": event.name}).fetchall()
    data = data_of(event) if awaited else None  # nearly always nothing waits, and large data take their time
    for (fields,) in awaited:
        values = values_at(data, _of_text(fields))
        if values is not None:
            yield fields, values


def find_cancelled(connection: sqlite3.Connection, sql: Sql, query: FindCancelled) -> tuple[int, ...]:
    """See `FindCancelled`."""
    data, found = json.loads(query.data), set[int]()
    for (fields,) in connection.execute(sql["awaited_fields"], {"event": query.event}).fetchall():
        values = values_at(data, _of_text(fields))
        if values is not None:
            wanted = {**query._asdict(), "fields": fields, "vals": values}
            found.update(job_id for (job_id,) in connection.execute(sql["cancelled_by_event"], wanted).fetchall())
    return tuple(sorted(found)[: query.limit])


def _having(match: EventMatch) -> dict[str, Any]:
    """Two paths and the values there by which SQLite finds some of the events that cannot match; a path is None where
    it could take a value for another than Python does. By the names of the parameters.
    """
    pairs = [(_path(field), value) for field, value in zip(match.fields, json.loads(match.values), strict=True)]
    usable = [pair for pair in pairs if pair[0] is not None and _is_same_in_sql(pair[1])]
    chosen = sorted(usable, key=lambda pair: isinstance(pair[1], bool | None))[:_FIELDS_A_LOOK]  # these say least
    having: dict[str, Any] = {}
    for number, pair in enumerate(islice(chain(chosen, repeat((None, None))), _FIELDS_A_LOOK), start=1):
        having[f"path_{number}"], having[f"value_{number}"] = pair
    return having


def _path(field: str) -> str | None:
    """A dotted path as SQLite has it; None if it has a character that SQLite would read otherwise."""
    return "$" + "".join(f'."{part}"' for part in field.split(".")) if _LABELS.fullmatch(field) else None


def _is_same_in_sql(value: object) -> bool:
    if isinstance(value, str):
        return value.isprintable()
    return value is None or (isinstance(value, int) and abs(value) <= _EXACT)


def _of_text(text: str) -> tuple[str, ...]:
    """The fields of a row; one that no event has if another program has written something else."""
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        return (text,)


def _as_text(fields: Sequence[str]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
