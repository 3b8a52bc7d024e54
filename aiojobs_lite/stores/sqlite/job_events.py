"""The events that a store sends itself, of jobs that have ended; none is looked at while nothing awaits any end."""

from __future__ import annotations

from collections.abc import Sequence

from aiojobs_lite.model.events import NewEvent, SendEvents
from aiojobs_lite.model.job_events import JOB_EVENTS, data_of_end
from aiojobs_lite.stores.sqlite.children import note_ends_of_children
from aiojobs_lite.stores.sqlite.events import send_events
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Moved, Transaction


def note_ends(transaction: Transaction) -> None:
    """Has the jobs that have ended since this was called last wait for nothing any more, has what waits for them go on,
    and sends their events: before any of them is changed. Such an event may cancel further jobs.
    """
    while len(transaction.moved) > transaction.moves_sent:
        moved = transaction.moved[transaction.moves_sent :]
        transaction.moves_sent = len(transaction.moved)
        note_ends_of_children(transaction)
        _send(transaction, [move for move in moved if move.before == "unfinished"])


def _send(transaction: Transaction, moved: Sequence[Moved]) -> None:
    """Sends the events of the jobs that have ended, those that died first, by their ids."""
    for status, name in JOB_EVENTS.items():
        ids = [(job_id,) for move in moved if move.after == status for job_id in move.ids]
        if not ids or not transaction.one("job_events_awaited", {"name": name})[0]:
            continue
        said = [data_of_end(*row) for row in sorted(transaction.run_all_rows("ended_jobs", ID_ROW, ids))]
        events = tuple([NewEvent(name, data, transaction.now) for data in said if data is not None])
        if events:
            send_events(transaction, SendEvents(events))
            transaction.has_sent = True
