"""Checkpoints: operations of a run that are stored while a call of its driver goes on, by another task or process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiojobs_lite.clock import Clock, to_micros
from aiojobs_lite.durable.ledger import StepLedger
from aiojobs_lite.durable.limits import RunSize
from aiojobs_lite.durable.memos import Memos, StepStore
from aiojobs_lite.durable.notes import note_end
from aiojobs_lite.durable.operations import Recorded, RunReturned
from aiojobs_lite.errors import AttemptNotOwned
from aiojobs_lite.model.job import Claimed, Job
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.policy.settle import Policy
from aiojobs_lite.telemetry.bus import Bus


class RunFence(NamedTuple):
    """The attempt of a run: what is stored for it is stored only while it is owned.

    Attributes:
        job_id: The job of the run.
        attempt: The number of the attempt.
        owner: The owner that runs it.
    """

    job_id: int
    attempt: int
    owner: str


async def record_checkpoint(
    ledger: StepLedger, size: RunSize, operations: Sequence[Recorded], end: RunReturned | None
) -> tuple[StepRow, ...] | None:
    """Makes operations durable as an answer to a call does, all or none; what has ended before stays as it is.

    Args:
        ledger: Has the operations of the run.
        size: Knows how much the run may store.
        operations: What was done, or planned.
        end: What the run returned, or None.

    Returns:
        The operations as they stand then; None: the attempt is not owned any more.

    Raises:
        RunTooLarge: If the run would store too much.
        StepMismatch: If a name stands for another kind of operation.
        TooManySteps: If the run would have too many operations.
    """
    rows = {row.name: row for row in await ledger.all()}
    new: dict[str, Recorded] = {}
    for operation in operations if end is None else [*operations, note_end(end)]:
        if operation.name not in new and ledger.is_news(operation):
            new[operation.name] = operation
    size.check(rows.values(), new)
    try:
        stored = await ledger.record_all(list(new.values()))  # even of none: so that a lost attempt is found out
    except AttemptNotOwned:
        return None
    rows |= {row.name: row for row in stored}
    return tuple([rows[operation.name] for operation in operations])


@dataclass
class _RunElsewhere:
    """An attempt that another process runs, as far as its operations know it."""

    claimed: Claimed
    restarts: bool = False


async def ledger_elsewhere(fence: RunFence, store: StepStore, clock: Clock, bus: Bus) -> StepLedger | None:
    """The operations of an attempt that another process runs; None: there is no such attempt."""
    job = await store.ask(GetJob(fence.job_id))
    if job is None or (job.attempts, job.owner) != fence[1:]:
        return None
    run = _RunElsewhere(_claimed(job, fence))
    memos = Memos(run.claimed, store)
    memos.is_read = memos.is_first = False
    return StepLedger(run=run, policy=Policy(), memos=memos, clock=clock, bus=bus)


def _claimed(job: Job, fence: RunFence) -> Claimed:
    started_at = to_micros(job.started_at or job.created_at)
    return Claimed(
        job.id, job.type, job.payload_json, 1, to_micros(job.scheduled_at), fence.attempt, job.max_attempts,
        to_micros(job.created_at), started_at, job.interruptions, job.snoozes, job.crashes, None, fence.owner,
    )  # fmt: skip
