"""Jobs that are held, and their release."""

from __future__ import annotations

from aiojobs_lite.model.writes import Release
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction


def release(transaction: Transaction, write: Release) -> int:
    """See `Release`."""
    ids = [(job_id,) for job_id in sorted(set(write.ids))]
    for _, _, cursor in transaction.many("held_by_type", ID_ROW, ids, (write.held,)):
        for job_type, count in cursor.fetchall():
            transaction.tally(job_type).held -= count
            transaction.due.add_any(job_type)
    released = transaction.run_all("release", ID_ROW, ids, (transaction.now, write.held))
    transaction.limits.shift(write.ids)
    return released
