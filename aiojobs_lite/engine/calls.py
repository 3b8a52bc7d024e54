"""Calls of plain `def` handlers: in a thread of their own, or in a worker process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio
import anyio.to_process

from aiojobs_lite.engine.child import call_handler, make_ready
from aiojobs_lite.engine.forks import call_in_one_process
from aiojobs_lite.engine.results import refuse_unfinished
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.policy.settle import Ending


class HasThread(Protocol):
    """Knows the thread of a handler.

    Attributes:
        thread: The thread.
        thread_id: Its id, while the handler runs.
    """

    thread: UnawaitedThread | None
    thread_id: int | None


async def call_in_thread(
    handler: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], run: HasThread
) -> Any:
    """Calls a function in a daemon thread and returns (or raises) what it does.

    A thread cannot be killed, and a process waits at its end for every thread that is no daemon: one handler that
    hangs would keep the process for ever. Pools have no daemons, hence a thread for each call.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def work() -> None:
        run.thread_id = threading.get_ident()
        value, error = None, None
        try:
            value = refuse_unfinished(call_in_one_process(contextvars.Context().run, handler, *args, **kwargs))
        except BaseException as raised:  # noqa: BLE001  # handed to the boundary around the job
            error = raised
        run.thread_id = None
        # A closed event loop: the drain gave up on this attempt, and its rescue will run it again.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, future, value, error)

    run.thread = UnawaitedThread(work, f"aiojobs_lite {getattr(handler, '__name__', '')}")
    run.thread.start()
    value, error = await future
    if error is not None:
        raise error  # StopIteration too, of which Python makes a RuntimeError
    return value


def _resolve(
    future: asyncio.Future[tuple[Any, BaseException | None]], value: object, error: BaseException | None
) -> None:
    """Hands over what a handler returned or raised, unseen: the one may be a value of any kind, and a future does not
    take the other whatever it is.
    """
    if not future.done():
        future.set_result((value, error))


async def call_in_process(
    job_type: JobType[..., Any], claimed: Claimed, limiter: anyio.CapacityLimiter, entered: Callable[[], None]
) -> Ending:
    """Calls a function in a worker process and returns how it ended. Cancelling kills that process.

    The worker process finds the handler by module and name as this one declared it, never by what is in the database,
    and reads the same JSON.

    Args:
        job_type: Whose handler is called.
        claimed: The attempt.
        limiter: Has one token a process.
        entered: Called when the process is ready: the handler's first line is next.

    Raises:
        anyio.BrokenWorkerProcess: If the process died.
    """
    handler = job_type.handler
    where = (handler.__module__, handler.__qualname__)
    async with limiter:
        alone = anyio.CapacityLimiter(1)
        await _start_process(where[0], alone)
        entered()
        answer = await anyio.to_process.run_sync(
            call_handler, where, claimed, job_type.policy, cancellable=True, limiter=alone
        )
    return answer.ending()


async def _start_process(module: str, limiter: anyio.CapacityLimiter) -> None:
    """Makes a process ready, whatever happens: a start that is cancelled would leave a process behind that nothing
    knows.

    Raises:
        anyio.BrokenWorkerProcess: If it died.
    """

    async def start() -> None:
        try:
            await anyio.to_process.run_sync(make_ready, module, limiter=limiter)
        except (ProcessLookupError, KeyboardInterrupt, SystemExit) as error:  # of that process, not of this one
            raise anyio.BrokenWorkerProcess from error

    task = asyncio.ensure_future(start())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
