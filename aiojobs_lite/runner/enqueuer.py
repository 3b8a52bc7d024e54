"""How callers make jobs durable: one, many, or from a thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar, cast

from aiojobs_lite.clock import Clock
from aiojobs_lite.current import CURRENT
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.options import AS_DECLARED, Enqueueing
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.writes import Insert, Inserted
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.runner.admission import Admission, count_dropped, refusal, write_of_joined
from aiojobs_lite.runner.batches import Batches
from aiojobs_lite.runner.binding import EnqueueSurrounding, check_bound, check_enqueueable, not_enqueueable
from aiojobs_lite.runner.children import Children, DurableAccess
from aiojobs_lite.runner.documents import Documents
from aiojobs_lite.runner.events import Events, EventToSend, SentEvent
from aiojobs_lite.runner.figures import JobFigures
from aiojobs_lite.runner.handle import JobHandle, RunnerJobs
from aiojobs_lite.runner.joining import JoinedHandle, OpenConnection, check_connection
from aiojobs_lite.runner.publishing import Publisher
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobEnqueued

P = ParamSpec("P")
R = TypeVar("R")
_PLAIN: Final = {id(AS_DECLARED)}


class Enqueuer:
    """The half of a runner that enqueues.

    `JobRunner` inherits it: a method around each would cost every job one more call.

    Args:
        clock: Gives each job the instant of its enqueue.

    Attributes:
        jobs: Reads and moves stored jobs.
        batches: Opens and finds batches.
        events: Sends, lists and replays events.
        documents: Small documents of JSON beside the jobs.
        figures: How attempts ended and how long they took, over all processes; and how the database stands.
        publish: Has a request delivered to a URL.
        publish_many: Has many delivered, in one transaction.
        durables: Durable runs, for what drives them elsewhere.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._registry = Registry("Register it: JobRunner(jobs=[...]) or runner.register(...).")
        self._bus = Bus()
        self._access = EngineAccess()
        self._admission = Admission(self._access)
        self.jobs = RunnerJobs(self._access)
        self.documents = Documents(self._access)
        self.figures = JobFigures(self._access)
        self.durables = DurableAccess(Children(self._access, self._registry))
        self.events = Events(self._access, self._registry, self.jobs, self._admission)
        self._surrounding: EnqueueSurrounding | None = None  # nothing is around an enqueue
        self.publish = Publisher(self._registry, self.enqueue_many)
        self.publish_many = self.publish.many
        self.batches = Batches(
            self._access, self._registry, self._bus, self.jobs, self._admission, lambda: self._surrounding
        )

    async def enqueue(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Makes a job durable; returns after the commit.

        A caller that is cancelled leaves one whole job or none; with an idempotency key it can safely repeat the call.

        Args:
            job: A job type, or one with options (`.using(...)`).
            *args: The handler's arguments; injected parameters are left out.
            **kwargs: The same by name.

        Returns:
            A handle, by which the result can be awaited.

        Raises:
            UnknownJobType: If it is not registered in this runner.
            InvalidPayload: If the arguments do not fit the handler.
            InvalidKey: If they give no key, and the type's `unique` needs one.
            KeyReused: If another payload has the same idempotency key.
            QueueFull: If as many jobs of the type are pending as its `max_pending` allows.
            UniqueConflict: If a job has the same unique key, and `on_conflict` does not allow that.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
            JobNotFound: If there is none of the jobs that it is to run after (`after=`).
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, the job may exist.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        engine = self._access.engine
        if not isinstance(job, Enqueueable):
            raise not_enqueueable(job)
        self._registry.check(job)
        if self._surrounding is not None:
            (handle,) = await self._surrounding.enqueue([job.bind(*args, **kwargs)], self._insert)
            return handle
        row, how = job.row(self._clock.now(), args, kwargs), job.how
        if how is AS_DECLARED or not _has_more(how):
            ((job_id, is_new),) = await engine.write(Insert((row,)))
        else:
            ((job_id, is_new),) = await self._admission.admit_all([(how, row)])
        if is_new and self._bus.is_watched(JobEnqueued):
            self._bus.publish(JobEnqueued(job_id, job.job_type.name))
        return JobHandle(job.job_type, self.jobs, job_id, is_new=is_new)

    async def enqueue_named(self, name: str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]:
        """The same as `enqueue`, for a job type of which only the name is known. pydantic checks its arguments.

        Args:
            name: The name of a job type that is registered in this runner.
            *args: The handler's arguments.
            **kwargs: The same by name.

        Raises:
            InvalidOption: If `name` is no text.
            UnknownJobType: If no registered job type has this name.
            EnqueueError, JobNotFound, StoreUnavailable, RunnerError: As of `enqueue`.
        """
        if not isinstance(name, str):
            raise InvalidOption("name", name, "the name of a job type; await runner.enqueue(...) takes the job type")
        return await self.enqueue(self._registry.get(name), *args, **kwargs)

    async def enqueue_many(self, jobs: Iterable[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes many jobs durable in one transaction, all or none; 10,000 at once is fine.

        Args:
            jobs: Made by `job_type.bind(...)`.

        Returns:
            One handle a job, in their order.

        Raises:
            UnknownJobType: If one is not registered in this runner.
            EnqueueError: `QueueFull`, `UniqueConflict`, `KeyReused` or `InvalidKey`, as of `enqueue`.
            JobNotFound: If there is none of the jobs that one is to run after (`after=`).
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, the jobs may exist.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        self._access.engine  # noqa: B018  # refused at once, if it cannot be used
        bound = check_bound(jobs, self._registry)
        if not bound:
            return []
        if self._surrounding is not None:
            return await self._surrounding.enqueue(bound, self._insert)
        return await self._insert(bound)

    async def _insert(self, bound: Sequence[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes jobs durable in one transaction."""
        now = self._clock.now()
        rows = [one.row(now) for one in bound]
        if {id(one.how) for one in bound} != _PLAIN and any(_has_more(one.how) for one in bound):
            inserted = await self._admission.admit_all([(one.how, row) for one, row in zip(bound, rows, strict=True)])
        else:
            inserted = await self._access.engine.write(Insert(tuple(rows)))
        return self._handles(bound, inserted)

    async def enqueue_in(
        self, connection: OpenConnection, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> JobHandle[R]:
        """Enqueues a job within a transaction that the caller has open. Its commit makes the job durable. After a
        rollback, also to a savepoint before this call, there is no job.

        Args:
            connection: A connection to the database file of this runner, with an open transaction: of sqlite3 or
                aiosqlite, or a connection or session of SQLAlchemy over one of them. A plain sqlite3 connection blocks
                the event loop while the row is written.
            job: As for `enqueue`.
            *args: As for `enqueue`.
            **kwargs: As for `enqueue`.

        Returns:
            A handle, to be used after the commit. Before it, and after a rollback, it raises `JobNotCommitted`.

        Raises:
            UnknownJobType: If it is not registered in this runner.
            InvalidPayload: If the arguments do not fit the handler.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
            EnqueueError: `QueueFull`, `UniqueConflict`, `KeyReused` or `InvalidKey`, as of `enqueue`.
            InvalidOption: If a delay is in the place of `connection`, or the job has `after=`.
            TransactionRefused: If the transaction cannot take the job; `why` says what is wrong.
            StoreUnavailable: If the file is locked, full or failing. The job is not in the transaction; roll it back.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        check_connection(connection)
        check_enqueueable(job)
        (handle,) = await self.enqueue_many_in(connection, [job.bind(*args, **kwargs)])
        return handle

    async def enqueue_many_in(self, connection: OpenConnection, jobs: Iterable[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes many jobs part of the caller's own open transaction, all or none; see `enqueue_in`.

        Args:
            connection: As for `enqueue_in`.
            jobs: Made by `job_type.bind(...)`.

        Returns:
            One handle a job, in their order.

        Raises:
            QueueFull: If too many jobs of a type are pending, with `on_full="wait"` as well: the caller has the lock.
            EnqueueError, InvalidOption, StoreUnavailable, RunnerError: As of `enqueue_in`.
        """
        engine = self._access.engine
        check_connection(connection)
        bound, insert = check_bound(jobs, self._registry), partial(self._insert_in, engine, connection)
        if self._surrounding is None or not bound:
            return await insert(bound)
        return await self._surrounding.enqueue(bound, insert)

    async def _insert_in(self, engine: Engine, connection: object, bound: Sequence[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes jobs part of a transaction."""
        now = self._clock.now()
        jobs = [(one.how, one.row(now)) for one in bound]
        write = write_of_joined(jobs)
        joined = await engine.joined.insert(connection, write, now)
        if isinstance(joined, Refused):
            raise refusal(joined, cast("Admit", write).rows, engine.wait_for)
        count_dropped(engine, jobs, [one.is_new for one in joined])
        return [JoinedHandle(one.job_type, self.jobs, made) for one, made in zip(bound, joined, strict=True)]

    def enqueue_threadsafe(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """The same as `enqueue`, from a plain thread; returns after the commit.

        Raises:
            EnqueueError, JobNotFound: As of `enqueue`.
            StoreUnavailable: If the database cannot be written now, or the event loop ended meanwhile.
            WrongEventLoop: If it is called on the event loop, which it would block for ever.
            RunnerError: If the runner cannot be used now.
        """
        self._access.check_thread()
        check_enqueueable(job)
        bound = job.bind(*args, **kwargs)
        (handle,) = self._access.wait_for(self.enqueue_many([bound]))
        return handle

    async def send(
        self,
        name: str,
        data: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the field's name
    ) -> SentEvent:
        """Sends an event: it starts every job type that listens to it, and ends the waits that match it. Returns after
        the commit.

        Args:
            name: What has happened, such as `user/signed.up`.
            data: What there is to say: a dict, a model, a dataclass; None: nothing.
            id: An id of your own: the same id again within 24 hours starts and wakes nothing. None: a random one.

        Returns:
            Whether it is new, and the handles of the jobs that it started of types that this runner knows.

        Raises:
            InvalidEvent: If the data cannot be stored.
            InvalidOption: If the name or the id cannot be one.
            EnqueueError: `QueueFull`, `UniqueConflict` or `InvalidKey`, if a listener's options refuse its job.
            StoreUnavailable: If the database cannot be written now. If the commit itself failed, it may be sent.
            RunnerError: If the runner cannot be used now, or from this event loop.
        """
        current, durable = CURRENT.get(), self.durables.durable
        if current is not None and durable is not None and current[3] == self._access.engine.identity.database:
            durable.note_outside(current[0], "runner.send", "ctx.send(name, event, data)")
        (sent,) = await self.events.send_many([EventToSend(name, data, id)])
        return sent

    def _handles(self, bound: Sequence[BoundJob[R]], inserted: Sequence[Inserted]) -> list[JobHandle[R]]:
        if self._bus.is_watched(JobEnqueued):
            for one, (job_id, is_new) in zip(bound, inserted, strict=True):
                if is_new:
                    self._bus.publish(JobEnqueued(job_id, one.job_type.name))
        jobs = self.jobs
        return [
            JobHandle(one.job_type, jobs, job_id, is_new=is_new)
            for one, (job_id, is_new) in zip(bound, inserted, strict=True)
        ]


def _has_more(how: Enqueueing) -> bool:
    """Whether a job is added under conditions, or runs after others."""
    return how.has_conditions or how.after is not None
