"""The engine of one runner: builds each part once, and hands them to each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiojobs_lite.clock import Clock, SystemClock, to_datetime
from aiojobs_lite.engine.ageing import Ageing
from aiojobs_lite.engine.around import Around
from aiojobs_lite.engine.attempt_check import AttemptCheck
from aiojobs_lite.engine.cascades import Cascades
from aiojobs_lite.engine.change_watcher import ChangeWatcher
from aiojobs_lite.engine.clock_corrector import ClockCorrector
from aiojobs_lite.engine.clock_monitor import ClockMonitor
from aiojobs_lite.engine.committer import Committer
from aiojobs_lite.engine.deaths import Deaths
from aiojobs_lite.engine.defect_monitor import DefectMonitor
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.engine.executor import Executor
from aiojobs_lite.engine.expiries import ExpiryReporter
from aiojobs_lite.engine.figures import FigureCounter
from aiojobs_lite.engine.health import Health
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.engine.joining import JoinedJobs
from aiojobs_lite.engine.lane_check import LaneCheck
from aiojobs_lite.engine.left_schedules import LeftSchedules
from aiojobs_lite.engine.lifecycle import Lifecycle
from aiojobs_lite.engine.listeners import Listeners
from aiojobs_lite.engine.long_attempts import LongAttempts
from aiojobs_lite.engine.loop_monitor import LoopMonitor
from aiojobs_lite.engine.maintenance import Maintenance, Retention
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.pauses import PauseMonitor
from aiojobs_lite.engine.phase import Phase
from aiojobs_lite.engine.ports import Check, Part
from aiojobs_lite.engine.progress import Reports
from aiojobs_lite.engine.recorder import Recorder
from aiojobs_lite.engine.releaser import Releaser
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.engine.runners import look_at_runners, with_reports
from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.engine.ticker import Ticker
from aiojobs_lite.engine.troubles import TroubleReporter
from aiojobs_lite.engine.type_changes import TypeChange, TypeChanges
from aiojobs_lite.engine.waiters import Waiters
from aiojobs_lite.engine.watchers import JobWatchers
from aiojobs_lite.engine.workers import most_workers
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.policy.catch_up import Schedule
from aiojobs_lite.policy.settle import Stop, Suspension
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.stats import RunnerStats, runner_stats

A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a runner, checked. Durations in seconds."""

    max_running: int
    drain_timeout: float
    cancel_grace: float
    keep_completed: float
    keep_dead: float
    keep_events: float
    ageing: float | None = None


class Engine:
    """All parts of one running runner; made anew for each start.

    Args:
        store: The database.
        clock: The time.
        bus: Gets every fact.
        registry: The job types.
        schedules: The cron schedules, of registered job types.
        deps: The resources, open; closed when the engine has ended.
        around: What is around the attempts of a job type, by its name.
        settings: The options.

    Attributes:
        bus: As given.
        attempts: What runs.
        commits: What is to be written.
        waiters: The callers that await jobs.
        watchers: The watchers of jobs.
        listeners: Hand on the events of programs that do not know who listens.
        identity: What others can know this runner by.
        pauses: Reports of types that are paused and resumed.
        ticker: Fires the schedules.
        joined: The jobs that callers enqueue in transactions of their own.
        write: See `Committer.write`. No method around it: each enqueue would await one more.
        save_ran: See `Committer.save_ran`.
        write_figures: See `FigureCounter.settle`.
        write_all: See `Committer.write_all`.
    """

    def __init__(
        self, *, store: Store, clock: Clock, bus: Bus, registry: Registry, schedules: Sequence[Schedule],
        deps: Resources, around: Mapping[str, Around], settings: Settings,
    ) -> None:  # fmt: skip
        self.bus, self._store, self._clock, self.registry = bus, store, clock, registry
        self.identity = identity = Identity(settings.max_running, registry.limits)
        owner, self.waiters, self.attempts = identity.owner, Waiters(), AttemptRegister()
        self.pauses, self.joined = PauseMonitor(store=store, bus=bus), JoinedJobs(store=store, bus=bus)
        self._dispatcher = _dispatcher(owner, clock, registry, settings)
        self.watchers, self.listeners = JobWatchers(store=store), Listeners(store=store, clock=clock, registry=registry)
        watcher = self._change_watcher()
        self._health, self._metrics = Health(bus=bus, listeners=[self._dispatcher, watcher]), Metrics()
        self.commits = committer = self._committer()
        self.watchers.connect(commits=committer)
        self.listeners.connect(commits=committer, changes=watcher)
        reports = Reports(commits=committer, clock=clock, attempts=self.attempts)
        self._maintenance = self._maintains(settings)
        deaths, expiries = Deaths(registry=registry, clock=clock, commits=committer), ExpiryReporter(self.waiters, bus)
        recorder, figures = self._recorder(watcher, deaths, reports)
        self._executor = Executor(
            clock=clock, bus=bus, registry=registry, deps=deps, attempts=self.attempts, slots=self._dispatcher,
            recorder=recorder, identity=identity, cancel_grace=settings.cancel_grace,
        )  # fmt: skip
        self.ticker = ticker = self._ticker(schedules)
        releaser = Releaser(store=store, clock=clock, registry=registry, slots=self._dispatcher, commits=committer)
        parts = Parts(
            committer=committer, dispatcher=self._dispatcher, executor=self._executor, attempts=self.attempts,
            recorder=recorder, ticker=ticker, janitor=self._janitor(recorder), releaser=releaser, pauses=self.pauses,
            joined=self.joined, deaths=deaths, listeners=self.listeners, waiters=self.waiters, figures=figures,
            watchers=self.watchers, reports=reports, others=self._others(watcher, recorder, ticker, settings.ageing),
        )  # fmt: skip
        self._lifecycle = Lifecycle(
            store=store, clock=clock, bus=bus, registry=registry, identity=identity, parts=parts, resources=deps,
            drain_timeout=settings.drain_timeout, cancel_grace=settings.cancel_grace,
        )  # fmt: skip
        _connect(committer, self._dispatcher, watcher, self._executor, self._cascades(watcher), expiries, ticker)
        self._executor.connect(store=store, reporter=reports, around=around)
        self._type_changes = self._changes_of(parts, deps)
        self.write, self.write_all, self.save_ran = committer.write, committer.write_all, committer.save_ran
        self.follow, self.write_figures = reports.follow, figures.settle

    @property
    def phase(self) -> Phase:
        """Where it stands in its life."""
        return self._lifecycle.phase

    @property
    def is_draining(self) -> bool:
        """Whether nothing more is claimed, for good."""
        return self._lifecycle.is_draining

    async def start(self) -> None:
        """See `Lifecycle.start`."""
        await self._lifecycle.start()

    async def stop(self) -> None:
        """See `Lifecycle.stop`."""
        await self._lifecycle.stop()

    def drain(self, why: str) -> None:
        """See `Lifecycle.drain`."""
        self._lifecycle.drain(why)

    def put_host_off(self) -> None:
        """See `Lifecycle.put_host_off`."""
        self._lifecycle.put_host_off()

    async def until_idle(self) -> None:
        """See `Lifecycle.until_idle`."""
        await self._lifecycle.until_idle()

    async def until_draining(self) -> None:
        """See `Lifecycle.until_draining`."""
        await self._lifecycle.until_draining()

    async def ask(self, query: Query[A]) -> A:
        """See `Store.ask`."""
        return await self._store.ask(query)

    async def runners(self) -> tuple[list[RunnerInfo], Collection[str]]:
        """See `look_at_runners`; each with what it has left for others."""
        runners, dead = await look_at_runners(self._store)
        return await with_reports(self._store, runners, to_datetime(self.now())), dead

    @property
    def fault(self) -> str | None:
        """Why the database cannot be written, or None."""
        return self._health.fault

    def now(self) -> int:
        """The instant, in microseconds."""
        return self._clock.now()

    @property
    def is_clock_replaced(self) -> bool:
        """Whether it has another clock than the machine's, as in a test."""
        return not isinstance(self._clock, SystemClock)

    async def order(self, work: Coroutine[Any, Any, T]) -> T:
        """Carries out a write and what follows from it: all of it, or nothing. A cancelled caller does not wait."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(_retrieve_error)
        return await asyncio.shield(task)

    async def change_types(self, change: Callable[[Registry], TypeChange]) -> None:
        """See `TypeChanges.make`. A cancelled caller does not wait for it."""
        await self.order(self._type_changes.make(change))

    def cancel(self, job_id: int, reason: str | None) -> None:
        """Stops an attempt that runs in this runner, if one does."""
        self._executor.stop(job_id, Stop.CANCEL, reason)

    def suspend(self, run: Running, suspension: Suspension) -> None:
        """Ends an attempt that waits."""
        self._executor.suspend(run, suspension)

    def look_again(self, job_type: str | None = None) -> None:
        """Jobs of a type (None: of any type) became claimable that were not."""
        self._dispatcher.look_again(job_type)

    def knows(self, job_type: str) -> bool:
        """Whether a type is registered in this runner or has, or had, jobs in the database."""
        return job_type in self.registry.limits or job_type in self._store.counts().by_type

    def count_throttled(self, job_type: str) -> None:
        """Counts an enqueue that the `Throttle` of its type dropped."""
        self._metrics.meters[job_type].throttled += 1

    def pending(self, job_type: str) -> int:
        """How many jobs of a type are pending, as far as is known; no I/O."""
        counts = self._store.counts().by_type.get(job_type)
        return 0 if counts is None else counts.pending

    def wait_for(self, job_type: str, jobs: int) -> float:
        """Seconds until so many jobs of a type have come to an end, by how quickly they did lately."""
        counts, now = self._store.counts().by_type.get(job_type), time.monotonic()
        rate = self._metrics.rates[job_type]
        if counts is not None:
            rate.sample(now, counts.completed + counts.dead + counts.cancelled)
        return rate.wait_for(jobs, now)

    def stats(self) -> RunnerStats:
        """See `JobRunner.stats`."""
        return runner_stats(
            self._store.counts(),
            limits=self.registry.limits,
            metrics=self._metrics,
            running=self.attempts.running,
            stuck=self.attempts.stuck,
            draining=self.is_draining,
            degraded=self._health.fault,
            now=self._clock.now(),
        )

    def _change_watcher(self) -> ChangeWatcher:
        return ChangeWatcher(
            store=self._store, owner=self.identity.owner, dispatcher=self._dispatcher, waiters=self.waiters,
            pauses=self.pauses, joined=self.joined, watchers=self.watchers, listeners=self.listeners,
        )  # fmt: skip

    def _committer(self) -> Committer:
        return Committer(
            store=self._store, clock=self._clock, health=self._health, claims=self._dispatcher,
            meter=self._metrics.commits,
        )  # fmt: skip

    def _ticker(self, schedules: Sequence[Schedule]) -> Ticker:
        return Ticker(
            schedules=schedules, registry=self.registry, store=self._store, clock=self._clock, commits=self.commits,
            bus=self.bus, metrics=self._metrics,
        )  # fmt: skip

    def _maintains(self, settings: Settings) -> Maintenance:
        left = LeftSchedules(
            store=self._store, commits=self.commits, bus=self.bus, identity=self.identity, registry=self.registry
        )
        retention = Retention(settings.keep_completed, settings.keep_dead, settings.keep_events)
        return Maintenance(
            store=self._store, clock=self._clock, commits=self.commits, retention=retention, look_at_ends=left.look
        )

    def _changes_of(self, parts: Parts, deps: Resources) -> TypeChanges:
        return TypeChanges(
            store=self._store, bus=self.bus, registry=self.registry, identity=self.identity, deps=deps, parts=parts
        )

    def _cascades(self, watcher: ChangeWatcher) -> Cascades:
        return Cascades(self.bus, self.waiters, [self.listeners, watcher])

    def _recorder(self, refusals: ChangeWatcher, deaths: Deaths, reports: Reports) -> tuple[Recorder, FigureCounter]:
        """What saves ends, and what counts them."""
        recorder = Recorder(
            commits=self.commits, clock=self._clock, attempts=self.attempts, bus=self.bus, metrics=self._metrics,
            listeners=[self._dispatcher, self.waiters], refusals=refusals, deaths=deaths, reports=reports,
        )  # fmt: skip
        figures = FigureCounter(commits=self.commits, clock=self._clock)
        recorder.connect(figures=figures)
        return recorder, figures

    def _janitor(self, recorder: Recorder) -> Janitor:
        return Janitor(
            store=self._store, clock=self._clock, bus=self.bus, registry=self.registry, owner=self.identity.owner,
            attempts=self.attempts, commits=self.commits, recorder=recorder,
        )  # fmt: skip

    def _others(self, watcher: ChangeWatcher, recorder: Recorder, ticker: Ticker, age: float | None) -> list[Part]:
        checks: list[Check] = [
            AttemptCheck(
                attempts=self.attempts, ender=self._executor, slots=self._dispatcher, kept=self.commits,
                recorder=recorder,
            ),
            LaneCheck(
                store=self._store, clock=self._clock, health=self._health, claims=self._dispatcher,
                writes=self.commits, waiters=self.waiters,
            ),
        ]  # fmt: skip
        reporter = TroubleReporter(
            owners=self._store.owners, clock=self._clock, attempts=self.attempts, health=self._health
        )
        corrector = ClockCorrector(
            store=self._store, clock=self._clock, bus=self.bus, commits=self.commits, ticks=ticker
        )
        return [
            watcher,
            self.watchers,
            self.listeners,
            self._maintenance,
            corrector,
            *([] if age is None else [Ageing(clock=self._clock, commits=self.commits, age=age)]),
            ClockMonitor(clock=self._clock, listeners=[self._dispatcher, ticker, corrector]),
            LongAttempts(bus=self.bus, attempts=self.attempts),
            LoopMonitor(bus=self.bus, metrics=self._metrics, attempts=self.attempts, reporter=reporter),
            DefectMonitor(bus=self.bus, attempts=self.attempts, checks=checks, describe=self._describe),
        ]

    def _describe(self) -> str:
        """What is known of the parts, for the report of a defect."""
        attempts, commits = self.attempts, self.commits
        return (
            f"{self.phase.name} running={attempts.running} stuck={attempts.stuck} unsaved={attempts.unsaved} "
            f"kept={len(commits.jobs_kept())} waiting={commits.is_waiting} busy={commits.is_busy} "
            f"transactions={commits.transactions} callers={len(self.waiters)} degraded={self._health.fault}"
        )


def _dispatcher(owner: str, clock: Clock, registry: Registry, settings: Settings) -> Dispatcher:
    most, workers = settings.max_running, most_workers()
    return Dispatcher(owner=owner, clock=clock, registry=registry, max_running=most, workers=workers)


def _connect(
    committer: Committer,
    dispatcher: Dispatcher,
    watcher: ChangeWatcher,
    executor: Executor,
    cascades: Cascades,
    expiries: ExpiryReporter,
    ticker: Ticker,
) -> None:
    """Some parts need what is built of them."""
    committer.connect(cascades=cascades)
    dispatcher.connect(commits=committer, attempts=executor, expiries=expiries)
    watcher.connect(attempts=executor, ticker=ticker)


def _retrieve_error(task: asyncio.Task[Any]) -> None:
    """The caller that awaited it may be gone: then its error is not reported as never retrieved."""
    if not task.cancelled():
        task.exception()
