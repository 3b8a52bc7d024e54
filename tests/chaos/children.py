"""Handlers that fork and start processes: on the event loop, in threads, in worker processes.

A child of an application lives for seconds at most, for nothing ends it but itself. What a handler starts in a worker
process and leaves there lives for an hour: the library must end it.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Final, Literal, NoReturn

from aiojobs_lite import JobContext, injected, job
from tests.chaos.journal import Journal
from tests.chaos.work import SHORT, Run, Work
from tests.helpers.pauses import hold_thread_for, pause

How = Literal["exits", "exits at once", "raises", "returns", "goes on", "is left"]
HOWS: Final[tuple[How, ...]] = ("exits", "exits at once", "raises", "returns", "goes on", "is left")
JOURNAL: Final = "AIOJOBS_LITE_CHAOS_JOURNAL"  # variable: the journal and the number of the process that is killed
_SHORT_S: Final = 0.3  # that a child lives which does not end at once
_LEFT_S: Final = 2.0  # that one lives which outlives its handler
_FOR_GOOD_S: Final = 3600.0  # the same in a worker process
_LOOK_S: Final = 0.01


def named(journal: Path, writer: int) -> None:
    """Names the journal to all that this process starts."""
    os.environ[JOURNAL] = f"{writer}:{journal}"


@functools.cache
def _of_environment() -> Journal:
    """The journal, in a worker process."""
    writer, _, path = os.environ[JOURNAL].partition(":")
    journal = Journal(Path(path))
    journal.become(int(writer))
    return journal


def _forked(how: How, left_for: float) -> int:
    """Forks; the child ends as it is asked to, and the parent gets its pid. 0: the child is to return."""
    pid = os.fork()
    if pid == 0:
        _be_quiet()
        if how != "returns":
            _end(how, left_for)
    return pid


def _be_quiet() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end(how: How, left_for: float) -> NoReturn:
    if how == "exits":
        sys.exit(3)
    if how == "raises":
        raise ValueError("in a child")
    if how != "exits at once":
        hold_thread_for(_SHORT_S if how == "goes on" else left_for)
    os._exit(0)


def _has_ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid


@job(backoff=SHORT)
async def forks(call: str, how: How, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        pid = _forked(how, _LEFT_S)
        while pid and how != "is left" and not _has_ended(pid):  # an end of a process is no event
            await pause(_LOOK_S)
        return run.result


@job(backoff=SHORT)
def forks_in_thread(call: str, how: How, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        pid = _forked(how, _LEFT_S)
        while pid and how != "is left" and not _has_ended(pid):
            hold_thread_for(_LOOK_S)
            run.going()
        return run.result


@job(backoff=SHORT, process=True, timeout=5)
def forks_in_process(call: str, how: How, *, ctx: JobContext = injected) -> str:
    with Run(_of_environment(), ctx) as run:
        pid = _forked(how, _FOR_GOOD_S)
        while pid and how != "is left" and not _has_ended(pid):
            hold_thread_for(_LOOK_S)
            run.going()
        return run.result


@job(backoff=SHORT, timeout=5)
async def starts(call: str, is_left: bool, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        process = await asyncio.create_subprocess_exec("sleep", str(_LEFT_S if is_left else _SHORT_S))
        if not is_left:
            await process.wait()
        return run.result


@job(backoff=SHORT)
def starts_in_thread(call: str, is_left: bool, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        _start(run, _LEFT_S, is_left=is_left)
        return run.result


@job(backoff=SHORT, process=True, timeout=5)
def starts_in_process(call: str, is_left: bool, *, ctx: JobContext = injected) -> str:
    with Run(_of_environment(), ctx) as run:
        _start(run, _FOR_GOOD_S, is_left=is_left)
        return run.result


@job(backoff=SHORT, process=True, timeout=0.5)
def stuck_in_process(call: str, *, ctx: JobContext = injected) -> str:
    """Is killed at its first timeout, with all that it started."""
    with Run(_of_environment(), ctx) as run:
        if ctx.attempt > 1:
            return run.result
        subprocess.Popen(["sleep", str(_FOR_GOOD_S)])
        while True:
            hold_thread_for(_LOOK_S)
            run.going()


def _start(run: Run, left_for: float, *, is_left: bool) -> None:
    """A program, and a process of multiprocessing."""
    seconds = left_for if is_left else _SHORT_S
    program = subprocess.Popen(["sleep", str(seconds)])
    other = multiprocessing.get_context("fork").Process(target=hold_thread_for, args=(seconds,), daemon=True)
    other.start()
    while not is_left and (program.poll() is None or other.is_alive()):
        hold_thread_for(_LOOK_S)
        run.going()


JOBS = (forks, forks_in_thread, forks_in_process, starts, starts_in_thread, starts_in_process, stuck_in_process)
