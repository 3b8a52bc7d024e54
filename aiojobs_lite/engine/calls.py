"""Plain `def` handlers: in a thread of their own, or in another process."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import importlib
import inspect
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import anyio
import anyio.to_process

from aiojobs_lite.engine.failures import describe
from aiojobs_lite.handlers.context import JobContext
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Snooze
from aiojobs_lite.policy.settle import Ended, Policy

_LOOK_FOR_PARENT = 0.2  # seconds
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


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


async def call_in_process(
    job_type: JobType[..., Any], claimed: Claimed, limiter: anyio.CapacityLimiter, entered: Callable[[], None]
) -> Ended:
    """Calls a function in another process and says how it ended. Cancelling kills that process.

    The other process finds the handler by module and name as this one declared it, never by what is in the database,
    and reads the same JSON. `limiter` has one token a process; `entered` is called when it has been given one.
    """
    handler = job_type.handler
    where = (handler.__module__, handler.__qualname__)
    async with limiter:
        alone = anyio.CapacityLimiter(1)
        await _finished_starting(where[0], alone)
        entered()
        told = await anyio.to_process.run_sync(
            _in_process, where, claimed, job_type.policy, cancellable=True, limiter=alone
        )
    return told.ended()


async def _finished_starting(module: str, limiter: anyio.CapacityLimiter) -> None:
    """Makes a process ready, whatever happens: a start that is cancelled leaves a process behind that nobody knows.

    Raises:
        anyio.BrokenWorkerProcess: If it died.
    """

    async def start() -> None:
        try:
            await anyio.to_process.run_sync(_made_ready, module, limiter=limiter)
        except (ProcessLookupError, KeyboardInterrupt, SystemExit) as error:  # of that process, not of this one
            raise anyio.BrokenWorkerProcess from error

    task = asyncio.ensure_future(start())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class _Told(NamedTuple):
    """How a handler ended in another process: only plain data comes back, for an exception may be anything."""

    result: str | None = None
    note: str | None = None
    signal: tuple[str, str, float | None] | None = None  # its name, its text, its delay
    failure: Failure | None = None
    may_retry: bool = True

    def ended(self) -> Ended:
        if self.failure is None:
            return Ended(result=self.result, note=self.note)
        return Ended(error=self._error(self.failure), failure=self.failure, may_retry=self.may_retry)

    def _error(self, failure: Failure) -> Exception:
        if self.signal is None:
            return RuntimeError(failure.error_type)
        name, text, delay = self.signal
        if name == "Retry":
            return Retry(text, after=delay)
        if name == "Snooze":
            return Snooze(delay or 0.0, text)
        return Abandon(text) if name == "Abandon" else Cancel(text)


def _made_ready(module: str) -> None:
    """Starts the process and imports the handler's module, if need be: that is not the handler's time."""
    _become_worker()
    importlib.import_module(module)


def _in_process(where: tuple[str, str], claimed: Claimed, policy: Policy) -> _Told:
    _become_worker()
    try:
        with _without_our_pipes():
            return _called(where, claimed)
    except BaseException as error:  # noqa: BLE001  # told to the boundary around the job
        return _raised(error, policy)


def _called(where: tuple[str, str], claimed: Claimed) -> _Told:
    found: Any = importlib.import_module(where[0])
    for name in where[1].split("."):
        found = getattr(found, name)
    job_type: JobType[..., Any] = found if isinstance(found, JobType) else JobType(found, name=claimed.type)
    args, kwargs = job_type.signature.load(claimed.payload)
    if job_type.signature.takes_context:
        args = (JobContext(claimed), *args)
    value = _really_called(contextvars.Context().run(job_type.handler, *args, **kwargs))  # of its own: others follow
    result, note = dumped(job_type, value)
    return _Told(result, note)


def _raised(error: BaseException, policy: Policy) -> _Told:
    kind = next((kind.__name__ for kind in (Retry, Snooze, Abandon, Cancel) if isinstance(error, kind)), None)
    failure = describe(error)
    if kind is None:
        return _Told(failure=failure, may_retry=policy.allows_retry(error))
    delay = getattr(error, "after", None) if kind == "Retry" else getattr(error, "delay", None)
    return _Told(signal=(kind, failure.message, delay), failure=failure)


@contextlib.contextmanager
def _without_our_pipes() -> Iterator[None]:
    """Standard input and output carry this process's orders and answers: no program that the handler starts, and no
    print of C code, may find them.
    """
    kept = [os.dup(number) for number in (0, 1)]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    try:
        yield
    finally:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
            os.close(descriptor)


_watching = threading.Lock()


def _become_worker() -> None:
    """What this process must know once: it ends with its parent, and not before it. A terminal or a service manager
    that signals the whole process group means the parent, which drains.
    """
    if not _watching.acquire(blocking=False):
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _find_standard_error()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _die_with_parent()


def _find_standard_error() -> None:
    """Writes where the parent writes. Standard error as it was found is a pipe that nobody reads: once it is full,
    whoever writes there would hang.
    """
    try:
        found = os.open(f"/proc/{os.getppid()}/fd/2", os.O_WRONLY | os.O_APPEND)
    except OSError:  # no such system, or a socket
        found = os.open(os.devnull, os.O_WRONLY)
    os.dup2(found, 2)
    os.close(found)


def _die_with_parent() -> None:
    """Ends this process soon after its parent: else a crashed parent's job would run twice at once."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_FOR_PARENT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def dumped(job_type: JobType[..., Any], value: object) -> tuple[str | None, str | None]:
    """The JSON of a result to be stored, and why it was not kept."""
    if value is None or job_type.result is None:
        return None, None
    try:
        return job_type.result.dump(value), None
    except ValueError as error:
        return None, f"the result was not kept: {error}"
