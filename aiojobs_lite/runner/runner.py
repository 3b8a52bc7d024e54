"""`JobRunner`: the one object that an application works with. Wires the registry, the store and the engine."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal, ParamSpec, TypeVar, Unpack, get_args, overload

from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.engine.engine import Engine, Settings
from aiojobs_lite.engine.ticker import CatchUp, Overlap, Schedule
from aiojobs_lite.errors import (
    InvalidJobType,
    InvalidOption,
    InvalidPayload,
    MissingDependency,
    RunnerAlreadyStarted,
    RunnerClosed,
    RunnerNotStarted,
    StoreUnavailable,
    UnknownJobType,
    WrongEventLoop,
)
from aiojobs_lite.handlers.decorators import Declares, make_decorator
from aiojobs_lite.handlers.job_type import BoundJob, Enqueueable, JobType
from aiojobs_lite.handlers.options import JobOptions
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.writes import Insert, Inserted, Pause
from aiojobs_lite.runner.handle import JobHandle
from aiojobs_lite.runner.jobs import Jobs
from aiojobs_lite.runner.schedules import Schedules
from aiojobs_lite.stores.open import store_for
from aiojobs_lite.telemetry.bus import Bus, Watch
from aiojobs_lite.telemetry.facts import JobEnqueued, TypePaused, TypeResumed
from aiojobs_lite.telemetry.stats import RunnerStats

P = ParamSpec("P")
R = TypeVar("R")
Durability = Literal["full", "normal"]
_DATABASE_VARIABLE = "AIOJOBS_LITE_DATABASE"
_LOOP_GONE_EVERY = 0.5  # seconds between the looks of a waiting thread at whether the loop still lives


class JobRunner:
    """Runs durable background jobs inside the application that enters it.

    Nothing is opened or started before `async with runner:`. After leaving it, it may be entered again.

    Args:
        database: A path, `sqlite:///path`, or `:memory:`. None: the variable AIOJOBS_LITE_DATABASE, else `jobs.db`
            in the working directory.
        jobs: Job types declared elsewhere with `@job`.
        deps: Resources for injected parameters, by type.
        max_running: Most handlers that run at once in this runner; 0: it enqueues and looks, and runs nothing.
        drain_timeout: How long leaving waits for running jobs before it interrupts them.
        cancel_grace: How long a job that was told to stop may take to end.
        durability: `full` survives a power cut, `normal` a crash of the process.
        keep_completed: How long completed jobs are kept.
        keep_dead: How long dead and cancelled jobs are kept.
        clock: The time; tests give a fake one.

    Attributes:
        jobs: Reads and moves single jobs.
        schedules: The cron schedules.

    Raises:
        ConfigurationError: If an option or a job type cannot work.
        StoreRefused: If `database` is a URL that no store knows.
    """

    def __init__(
        self,
        database: str | os.PathLike[str] | None = None,
        *,
        jobs: Iterable[JobType[..., Any]] = (),
        deps: Mapping[Any, Any] | None = None,
        max_running: int = 100,
        drain_timeout: Duration = 20.0,
        cancel_grace: Duration = 5.0,
        durability: Durability = "full",
        keep_completed: Duration = "1d",
        keep_dead: Duration = "30d",
        clock: Clock | None = None,
    ) -> None:
        if isinstance(max_running, bool) or not isinstance(max_running, int) or not 0 <= max_running <= 100_000:
            raise InvalidOption("max_running", max_running, "a whole number from 0 to 100,000")
        self._database = os.environ.get(_DATABASE_VARIABLE) or "jobs.db" if database is None else database
        self._durability: Durability = _one_of("durability", durability, Durability)
        store_for(self._database, self._durability)  # refuses what cannot work; opens nothing
        self._settings = Settings(
            max_running,
            seconds(drain_timeout, "drain_timeout"),
            seconds(cancel_grace, "cancel_grace"),
            seconds(keep_completed, "keep_completed"),
            seconds(keep_dead, "keep_dead"),
        )
        self._clock = clock or SystemClock()
        self._deps = dict(deps or {})
        self._registry = Registry()
        self._schedules: dict[str, Schedule] = {}
        self._bus = Bus()
        self._engine: Engine | None = None
        self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self.jobs = Jobs(self._engine_here)
        self.schedules = Schedules(self._schedules, lambda: self._clock.now())
        self.job = make_decorator(self._add)
        self.register(*jobs)

    # Declaring.

    def register(self, *job_types: JobType[..., Any]) -> None:
        """Adds job types declared elsewhere with `@job`, before the start.

        Raises:
            DuplicateJobType: If another one has the same name.
            RunnerAlreadyStarted: If the runner is started.
        """
        for job_type in job_types:
            self._add(job_type)

    def cron(
        self,
        expression: str,
        *,
        tz: str = "UTC",
        catch_up: CatchUp = "latest",
        overlap: Overlap = "skip",
        **options: Unpack[JobOptions],
    ) -> Declares:
        """Declares a handler that runs by the clock: one job a tick, over all runners of the database.

        Args:
            expression: Five fields, or six with the seconds first.
            tz: Time zone in which it is read.
            catch_up: What becomes of ticks that were missed while nothing ran. `latest`: one run for all of them, if
                it is at most a day old. `skip`: none. `all`: each of the last 100, one after the other or at once.
            overlap: What becomes of a tick while the job of the one before is not finished: `skip` or `queue`.
            **options: As for `@runner.job`. The name is also that of the schedule.

        Raises:
            InvalidSchedule: If the expression or the zone cannot work.
            InvalidJobType: If the handler needs arguments.
        """
        _one_of("catch_up", catch_up, CatchUp)
        _one_of("overlap", overlap, Overlap)
        CronSchedule(expression, tz, hash_id="")  # refuses what cannot work here, where it stands

        def made(job_type: JobType[..., Any]) -> None:
            try:
                job_type.bind()
            except InvalidPayload as error:
                problem = f"a cron handler takes nothing but the context and injected parameters: {error}"
                raise InvalidJobType(job_type.name, problem) from error
            self._add(job_type)
            cron = CronSchedule(expression, tz, hash_id=job_type.name)
            self._schedules[job_type.name] = Schedule(job_type.name, job_type, cron, catch_up, overlap)

        return make_decorator(made)(**options)

    # Living.

    async def __aenter__(self) -> JobRunner:
        """Opens the database and starts; see `StoreRefused`, `MissingDependency`."""
        if self._started:
            raise RunnerAlreadyStarted("entered")
        for job_type in self._registry:
            for wanted in job_type.signature.injected.values():
                if wanted not in self._deps:
                    raise MissingDependency(job_type.name, wanted)
        self._engine = Engine(
            store_for(self._database, self._durability),
            self._clock,
            self._bus,
            self._registry,
            list(self._schedules.values()),
            self._deps,
            self._settings,
        )
        self._started = True
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        try:
            await self._engine.start()
        except BaseException:
            self._started = False
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drains: waits for running jobs, interrupts those that take too long, closes everything."""
        engine = self._engine_here()
        try:
            await engine.stop()
        finally:
            self._started = False

    async def run_forever(self) -> None:
        """Runs until SIGTERM or SIGINT, then drains. Enters the runner if it is not started.

        A signal that nobody else handles is raised again after the drain, so that the process ends by it.
        """
        if self._started:
            await self._engine_here().until_draining()
            return
        async with self:
            await self._engine_here().until_draining()

    async def run_until_idle(self) -> None:
        """Works until nothing runs and nothing is due. Enters and leaves the runner if it is not started."""
        if self._started:
            await self._engine_here().until_idle()
            return
        async with self:
            await self._engine_here().until_idle()

    @contextmanager
    def replaced(self, *, database: str | os.PathLike[str], clock: Clock, deps: Mapping[Any, Any]) -> Iterator[None]:
        """For tests: another database, another clock and other resources for the runs started in the block."""
        if self._started:
            raise RunnerAlreadyStarted("given another database")
        found = self._database, self._clock, self._deps
        self._database, self._clock, self._deps = database, clock, {**self._deps, **deps}
        try:
            yield
        finally:
            self._database, self._clock, self._deps = found

    # Enqueuing.

    @overload
    async def enqueue(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]: ...
    @overload
    async def enqueue(self, job: str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]: ...
    async def enqueue(self, job: Enqueueable[..., Any] | str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]:
        """Makes a job durable; returns after the commit.

        A caller that is cancelled leaves one whole job or none; with an idempotency key it can safely repeat the call.

        Args:
            job: A job type, one with options (`.using(...)`), or the name of one.
            *args: The handler's arguments, without the context.
            **kwargs: The same by name; injected parameters are left out.

        Returns:
            A handle, with which the result can be awaited.

        Raises:
            UnknownJobType: If it is not registered here.
            InvalidPayload: If the arguments do not fit the handler.
            PayloadTooLarge: If they take more than 256 KiB as JSON.
            StoreUnavailable: If the database cannot be written now. Where the commit itself failed, it may be there all
                the same.
            RunnerError: If the runner cannot be used here and now.
        """
        engine = self._engine_here()
        wanted = self._resolved(job)
        row = wanted.row(self._clock.now(), args, kwargs)
        ((job_id, is_new),) = await engine.write(Insert((row,)))
        if is_new and self._bus.is_watched(JobEnqueued):
            self._bus.publish(JobEnqueued(job_id, wanted.job_type.name))
        return JobHandle(wanted.job_type, self.jobs, job_id, is_new=is_new)

    async def enqueue_many(self, jobs: Iterable[BoundJob[R]]) -> list[JobHandle[R]]:
        """Makes many jobs durable in one transaction, all or none; 10,000 at once is fine.

        Args:
            jobs: Made by `job_type.bind(...)`.

        Returns:
            One handle a job, in their order.

        Raises:
            UnknownJobType: If one is not registered here.
            StoreUnavailable: If the database cannot be written now. Where the commit itself failed, it may be there all
                the same.
            RunnerError: If the runner cannot be used here and now.
        """
        engine = self._engine_here()
        bound = list(jobs)
        checked = None
        for one in bound:
            if not isinstance(one, BoundJob):
                raise InvalidOption("jobs", one, "bound jobs, made by job_type.bind(...)")
            if one.job_type is not checked:
                checked = one.job_type
                self._registry.check(checked)
        if not bound:
            return []
        now = self._clock.now()
        inserted: list[Inserted] = await engine.write(Insert(tuple([one.row(now) for one in bound])))
        if self._bus.is_watched(JobEnqueued):
            for one, (job_id, is_new) in zip(bound, inserted, strict=True):
                if is_new:
                    self._bus.publish(JobEnqueued(job_id, one.job_type.name))
        return [
            JobHandle(one.job_type, self.jobs, job_id, is_new=is_new)
            for one, (job_id, is_new) in zip(bound, inserted, strict=True)
        ]

    @overload
    def enqueue_threadsafe(self, job: Enqueueable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]: ...
    @overload
    def enqueue_threadsafe(self, job: str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]: ...
    def enqueue_threadsafe(self, job: Enqueueable[..., Any] | str, /, *args: Any, **kwargs: Any) -> JobHandle[Any]:
        """The same as `enqueue`, from a plain thread; returns after the commit.

        Raises:
            StoreUnavailable: If the database cannot be written now, or the event loop ended meanwhile.
            WrongEventLoop: If it is called from the event loop, which it would block for ever.
        """
        loop = self._usable_loop()
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            problem = "from its own event loop, which it would block" if here is loop else "inside an event loop"
            raise WrongEventLoop(f"enqueue_threadsafe was called {problem}. Use `await runner.enqueue(...)`.")
        bound = self._resolved(job).bind(*args, **kwargs)
        handles: list[JobHandle[Any]] = _result_of(self.enqueue_many([bound]), loop)
        return handles[0]

    # Looking and steering.

    def stats(self) -> RunnerStats:
        """Counts and measures at this moment: no I/O, correct to the last commit that this process made.

        Also after the runner was left: then as of the end.

        Raises:
            RunnerNotStarted: If it was never entered.
        """
        if self._engine is None:
            raise RunnerNotStarted
        return self._engine.stats()

    def watch(self) -> Watch:
        """An async iterator over what happens from now on, until the runner is left.

        At most 1,000 events wait unread; the oldest give way, so that nobody slows the engine.
        See `aiojobs_lite.telemetry` for all there are.
        """
        return self._bus.watch()

    async def pause(self, job: JobType[..., Any] | str) -> None:
        """Stops all claims of a type, in every runner of the database, until `resume`; what runs goes on."""
        await self._set_paused(job, paused=True)

    async def resume(self, job: JobType[..., Any] | str) -> None:
        """Lets the jobs of a paused type run again."""
        await self._set_paused(job, paused=False)

    async def _set_paused(self, job: JobType[..., Any] | str, *, paused: bool) -> None:
        engine = self._engine_here()
        name = job.name if isinstance(job, JobType) else job
        known = {*self._registry.names(), *engine.stats().by_type}
        if name not in known:
            raise UnknownJobType(str(name), known)
        await engine.order(self._paused(engine, name, paused=paused))

    async def _paused(self, engine: Engine, name: str, *, paused: bool) -> None:
        await engine.write(Pause(name, paused))
        engine.look_again(name)
        self._bus.publish(TypePaused(name) if paused else TypeResumed(name))

    def _add(self, job_type: JobType[..., Any]) -> None:
        if self._started:
            raise RunnerAlreadyStarted("given more job types")
        self._registry.add(job_type)

    def _resolved(self, job: object) -> Enqueueable[..., Any]:
        if isinstance(job, str):
            return self._registry.get(job)
        if not isinstance(job, Enqueueable):
            raise InvalidOption("job", job, "a job type (a function with @runner.job or @job) or the name of one")
        self._registry.check(job.job_type)
        return job

    def _engine_here(self) -> Engine:
        """The engine, if it can be used from here and now."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if self._started and here is self._loop and self._engine is not None:
            return self._engine  # nor is this a forked process: it would have another loop, or none
        self._usable_loop()
        raise WrongEventLoop(
            "the runner belongs to the event loop in which it was started, and this is another one or none. "
            "Use enqueue_threadsafe from a thread, or a runner for each loop."
        )

    def _usable_loop(self) -> asyncio.AbstractEventLoop:
        if not self._started or self._loop is None:
            raise RunnerNotStarted if self._engine is None else RunnerClosed
        if os.getpid() != self._pid:
            raise WrongEventLoop("this process was forked from the one that started the runner. Start one here.")
        return self._loop


def _one_of(option: str, value: Any, choices: Any) -> Any:
    if value not in get_args(choices):
        raise InvalidOption(option, value, " or ".join(map(repr, get_args(choices))))
    return value


def _result_of(work: Any, loop: asyncio.AbstractEventLoop) -> Any:
    """What a coroutine returns that runs on another thread's loop; does not hang if that loop ends first."""
    try:
        future = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError:  # it is closed
        work.close()
        raise RunnerClosed from None
    while True:
        try:
            return future.result(_LOOP_GONE_EVERY)
        except concurrent.futures.CancelledError:
            raise StoreUnavailable("CLOSED", "its event loop ended meanwhile: it may be there or not") from None
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
            if loop.is_closed():
                raise RunnerClosed from None
