"""Forked processes of the test's own process: a coroutine runs there, and what it gave comes back as text."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from aiojobs_lite import JobRunner, StoreRefused, job
from tests.helpers.waiting import PATIENCE


@job
async def forked(n: int) -> int:
    return n + 1


def in_fork(call: Callable[[], Coroutine[Any, Any, object]]) -> str:
    """What a coroutine returns in a forked process, or raises there. It forks from a thread, as a handler may: the
    forked process has no event loop of the test's.
    """
    said: list[bytes] = []
    thread = threading.Thread(target=lambda: said.append(_forked(call)))
    thread.start()
    thread.join()
    return said[0].decode()


def _forked(call: Callable[[], Coroutine[Any, Any, object]]) -> bytes:
    receiving, sending = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads
        child = os.fork()
    if child == 0:
        _run(call, sending)
    os.close(sending)
    with os.fdopen(receiving, "rb") as said:
        found = said.read()
    os.waitpid(child, 0)
    return found


def _run(call: Callable[[], Coroutine[Any, Any, object]], sending: int) -> NoReturn:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(round(PATIENCE))  # whatever it waits for
    said = "it ended in another way"
    try:
        said = str(asyncio.run(call()))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        os.write(sending, said.encode())
        os._exit(0)


async def working(database: str | os.PathLike[str]) -> str:
    """Starts a runner and runs a job by it; says `worked`, or why it was refused."""
    try:
        async with JobRunner(database, jobs=[forked]) as runner:
            assert await (await runner.enqueue(forked, 1)).result() == 2
    except StoreRefused as error:
        return error.why
    return "worked"
