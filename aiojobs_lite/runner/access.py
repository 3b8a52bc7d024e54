"""Whether the engine of a runner can be used: when, and from which event loop, thread and process."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiojobs_lite.current import CURRENT
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.errors import RunnerClosed, RunnerError, RunnerNotStarted, StoreUnavailable, WrongEventLoop
from aiojobs_lite.errors.store import CLOSED
from aiojobs_lite.origin import Origin
from aiojobs_lite.telemetry.wording import counted

T = TypeVar("T")
LOOP_CHECK_S: Final = 0.5  # between the checks of a waiting thread whether the loop is still there


class EngineAccess:
    """The way to the engine of one runner.

    The engine belongs to the event loop on which it was started; other threads of the process may hand work to it.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._is_started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._origin = Origin()

    @property
    def is_started(self) -> bool:
        """Whether the runner is started and not yet closed. One whose event loop was closed over it is not: it can be
        entered anew, as another owner; what ran there stays of the former one until the process ends.
        """
        return self._is_started and self._loop is not None and not self._loop.is_closed()

    def open(self, engine: Engine) -> None:
        """Lets callers use this engine, from the running event loop on."""
        self._engine, self._is_started = engine, True
        self._loop, self._origin = asyncio.get_running_loop(), Origin()

    def close(self) -> None:
        """Lets no caller use the engine any more; its stats stay."""
        self._is_started = False

    @property
    def engine(self) -> Engine:
        """The engine, for a caller on its event loop.

        Raises:
            RunnerNotStarted: If the runner was never started.
            RunnerClosed: If it is closed.
            WrongEventLoop: If the caller is on another loop, thread or process.
        """
        try:
            if self._is_started and asyncio.get_running_loop() is self._loop and self._engine is not None:
                return self._engine  # a forked process has another loop, or none
        except RuntimeError:
            pass  # on no event loop
        self._check_usable()
        raise WrongEventLoop(
            "the runner belongs to the event loop in which it was started, and this is another one or none. "
            "Use enqueue_threadsafe from a thread, or a runner for each loop."
        )

    @property
    def latest_engine(self) -> Engine:
        """The engine, also when it is closed, for a caller that only reads what it keeps in memory.

        Raises:
            RunnerNotStarted: If the runner was never started.
        """
        if self._engine is None:
            raise RunnerNotStarted
        return self._engine

    @property
    def state(self) -> str:
        """What the runner is doing, for people."""
        if self._engine is None:
            return "not started"
        if not self.is_started:
            return "closed"
        running = f"{counted(self._engine.attempts.running, 'job')} running"
        return f"{'draining' if self._engine.is_draining else 'started'}, {running}"

    def check_not_awaited_by(self, call: str, job_id: int | None = None) -> None:
        """Checks that no handler of this runner would wait for its own end. A task that it starts may.

        Args:
            call: What waits for the end of handlers, for the error.
            job_id: It waits for the end of this job alone; None: for that of every handler.

        Raises:
            RunnerError: If the caller is such a handler.
        """
        current = CURRENT.get()
        if current is None or job_id not in {None, current[0].id}:
            return
        run = self.engine.attempts.find(current[0].id)
        if run is not None and run.task is asyncio.current_task():  # else of another runner, or a task of its own
            raise RunnerError(
                f"{call} in the handler of job {current[0].id} would wait for the end of that handler. Call it outside "
                "of the handlers of this runner."
            )

    def check_thread(self) -> None:
        """Checks that the caller is on a thread that may hand work to the engine, and wait for it.

        Raises:
            RunnerNotStarted: If the runner was never started.
            RunnerClosed: If it is closed.
            WrongEventLoop: If the caller is on an event loop, which it would block, or in a forked process.
        """
        loop = self._check_usable()
        running = _running_loop()
        if running is not None:
            problem = "from its own event loop, which it would block" if running is loop else "inside an event loop"
            advice = "Use `await runner.enqueue(...)`, or `await ctx.enqueue(...)` in a handler."
            raise WrongEventLoop(f"enqueue_threadsafe was called {problem}. {advice}")

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the engine's event loop and waits for it on this thread, as long as that loop exists.

        Raises:
            RunnerClosed: If the loop ended before.
            StoreUnavailable: If it ended meanwhile.
        """
        loop = self._check_usable()
        try:
            future = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:  # it is closed
            work.close()
            raise RunnerClosed from None
        while not future.done() and not loop.is_closed():
            concurrent.futures.wait([future], LOOP_CHECK_S)
        if not future.done():
            future.cancel()
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise StoreUnavailable(CLOSED, "its event loop ended meanwhile: it may be there or not") from None

    def _check_usable(self) -> asyncio.AbstractEventLoop:
        if not self._is_started or self._loop is None:
            raise RunnerNotStarted if self._engine is None else RunnerClosed
        self._origin.check()
        return self._loop


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
