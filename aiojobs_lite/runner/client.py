"""`JobClient`: enqueues from programs without an event loop."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import Any, Final, Never, ParamSpec, TypeVar, get_args

from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.engine.joining import joining_of
from aiojobs_lite.errors import ClientClosed, InvalidOption, JobNotFound
from aiojobs_lite.handlers.checks import check_choice, check_clock, check_each
from aiojobs_lite.handlers.group import Jobs, JobSource, job_types_of
from aiojobs_lite.handlers.habits import HABITS_OF_A_CLIENT, AnswersHabitsOfClients, refuse_unknown
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.queries import GetDatabaseId, GetJob
from aiojobs_lite.origin import count_forks
from aiojobs_lite.runner.admission import inserted_of, write_of, write_of_joined
from aiojobs_lite.runner.binding import check_bound, check_enqueueable
from aiojobs_lite.runner.client_batches import BlockOwner, ClientBatches, ClientParts
from aiojobs_lite.runner.client_events import ClientSentEvent, events_of, send_by
from aiojobs_lite.runner.client_handle import ClientHandle, handles_of
from aiojobs_lite.runner.client_schedules import ClientSchedules
from aiojobs_lite.runner.events import EventToSend
from aiojobs_lite.runner.filters import check_id
from aiojobs_lite.runner.joining import OpenConnection, check_connection
from aiojobs_lite.runner.opening import database_or_default, store_of_start
from aiojobs_lite.runner.publishing import ClientPublishing
from aiojobs_lite.runner.session import Session, refuse_loop
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.open import Database, open_store
from aiojobs_lite.telemetry.wording import counted
from aiojobs_lite.text import show

__all__ = ["FORKS", "ClientHandle", "JobClient"]

P = ParamSpec("P")
R = TypeVar("R")
_OPTIONS: Final = ("database", "jobs", "durability", "clock")


class _OfProcess:
    """What a client has in one process. One that is forked begins anew.

    The lock is held during each call, and during a fork: then the database is closed. SQLite would take the locks of an
    open one for held in the forked process, where they are not.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.session: Session | None = None
        self.close: Callable[[], object] = _nothing
        self.owner = BlockOwner()


class JobClient(ClientPublishing, AnswersHabitsOfClients):
    """Enqueues from scripts and WSGI applications: no event loop, and it runs no job. The runners do that, in other
    processes or in this one.

    It opens the database at its first call, and in each forked process anew. All threads may use it. Leaving
    `with client:` closes it, and so does the end of the process; it may be entered again.

    Each method that uses the database raises `ClientClosed` if the client is closed, `WrongEventLoop` inside an event
    loop, which it would block, and `StoreRefused` if the database cannot be used.

    Args:
        database: As `JobRunner` takes it.
        jobs: What can be enqueued: job types, groups (`Jobs()`), and modules that have some of them. Groups and
            modules are read again whenever the database is opened.
        durability: `full` survives a power cut, `normal` a crash of the process.
        clock: The time; tests give a fake one.

    Attributes:
        batches: Opens and finds batches, as `runner.batches` does.
        schedules: Makes and steers cron schedules, as `runner.schedules` does.

    Raises:
        ConfigurationError: If an option or a job type cannot work.
        StoreRefused: If `database` is a URL that no store knows.
    """

    def __init__(
        self,
        database: Database | None = None,
        *,
        jobs: Iterable[JobSource] = (),
        durability: Durability = "full",
        clock: Clock | None = None,
        **unknown: Never,
    ) -> None:
        refuse_unknown(unknown, _OPTIONS, HABITS_OF_A_CLIENT)
        self._clock = SystemClock() if clock is None else check_clock("clock", clock)
        self._database, self._durability = database_or_default(database), durability
        check_choice("durability", durability, get_args(Durability))
        open_store(self._database, durability)  # refuses what cannot work; opens no file
        self._registry = Registry("Register it: JobClient(jobs=[...]).")
        self._sources: list[JobSource] = (
            [jobs] if isinstance(jobs, Jobs) else check_each("jobs", jobs, "job types, groups or modules")
        )
        self._take()
        self._is_closed = False
        self._by_forks: dict[int, _OfProcess] = {}  # of this process, and of those that it was forked from
        FORKS.add(self._stopped)

    def enqueue(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> ClientHandle:
        """Makes a job durable; returns after the commit.

        Args:
            job: A job type, or one with options (`.using(...)`).
            *args: The handler's arguments; injected parameters are left out.
            **kwargs: The same by name.

        Returns:
            The job's id and key, and whether it is new.

        Raises:
            UnknownJobType: If it is not among the `jobs` of this client.
            InvalidPayload: If the arguments do not fit the handler.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
            EnqueueError: `QueueFull`, `UniqueConflict`, `KeyReused` or `InvalidKey`, as of `JobRunner.enqueue`.
            JobNotFound: If there is none of the jobs that it is to run after (`after=`).
            StoreUnavailable: If the database cannot be used now. If the commit itself failed, the job may exist.
        """
        check_enqueueable(job)
        (handle,) = self.enqueue_many([job.bind(*args, **kwargs)])
        return handle

    def enqueue_named(self, name: str, /, *args: Any, **kwargs: Any) -> ClientHandle:
        """The same as `enqueue`, for a job type of which only the name is known. pydantic checks its arguments.

        Raises:
            InvalidOption: If `name` is no text.
            UnknownJobType: If no job type of this client has this name.
            EnqueueError, JobNotFound, StoreUnavailable: As of `enqueue`.
        """
        if not isinstance(name, str):
            raise InvalidOption("name", name, "the name of a job type; client.enqueue(...) takes the job type")
        self._open()
        return self.enqueue(self._registry.get(name), *args, **kwargs)

    def enqueue_many(self, jobs: Iterable[BoundJob[Any]]) -> list[ClientHandle]:
        """Makes many jobs durable in one transaction, all or none; 10,000 at once is fine.

        Args:
            jobs: Made by `job_type.bind(...)`.

        Returns:
            One handle a job, in their order.

        Raises:
            UnknownJobType: If one is not among the `jobs` of this client.
            EnqueueError: `QueueFull`, `UniqueConflict`, `KeyReused` or `InvalidKey`, as of `JobRunner.enqueue`.
            JobNotFound: If there is none of the jobs that one is to run after (`after=`).
            StoreUnavailable: If the database cannot be used now. If the commit itself failed, the jobs may exist.
        """
        self._open()
        bound = check_bound(jobs, self._registry)  # without the lock: the iterable is the caller's code
        if not bound:
            return []
        now = self._clock.now()
        write = write_of([(one.how, one.row(now)) for one in bound])
        with self._session() as session:
            answer = inserted_of(write, session.write(write, now))
        return handles_of(session.database, write, answer)

    def enqueue_in(
        self, connection: OpenConnection, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> ClientHandle:
        """Makes a job part of the caller's own open transaction: it is there when that is committed, and never if it is
        rolled back, or a savepoint of it is.

        Args:
            connection: A connection to the file of this client: of sqlite3, or a connection or session of SQLAlchemy
                over one.
            job: As for `enqueue`.
            *args: As for `enqueue`.
            **kwargs: As for `enqueue`.

        Returns:
            The job's id and key, and whether it is new. After a rollback another job may get them.

        Raises:
            UnknownJobType: If it is not among the `jobs` of this client.
            InvalidPayload: If the arguments do not fit the handler.
            PayloadTooLarge: If they take more bytes as JSON than the type's `largest_payload`.
            InvalidOption: If `connection` is a delay, or the job is to run after others (`after=`).
            TransactionRefused: If the transaction cannot take the job; `why` says what is wrong.
            StoreUnavailable: If the file is locked, full or failing. The job is not in the transaction; roll it back.
        """
        check_connection(connection)
        check_enqueueable(job)
        (handle,) = self.enqueue_many_in(connection, [job.bind(*args, **kwargs)])
        return handle

    def enqueue_many_in(self, connection: OpenConnection, jobs: Iterable[BoundJob[Any]]) -> list[ClientHandle]:
        """Makes many jobs part of the caller's own open transaction, all or none; see `enqueue_in`.

        Args:
            connection: As for `enqueue_in`.
            jobs: Made by `job_type.bind(...)`.

        Returns:
            One handle a job, in their order.

        Raises:
            EnqueueError, InvalidOption, StoreUnavailable: As of `enqueue_in`.
        """
        refuse_loop()
        if self._is_closed:
            raise ClientClosed
        check_connection(connection)
        process = self._process()
        if process.session is None:
            with process.lock:
                self._take()  # what was added to groups and modules since
        bound = check_bound(jobs, self._registry)
        joining = joining_of(store_of_start(self._database, self._durability))  # no session: the caller has the lock
        now = self._clock.now()
        write = write_of_joined([(one.how, one.row(now)) for one in bound])
        (answer,) = joining.apply_blocking(connection, [(write,)], now)
        return handles_of(joining.ask_blocking(connection, GetDatabaseId()), write, answer)

    def send(
        self,
        name: str,
        data: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the field's name
    ) -> ClientSentEvent:
        """Sends an event; returns after the commit. See `JobRunner.send`.

        Raises:
            InvalidEvent: If the data cannot be stored.
            InvalidOption: If the name or the id cannot be one.
            EnqueueError: If the options of a listener among the `jobs` of this client refuse its job.
            StoreUnavailable: If the database cannot be used now. If the commit itself failed, it may be sent.
        """
        (sent,) = self.send_many([EventToSend(name, data, id)])
        return sent

    def send_many(self, events: Iterable[EventToSend]) -> list[ClientSentEvent]:
        """Sends up to 5,000 events in one transaction, all or none.

        Raises:
            InvalidEvent, InvalidOption, EnqueueError, StoreUnavailable: As of `send`.
        """
        self._open()
        now = self._clock.now()
        write = events_of(events, self._registry, now)  # without the lock: `when` and keys are the caller's code
        with self._session() as session:
            return send_by(session, write, now)

    def get(self, job_id: int) -> Job:
        """Reads one job with the history of its attempts, as `runner.jobs.get`.

        Raises:
            JobNotFound: If no job has this id.
            StoreUnavailable: If the database cannot be read now.
        """
        query = GetJob(check_id(job_id))
        with self._session() as session:
            job = session.ask(query)
        if job is None:
            raise JobNotFound(job_id)
        return job

    @property
    def schedules(self) -> ClientSchedules:
        """Makes and steers cron schedules, as `runner.schedules` does."""
        return ClientSchedules(self._registry, self._clock, self._session)

    @property
    def batches(self) -> ClientBatches:
        """Opens and finds batches, as `runner.batches` does."""
        return ClientBatches(ClientParts(self._registry, self._clock, self._session, lambda: self._process().owner))

    def close(self) -> None:
        """Closes the database, after the calls in flight. May be called twice."""
        self._is_closed = True
        self._let_go()

    def __enter__(self) -> JobClient:
        self._is_closed = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def replaced(self, *, database: Database, clock: Clock) -> Iterator[None]:
        """For tests: another database and clock in the block. It is opened anew for it, and after it."""
        open_store(database, self._durability)  # as in __init__
        given, found = (database, check_clock("clock", clock)), (self._database, self._clock)
        self._let_go()
        self._database, self._clock = given
        try:
            yield
        finally:
            self._let_go()
            self._database, self._clock = found

    def __repr__(self) -> str:
        place = self._database
        shown = show(os.fspath(place)) if isinstance(place, str | os.PathLike) else type(place).__name__
        state = "closed" if self._is_closed else "open" if self._process().session else "not opened"
        return f"<JobClient {shown} {state}, {counted(len(self._registry), 'job type')}>"

    def _take(self) -> None:
        for source in self._sources:
            for job_type in job_types_of(source):
                self._registry.add(job_type)

    def _process(self) -> _OfProcess:
        return self._by_forks.setdefault(count_forks(), _OfProcess())

    def _open(self) -> None:
        """Opens the database if need be, and reads the groups and modules."""
        with self._session():
            pass

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """The session of this process, for one call; opened if need be.

        While the caller has it the lock is held: no code of the user's may run then, for it may fork or make a client.
        """
        refuse_loop()
        process = self._process()
        with process.lock:
            if self._is_closed:
                raise ClientClosed
            if process.session is None:
                self._take()  # what was added to groups and modules since
                process.session = Session(store_of_start(self._database, self._durability))
                process.close = weakref.finalize(self, process.session.close)  # it is dropped, or the process ends
            yield process.session

    def _let_go(self) -> None:
        process = self._process()
        with process.lock:
            close, process.close, process.session = process.close, _nothing, None
            close()

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        """Closes the database; no call begins in the block. The first one after it opens the database again."""
        with self._process().lock:
            self._let_go()
            yield


def _nothing() -> None:
    """Closes what was not opened."""


class _Forks:
    """All clients of this process: while it forks their databases are closed.

    One object for all clients, since Python keeps what is registered for forks until the process ends.
    """

    def __init__(self) -> None:
        self._clients: set[weakref.WeakMethod[Callable[[], AbstractContextManager[None]]]] = set()
        self._lock = threading.RLock()  # held during a fork: no other one begins, and no client is made
        self._stopped = ExitStack()
        os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._begin_anew)

    def add(self, stopped: Callable[[], AbstractContextManager[None]]) -> None:
        """Adds a client by its method that stops it in a block, until the client is dropped."""
        with self._lock:
            self._clients.add(weakref.WeakMethod(stopped, self._clients.discard))

    def _before(self) -> None:
        self._lock.acquire()
        for client in list(self._clients):
            if (stopped := client()) is not None:
                self._stopped.enter_context(stopped())

    def _after(self) -> None:
        try:
            self._stopped.close()
        finally:
            self._lock.release()

    def _begin_anew(self) -> None:
        self._lock = threading.RLock()
        self._stopped.close()


FORKS: Final = _Forks()
