"""`JobRunner`: the one object that an application works with. Wires the registry, the store and the engine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Never, TypeVar, get_args

from aiojobs_lite.clock import Clock, SystemClock
from aiojobs_lite.dead import OnDead
from aiojobs_lite.durable.attempt import AroundStep
from aiojobs_lite.durable.durable import Durable
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.engine.engine import Engine, Settings
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.engine.type_changes import TypeChange
from aiojobs_lite.errors import (
    InvalidOption,
    MissingDependency,
    RunnerAlreadyStarted,
)
from aiojobs_lite.handlers.checks import check_choice, check_clock, check_each, check_resources
from aiojobs_lite.handlers.group import Declaring, Jobs, JobSource
from aiojobs_lite.handlers.habits import HABITS_OF_A_RUNNER, AnswersHabits, refuse_unknown
from aiojobs_lite.handlers.job_type import JobType, check_on_dead
from aiojobs_lite.handlers.middleware import check_middleware
from aiojobs_lite.handlers.options import TakesId
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.runner.children import DurableAccess
from aiojobs_lite.runner.declared import DeclaredTypes
from aiojobs_lite.runner.enqueuer import Enqueuer
from aiojobs_lite.runner.hosting import Hosted
from aiojobs_lite.runner.limits import JobLimits
from aiojobs_lite.runner.middleware import Surrounding
from aiojobs_lite.runner.opening import database_or_default, store_of_start
from aiojobs_lite.runner.publishing import CronPublisher
from aiojobs_lite.runner.schedules import Schedules
from aiojobs_lite.runner.types import JobTypes
from aiojobs_lite.stores.base import Durability, Store
from aiojobs_lite.stores.open import Database, open_store
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.stats import RunnerStats
from aiojobs_lite.telemetry.wording import counted
from aiojobs_lite.text import name_of, show

H = TypeVar("H", bound=OnDead | TakesId)
_DRAIN_VARIABLE: Final = "AIOJOBS_LITE_DRAIN_TIMEOUT"
_DAY_S: Final = 86400.0  # for so long the id of an event is known
_MOST_RUNNING: Final = 100_000  # handlers
_OPTIONS: Final = (
    "database", "jobs", "deps", "max_running", "drain_timeout", "cancel_grace", "durability", "keep_completed",
    "keep_dead", "keep_events", "ageing", "middleware", "clock",
)  # fmt: skip


class JobRunner(Enqueuer, Declaring, Hosted, AnswersHabits):
    """Runs durable background jobs inside the application that enters it.

    Nothing is opened or started before `async with runner:`. After leaving it, it may be entered again.

    Args:
        database: A path, `sqlite:///path`, `:memory:`, or a store. None: the variable AIOJOBS_LITE_DATABASE, else
            `jobs.db` in the working directory.
        jobs: What is declared elsewhere: job types (`@job`), groups (`Jobs()`), and modules that have some of them.
            Groups and modules are read again at each start.
        deps: Resources for injected parameters, by type: values, factories, context managers, and `PerAttempt(...)`.
            They replace those that groups bring for the same type.
        max_running: Most handlers that run at once in this runner; 0: it enqueues and reads, and runs nothing.
        drain_timeout: How long leaving waits for running jobs before it interrupts them. The variable
            AIOJOBS_LITE_DRAIN_TIMEOUT replaces it, for short stops in development.
        cancel_grace: How long a job that was stopped may take to end.
        durability: `full` survives a power cut, `normal` a crash of the process.
        keep_completed: How long completed jobs are kept.
        keep_dead: How long dead and cancelled jobs are kept.
        keep_events: How long events are kept, a day or longer. `ctx.wait_for_event` finds events that came before it,
            as long as they are kept.
        ageing: How long a job waits until its priority is at least medium; after twice as long it is high. None: it
            stays as it is.
        middleware: What is around each enqueue and each attempt; the first is the outermost.
        clock: The time; tests give a fake one.

    Attributes:
        job: Declares a handler as a job type of this runner; see `JobOptions`.
        jobs: Reads and moves stored jobs.
        types: Pauses and resumes job types, and changes those of a runner that runs.
        limits: Changes, pins and pauses limits by key.
        batches: Opens and finds batches.
        schedules: The cron schedules, declared and made at run time.
        events: Sends, lists and replays events.
        figures: How attempts ended and how long they took, over all processes; and how the database stands.
        documents: Small documents of JSON beside the jobs.
        publish: Has a request delivered to a URL, by `Http` of `aiojobs_lite.http`: `await runner.publish(url, ...)`.
        publish_many: Has many of them delivered, `Publish(url, ...)`, all or none, in one transaction.
        publish_cron: Has one delivered at each tick of a schedule: `await runner.publish_cron(name, "0 3 * * *", url)`.

    Raises:
        ConfigurationError: If an option or a job type cannot work.
        StoreRefused: If `database` is a URL that no store knows.
    """

    _resources: Resources | None = None  # being made

    def __init__(
        self,
        database: Database | None = None,
        *,
        jobs: Iterable[JobSource] = (),
        deps: Mapping[Any, Any] | None = None,
        max_running: int = 100,
        drain_timeout: Duration = 20.0,
        cancel_grace: Duration = 5.0,
        durability: Durability = "full",
        keep_completed: Duration = "1d",
        keep_dead: Duration = "30d",
        keep_events: Duration = "7d",
        ageing: Duration | None = None,
        middleware: Iterable[Any] = (),
        clock: Clock | None = None,
        **unknown: Never,
    ) -> None:
        refuse_unknown(unknown, _OPTIONS, HABITS_OF_A_RUNNER)
        Enqueuer.__init__(self, SystemClock() if clock is None else check_clock("clock", clock))
        Declaring.__init__(self)
        if isinstance(max_running, bool) or not isinstance(max_running, int) or not 0 <= max_running <= _MOST_RUNNING:
            raise InvalidOption("max_running", max_running, f"a whole number from 0 to {_MOST_RUNNING:,}")
        database = database_or_default(database)
        check_choice("durability", durability, get_args(Durability))
        open_store(database, durability)  # refuses what cannot work; opens no file
        self._middleware = check_middleware("middleware", middleware)
        self._around_steps: Mapping[str, AroundStep] = {}
        self._database, self._durability = database, durability
        self._settings = Settings(
            max_running, _drain_timeout(drain_timeout), seconds(cancel_grace, "cancel_grace"),
            seconds(keep_completed, "keep_completed"), seconds(keep_dead, "keep_dead"),
            seconds(keep_events, "keep_events", least=_DAY_S), _ageing(ageing),
        )  # fmt: skip
        self._declared = DeclaredTypes(self._access, self._registry, self._surround)
        self._declared.deps = check_resources("deps", deps)
        self.types, self.limits = JobTypes(self._access, self._declared), JobLimits(self._access, self._registry)
        self.schedules = Schedules(self._access, self._declared.schedules, self._registry, self.jobs, self._now)
        self.publish_cron = CronPublisher(self._registry, self.schedules)
        self.register(*([jobs] if isinstance(jobs, Jobs) else check_each("jobs", jobs, "job types, groups or modules")))

    # Declaring.

    def register(self, *jobs: JobSource) -> None:
        """Adds what is declared elsewhere, before the start: job types, groups and modules, as `jobs=` does.

        Raises:
            InvalidOption: If one is none of these, or a module without job types.
            DuplicateJobType: If two job types have the same name.
            ConflictingResources: If two groups have different resources for a type.
            RunnerAlreadyStarted: If the runner is started: then `runner.types.add` does it.
        """
        self._declared.register(jobs)

    def on_dead(self, handler: H) -> H:
        """Declares what is done for each job that dies in this runner. Call it before the start, or as a decorator.

        A function is called with a `DeadJob` after the death is durable: once, and not again if the process dies
        meanwhile. A job type is enqueued with the id of the dead job, in the same transaction.

        Args:
            handler: An `async def`, a plain function (it runs in a thread), or a job type.

        Raises:
            InvalidOption: If it is neither a function that takes a `DeadJob` nor a job type that takes a job id.
            RunnerAlreadyStarted: If the runner is started.
        """
        if self._access.is_started:
            raise RunnerAlreadyStarted("given a handler of dead jobs")
        self._registry.react(check_on_dead(handler))
        return handler

    def __setattr__(self, name: str, value: object) -> None:
        if name == "on_dead":
            raise AttributeError("on_dead is a method: call it, runner.on_dead(handler), or use it as a decorator")
        super().__setattr__(name, value)

    # Starting and closing.

    async def __aenter__(self) -> JobRunner:
        """Opens the database and starts every part.

        Raises:
            MissingDependency: If `deps` lacks what an injected parameter needs.
            ResourceFailed: If `deps` has a factory or a context manager that fails.
            StoreRefused: If the database cannot be used.
            StoreUnavailable: If it cannot be used now.
            RunnerAlreadyStarted: If the runner is started.
        """
        if self._access.is_started or self._resources is not None:
            raise RunnerAlreadyStarted
        self._declared.read_again()
        runs = self._settings.max_running > 0
        own = {JobRunner: self, Enqueuer: self, type(self): self, DurableAccess: self.durables}
        deps = {**self._declared.resources, **own} if runs else {}
        for job_type in self._registry if runs else ():
            for wanted in job_type.signature.injected.values():
                if wanted not in deps:
                    raise MissingDependency(job_type.name, wanted)
        self._resources = resources = Resources(deps)
        try:
            await resources.open()
            await self._start(resources)
        except BaseException:
            await resources.close()  # it was closed by the engine, if that was started
            raise
        finally:
            self._resources = None
        return self

    async def _start(self, resources: Resources) -> None:
        engine = self._wire(store_of_start(self._database, self._durability), resources)
        self._access.open(engine)
        try:
            await engine.start()
        except BaseException:
            self._access.close()
            raise

    def _wire(self, store: Store, resources: Resources) -> Engine:
        """Builds the engine of a start."""
        around, have = self._surround(self._registry)
        have()
        engine = Engine(
            store=store,
            clock=self._clock,
            bus=self._bus,
            registry=self._registry,
            schedules=list(self._declared.schedules.values()),
            deps=resources,
            around=around,
            settings=self._settings,
        )
        self.durables.durable = Durable(
            store=engine, clock=self._clock, bus=self._bus, attempts=engine.attempts, suspend=engine.suspend,
            around=self._around_step,
        )  # fmt: skip
        return engine

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drains: waits for running jobs, interrupts those that take too long, closes everything."""
        await self.stop()

    async def run_forever(self) -> None:
        """Runs until SIGTERM or SIGINT, then drains. Starts and closes the runner if it is not started.

        A signal that nothing else handles is raised again after the drain, so that the process ends by it.
        """
        if self._access.is_started:
            await self._access.engine.until_draining()
            return
        async with self:
            await self._access.engine.until_draining()

    async def run_until_idle(self) -> None:
        """Works until nothing runs and nothing is due. Starts and closes the runner if it is not started.

        It waits for no time to pass: what is due later, as a retry, and what a `Rate` lets start later, stays pending.

        Raises:
            RunnerError: If a handler of the runner awaits it, which it would wait for.
        """
        if self._access.is_started:
            self._access.check_not_awaited_by("runner.run_until_idle()")
            await self._access.engine.until_idle()
            return
        async with self:
            await self._access.engine.until_idle()

    @contextmanager
    def replaced(
        self,
        *,
        database: Database,
        clock: Clock,
        deps: Mapping[Any, Any],
        longest_drain: float = math.inf,
        runs: bool = True,
    ) -> Iterator[None]:
        """For tests: another database, clock and other resources, for each start in the block.

        Its drains take at most `longest_drain` seconds. Unless it `runs`, nothing is run, as with `max_running=0`.

        Raises:
            InvalidOption: If a resource is of a type that neither `deps` has nor a handler asks for.
            RunnerAlreadyStarted: If the runner is started.
        """
        if self._access.is_started:
            raise RunnerAlreadyStarted("given another database")
        open_store(database, self._durability)  # as in __init__
        resources = self._check_replacing(check_resources("deps", deps))
        given = database, check_clock("clock", clock), {**self._declared.deps, **resources}
        found, settings = (self._database, self._clock, self._declared.deps), self._settings
        self._database, self._clock, self._declared.deps = given
        drain_timeout = min(settings.drain_timeout, longest_drain)
        most = settings.max_running if runs else 0
        self._settings = replace(settings, drain_timeout=drain_timeout, max_running=most)
        try:
            yield
        finally:
            self._database, self._clock, self._declared.deps = found
            self._settings = settings

    def _check_replacing(self, resources: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """Checks that resources are of types that the runner knows."""
        self._declared.read_again()
        wanted = {kind: None for job_type in self._registry for kind in job_type.signature.injected.values()}
        known = {**dict.fromkeys(self._declared.resources), **wanted}
        unknown = {key: value for key, value in resources.items() if key not in known}
        if unknown:
            problem = f"no handler that is declared by now asks for {', '.join(map(name_of, unknown))}"
            expected = f"types that the runner knows: {', '.join(map(name_of, known)) or 'none'}; {problem}"
            raise InvalidOption("deps", unknown, expected)
        return resources

    # Reading.

    def stats(self) -> RunnerStats:
        """Returns the counts and measures of this moment, without I/O, correct to the last commit of this process.

        After the runner was closed, these are the counts and measures of its end.

        Raises:
            RunnerNotStarted: If it was never started.
        """
        return self._access.latest_engine.stats()

    async def runners(self) -> list[RunnerInfo]:
        """Lists the runners of the database in every process, the latest start first. A dead runner is listed for an
        hour after another runner noted its death.

        Raises:
            RunnerError: If the runner cannot be used now, or from this event loop.
            StoreUnavailable: If the database cannot be read now.
        """
        runners, _ = await self._access.engine.runners()
        return runners

    def watch(self) -> Watch:
        """Returns an async iterator over the facts from now on, until the runner is closed.

        At most 1,000 facts wait unread; then the oldest are dropped, so that no listener slows the runner.
        `aiojobs_lite.telemetry.facts` lists all kinds.
        """
        return self._bus.watch()

    def __repr__(self) -> str:
        place = self._database
        shown = show(os.fspath(place)) if isinstance(place, str | os.PathLike) else type(place).__name__
        return f"<JobRunner {shown} {self._access.state}, {counted(len(self._registry), 'job type')}>"

    def _now(self) -> int:
        return self._clock.now()  # of another clock, when `replaced` has set one

    def _surround(self, registry: Registry) -> TypeChange:
        surrounding = Surrounding(self._middleware, registry)

        def have() -> None:
            self._surrounding = surrounding if surrounding.has_enqueues else None
            self._around_steps = surrounding.steps

        return TypeChange(surrounding.attempts, have)

    def _around_step(self, job_type: str) -> AroundStep | None:
        return self._around_steps.get(job_type)

    def _add(self, job_type: JobType[..., Any]) -> None:
        self._declared.declare(job_type)


def _ageing(ageing: Duration | None) -> float | None:
    return None if ageing is None else seconds(ageing, "ageing", least=1.0)


def _drain_timeout(given: Duration) -> float:
    """The one in force: that of the environment stands before the one in the code, which is made for deploys."""
    checked, variable = seconds(given, "drain_timeout"), os.environ.get(_DRAIN_VARIABLE, "").strip()
    if not variable:
        return checked
    return seconds(variable, _DRAIN_VARIABLE)
