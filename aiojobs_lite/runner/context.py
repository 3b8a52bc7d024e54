"""The context of a handler: its attempt, and the way to further jobs."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any, Final, ParamSpec, TypeVar, cast

from aiojobs_lite.current import CURRENT
from aiojobs_lite.errors import WrongEventLoop
from aiojobs_lite.handlers.habits import AnswersHabitsOfContexts
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.runner.batches import BatchHandle
from aiojobs_lite.runner.binding import name_first
from aiojobs_lite.runner.children import DurableAccess
from aiojobs_lite.runner.enqueuer import Enqueuer
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.joining import OpenConnection
from aiojobs_lite.runner.operations import Operations

P = ParamSpec("P")
R = TypeVar("R")
_ONCE: Final = "ctx.enqueue_once(name, job_type, ...)"
_THREADSAFE: Final = "Use ctx.enqueue_threadsafe(...)."
_IN_A_THREAD: Final = "In a transaction of its own it enqueues by client.enqueue_in(...) of a JobClient."


class JobContext(Operations, AnswersHabitsOfContexts):
    """The running attempt, for its handler, which takes it as `ctx: JobContext = injected`.

    Attributes:
        id: The job's id.
        type: The name of its job type.
        attempt: Number of this attempt, from 1.
        max_attempts: All attempts it may have.
        is_last_attempt: Whether a failure now makes the job dead.
        key: The job's key, unique over databases and the same in each attempt.
        label: What `using(label=...)` gave the job, or None.
        metadata: What `using(metadata=...)` gave the job.
        tick: The instant that a cron job fires for, UTC; None for any other job.
        scheduled_at: The time that this attempt was due, UTC.
        created_at: The time that the job was enqueued, UTC.
        stopping: Whether the runner wants this attempt to end; for a plain `def`.
    """

    __slots__ = ()

    # No coroutine functions: the runner's coroutine is enough, and in a thread the error comes without an await.

    def enqueue(
        self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobHandle[R]]:
        """Makes a further job durable, as `runner.enqueue` does, also while the runner drains.

        Args:
            job: A job type, or one with options.
            *args: The handler's arguments.
            **kwargs: The same by name.

        Raises:
            WrongEventLoop: If the handler runs in a thread or in a worker process.
            EnqueueError: As of `runner.enqueue`.
        """
        return self._repeating_runner().enqueue(job, *args, **kwargs)

    @name_first
    def enqueue_once(
        self, name: str, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobHandle[R]]:
        """Enqueues a job as a durable operation: once in the life of this one. A further attempt is given its handle.

        Args:
            name: The name of the operation.
            job: A job type, or one with options.
            *args: The handler's arguments.
            **kwargs: The same by name.

        Raises:
            WrongEventLoop: If the handler runs in a thread or in a worker process.
            EnqueueError: As of `runner.enqueue`.
            StepMismatch: If the name stands for another kind of operation in this job.
        """
        return self._enqueued(name, job, args, kwargs)

    def enqueue_with_end(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Enqueues a job in the transaction in which this attempt ends, so that there is one for each end, whatever
        happens to the process. Not awaited: nothing is written before the end.

        It is enqueued if the handler ends the attempt: by returning, or by an exception other than `Cancel`. Of an
        attempt that is stopped (by its timeout, a cancel, a drain, a suspension) or lost nothing is enqueued. A job
        that its own options refuse then, as `unique` does, is left out.

        Args:
            job: A job type, or one with options, without `after`.
            *args: The handler's arguments.
            **kwargs: The same by name.

        Raises:
            WrongEventLoop: If the handler runs in a thread or in a worker process.
            EnqueueError: As of `runner.enqueue`.
        """
        if self._stopping is not None:
            self._awaited_runner()
        self._children().follow(self._claimed, job, args, kwargs)

    def enqueue_named(self, name: str, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, JobHandle[Any]]:
        """The same for a job type of which only the name is known; see `runner.enqueue_named`."""
        return self._repeating_runner().enqueue_named(name, *args, **kwargs)

    def enqueue_many(self, jobs: Iterable[BoundJob[R]]) -> Coroutine[Any, Any, list[JobHandle[R]]]:
        """Makes many further jobs durable in one transaction; see `runner.enqueue_many`."""
        return self._repeating_runner().enqueue_many(jobs)

    def enqueue_in(
        self, connection: OpenConnection, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobHandle[R]]:
        """Makes a further job part of the handler's own open transaction; see `runner.enqueue_in`."""
        return self._awaited_runner(_IN_A_THREAD).enqueue_in(connection, job, *args, **kwargs)

    def enqueue_many_in(
        self, connection: OpenConnection, jobs: Iterable[BoundJob[R]]
    ) -> Coroutine[Any, Any, list[JobHandle[R]]]:
        """Makes many further jobs part of the handler's own open transaction; see `runner.enqueue_many_in`."""
        return self._awaited_runner(_IN_A_THREAD).enqueue_many_in(connection, jobs)

    def batch(self) -> Coroutine[Any, Any, BatchHandle]:
        """Finds the batch of this job; the batch takes further jobs while this job runs.

        Raises:
            BatchNotFound: If the job is in no batch.
            WrongEventLoop: If the handler runs in a thread or in a worker process.
        """
        return self._awaited_runner().batches.of_member(self.id)

    def enqueue_threadsafe(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        """Makes a further job durable from a plain `def` handler, which runs in a thread; see
        `runner.enqueue_threadsafe`.
        """
        return self._runner().enqueue_threadsafe(job, *args, **kwargs)

    def _repeating_runner(self) -> Enqueuer:
        """The runner, for what each attempt does again."""
        runner = self._awaited_runner()
        access: DurableAccess | None = None if self._durable is None else self._deps.get(DurableAccess)
        if access is not None and access.durable is not None:
            access.durable.note_outside(self, "ctx.enqueue", _ONCE)
        return runner

    def _awaited_runner(self, advice: str = _THREADSAFE) -> Enqueuer:
        if self._stopping is not None:
            problem = f"{self.type!r} is a plain `def`, runs in a thread and cannot await"
            raise WrongEventLoop(f"{problem}. {advice}")
        return self._runner()

    def _runner(self) -> Enqueuer:
        runner: Enqueuer | None = self._deps.get(Enqueuer)
        if runner is None:
            problem = f"{self.type!r} has no runner at hand, as in a worker process (process=True)"
            raise WrongEventLoop(f"{problem}. Return the data, and let a handler of another kind enqueue the job.")
        return runner


def current_job() -> JobContext | None:
    """The context of the job whose handler runs here, in its tasks and in its thread as well; None anywhere else."""
    found = CURRENT.get()
    if found is None:
        return None
    job, deps, stopping, database, reporter = found
    if isinstance(job, Claimed):  # the handler takes no context
        job = JobContext(job, deps, stopping, database, reporter)
        CURRENT.set((job, deps, stopping, database, reporter))  # the same one at the next call
    return cast("JobContext", job)
