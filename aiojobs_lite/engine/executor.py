"""One attempt, from the claim to its end: arguments, handler, timeout, stop, and what is written after.

Nothing a handler does leaves this room: every exception ends here (SystemExit and KeyboardInterrupt too, which would
stop the event loop), each attempt has a context of its own, and one that ignores its cancellation is left alone.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import anyio

from aiojobs_lite.clock import Clock, Timer
from aiojobs_lite.engine.calls import call_in_process, call_in_thread, dumped
from aiojobs_lite.engine.failures import describe, publish_end, stack_of
from aiojobs_lite.errors import InvalidPayload, StoreError
from aiojobs_lite.handlers.context import JobContext
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import Claimed, Outcome
from aiojobs_lite.model.writes import Finish, MarkInterrupted, Write
from aiojobs_lite.policy.settle import Ended, Stop, settle
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import AttemptStarted, AttemptStuck, EndRefused
from aiojobs_lite.telemetry.meters import Metrics

_EAGER = sys.version_info >= (3, 12)
_RETURNED = Ended()  # nothing
Keep = Callable[[Write, Callable[[Any, Any, StoreError | None], None]], None]


class Running:
    """One attempt that is running here."""

    __slots__ = (
        "cancel_requested",
        "claimed",
        "entered",
        "job_type",
        "started",
        "stopped",
        "stopping",
        "stuck",
        "task",
        "thread_id",
        "timers",
    )

    def __init__(self, claimed: Claimed, job_type: JobType[..., Any]) -> None:
        self.claimed = claimed
        self.job_type = job_type
        self.started = time.perf_counter()
        self.stopped: Stop | None = None
        self.stopping: threading.Event | None = None if job_type.mode == "async" else threading.Event()
        self.stuck = False
        self.cancel_requested = False
        self.timers: list[Timer] | None = None
        self.thread_id: int | None = None
        self.task: asyncio.Task[None] | None = None
        self.entered = False  # whether it has come to its first step

    def stack(self) -> str:
        """Where the handler is, for a person."""
        if self.job_type.mode == "thread":
            frame = sys._current_frames().get(self.thread_id or 0)  # noqa: SLF001  # the documented way
            return "".join(traceback.format_stack(frame)) if frame else "(its thread has not started)"
        return stack_of(self.task.get_coro() if self.task else None)


class Executor:
    """Runs attempts, each as a task of its own.

    Args:
        clock: Timeouts and instants.
        bus: Hears of each transition.
        metrics: Counts attempts.
        registry: Has the claimed types.
        deps: Fills injected parameters.
        keep: Has a write saved, for certain.
        released: Told that a type's slot is free.
        finished: Told of each end that was committed.
        refused: Told that somebody else has ended an attempt of this runner.
        draining: Whether the runner is about to end.
        cancel_grace: Seconds that a stopped attempt may take to end before it is reported as stuck.
    """

    def __init__(
        self,
        clock: Clock,
        bus: Bus,
        metrics: Metrics,
        registry: Registry,
        deps: Mapping[Any, Any],
        *,
        keep: Keep,
        released: Callable[[str], None],
        finished: Callable[[Finish], None],
        refused: Callable[[], None],
        draining: Callable[[], bool],
        cancel_grace: float,
    ) -> None:
        self._clock = clock
        self._bus = bus
        self._metrics = metrics
        self._registry = registry
        self._deps = deps
        self._injected = {
            job_type.name: {name: deps[wanted] for name, wanted in job_type.signature.injected.items()}
            for job_type in registry
        }
        self._keep = keep
        self._released = released
        self._finished = finished
        self._refused = refused
        self._draining = draining
        self._cancel_grace = cancel_grace
        self._processes = anyio.CapacityLimiter(os.cpu_count() or 1)
        self._running: dict[int, Running] = {}
        self._saving: dict[int, float] = {}  # ends that are still to be saved: how long their attempts took
        self._when_saved = self._saved  # one object for all
        self._noted: set[int] = set()
        self._changed = asyncio.Event()
        self._closed = False
        self._when_empty: Callable[[], None] | None = None

    @property
    def running(self) -> int:
        """How many handlers run."""
        return len(self._running)

    @property
    def stuck(self) -> int:
        """How many of them were told to stop and go on."""
        return sum(run.stuck for run in self._running.values())

    def holding(self) -> set[int]:
        """The jobs that run here or whose end is still to be saved; those that start from now on are added to it."""
        self._noted = {*self._running, *self._saving}
        return self._noted

    def type_of(self, task: asyncio.Task[Any] | None) -> str | None:
        """The job type whose attempt a task is, if it is one. May be called on any thread."""
        running = list(self._running.values()) if task else []
        return next((run.job_type.name for run in running if run.task is task), None)

    def start(self, jobs: Sequence[Claimed]) -> None:
        """Starts attempts; they are registered when this returns. Gives them back if the drain began meanwhile."""
        runs = [Running(claimed, self._registry.get(claimed.type)) for claimed in jobs]
        for run in runs:
            self._running[run.claimed.id] = run
            self._noted.add(run.claimed.id)
        loop = asyncio.get_running_loop()
        if self._draining():
            for run in runs:
                self._record(run, Ended(stopped=Stop.SHUTDOWN))
        elif _EAGER and loop.get_task_factory() is None:
            loop.call_soon(self._begin, loop, iter(runs))
        else:
            for run in runs:
                name = run.job_type.name
                run.task = loop.create_task(self._attempt(run), name=name, context=contextvars.Context())

    def _begin(self, loop: asyncio.AbstractEventLoop, runs: Iterator[Running]) -> None:
        """Does the first step of each attempt; most need no other. In a turn of its own: whoever enqueued the jobs goes
        on first, and is not inside of a handler.
        """
        try:
            for run in runs:
                name, context = run.job_type.name, contextvars.Context()
                asyncio.Task(  # type: ignore[call-arg]  # Python 3.11 knows no eager start
                    self._attempt(run), loop=loop, name=name, context=context, eager_start=True
                )
        except BaseException:  # a signal, or no memory: the others begin all the same
            loop.call_soon(self._begin, loop, runs)
            raise

    def stop(self, job_id: int, why: Stop) -> bool:
        """Asks one attempt to end; returns whether it runs here."""
        run = self._running.get(job_id)
        if run is None:
            return False
        if why is Stop.CANCEL:
            run.cancel_requested = True
        self._stop(run, why)
        return True

    def stop_all(self, why: Stop) -> int:
        """Asks all attempts to end; returns how many were not stopped before."""
        going = [run for run in self._running.values() if run.stopped is None]
        for run in going:
            self._stop(run, why)
        return len(going)

    async def wait_until_done(self) -> None:
        """Returns when nothing runs any more."""
        while self._running:
            self._changed.clear()
            await self._changed.wait()

    def leave(self) -> list[MarkInterrupted]:
        """Gives up on what still runs: its end is not recorded. Returns the notes for those who will rescue it."""
        self._closed = True
        for run in self._running.values():
            self._call_off_timers(run)
            if run.job_type.mode == "async" and run.task:  # asyncio.run waits for every task that it knows
                asyncio._unregister_task(run.task)  # noqa: SLF001  # documented, for tasks that end in their own way
        return [
            MarkInterrupted(run.claimed.id, run.claimed.attempt, run.claimed.owner) for run in self._running.values()
        ]

    def when_empty(self, call: Callable[[], None]) -> None:
        """Calls back when nothing runs here any more: at once, or when the last of those that were left has ended."""
        if self._running:
            self._when_empty = call
        else:
            call()

    async def _attempt(self, run: Running) -> None:
        if self._closed:
            self._forget(run)
            return
        run.entered = True
        if run.task is None:  # this step is done within its making
            run.task = asyncio.current_task()
        try:
            called = self._called(run)
            ended = called if isinstance(called, Ended) else _ended(run, await called)
        except BaseException as error:  # noqa: BLE001  # the boundary around a job: nothing passes
            ended = Ended(error=error, failure=describe(error), stopped=run.stopped)
        if run.timers:
            self._call_off_timers(run)
        if not self._closed:
            self._record(run, ended)
        elif run.thread_id is None:  # else the loop was closed over it, and its thread goes on
            self._forget(run)

    def _called(self, run: Running) -> Ended | Awaitable[Any]:
        """Calls the handler. What it returns is to be awaited; or how the attempt ended, if it was not called."""
        claimed, job_type = run.claimed, run.job_type
        signature = job_type.signature
        if run.stopped is not None:
            return Ended(stopped=run.stopped)
        try:
            args, kwargs = signature.load(claimed.payload)
        except InvalidPayload as error:
            return Ended(unreadable=f"the payload no longer fits the handler: {error.summary}")
        if self._bus.is_watched(AttemptStarted):
            self._bus.publish(AttemptStarted(claimed.id, claimed.type, claimed.attempt))
        if job_type.mode == "process":
            return self._in_process(run)
        if signature.takes_context:
            args = (JobContext(claimed, self._deps, run.stopping), *args)
        if signature.injected:
            kwargs.update(self._injected[claimed.type])
        self._entered(run)
        if job_type.mode == "thread":
            return call_in_thread(job_type.handler, args, kwargs, run)
        handler: Callable[..., Awaitable[Any]] = job_type.handler
        return handler(*args, **kwargs)

    async def _in_process(self, run: Running) -> Ended:
        try:
            entered = partial(self._entered, run)
            return await call_in_process(run.job_type, run.claimed, self._processes, entered=entered)
        except anyio.BrokenWorkerProcess:
            if self._draining():  # a signal to the whole process group met it before it could ignore it
                return Ended(stopped=Stop.SHUTDOWN)
            raise

    def _entered(self, run: Running) -> None:
        """The handler's first line is next: from here its time counts."""
        if run.job_type.timeout is not None:
            self._set_timer(run, run.job_type.timeout, partial(self._stop, run, Stop.TIMEOUT))
        run.started = time.perf_counter()

    def _record(self, run: Running, ended: Ended) -> None:
        claimed, job_type = run.claimed, run.job_type
        self._drop(run)
        duration = time.perf_counter() - run.started
        policy, now, cancelled = job_type.policy, self._clock.now(), run.cancel_requested
        try:
            end = settle(claimed, ended, policy, now, cancel_requested=cancelled)
        except BaseException as error:  # noqa: BLE001  # an exception of the handler that cannot even be looked at
            ended = Ended(error=error, failure=describe(error), may_retry=True)
            end = settle(claimed, ended, policy, now, cancel_requested=cancelled)
        self._metrics.ended(claimed.type, duration, succeeded=end.outcome is Outcome.SUCCEEDED)
        self._released(claimed.type)
        if not self._running:
            self._changed.set()
        self._saving[claimed.id] = duration
        self._keep(end, self._when_saved)

    def _drop(self, run: Running) -> None:
        """Takes a run off the list, unless another run of its job stands there: this one was taken from the runner
        while it ran, and the next attempt came here.
        """
        if self._running.get(run.claimed.id) is run:
            del self._running[run.claimed.id]

    def _forget(self, run: Running) -> None:
        self._drop(run)
        if not self._running and self._when_empty is not None:
            self._when_empty()

    def _saved(self, end: Finish, held: bool | None, error: StoreError | None) -> None:  # noqa: FBT001  # a callback
        if error is not None:
            # The store cannot take it as it stands (text that is no Unicode, say): save that it ended, at least.
            bare = end._replace(
                result=None, failure=None, reason=f"its end could not be stored: {type(error).__name__}"
            )
            if bare != end:
                self._keep(bare, self._when_saved)
                return
        duration = self._saving.pop(end.id, 0.0)
        if held:
            self._finished(end)
            publish_end(self._bus, end, duration)
        elif error is None:
            self._metrics.refused_ends += 1
            self._refused()
            self._bus.publish(EndRefused(end.id, end.type, end.attempt))

    def _stop(self, run: Running, why: Stop) -> None:
        if run.stopped is not None:
            return
        run.stopped = why
        if run.stopping is not None:
            run.stopping.set()
        if run.job_type.mode != "thread" and run.entered and run.task:  # not entered: it would skip the boundary
            run.task.cancel(f"aiojobs_lite: {why.value}")
        self._set_timer(run, self._cancel_grace, partial(self._report_stuck, run))

    def _report_stuck(self, run: Running) -> None:
        run.stuck = True
        if self._bus.is_watched(AttemptStuck):
            claimed, why = run.claimed, run.stopped.value if run.stopped else "?"
            self._bus.publish(AttemptStuck(claimed.id, claimed.type, claimed.attempt, why, run.stack()))

    def _set_timer(self, run: Running, delay: float, call: Callable[[], None]) -> None:
        if run.timers is None:
            run.timers = []
        run.timers.append(self._clock.call_later(delay, call))

    @staticmethod
    def _call_off_timers(run: Running) -> None:
        for timer in run.timers or ():
            timer.cancel()
        run.timers = None


def _ended(run: Running, value: Any) -> Ended:
    """How an attempt ended whose handler returned a value."""
    if run.job_type.mode == "process":
        ended: Ended = value
        return ended
    if run.stopped is not None and run.job_type.mode == "async":
        return Ended(stopped=run.stopped)  # it swallowed its cancellation: what it returns is not to be trusted
    if value is None:
        return _RETURNED
    result, note = dumped(run.job_type, value)
    return Ended(result=result, note=note)
