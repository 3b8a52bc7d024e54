"""Calls of plain `def` handlers: in a thread of their own, or in a worker process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any, Protocol

from aiojobs_lite.engine.child import CallAnswer, Declaration, call_handler, make_ready
from aiojobs_lite.engine.child_reports import ChildReport
from aiojobs_lite.engine.forks import call_in_one_process, end_process
from aiojobs_lite.engine.resources import AttemptResources
from aiojobs_lite.engine.results import refuse_unfinished
from aiojobs_lite.engine.running import Running
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.engine.workers import Worker, WorkerPool
from aiojobs_lite.handlers.progress import Reporter
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.origin import Origin
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
    ended: asyncio.Future[None] = loop.create_future()
    context = contextvars.copy_context()
    outcome: list[tuple[Any, BaseException | None]] = []  # taken out of it again, so that it holds no traceback

    def work() -> None:
        run.thread_id = threading.get_ident()
        try:
            value = refuse_unfinished(call_in_one_process(context.run, handler, *args, **kwargs))
            outcome.append((value, None))
            del value  # this thread may end after the attempt
        except BaseException as raised:  # noqa: BLE001  # handed to the boundary around the job
            outcome.append((None, raised))
        run.thread_id = None
        # A closed event loop: the drain gave up on this attempt, and its rescue will run it again.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, ended)

    run.thread = UnawaitedThread(work, f"aiojobs_lite {getattr(handler, '__name__', '')}")
    run.thread.start()
    await ended
    value, error = outcome.pop()  # of any kind: a future does not take every exception
    try:
        if error is not None:
            raise error  # StopIteration too, of which Python makes a RuntimeError
        return value
    finally:
        del error  # what was raised holds this frame, and with it all that the handler had


async def call_with_own(
    handler: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], run: Running, own: AttemptResources
) -> Any:
    """Calls a function, plain or async, with resources of its own, and returns (or raises) what it does.

    The resources are left after it, with what it raised. What they raise counts; that they suppress something does not.
    Those of a plain function are made and left in its thread, but for those that need the event loop.
    """
    origin, error = Origin(), None
    try:
        async with AsyncExitStack() as stack:
            await own.make(stack, is_for_thread=run.job_type.mode == "thread")
            try:
                value = await _called(handler, args, kwargs, run, own)
            except BaseException as raised:  # noqa: BLE001  # raised below, in this process only
                error = raised
            if origin.is_left:  # the resources are those of the process that was forked
                end_process(error)
            if error is not None:
                raise error
        if error is not None:
            raise error
        return value
    finally:
        del error  # what was raised holds this frame, and with it all that the handler had


async def _called(
    handler: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], run: Running, own: AttemptResources
) -> Any:
    if run.job_type.mode == "thread":
        call = functools.update_wrapper(functools.partial(_call_with_own_in_thread, handler, own), handler)
        try:
            return await call_in_thread(call, args, kwargs, run)
        finally:
            run.thread = None  # it has ended: what follows can be cancelled
    value = refuse_unfinished(await handler(*args, **kwargs, **own.by_parameter()))
    if run.stopped is not None:
        raise asyncio.CancelledError("aiojobs_lite: the handler went on after its cancellation")
    return value


def _call_with_own_in_thread(handler: Callable[..., Any], own: AttemptResources, /, *args: Any, **kwargs: Any) -> Any:
    error = None
    try:
        with ExitStack() as stack:
            own.make_in_thread(stack)
            try:
                given = {**kwargs, **own.by_parameter()}
                value = refuse_unfinished(call_in_one_process(handler, *args, **given))
            except BaseException as raised:  # noqa: BLE001  # raised below
                error = raised
            if error is not None:
                raise error
        if error is not None:
            raise error
        return value
    finally:
        del error  # as above


def _resolve(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def call_in_process(
    declared: Declaration, claimed: Claimed, database: str, pool: WorkerPool, entered: Callable[[Worker], None],
    reporter: Reporter | None = None,
) -> Ending:  # fmt: skip
    """Calls a function in a worker process and returns how it ended. Cancelling kills that process, with all that the
    handler started there, and waits for their end.

    The worker process finds the handler by module and name as this one declared it, never by what is in the database,
    and reads the same JSON.

    Args:
        declared: The job type whose handler is called.
        claimed: The attempt.
        database: The id of its database.
        pool: Has the processes.
        entered: Called with the process when it is ready: the handler's first line is next.
        reporter: Takes what the handler reports.

    Raises:
        anyio.BrokenWorkerProcess: If the process died.
    """
    async with pool.ready(make_ready, declared.where, sys.argv) as (worker, failed):
        if failed is not None:
            return failed.ending()
        entered(worker)
        reported = None if reporter is None else functools.partial(_pass_on, reporter, claimed)
        answer = await worker.ask(call_handler, declared, claimed, database, reported=reported)
    return (answer or CallAnswer()).ending()


def _pass_on(reporter: Reporter, claimed: Claimed, report: ChildReport) -> None:
    for line in report.lines:
        reporter.log(claimed, line)
    if report.has_progress:
        reporter.progress(claimed, report.fraction, report.text)
