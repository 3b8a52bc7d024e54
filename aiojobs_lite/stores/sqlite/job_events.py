"""The events that a store sends itself, of jobs that have ended; none is looked at while nothing awaits any end."""

from __future__ import annotations

from aiojobs_lite.model.events import NewEvent, SendEvents
from aiojobs_lite.model.job_events import JOB_EVENTS, data_of_end
from aiojobs_lite.stores.sqlite.events import send_events
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction


def send_of_ends(transaction: Transaction) -> None:
    """Sends the events of the jobs that have ended, those that died first, by their ids."""
    moved = [move for move in transaction.moved if move.before == "unfinished"]
    for status, name in JOB_EVENTS.items():
        ids = [(job_id,) for move in moved if move.after == status for job_id in move.ids]
        if not ids or not transaction.one("job_events_awaited", {"name": name})[0]:
            continue
        said = [data_of_end(*row) for row in sorted(transaction.run_all_rows("ended_jobs", ID_ROW, ids))]
        events = tuple([NewEvent(name, data, transaction.now) for data in said if data is not None])
        if events:
            send_events(transaction, SendEvents(events))
            transaction.has_sent = True
