"""Orders to single jobs: each a write and what follows from it, for `engine.order`."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.waiters import Finished
from aiojobs_lite.errors import JobError, JobNotAllowed, JobNotFound
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import GetJob, ListDead
from aiojobs_lite.model.writes import CancelJob, DeleteJob, RedriveDead, RedriveJob, Redriven, Reschedule
from aiojobs_lite.runner.explain import look_at, sentence
from aiojobs_lite.runner.types import known_name
from aiojobs_lite.telemetry.facts import DeadRedriven, JobBecameCancelled, JobRedriven, JobRescheduled

REDRIVE_AT_ONCE: Final = 500  # jobs a transaction: a rescue waits for no more
_TRIES: Final = 3  # to move a job that changes meanwhile


async def cancel_one(engine: Engine, job_id: int, reason: str | None) -> Status:
    """Cancels a job, or asks its owner to."""
    before = await engine.write(CancelJob(job_id, reason))
    if before is None:
        raise JobNotFound(job_id)
    if before not in (Status.PENDING, Status.PROCESSING, Status.CANCELLED):
        raise JobNotAllowed(job_id, before, "cancelled", "a pending or processing job")
    await follow_cancel(engine, job_id, before, reason)
    return Status.PROCESSING if before is Status.PROCESSING else Status.CANCELLED


async def follow_cancel(engine: Engine, job_id: int, before: Status, reason: str | None) -> None:
    """What follows from the cancel of a job, given its status before."""
    if before is Status.PROCESSING:
        engine.cancel(job_id, reason)
    elif before is Status.PENDING:
        engine.waiters.notify(job_id, Finished(Status.CANCELLED, reason=reason))
        if engine.bus.is_watched(JobBecameCancelled):
            engine.bus.publish(JobBecameCancelled(job_id, await type_of_job(engine, job_id), reason or ""))


async def reschedule_one(engine: Engine, job_id: int, due: int | None) -> None:
    """Makes a job due at an instant, or now."""
    is_now = due is None
    action = "run now" if is_now else "rescheduled"
    allowed = "a job that waits for its retry or for its time" if is_now else "a pending job that is not held"
    for _ in range(_TRIES):
        if await engine.write(Reschedule(job_id, due)):
            if engine.bus.is_watched(JobRescheduled):
                scheduled_at = to_datetime(engine.now() if due is None else due)
                engine.bus.publish(JobRescheduled(job_id, await type_of_job(engine, job_id), scheduled_at))
            return
        found = await look_at(engine, job_id)
        job, why = found.job, sentence(found).rstrip(".")
        if job.status is not Status.PENDING or job.held is not None or (is_now and job.scheduled_at <= found.now):
            break
        why = "it changed each time that it was refused: repeat the call"
    raise JobNotAllowed(job_id, job.status, action, f"{allowed}; {why}")


async def redrive_one(engine: Engine, job_id: int) -> None:
    """Sends a job back to pending."""
    redriven = await engine.write(RedriveJob(job_id))
    if not redriven:
        raise not_redriven(job_id, redriven)
    if engine.bus.is_watched(JobRedriven):
        engine.bus.publish(JobRedriven(job_id, await type_of_job(engine, job_id)))


def not_redriven(job_id: int, answer: Redriven) -> JobError:
    """The error of a job that cannot be redriven."""
    if answer.status is None:
        return JobNotFound(job_id)
    key = answer.taken_key
    allowed = "a dead or cancelled job" if key is None else f"that no other job has its unique key, {key}"
    return JobNotAllowed(job_id, answer.status, "redriven", allowed)


async def redrive_all_dead(engine: Engine, job_type: str | None) -> int:
    """Sends the dead back to pending, page by page."""
    redriven, after, is_done = 0, None, False
    try:
        while not is_done:
            ids, after = await engine.ask(ListDead(job_type, REDRIVE_AT_ONCE, after))
            if not ids and not redriven and job_type is not None:
                await known_name(engine, job_type)
            redriven += await engine.write(RedriveDead(ids)) if ids else 0
            is_done = after is None
    finally:  # also those before a fault
        if (redriven or is_done) and engine.bus.is_watched(DeadRedriven):
            engine.bus.publish(DeadRedriven(redriven, job_type or "every type"))
    return redriven


async def delete_one(engine: Engine, job_id: int) -> None:
    """Deletes a job."""
    status = await engine.write(DeleteJob(job_id))
    if status is None:
        raise JobNotFound(job_id)
    if status is Status.PROCESSING:
        raise JobNotAllowed(job_id, status, "deleted", "a job that is not processing; cancel it first")
    engine.waiters.notify(job_id, Finished(None))


async def type_of_job(engine: Engine, job_id: int) -> str:
    """The type of a job, for a fact."""
    job = await engine.ask(GetJob(job_id))
    return job.type if job else "?"  # deleted meanwhile
