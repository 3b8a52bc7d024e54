"""Raising the priority of jobs that have waited for long."""

from __future__ import annotations

from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction


def raise_priorities(transaction: Transaction, write: RaisePriorities) -> int:
    """See `RaisePriorities`."""
    raised = 0
    pending, limited = transaction.run("types_pending").fetchall(), transaction.limits.types
    types = [job_type for (job_type,) in pending if job_type not in limited]
    for before, after, due_before in write.steps:
        for job_type in types:
            if raised == write.limit:
                return raised
            wanted = {"type": job_type, "priority": before, "before": due_before, "limit": write.limit - raised}
            found = transaction.run("waiting_long", wanted).fetchall()
            transaction.run_all("set_priority", ID_ROW, [(job_id,) for job_id, _ in found], (after,))
            if found:
                transaction.tally(job_type)  # its bounds are written with its counts
            for job_id, scheduled_at in found:
                transaction.due.add(job_type, after, scheduled_at, job_id)
            raised += len(found)
    return raised
