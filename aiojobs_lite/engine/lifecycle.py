"""The life of one engine, in one task of its own: start, run, drain, close.

Entering and leaving the runner may happen in different tasks, hence a task of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import anyio
from anyio.abc import TaskGroup

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.drain import Drain
from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.engine.signals import Signals
from aiojobs_lite.engine.startup import Startup
from aiojobs_lite.errors import RunnerClosed
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.logs import get_log
from aiojobs_lite.stores.base import Store
from aiojobs_lite.telemetry.bus import Bus

_log = get_log("engine")


class Lifecycle:
    """Starts the parts, drains them, and closes everything in the reverse order.

    Args:
        store: Is opened and closed.
        clock: Gives the first transaction its instant.
        bus: Gets the facts of the drain.
        registry: The job types.
        identity: Of this runner.
        parts: The parts.
        resources: Are closed after everything that may use them.
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
        identity: Identity,
        parts: Parts,
        resources: Resources,
        drain_timeout: float,
        cancel_grace: float,
    ) -> None:
        self._store = store
        self._bus = bus
        self._parts = parts
        self._resources = resources
        self._progress = progress = Progress()
        self._startup = Startup(
            store=store, clock=clock, bus=bus, registry=registry, identity=identity, parts=parts, progress=progress
        )
        self._drain = Drain(
            bus=bus, parts=parts, owners=store.owners, progress=progress, identity=identity,
            drain_timeout=drain_timeout, cancel_grace=cancel_grace,
        )  # fmt: skip
        self._signals = Signals(listener=self)
        self._task: asyncio.Task[None] | None = None

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._progress.phase

    @property
    def is_draining(self) -> bool:
        """Whether nothing more is claimed, for good."""
        return self._progress.is_draining

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
            self._drain.hurry()
            await self.stop()
            raise
        self._parts.deaths.open()
        self._parts.dispatcher.start_claiming()  # now: no handler begins before its application has entered the runner

    async def stop(self) -> None:
        """Drains and closes; returns when all is closed. A caller that is cancelled makes it hurry, and still waits."""
        self.drain("close")
        self._progress.go_on_to(Phase.CLOSING)
        cancelled: asyncio.CancelledError | None = None
        while self._task is not None and not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                cancelled = error
                self._drain.hurry()
                self._resources.hurry()
        if cancelled is not None:
            raise cancelled

    def drain(self, why: str) -> None:
        """Begins the drain: nothing more is claimed, no tick fires. Enqueuing still works."""
        self._drain.begin(why)

    def put_host_off(self) -> None:
        """See `Signals.put_host_off`."""
        self._signals.put_host_off()

    async def until_draining(self) -> None:
        """Returns when the drain has begun."""
        await self._progress.until(Phase.DRAINING)

    async def until_idle(self) -> None:
        """Returns when nothing runs and nothing is due that could run, or when the engine is closed."""
        committer, joined = self._parts.committer, self._parts.joined
        if joined.are_awaited:
            await joined.recheck(self._store)
        self._parts.dispatcher.look_again()  # the next claim notices what other connections have committed
        committer.wake()
        while not self._progress.is_closed:
            committer.went_idle.clear()
            await committer.went_idle.wait()
            if self._parts.are_idle:
                return

    def signalled(self, name: str, *, is_impatient: bool) -> None:
        """A signal came: the drain begins."""
        if is_impatient:
            self._drain.hurry()
        self.drain(name)
        if self._signals.is_due:  # then nothing else leaves the runner
            self._progress.go_on_to(Phase.CLOSING)

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
        closing.callback(self._signals.act)
        closing.push_async_callback(self._resources.close)
        closing.callback(parts.attempts.when_empty, self._store.owners.release)  # it shows that something still runs
        closing.callback(self._bus.close)
        closing.callback(parts.waiters.close)
        closing.callback(self._signals.restore)
        group = await closing.enter_async_context(anyio.create_task_group())
        closing.callback(group.cancel_scope.cancel)
        closing.callback(self._drain.finish)  # what was in flight has its answer then
        closing.push_async_callback(parts.executor.close)
        closing.push_async_callback(self._close_store)  # before the parts end: what they have in flight gets an answer
        closing.callback(parts.committer.close)
        closing.callback(self._drain.note_unsaved)
        closing.callback(parts.reports.close)
        closing.callback(parts.attempts.leave)
        closing.callback(parts.deaths.close)
        closing.callback(self._close)
        return group

    async def _go_through(self, group: TaskGroup, ready: asyncio.Future[None]) -> None:
        """The phases, one after the other."""
        try:
            await self._startup.open()
            self._signals.install()
            await self._startup.begin(group)
            _resolve(ready, None)
            await self._progress.until(Phase.DRAINING)
            await self._drain.run()
            await self._drain.wait_for_ends()
            await self._progress.until(Phase.CLOSING)
            self._parts.attempts.leave()
            self._parts.reports.close()
            await self._drain.save()
        except asyncio.CancelledError:
            if self._progress.phase < Phase.CLOSING:
                _log.error(
                    "the engine was cancelled while its runner is in use; leave the runner before you cancel all"
                )
            raise
        except Exception as error:  # noqa: BLE001  # handed to `start`, or logged: never to the host
            if ready.done():
                _log.exception("the engine stopped; this is a defect of the library, please report it")
            _resolve(ready, error)

    async def _close_store(self) -> None:
        """Closes every connection; a store that fails at it has a second try."""
        try:
            await self._store.close()
        except Exception:  # noqa: BLE001  # logged; the second try is not caught
            _log.exception("the store could not be closed and is closed again; please report it")
            await self._store.close()

    def _close(self) -> None:
        self.drain("close")
        self._progress.go_on_to(Phase.CLOSED)
        self._parts.committer.went_idle.set()  # it ends the waits


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
