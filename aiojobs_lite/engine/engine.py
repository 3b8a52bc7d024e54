"""The engine of one runner: its parts wired together, in one owned task that holds their task group.

Entering and leaving the runner may happen in different tasks, hence the task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import anyio

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.change_watcher import Watcher
from aiojobs_lite.engine.committer import Committer
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.engine.executor import Executor
from aiojobs_lite.engine.failures import publish_end
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.engine.loop_monitor import Lookout
from aiojobs_lite.engine.signals import Signals
from aiojobs_lite.engine.ticker import Schedule, Ticker
from aiojobs_lite.engine.waiters import Waiters
from aiojobs_lite.errors import RunnerClosed, StoreError, StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.writes import Claim, ClaimAnswer, Finish, Unpark, Write
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Applied, JobFilter, Store, TypeCounts
from aiojobs_lite.stores.sqlite.owners import Ownership
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted, TypesUnclaimed
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.stats import RunnerStats, TypeStats

_log = logging.getLogger("aiojobs_lite.engine")
T = TypeVar("T")
_RESTART_PAUSE = 1.0  # seconds
_FIRST_RESCUE = 5.0  # seconds that a start waits for its first rescue
_FLUSH = 0.5  # seconds that the last writes may take when everything else has ended


@dataclass(frozen=True, slots=True)
class Settings:
    """What the runner was told, checked. Durations in seconds."""

    max_running: int
    drain_timeout: float
    cancel_grace: float
    keep_completed: float
    keep_dead: float


class Engine:
    """All parts of one running runner; made anew for each start.

    Args:
        store: The database.
        clock: The time.
        bus: Hears what happens.
        registry: The job types.
        schedules: The cron schedules.
        deps: Resources for injected parameters.
        settings: The options.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        bus: Bus,
        registry: Registry,
        schedules: list[Schedule],
        deps: Mapping[Any, Any],
        settings: Settings,
    ) -> None:
        self.store, self.bus = store, bus
        self._clock, self._registry = clock, registry
        self._settings = settings
        self._metrics = Metrics()
        self.waiters = Waiters()
        self._ownership = Ownership(store.shared_path)
        self._dispatcher = Dispatcher(
            self._ownership.owner, clock, registry, settings.max_running,
            start=lambda jobs: self._executor.start(jobs), wake=lambda: self._committer.wake(),
        )  # fmt: skip
        self._committer = Committer(
            store, clock, bus,
            next_claim=self._next_claim, committed=self._committed, idle=self._went_idle,
        )  # fmt: skip
        self.write = self._committer.write  # no method around it: each enqueue would await one more
        self._drain_asked = asyncio.Event()
        self._executor = Executor(
            clock, bus, self._metrics, registry, deps,
            keep=self._committer.keep, released=self._dispatcher.released, finished=self._finished,
            refused=lambda: self._watcher.look_again(), draining=self._drain_asked.is_set,
            cancel_grace=settings.cancel_grace,
        )  # fmt: skip
        self._ticker = Ticker(schedules, clock, bus, self._metrics, self._committer.write)
        self._janitor = Janitor(
            store, clock, bus, registry,
            renew=self._ownership.renew, is_dead=self._ownership.is_dead, bury=self._ownership.bury,
            others=self._ownership.others,
            owner=self._ownership.owner, holding=self._executor.holding, settled=self._settled,
            end=self._end_lost, prune=self._committer.write,
            keep_completed=settings.keep_completed, keep_dead=settings.keep_dead,
        )  # fmt: skip
        self._watcher = Watcher(store, clock, changed=self._changed, jumped=self._jumped)
        self._lookout = Lookout(bus, self._metrics, whose=self._executor.type_of)
        self._signals = Signals(self._on_signal)
        self._hurry = asyncio.Event()
        self._close_asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._drain_why = "close"
        self._is_up = self._is_over = False
        self._main_task: asyncio.Task[None] | None = None

    @property
    def is_draining(self) -> bool:
        """Whether nothing more is claimed."""
        return self._drain_asked.is_set()

    async def start(self) -> None:
        """Opens the store and starts every part; returns when jobs can be enqueued and run."""
        ready = asyncio.get_running_loop().create_future()
        ready.add_done_callback(_seen)
        self._main_task = asyncio.create_task(self._main(ready), name="aiojobs_lite engine")
        try:
            await asyncio.shield(ready)
        except BaseException:
            self._hurry.set()
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drains and closes; returns when all is closed. A caller that is cancelled makes it hurry, and still waits."""
        self.drain("close")
        self._close_asked.set()
        cancelled: asyncio.CancelledError | None = None
        while self._main_task is not None and not self._main_task.done():
            try:
                await asyncio.wait([self._main_task])
            except asyncio.CancelledError as error:
                cancelled = error
                self._hurry.set()
        if cancelled is not None:
            raise cancelled

    def drain(self, why: str) -> None:
        """Begins the drain: nothing more is claimed, no tick fires. Enqueuing still works."""
        if not self._drain_asked.is_set():
            self._drain_why = why
            self._dispatcher.close()
            self._ticker.close()
            self._drain_asked.set()

    async def until_idle(self) -> None:
        """Returns when nothing runs and nothing is due that could run."""
        while True:
            self._idle.clear()
            self._committer.wake()
            await self._idle.wait()
            if self._is_idle() or self._is_over:
                return

    async def until_draining(self) -> None:
        """Returns when the drain has begun."""
        await self._drain_asked.wait()

    async def order(self, work: Coroutine[Any, Any, T]) -> T:
        """Carries out a write and what follows from it: all of it, or nothing. A cancelled caller does not wait."""
        task = asyncio.ensure_future(work)
        task.add_done_callback(_seen)
        return await asyncio.shield(task)

    def cancel(self, job_id: int) -> None:
        """Stops an attempt that runs here, if one does."""
        self._executor.stop(job_id, Stop.CANCEL)

    def look_again(self, job_type: str | None = None) -> None:
        """Something became claimable that was not."""
        self._dispatcher.look_again(job_type)

    def stats(self) -> RunnerStats:
        """See `JobRunner.stats`."""
        counts = self.store.counts()
        by_type = {
            name: self._type_stats(name, counts.get(name)) for name in sorted({*self._registry.names(), *counts})
        }
        total = {
            name: sum(getattr(stats, name) for stats in by_type.values())
            for name in ("pending", "scheduled", "retrying", "parked", "processing", "completed", "dead", "cancelled")
        }
        return RunnerStats(
            **total,
            running=self._executor.running,
            stuck=self._executor.stuck,
            oldest_due_age=self._dispatcher.oldest_due_age(),
            throughput=self._metrics.throughput(),
            loop_lag=self._metrics.loop_lag,
            draining=self.is_draining,
            degraded=self._committer.degraded,
            refused_ends=self._metrics.refused_ends,
            skipped_ticks=self._metrics.skipped_ticks,
            unclaimed=self._unclaimed(),
            by_type=by_type,
        )

    # The owned task.

    async def _main(self, ready: asyncio.Future[None]) -> None:
        try:
            await self._open()
            self._signals.install()
            async with anyio.create_task_group() as group:
                for part in (self._committer, self._dispatcher, self._watcher, self._lookout, self._ticker):
                    group.start_soon(self._guarded, part.run)
                await self._first_rescue()
                group.start_soon(self._guarded, self._janitor.run)
                _resolve(ready, None)
                self._is_up = True
                self._committer.wake()
                await self._drain_asked.wait()
                await self._drain()
                await self._close_asked.wait()
                await self._flush()
                self._is_over = True
                self._committer.close()
                await self.store.close()  # before the parts end: what they have in flight is answered, or gives up
                group.cancel_scope.cancel()
        except asyncio.CancelledError:
            if not self._close_asked.is_set():
                _log.error(
                    "the engine was cancelled while its runner is in use; leave the runner before you cancel all"
                )
            raise
        except Exception as error:  # noqa: BLE001  # handed to `start`, or logged: never to the host
            if ready.done():
                _log.exception("the engine stopped; this is a defect of the library, please report it")
            _resolve(ready, error)
        finally:
            _resolve(ready, RunnerClosed())
            await self._shut()

    async def _open(self) -> None:
        await self.store.open()
        self._ownership.acquire()
        now = self._clock.now()
        writes: list[Write] = [Unpark(self._registry.names()), *self._ticker.first(now)]
        applied = await self.store.apply(writes, now)
        self._ticker.begin(applied.answers[1:])
        unclaimed = self._unclaimed()
        if unclaimed and self.bus.is_watched(TypesUnclaimed):
            self.bus.publish(TypesUnclaimed(", ".join(f"{name} ({count})" for name, count in unclaimed.items())))

    async def _first_rescue(self) -> None:
        try:
            async with asyncio.timeout(_FIRST_RESCUE):
                await self._janitor.rescue()
        except (TimeoutError, StoreError) as error:
            _log.warning("the first rescue is put off: %r", error)

    async def _guarded(self, run: Callable[[], Awaitable[None]]) -> None:
        """A part that fails is started again: a defect in one must not end all, and must never reach the host."""
        while True:
            try:
                await run()
            except (StoreUnavailable, RunnerClosed) as error:
                if not self._is_over:
                    _log.warning("%s: %s", run.__qualname__, error)
            except Exception:  # noqa: BLE001  # logged, and the part is started again
                _log.exception("%s failed and is started again; please report it", run.__qualname__)
            await asyncio.sleep(_RESTART_PAUSE)

    async def _drain(self) -> None:
        started = time.monotonic()
        if self.bus.is_watched(DrainStarted):
            self.bus.publish(DrainStarted(self._drain_why, self._executor.running))
        await self._until_done(self._settings.drain_timeout, hurry=self._hurry)
        interrupted = self._executor.stop_all(Stop.SHUTDOWN)
        await self._until_done(self._settings.cancel_grace)
        left = self._executor.running
        if self.bus.is_watched(DrainFinished):
            self.bus.publish(DrainFinished(time.monotonic() - started, max(0, interrupted - left), left))

    async def _until_done(self, timeout: float, hurry: asyncio.Event | None = None) -> None:
        """Waits until nothing runs, at most so many seconds, or until somebody is in a hurry."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._executor.wait_until_done())]
        if hurry is not None:
            waits.append(asyncio.ensure_future(hurry.wait()))
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _flush(self) -> None:
        """Saves what is left to save; in vain if the store cannot be written, whose rescue then finds it."""
        for note in self._executor.leave():
            self._committer.keep(note, _nothing)
        self._committer.wake()
        deadline = time.monotonic() + _FLUSH
        while not self._committer.is_idle and time.monotonic() < deadline:  # noqa: ASYNC110  # bounded, at the very end
            await asyncio.sleep(0.002)

    async def _shut(self) -> None:
        self._is_over = True
        self._idle.set()
        self._signals.restore()
        self.drain("close")
        self._executor.leave()
        self._committer.close()
        self.waiters.close(RunnerClosed())
        self.bus.close()
        try:
            await self.store.close()
        finally:
            self._executor.when_empty(self._ownership.release)  # the lock says that something still runs
        self._signals.act()

    # What the parts tell each other.

    def _next_claim(self, inserting: bool) -> Claim | None:  # noqa: FBT001  # a callback
        """No job starts before the start is complete: one that is cancelled, by a signal say, has nothing to stop."""
        return self._dispatcher.next_claim(inserting) if self._is_up else None

    def _committed(self, applied: Applied, answer: ClaimAnswer | None) -> None:
        if applied.changed:
            self._watcher.look_again()  # the store has told of it, and will not again
        self._dispatcher.committed(applied, answer)

    def _finished(self, end: Finish) -> None:
        self._dispatcher.finished(end.type)
        self.waiters.finished(end)

    def _kept(self, write: Write) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()

        def done(_write: Write, answer: object, error: StoreError | None) -> None:
            if not future.done():
                future.set_result(answer) if error is None else future.set_exception(error)

        self._committer.keep(write, done)
        return future

    async def _settled(self) -> None:
        await self._committer.write(Unpark(()))  # changes nothing; answered after all that was in flight before it

    def _end_lost(self, end: Finish) -> asyncio.Future[bool]:
        """Saves the end of a dead owner's attempt, and tells of it as of any other."""
        future = self._kept(end)

        def told(saved: asyncio.Future[bool]) -> None:
            if not saved.cancelled() and saved.exception() is None and saved.result():
                self._finished(end)
                publish_end(self.bus, end, 0.0)

        future.add_done_callback(told)
        return future

    async def _changed(self) -> None:
        self._dispatcher.look_again()
        await self.waiters.recheck(lambda ids: self.store.find(JobFilter(ids=ids, limit=len(ids))))
        if self._executor.running:
            asked = await self.store.find(JobFilter(owner=self._ownership.owner, cancel_requested=True))
            for job in asked:
                self._executor.stop(job.id, Stop.CANCEL)

    def _jumped(self) -> None:
        self._dispatcher.clock_jumped()
        self._ticker.look_again()

    def _on_signal(self, name: str, impatient: bool) -> None:  # noqa: FBT001  # a callback
        if impatient:
            self._hurry.set()
        if self._signals.is_due:
            self._close_asked.set()  # nobody else would
        self.drain(name)

    def _went_idle(self) -> None:
        if self._is_idle():
            self._idle.set()

    def _is_idle(self) -> bool:
        return self._ticker.is_idle and self._dispatcher.is_idle and self._committer.is_idle

    def _unclaimed(self) -> dict[str, int]:
        return {
            name: counts.pending
            for name, counts in self.store.counts().items()
            if counts.pending and self._registry.find(name) is None
        }

    def _type_stats(self, name: str, counts: TypeCounts | None) -> TypeStats:
        job_type, meter = self._registry.find(name), self._metrics.meters.get(name)
        return TypeStats(
            **asdict(counts or TypeCounts()),
            concurrency=job_type.concurrency if job_type else None,
            p50=meter.percentile(0.5) if meter else None,
            p95=meter.percentile(0.95) if meter else None,
            success_rate=meter.success_rate() if meter else None,
        )


def _resolve(ready: asyncio.Future[None], error: BaseException | None) -> None:
    if ready.done():
        return
    if error is None:
        ready.set_result(None)
    else:
        ready.set_exception(error)


def _seen(future: asyncio.Future[Any]) -> None:
    """Whoever awaited it may be gone: that it failed is then nobody's business."""
    if not future.cancelled():
        future.exception()


def _nothing(_write: Write, _answer: object, _error: StoreError | None) -> None:
    """A note that could not be saved changes nothing: its job is rescued all the same."""
