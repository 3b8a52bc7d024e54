"""`runner.batches`: jobs that are counted together, and a job that is enqueued once when the last of them has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.engine.waiters import Finished
from aiojobs_lite.errors import AiojobsError, BatchClosed, BatchNotFound, StoreError, StoreUnavailable
from aiojobs_lite.handlers.batches import CallbackJob, GivenCallback, callback_row, check_batch_id, check_callbacks
from aiojobs_lite.handlers.habits import AnswersHabitsOfBlocks
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable, JobType
from aiojobs_lite.handlers.options import AS_DECLARED, Enqueueing
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.batches import (
    BatchEvent,
    BatchStats,
    BatchStatus,
    Callback,
    CancelBatch,
    CloseBatch,
    FindBatchOf,
    GetBatch,
    InsertInBatch,
    OpenBatch,
)
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.writes import Inserted, Unit
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.admission import Admission
from aiojobs_lite.runner.binding import EnqueueSurrounding, check_bound, check_enqueueable
from aiojobs_lite.runner.filters import check_id, check_reason
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobBecameCancelled, JobEnqueued

__all__ = ["BatchBlock", "BatchHandle", "BatchStats", "BatchStatus", "Batches", "OpenBatchHandle"]

P = ParamSpec("P")
R = TypeVar("R")
_log = get_log("runner")
CANCEL_AT_ONCE: Final = 500  # jobs a transaction: a rescue waits for no more


class _Parts:
    """What batches need of their runner."""

    def __init__(
        self,
        access: EngineAccess,
        registry: Registry,
        bus: Bus,
        jobs: StoredJobs,
        admission: Admission,
        surrounding: Callable[[], EnqueueSurrounding | None],
    ) -> None:
        self.access, self.registry, self.bus, self.jobs, self.admission = access, registry, bus, jobs, admission
        self.surrounding = surrounding


class BatchHandle:
    """The handle of a batch. Made by the runner; may be kept or dropped freely.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Attributes:
        id: Its id, by which `runner.batches.get` finds it in any process.
    """

    def __init__(self, parts: _Parts, batch_id: int, *, is_member: bool) -> None:
        self.id = batch_id
        self._parts = parts
        self._is_member = is_member
        self._has_ended = False  # its block; only that of an `OpenBatchHandle` is known

    async def enqueue(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Makes a job of this batch durable; the same as `runner.enqueue` otherwise.

        A job that was there before is not added to the batch: one with its idempotency key or its unique key, or one
        that a debounce, a throttle or a micro-batch finds. With `on_full="wait"` the block waits until the job fits.

        Raises:
            BatchClosed: If the batch takes no more jobs.
        """
        check_enqueueable(job)
        parts, job_type = self._parts, job.job_type
        parts.registry.check(job)
        engine, surrounding = parts.access.engine, parts.surrounding()
        if surrounding is not None:
            (handle,) = await surrounding.enqueue([job.bind(*args, **kwargs)], self._insert_bound)
            return handle
        row, how = job.row(engine.now(), args, kwargs), job.how
        if how is AS_DECLARED and not self._has_ended:
            inserted = await engine.write(InsertInBatch(self.id, self._is_member, (row,)))
            if inserted is None:
                raise BatchClosed(self.id)
            ((job_id, is_new),) = inserted
        else:
            ((job_id, is_new),) = await self._insert(engine, (row,), (how,))
        if is_new and parts.bus.is_watched(JobEnqueued):
            parts.bus.publish(JobEnqueued(job_id, job_type.name))
        return JobHandle(job_type, parts.jobs, job_id, is_new=is_new)

    async def enqueue_many(self, jobs: Iterable[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes many jobs of this batch durable in one transaction, all or none; see `runner.enqueue_many`.

        Raises:
            BatchClosed: If the batch takes no more jobs.
        """
        self._parts.access.engine  # noqa: B018  # refused at once, if it cannot be used
        bound, surrounding = check_bound(jobs, self._parts.registry), self._parts.surrounding()
        if not bound:
            return []
        if surrounding is not None:
            return await surrounding.enqueue(bound, self._insert_bound)
        return await self._insert_bound(bound)

    def open(
        self,
        *,
        on_complete: GivenCallback | None = None,
        on_success: GivenCallback | None = None,
        on_dead: GivenCallback | None = None,
    ) -> BatchBlock:
        """Opens a batch in this one, which is complete when that is, with its callbacks; see `runner.batches.open`.

        Raises:
            BatchClosed: On entering it, if this batch takes nothing more.
        """
        callbacks = check_callbacks(self._parts.registry, on_complete, on_success, on_dead)
        return BatchBlock(self._parts, callbacks, self.id, is_member=self._is_member)

    async def stats(self) -> BatchStats:
        """Reads how many of its jobs stand where.

        Raises:
            BatchNotFound: If it was pruned.
        """
        found = await self._parts.access.engine.ask(GetBatch(self.id))
        if found is None:
            raise BatchNotFound(self.id)
        return found

    async def cancel(self, reason: str | None = None) -> int:
        """Cancels all jobs of the batch that wait, 500 in a transaction; those that run go on. Returns how many.

        The batch itself is complete, with its callbacks, when the last of its jobs has ended.

        Args:
            reason: Kept with each job, shortened to 2,000 characters.
        """
        engine = self._parts.access.engine
        return await engine.order(_cancel(engine, self.id, check_reason(reason)))

    async def _insert_bound(self, bound: Sequence[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes jobs durable in one transaction."""
        engine = self._parts.access.engine
        now = engine.now()
        inserted = await self._insert(engine, tuple([one.row(now) for one in bound]), [one.how for one in bound])
        return self._handles([one.job_type for one in bound], inserted)

    async def _insert(self, engine: Engine, rows: tuple[NewJob, ...], hows: Sequence[Enqueueing]) -> Sequence[Inserted]:
        if self._has_ended:
            raise BatchClosed(self.id)
        if all(how is AS_DECLARED or (how.after is None and not how.has_conditions) for how in hows):
            inserted = await engine.write(InsertInBatch(self.id, self._is_member, rows))
            if inserted is None:
                raise BatchClosed(self.id)
            return inserted
        jobs = list(zip(hows, rows, strict=True))
        return await self._parts.admission.admit_all(jobs, self.id, is_member=self._is_member)

    def _handles(self, types: Sequence[JobType[..., R]], inserted: Sequence[Inserted]) -> list[JobHandle[R]]:
        bus, jobs = self._parts.bus, self._parts.jobs
        if bus.is_watched(JobEnqueued):
            for job_type, (job_id, is_new) in zip(types, inserted, strict=True):
                if is_new:
                    bus.publish(JobEnqueued(job_id, job_type.name))
        return [
            JobHandle(job_type, jobs, job_id, is_new=is_new)
            for job_type, (job_id, is_new) in zip(types, inserted, strict=True)
        ]

    def __repr__(self) -> str:
        return f"<BatchHandle {self.id}>"


class OpenBatchHandle(BatchHandle):
    """The handle of the batch of a block: what `async with runner.batches.open(...)` gives.

    Attributes:
        id: Its id, by which `runner.batches.get` finds it in any process.
    """

    def __init__(self, parts: _Parts, batch_id: int, callbacks: Sequence[tuple[BatchEvent, CallbackJob]]) -> None:
        super().__init__(parts, batch_id, is_member=False)
        self._callbacks = callbacks

    async def close(self) -> None:
        """Closes the batch, as the end of its block does; may be called twice. For a block whose end has failed because
        the database could not be written: until then the batch stays open.

        Raises:
            BatchClosed: If it was abandoned meanwhile, as that of a runner that was closed.
        """
        self._has_ended = True
        engine = self._parts.access.engine
        now = engine.now()
        callbacks = tuple([Callback(event, callback_row(job, self.id, now)) for event, job in self._callbacks])
        if not await engine.order(engine.write(CloseBatch(self.id, callbacks, is_abandoned=False))):
            raise BatchClosed(self.id)

    async def abandon(self) -> None:
        """Abandons the batch, as a block does that fails: its jobs go on, and no callback is enqueued. If the database
        cannot be written, the runner repeats it until it can, or is closed.
        """
        self._has_ended = True
        engine = self._parts.access.engine
        await engine.order(_abandon(engine, self.id))


class BatchBlock(AnswersHabitsOfBlocks):
    """What `async with` enters: it opens a batch, and closes it at its end.

    A block that fails abandons its batch: the jobs go on, and no callback is enqueued.
    """

    def __init__(
        self, parts: _Parts, callbacks: Sequence[tuple[BatchEvent, CallbackJob]], parent: int | None, *, is_member: bool
    ) -> None:
        self._parts = parts
        self._callbacks = callbacks
        self._parent = parent
        self._is_member = is_member
        self._batch: OpenBatchHandle | None = None

    async def __aenter__(self) -> OpenBatchHandle:
        """Opens the batch.

        Raises:
            BatchClosed: If the batch that it is in takes nothing more.
        """
        if self._batch is not None:
            raise BatchClosed(self._batch.id)
        engine = self._parts.access.engine
        opening = asyncio.ensure_future(engine.write(OpenBatch(engine.identity.owner, self._parent, self._is_member)))
        try:
            batch_id = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(partial(_abandon_unentered, engine))
            raise
        if batch_id is None:
            raise BatchClosed(self._parent or 0)
        self._batch = OpenBatchHandle(self._parts, batch_id, self._callbacks)
        return self._batch

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the batch; its callbacks are enqueued at once if all its jobs have ended.

        Raises:
            BatchClosed: If it was abandoned meanwhile, as that of a runner that was closed.
        """
        batch = self._batch
        assert batch is not None  # noqa: S101  # it was entered
        if error is None:
            await batch.close()
            return
        try:
            await batch.abandon()
        except AiojobsError as problem:  # it is repeated; after the end of the runner another one abandons it
            _log.warning("batch %s was not abandoned when its block failed: %s", batch.id, problem)


class Batches:
    """The batches of a runner's database: `runner.batches`.

    What awaits the database raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database
    cannot.

    Args:
        access: The way to the engine.
        registry: Has the job types.
        bus: Gets a fact for each job that is enqueued.
        jobs: Given to the handles.
        admission: Makes jobs with conditions durable.
        surrounding: Answers what is around an enqueue, if anything is.
    """

    def __init__(
        self,
        access: EngineAccess,
        registry: Registry,
        bus: Bus,
        jobs: StoredJobs,
        admission: Admission,
        surrounding: Callable[[], EnqueueSurrounding | None],
    ) -> None:
        self._parts = _Parts(access, registry, bus, jobs, admission, surrounding)

    def open(
        self,
        *,
        on_complete: GivenCallback | None = None,
        on_success: GivenCallback | None = None,
        on_dead: GivenCallback | None = None,
    ) -> BatchBlock:
        """Opens a batch for the block of an `async with`, which adds jobs to it.

        A callback is a job type, which is enqueued with the id of the batch, or a job with arguments of its own, made
        by `job_type.bind(...)`. Each is enqueued once, in the transaction of the last end.

        Args:
            on_complete: Enqueued when the block and all jobs have ended, however they ended.
            on_success: Enqueued when all jobs are completed, even if that takes a redrive.
            on_dead: Enqueued when the block and all jobs have ended, and one of them is dead.

        Raises:
            InvalidOption: If a callback cannot be enqueued so.
            UnknownJobType: If its type is not registered in this runner.
        """
        callbacks = check_callbacks(self._parts.registry, on_complete, on_success, on_dead)
        return BatchBlock(self._parts, callbacks, None, is_member=False)

    async def get(self, batch_id: int) -> BatchHandle:
        """Finds a batch, in whatever process it was opened. It takes jobs while its block runs.

        Raises:
            BatchNotFound: If no batch has this id.
        """
        if await self._parts.access.engine.ask(GetBatch(check_batch_id(batch_id))) is None:
            raise BatchNotFound(batch_id)
        return BatchHandle(self._parts, batch_id, is_member=False)

    async def find(self, job_id: int) -> BatchHandle | None:
        """Finds the batch that a job is in; None if it is in none."""
        found = await self._parts.access.engine.ask(FindBatchOf(check_id(job_id)))
        return None if found is None else BatchHandle(self._parts, found, is_member=False)

    async def of_member(self, job_id: int) -> BatchHandle:
        """Finds the batch of a job that runs, for `ctx.batch()`: it takes jobs until it is complete.

        Raises:
            BatchNotFound: If the job is in none.
        """
        found = await self._parts.access.engine.ask(FindBatchOf(job_id))
        if found is None:
            raise BatchNotFound(None, of_job=job_id)
        return BatchHandle(self._parts, found, is_member=True)


async def _abandon(engine: Engine, batch_id: int) -> None:
    unit = (CloseBatch(batch_id, (), is_abandoned=True),)
    try:
        await engine.write(*unit)
    except StoreUnavailable:  # as long as its owner lives, nothing else abandons it
        engine.commits.keep(unit, _ignore)
        raise


def _abandon_unentered(engine: Engine, opening: asyncio.Future[int | None]) -> None:
    """A block was cancelled before its first line: the batch that it opened is abandoned."""
    if not opening.cancelled() and opening.exception() is None and (batch_id := opening.result()) is not None:
        engine.commits.keep((CloseBatch(batch_id, (), is_abandoned=True),), _ignore)


def _ignore(_unit: Unit, _answer: object, _error: StoreError | None) -> None:
    """A batch that could not be abandoned is found when its runner has ended."""


async def _cancel(engine: Engine, batch_id: int, reason: str | None) -> int:
    cancelled, write = 0, CancelBatch(batch_id, reason, CANCEL_AT_ONCE)
    while True:
        page = await engine.write(write)
        cancelled += len(page.jobs)
        for job_id, job_type in page.jobs:
            engine.waiters.notify(job_id, Finished(Status.CANCELLED, reason=reason))
            if engine.bus.is_watched(JobBecameCancelled):
                engine.bus.publish(JobBecameCancelled(job_id, job_type, reason or ""))
        if page.next is None:
            return cancelled
        write = write._replace(after=page.next)
