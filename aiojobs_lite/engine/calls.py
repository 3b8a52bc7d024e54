"""Plain `def` handlers: in a thread of their own, or in another process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import inspect
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio.to_process

from aiojobs_lite.context import JobContext
from aiojobs_lite.job import Claimed
from aiojobs_lite.registry import JobType

_LOOK_FOR_PARENT = 0.2  # seconds


class HasThread(Protocol):
    """Who wants to know in which thread a handler runs, while it does."""

    thread_id: int | None


async def call_in_thread(
    handler: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], run: HasThread
) -> Any:
    """Calls a function in a daemon thread and returns (or raises) what it does.

    A thread cannot be killed, and a process waits at its end for every thread that is no daemon: one handler that
    hangs would keep the process for ever. Pools have no daemons, hence a thread of our own.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def work() -> None:
        run.thread_id = threading.get_ident()
        value, error = None, None
        try:
            value = _really_called(contextvars.Context().run(handler, *args, **kwargs))
        except BaseException as raised:  # noqa: BLE001  # handed to the boundary around the job
            error = raised
        run.thread_id = None
        # A closed event loop: the drain gave up on this attempt, and its rescue will run it again.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, future, value, error)

    threading.Thread(target=work, name=f"aiojobs_lite {getattr(handler, '__name__', '')}", daemon=True).start()
    return await future


def _really_called(value: Any) -> Any:
    """What a plain function returned; refuses a coroutine, which is a job that was not done."""
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError(
            "the handler returned a coroutine that nobody awaits: a decorator hides its `async def`. "
            "Make the decorator's function an `async def` too."
        )
    return value


def _resolve(future: asyncio.Future[Any], value: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    elif isinstance(error, StopIteration):  # a future does not take it
        future.set_exception(RuntimeError(f"the handler raised StopIteration({error.value!r})"))
    else:
        future.set_exception(error)


async def call_in_process(job_type: JobType[..., Any], claimed: Claimed) -> str | None:
    """Calls a function in another process and returns its result as JSON. Cancelling kills that process.

    The other process finds the handler by module and name as this one declared it, never by what is in the database,
    and reads the same JSON.
    """
    handler = job_type.handler
    where = (handler.__module__, handler.__qualname__)
    answer: str | None = await anyio.to_process.run_sync(_in_process, where, claimed, cancellable=True)
    return answer


def _in_process(where: tuple[str, str], claimed: Claimed) -> str | None:
    _die_with_parent()
    found: Any = importlib.import_module(where[0])
    for name in where[1].split("."):
        found = getattr(found, name)
    job_type: JobType[..., Any] = found if isinstance(found, JobType) else JobType(found, name=claimed.type)
    args, kwargs = job_type.signature.load(claimed.payload)
    if job_type.signature.takes_context:
        args = [JobContext(claimed), *args]
    value = _really_called(job_type.handler(*args, **kwargs))
    if value is None or job_type.result is None:
        return None
    return job_type.result.dump(value)


_watching = threading.Lock()


def _die_with_parent() -> None:
    """Ends this process soon after its parent: else a crashed parent's job would run twice at once."""
    if not _watching.acquire(blocking=False):
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_FOR_PARENT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
