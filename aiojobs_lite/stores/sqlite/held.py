"""Jobs that are held, and their release."""

from __future__ import annotations

from aiojobs_lite.model.writes import Release
from aiojobs_lite.stores.sqlite.transaction import Transaction


def release(transaction: Transaction, write: Release) -> int:
    """See `Release`."""
    held = {row[0] for row in transaction.run("held_types", (write.held,)).fetchall()}  # nearly always none
    released = 0
    for job_type in sorted(held.intersection(write.types)):
        count = transaction.run("release", (write.held, job_type)).rowcount
        transaction.tally(job_type).held -= count
        transaction.due.add_any(job_type)
        released += count
    return released
