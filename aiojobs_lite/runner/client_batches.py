"""`client.batches`: batches without an event loop.

While a block runs, its process shows as an owner that it lives, as a runner does: else a runner abandons the batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple, ParamSpec

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.identity import new_owner
from aiojobs_lite.errors import AiojobsError, BatchClosed, BatchNotFound
from aiojobs_lite.handlers.batches import CallbackJob, GivenCallback, callback_row, check_batch_id, check_callbacks
from aiojobs_lite.handlers.habits import AnswersHabitsOfBlocksOfClients
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.batches import BatchEvent, BatchStats, Callback, CancelBatch, CloseBatch, GetBatch, OpenBatch
from aiojobs_lite.origin import Origin
from aiojobs_lite.runner.admission import inserted_of, write_of
from aiojobs_lite.runner.batches import CANCEL_AT_ONCE
from aiojobs_lite.runner.binding import check_bound, check_enqueueable
from aiojobs_lite.runner.client_handle import ClientHandle, handles_of
from aiojobs_lite.runner.filters import check_reason
from aiojobs_lite.runner.session import Session
from aiojobs_lite.stores.base import Owners

__all__ = ["ClientBatch", "ClientBatchBlock", "ClientBatches", "OpenedClientBatch"]

P = ParamSpec("P")
_log = get_log("runner")


class BlockOwner:
    """The owner as which a process shows that it lives, while blocks of batches run in it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may enter a block while its thread holds it
        self._blocks = 0
        self._id = ""
        self._owners: Owners | None = None

    def enter(self, session: Session) -> str:
        """A block begins; returns the id of the owner.

        Raises:
            StoreError: If it cannot be shown that this process lives.
        """
        with self._lock:
            if self._owners is None:
                self._id = new_owner()
                self._owners = session.acquire(self._id)
            self._blocks += 1
            return self._id

    def leave(self) -> None:
        """A block has ended."""
        with self._lock:
            self._blocks -= 1
            if not self._blocks and self._owners is not None:
                self._owners.release()
                self._owners = None


class ClientParts(NamedTuple):
    """What batches need of their client.

    Attributes:
        registry: Has the job types.
        clock: Gives an enqueue its instant.
        session: Gives the open database for one call.
        owner: Finds the owner of this process.
    """

    registry: Registry
    clock: Clock
    session: Callable[[], AbstractContextManager[Session]]
    owner: Callable[[], BlockOwner]


class ClientBatch:
    """A batch. Made by the client; may be kept or dropped freely, and used by any thread.

    Each method raises `ClientClosed` if the client is closed, `WrongEventLoop` inside an event loop, and
    `StoreUnavailable` if the database cannot be used now.

    Attributes:
        id: Its id, by which `client.batches.get` and `runner.batches.get` find it in any process.
    """

    def __init__(self, parts: ClientParts, batch_id: int) -> None:
        self.id = batch_id
        self._parts = parts
        self._has_ended = False  # its block; only that of an `OpenedClientBatch` is known

    def enqueue(self, job: Enqueueable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> ClientHandle:
        """Makes a job of this batch durable; the same as `client.enqueue` otherwise.

        A job that was there before is not added to the batch: one with its idempotency key or its unique key, or one
        that a debounce or a throttle finds.

        Raises:
            BatchClosed: If the batch takes no more jobs.
        """
        check_enqueueable(job)
        (handle,) = self.enqueue_many([job.bind(*args, **kwargs)])
        return handle

    def enqueue_many(self, jobs: Iterable[BoundJob[Any]]) -> list[ClientHandle]:
        """Makes many jobs of this batch durable in one transaction, all or none; see `client.enqueue_many`.

        Raises:
            BatchClosed: If the batch takes no more jobs.
        """
        with self._parts.session():
            pass  # it reads the groups and modules
        bound = check_bound(jobs, self._parts.registry)  # without the session: the iterable is the caller's code
        if not bound:
            return []
        if self._has_ended:
            raise BatchClosed(self.id)
        now = self._parts.clock.now()
        write = write_of([(one.how, one.row(now)) for one in bound], self.id)
        with self._parts.session() as session:
            answer = inserted_of(write, session.write(write, now))
        return handles_of(session.database, write, answer)

    def open(
        self,
        *,
        on_complete: GivenCallback | None = None,
        on_success: GivenCallback | None = None,
        on_dead: GivenCallback | None = None,
    ) -> ClientBatchBlock:
        """Opens a batch in this one, which is complete when that is, with its callbacks; see `client.batches.open`.

        Raises:
            BatchClosed: On entering it, if this batch takes nothing more.
        """
        return ClientBatches(self._parts).open_in(self.id, on_complete, on_success, on_dead)

    def stats(self) -> BatchStats:
        """Reads how many of its jobs stand where.

        Raises:
            BatchNotFound: If it was pruned.
        """
        with self._parts.session() as session:
            found = session.ask(GetBatch(self.id))
        if found is None:
            raise BatchNotFound(self.id)
        return found

    def cancel(self, reason: str | None = None) -> int:
        """Cancels all jobs of the batch that wait, 500 in a transaction; those that run go on. Returns how many.

        The batch itself is complete, with its callbacks, when the last of its jobs has ended.

        Args:
            reason: Kept with each job, shortened to 2,000 characters.
        """
        cancelled, write = 0, CancelBatch(self.id, check_reason(reason), CANCEL_AT_ONCE)
        while True:
            with self._parts.session() as session:
                page = session.write(write, self._parts.clock.now())
            cancelled += len(page.jobs)
            if page.next is None:
                return cancelled
            write = write._replace(after=page.next)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class OpenedClientBatch(ClientBatch):
    """The batch of a block: what `with client.batches.open(...)` gives.

    Attributes:
        id: Its id, by which `client.batches.get` and `runner.batches.get` find it in any process.
    """

    def __init__(
        self, parts: ClientParts, batch_id: int, callbacks: Sequence[tuple[BatchEvent, CallbackJob]], owner: BlockOwner
    ) -> None:
        super().__init__(parts, batch_id)
        self._callbacks = callbacks
        self._owner: BlockOwner | None = owner

    def close(self) -> None:
        """Closes the batch, as the end of its block does; may be called twice. For a block whose end has failed because
        the database could not be written: until then, or until the end of the process, the batch stays open.

        Raises:
            BatchClosed: If it was abandoned meanwhile.
        """
        now = self._parts.clock.now()
        callbacks = tuple([Callback(event, callback_row(job, self.id, now)) for event, job in self._callbacks])
        if not self._end(CloseBatch(self.id, callbacks, is_abandoned=False), now):
            raise BatchClosed(self.id)

    def abandon(self) -> None:
        """Abandons the batch, as a block does that fails: its jobs go on, and no callback is enqueued."""
        self._end(CloseBatch(self.id, (), is_abandoned=True), self._parts.clock.now())

    def leave_owner(self) -> None:
        """Shows no longer that the process of the block lives: a batch that is still open is abandoned then."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.leave()

    def _end(self, write: CloseBatch, now: int) -> bool | None:
        self._has_ended = True
        with self._parts.session() as session:
            is_closed = session.write(write, now)
        self.leave_owner()
        return is_closed


class ClientBatchBlock(AnswersHabitsOfBlocksOfClients):
    """What `with` enters: it opens a batch, and closes it at its end.

    A block that fails abandons its batch: the jobs go on, and no callback is enqueued. In a process that is forked in
    the block, its end does nothing: the batch is that of the first process.
    """

    def __init__(
        self, parts: ClientParts, callbacks: Sequence[tuple[BatchEvent, CallbackJob]], parent: int | None
    ) -> None:
        self._parts = parts
        self._callbacks = callbacks
        self._parent = parent
        self._batch: OpenedClientBatch | None = None
        self._origin = Origin()

    def __enter__(self) -> OpenedClientBatch:
        """Opens the batch.

        Raises:
            BatchClosed: If the batch that it is in takes nothing more, or the block was entered before.
        """
        if self._batch is not None:
            raise BatchClosed(self._batch.id)
        self._origin, owner = Origin(), self._parts.owner()
        with self._parts.session() as session:
            owner_id, batch_id = owner.enter(session), None
            try:
                batch_id = session.write(OpenBatch(owner_id, self._parent, is_member=False), self._parts.clock.now())
            finally:
                if batch_id is None:
                    owner.leave()
        if batch_id is None:
            raise BatchClosed(self._parent or 0)
        self._batch = OpenedClientBatch(self._parts, batch_id, self._callbacks, owner)
        return self._batch

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the batch; its callbacks are enqueued at once if all its jobs have ended.

        Raises:
            BatchClosed: If it was abandoned meanwhile.
        """
        batch = self._batch
        assert batch is not None  # noqa: S101  # it was entered
        if self._origin.is_left:
            return
        if error is None:
            batch.close()
            return
        try:
            batch.abandon()
        except AiojobsError as problem:
            _log.warning("batch %s was not abandoned when its block failed: %s", batch.id, problem)
        finally:
            batch.leave_owner()  # then a runner abandons it


class ClientBatches:
    """The batches of a client's database: `client.batches`.

    Args:
        parts: Of the client.
    """

    def __init__(self, parts: ClientParts) -> None:
        self._parts = parts

    def open(
        self,
        *,
        on_complete: GivenCallback | None = None,
        on_success: GivenCallback | None = None,
        on_dead: GivenCallback | None = None,
    ) -> ClientBatchBlock:
        """Opens a batch for the block of a `with`, which adds jobs to it; see `runner.batches.open`.

        Args:
            on_complete: Enqueued when the block and all jobs have ended, however they ended.
            on_success: Enqueued when all jobs are completed, even if that takes a redrive.
            on_dead: Enqueued when the block and all jobs have ended, and one of them is dead.

        Raises:
            InvalidOption: If a callback cannot be enqueued so.
            UnknownJobType: If its type is not among the `jobs` of this client.
        """
        return self.open_in(None, on_complete, on_success, on_dead)

    def open_in(self, parent: int | None, *callbacks: GivenCallback | None) -> ClientBatchBlock:
        """The same within another batch, with what it enqueues when it is complete, succeeds, or has a dead job."""
        return ClientBatchBlock(self._parts, check_callbacks(self._parts.registry, *callbacks), parent)

    def get(self, batch_id: int) -> ClientBatch:
        """Finds a batch, in whatever process it was opened. It takes jobs while its block runs.

        Raises:
            BatchNotFound: If no batch has this id.
            StoreRefused, StoreUnavailable, ClientClosed, WrongEventLoop: As of each method of `JobClient`.
        """
        query = GetBatch(check_batch_id(batch_id))
        with self._parts.session() as session:
            if session.ask(query) is None:
                raise BatchNotFound(batch_id)
        return ClientBatch(self._parts, batch_id)
