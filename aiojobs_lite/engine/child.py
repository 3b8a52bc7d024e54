"""The other side of `call_in_process`: what runs in a worker process."""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from aiojobs_lite.engine.failures import describe
from aiojobs_lite.engine.forks import call_in_one_process
from aiojobs_lite.engine.results import dump_result, refuse_coroutine
from aiojobs_lite.handlers.context import JobContext
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.policy.settle import Ending, Policy
from aiojobs_lite.policy.verdict import Verdict, Wish

_LOOK_FOR_PARENT_EVERY_S: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class CallAnswer(NamedTuple):
    """How a handler ended in a worker process: only plain data comes back, for an exception may be anything.

    Attributes:
        result: What it returned, as JSON; None for nothing.
        note: Why the result was not kept, or None.
        failure: The record of what it raised, or None.
        verdict: What becomes of its job by what it raised.
    """

    result: str | None = None
    note: str | None = None
    failure: Failure | None = None
    verdict: Verdict = Verdict(Wish.AGAIN)

    def ending(self) -> Ending:
        """The same as it is settled."""
        if self.failure is None:
            return Ending(result=self.result, note=self.note)
        return Ending(error=RuntimeError(self.failure.error_type), failure=self.failure, verdict=self.verdict)


def make_ready(module: str) -> None:
    """Starts the process and imports the handler's module, if need be: that is not the handler's time."""
    _become_worker()
    importlib.import_module(module)


def call_handler(where: tuple[str, str], claimed: Claimed, policy: Policy) -> CallAnswer:
    """Calls the handler that is found at `where` (module, qualified name), for one attempt."""
    _become_worker()
    try:
        with _without_own_pipes():
            return _call(where, claimed)
    except BaseException as error:  # noqa: BLE001  # handed to the boundary around the job
        try:
            return _raised(error, policy)
        except BaseException as worse:  # noqa: BLE001  # an exception of the handler that cannot even be looked at
            return CallAnswer(failure=describe(worse))


def _call(where: tuple[str, str], claimed: Claimed) -> CallAnswer:
    found: Any = importlib.import_module(where[0])
    for name in where[1].split("."):
        found = getattr(found, name)
    job_type: JobType[..., Any] = found if isinstance(found, JobType) else JobType(found, name=claimed.type)
    args, kwargs = job_type.signature.load(claimed.payload)
    if job_type.signature.takes_context:
        args = (JobContext(claimed), *args)
    context = contextvars.Context()  # of its own: other attempts follow in this process
    value = call_in_one_process(context.run, job_type.handler, *args, **kwargs)
    result, note = dump_result(job_type, refuse_coroutine(value))
    return CallAnswer(result, note)


def _raised(error: BaseException, policy: Policy) -> CallAnswer:
    return CallAnswer(failure=describe(error), verdict=policy.judge(error))


@contextlib.contextmanager
def _without_own_pipes() -> Iterator[None]:
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


_became_worker = threading.Lock()  # taken once, and never given back


def _become_worker() -> None:
    """What is set once in this process: it ends with its parent, and not before it. A terminal or a service manager
    that signals the whole process group means the parent, which drains.
    """
    if not _became_worker.acquire(blocking=False):
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _find_standard_error()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _die_with_parent()


def _find_standard_error() -> None:
    """Writes where the parent writes. Standard error as it was found is a pipe that no process reads: once it is full,
    a write to it hangs.
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
            time.sleep(_LOOK_FOR_PARENT_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
