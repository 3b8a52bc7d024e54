"""The life of one engine, in one task of its own: start, run, drain, close.

Entering and leaving the runner may happen in different tasks, hence a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.committer import Committer
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.engine.executor import Executor
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.engine.last_writes import LastWrites
from aiojobs_lite.engine.ports import Part
from aiojobs_lite.engine.running import AttemptRegister
from aiojobs_lite.engine.signals import Signals
from aiojobs_lite.engine.ticker import Ticker
from aiojobs_lite.engine.waiters import Waiters
from aiojobs_lite.errors import RunnerClosed, StoreError, StoreUnavailable
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import Held
from aiojobs_lite.model.writes import Release, Unit
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted, TypesUnclaimed
from aiojobs_lite.telemetry.stats import unclaimed

_log = logging.getLogger("aiojobs_lite.engine")
_RESTART_PAUSE_S: Final = 1.0
_FIRST_RESCUE_S: Final = 5.0  # that a start waits for its first rescue


class Phase(IntEnum):
    """Where an engine stands in its life. It goes on, never back, and may leave phases out."""

    NEW = 0
    STARTING = 1  # parts run, and jobs can be enqueued, but none is claimed
    RUNNING = 2
    DRAINING = 3  # nothing more is claimed, no tick fires; enqueuing still works
    CLOSING = 4  # the same, and what follows the drain is the end
    CLOSED = 5  # nothing more is written


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an engine as its lifecycle knows them.

    Attributes:
        committer: Is flushed and closed.
        dispatcher: Claims while the engine runs.
        executor: Stops attempts.
        attempts: Says what runs.
        ticker: Fires while the engine runs.
        janitor: Rescues once before the start is complete.
        waiters: Are notified of the end.
        signals: May begin the drain.
        others: Only run.
    """

    committer: Committer
    dispatcher: Dispatcher
    executor: Executor
    attempts: AttemptRegister
    ticker: Ticker
    janitor: Janitor
    waiters: Waiters
    signals: Signals
    others: Sequence[Part]


class Lifecycle:
    """Starts the parts, drains them, and closes everything in the reverse order.

    Args:
        store: Is opened and closed.
        clock: Gives the first transaction its instant.
        bus: Gets the facts of the drain.
        registry: The job types.
        owner: The id of this runner.
        parts: The parts.
        drain_timeout: Seconds that running jobs may take to end by themselves.
        cancel_grace: Seconds that they may take to end when they were stopped.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        bus: Bus,
        registry: Registry,
        owner: str,
        parts: Parts,
        drain_timeout: float,
        cancel_grace: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._registry = registry
        self._owner = owner
        self._parts = parts
        self._last_writes = LastWrites(
            commits=parts.committer, attempts=parts.attempts, owners=store.owners, drain_timeout=drain_timeout,
            cancel_grace=cancel_grace,
        )  # fmt: skip
        self._drain_timeout = drain_timeout
        self._cancel_grace = cancel_grace
        self._phase = Phase.NEW
        self._phase_ended = asyncio.Event()
        self._drain_reason = "close"
        self._is_hurried = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        parts.committer.connect(idle=self)
        parts.signals.connect(listener=self)

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._phase

    @property
    def is_draining(self) -> bool:
        """Whether nothing more is claimed, for good."""
        return self._phase >= Phase.DRAINING

    async def start(self) -> None:
        """Opens the store and starts every part; returns when jobs can be enqueued and run.

        A start that fails or is cancelled leaves nothing open.

        Raises:
            StoreRefused: If the database cannot be used.
            StoreUnavailable: If it cannot be used now.
            RunnerClosed: If the engine was cancelled meanwhile.
        """
        ready = asyncio.get_running_loop().create_future()
        ready.add_done_callback(_retrieve_error)  # its caller may be gone
        self._task = asyncio.create_task(self._live(ready), name="aiojobs_lite engine")
        try:
            await asyncio.shield(ready)
        except BaseException:
            self._is_hurried.set()
            await self.stop()
            raise

    async def stop(self) -> None:
        """Drains and closes; returns when all is closed. A caller that is cancelled makes it hurry, and still waits."""
        self.drain("close")
        self._go_on_to(Phase.CLOSING)
        cancelled: asyncio.CancelledError | None = None
        while self._task is not None and not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                cancelled = error
                self._is_hurried.set()
        if cancelled is not None:
            raise cancelled

    def drain(self, why: str) -> None:
        """Begins the drain: nothing more is claimed, no tick fires. Enqueuing still works."""
        if self.is_draining:
            return
        self._drain_reason = why
        for part in (self._parts.dispatcher, self._parts.ticker, self._parts.executor):
            part.drain()
        self._go_on_to(Phase.DRAINING)

    async def until_draining(self) -> None:
        """Returns when the drain has begun."""
        await self._until(Phase.DRAINING)

    async def until_idle(self) -> None:
        """Returns when nothing runs and nothing is due that could run, or when the engine is closed."""
        while not self._is_closed:
            self._is_idle.clear()
            self._parts.committer.wake()
            await self._is_idle.wait()
            if self._has_nothing_to_do():
                return

    def went_idle(self) -> None:
        """The committer has nothing to write."""
        if self._has_nothing_to_do():
            self._is_idle.set()

    def signalled(self, name: str, *, is_impatient: bool) -> None:
        """A signal came: the drain begins."""
        if is_impatient:
            self._is_hurried.set()
        self.drain(name)
        if self._parts.signals.is_due:  # then nothing else leaves the runner
            self._go_on_to(Phase.CLOSING)

    # The phase.

    @property
    def _is_closed(self) -> bool:
        return self._phase is Phase.CLOSED

    def _go_on_to(self, phase: Phase) -> None:
        if phase > self._phase:
            self._phase = phase
            ended, self._phase_ended = self._phase_ended, asyncio.Event()
            ended.set()

    async def _until(self, phase: Phase) -> None:
        while self._phase < phase:
            await self._phase_ended.wait()

    # The owned task.

    async def _live(self, ready: asyncio.Future[None]) -> None:
        try:
            async with AsyncExitStack() as closing:
                group = await self._prepare(closing)
                await self._go_through(group, ready)
        except Exception:  # noqa: BLE001  # logged: never to the host
            _log.exception("the engine could not close everything; please report it")
        finally:
            _resolve(ready, RunnerClosed())

    async def _prepare(self, closing: AsyncExitStack) -> TaskGroup:
        """Says how everything is closed, from the last to the first."""
        parts = self._parts
        closing.callback(parts.signals.act)
        closing.callback(parts.attempts.when_empty, self._store.owners.release)  # it shows that something still runs
        closing.callback(self._bus.close)
        closing.callback(parts.waiters.close)
        closing.callback(parts.signals.restore)
        group = await closing.enter_async_context(anyio.create_task_group())
        closing.callback(group.cancel_scope.cancel)
        closing.push_async_callback(self._close_store)  # before the parts end: what they have in flight gets an answer
        closing.callback(parts.committer.close)
        closing.callback(self._last_writes.note_unsaved)
        closing.callback(parts.attempts.leave)
        closing.callback(self._close)
        return group

    async def _go_through(self, group: TaskGroup, ready: asyncio.Future[None]) -> None:
        """The phases, one after the other."""
        try:
            await self._open()
            self._parts.signals.install()
            await self._begin(group)
            _resolve(ready, None)
            await self._until(Phase.DRAINING)
            await self._drain()
            await self._until(Phase.CLOSING)
            self._parts.attempts.leave()
            await self._last_writes.save(self._is_hurried)
        except asyncio.CancelledError:
            if self._phase < Phase.CLOSING:
                _log.error(
                    "the engine was cancelled while its runner is in use; leave the runner before you cancel all"
                )
            raise
        except Exception as error:  # noqa: BLE001  # handed to `start`, or logged: never to the host
            if ready.done():
                _log.exception("the engine stopped; this is a defect of the library, please report it")
            _resolve(ready, error)

    async def _open(self) -> None:
        """Opens the store, shows that this owner lives, and stores the schedules."""
        self._go_on_to(Phase.STARTING)
        await self._store.open()
        await self._store.owners.acquire(self._owner, lost=self._lose, regained=self._regain)
        now = self._clock.now()
        units: list[Unit] = [(Release(self._registry.names(), Held.PAYLOAD),)]
        units += [(write,) for write in self._parts.ticker.first(now)]
        applied = await self._store.apply(units, now)
        self._parts.ticker.begin(applied.answers[1:])
        strange = unclaimed(self._store.counts(), self._registry.limits)
        if strange and self._bus.is_watched(TypesUnclaimed):
            self._bus.publish(TypesUnclaimed(", ".join(f"{name} ({count})" for name, count in strange.items())))

    async def _begin(self, group: TaskGroup) -> None:
        """Starts the parts. No job starts before the start is complete: a start that is cancelled, by a signal say, has
        nothing to stop then.
        """
        parts = self._parts
        at_once: list[Part] = [parts.committer, parts.dispatcher, parts.ticker, *parts.others]
        for part in at_once:
            group.start_soon(self._guard, part)
        try:
            async with asyncio.timeout(_FIRST_RESCUE_S):
                await parts.janitor.rescue()
        except (TimeoutError, StoreError) as error:
            _log.warning("the first rescue is put off: %r", error)
        group.start_soon(self._guard, parts.janitor)
        self._go_on_to(Phase.RUNNING)
        parts.dispatcher.start_claiming()

    async def _guard(self, part: Part) -> None:
        """A part that fails is started again: a defect in one must not end all, and must never reach the host."""
        name = type(part).__name__
        while True:
            try:
                await part.run()
            except (StoreUnavailable, RunnerClosed) as error:
                if not self._is_closed:
                    _log.warning("%s: %s", name, error)
            except Exception:  # noqa: BLE001  # logged, and the part is started again
                _log.exception("%s failed and is started again; please report it", name)
            await asyncio.sleep(_RESTART_PAUSE_S)

    async def _drain(self) -> None:
        started, parts = time.monotonic(), self._parts
        self._last_writes.drain_started()
        if self._bus.is_watched(DrainStarted):
            self._bus.publish(DrainStarted(self._drain_reason, parts.attempts.running))
        await self._wait_for_attempts(self._drain_timeout, hurry=self._is_hurried)
        interrupted = parts.executor.stop_all(Stop.SHUTDOWN)
        await self._wait_for_attempts(self._cancel_grace)
        left = parts.attempts.running
        if self._bus.is_watched(DrainFinished):
            self._bus.publish(DrainFinished(time.monotonic() - started, max(0, interrupted - left), left))

    async def _wait_for_attempts(self, timeout: float, hurry: asyncio.Event | None = None) -> None:
        """Waits until nothing runs, at most so many seconds, or until it is to hurry."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._parts.attempts.wait_until_done())]
        if hurry is not None:
            waits.append(asyncio.ensure_future(hurry.wait()))
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _close_store(self) -> None:
        """Closes every connection; a store that fails at it has a second try."""
        try:
            await self._store.close()
        except Exception:  # noqa: BLE001  # logged; the second try is not caught
            _log.exception("the store could not be closed and is closed again; please report it")
            await self._store.close()

    def _close(self) -> None:
        self.drain("close")
        self._go_on_to(Phase.CLOSED)
        self._is_idle.set()

    # What this runner knows of itself.

    def _has_nothing_to_do(self) -> bool:
        parts = self._parts
        return parts.ticker.is_idle and parts.dispatcher.is_idle and parts.committer.is_idle

    def _lose(self) -> None:
        """Others may soon take this owner for dead: nothing of it may run then."""
        self._parts.dispatcher.stop_claiming()
        self._parts.executor.stop_all(Stop.SHUTDOWN)

    def _regain(self) -> None:
        self._parts.dispatcher.start_claiming()


def _resolve(ready: asyncio.Future[None], error: BaseException | None) -> None:
    if ready.done():
        return
    if error is None:
        ready.set_result(None)
    else:
        ready.set_exception(error)


def _retrieve_error(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
