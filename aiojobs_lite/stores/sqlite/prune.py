"""Deleting what was kept long enough."""

from __future__ import annotations

from collections import Counter
from typing import Final

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.stores.sqlite.children import delete_of_jobs
from aiojobs_lite.stores.sqlite.expiries import forget_expiries
from aiojobs_lite.stores.sqlite.progress import delete_reports, pruned_at_once
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

MOST_RANGES: Final = 1000  # a transaction, of one batch; hardly any has more


def prune(transaction: Transaction, write: Prune) -> int:
    """See `Prune`."""
    pruned = 0
    for status, before in (
        (Status.COMPLETED, write.completed_before),
        (Status.DEAD, write.dead_before),
        (Status.CANCELLED, write.dead_before),
    ):
        most = max(write.limit - pruned, 0)
        old, weight = pruned_at_once(
            transaction,
            transaction.run("prunable", {"status": status, "before": before, "limit": most}).fetchall(),
            most,
        )
        ids = [(job_id,) for job_id, _ in old]
        delete_of_jobs(transaction, ids)
        delete_reports(transaction, ids)
        transaction.run_all("delete_jobs", ID_ROW, ids)
        forget_expiries(transaction, ids)
        for job_type, count in Counter(job_type for _, job_type in old).items():
            transaction.tally(job_type).move(status, -count)
        pruned += weight
    old_ticks = {"before": write.ticks_before, "limit": max(write.limit - pruned, 0)}
    pruned += transaction.run("prune_ticks", old_ticks).rowcount
    return _prune_batches(transaction, write, pruned)


def _prune_batches(transaction: Transaction, write: Prune, pruned: int) -> int:
    """Deletes old batches; returns how many are pruned then, or the limit if one has more rows than is quick."""
    old = {"completed": write.completed_before, "dead": write.dead_before, "limit": max(write.limit - pruned, 0)}
    for (batch,) in transaction.run("prunable_batches", old).fetchall():
        if transaction.run("prune_ranges", (batch, MOST_RANGES)).rowcount == MOST_RANGES:
            return write.limit
        transaction.run("prune_batch", (batch,))
        pruned += 1
    return pruned
