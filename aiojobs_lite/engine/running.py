"""The attempts that run in this runner, and those whose end is still to be saved."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

from aiojobs_lite.clock import Timer, to_datetime
from aiojobs_lite.engine.failures import stack_of
from aiojobs_lite.engine.threads import UnawaitedThread
from aiojobs_lite.engine.workers import Worker
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.troubles import Trouble, place_in_code
from aiojobs_lite.policy.settle import Ending, Stop, Suspension

_FRAME: Final = re.compile(r'File "(.*)", line (\d+), in (.*)')  # of a formatted stack


class Running:
    """One attempt that runs.

    Attributes:
        claimed: What was claimed.
        job_type: Its type.
        started: When its handler's time began, by `time.perf_counter`.
        stopped: Why it was asked to stop, or None.
        stopping: The same for a handler that is no coroutine; None for one that is.
        trouble: What is reported of it, since it goes on although it was asked to stop a while ago; else None.
        cancel_reason: Why a cancel was asked for, or None if none was.
        timers: Its timers that may still ring, or None.
        thread: The thread that was made for its handler, or None.
        thread_id: The id of that thread, while the handler runs.
        worker: The process in which its handler was called, or None.
        task: Its task, when it has one.
        made: Its coroutine, where a task factory of the application was given it; else None.
        is_entered: Whether its task has come to its first step.
        is_given_up: Whether it was ended from outside, since it could not end any more: what comes of it is ignored.
        suspension: What it waits for, if it was stopped for that, or None.
        restarts: Whether an operation ended in it, such as a step.
        when_ended: Is called with it when the handler has ended, before that is recorded, or None.
    """

    __slots__ = (
        "cancel_reason",
        "claimed",
        "is_entered",
        "is_given_up",
        "job_type",
        "made",
        "restarts",
        "started",
        "stopped",
        "stopping",
        "suspension",
        "task",
        "thread",
        "thread_id",
        "timers",
        "trouble",
        "when_ended",
        "worker",
    )

    def __init__(self, claimed: Claimed, job_type: JobType[..., Any]) -> None:
        self.claimed = claimed
        self.job_type = job_type
        self.started = time.perf_counter()
        self.stopped: Stop | None = None
        self.stopping: threading.Event | None = None if job_type.mode == "async" else threading.Event()
        self.trouble: Trouble | None = None
        self.cancel_reason: str | None = None
        self.timers: list[Timer] | None = None
        self.thread: UnawaitedThread | None = None
        self.thread_id: int | None = None
        self.worker: Worker | None = None
        self.task: asyncio.Task[None] | None = None
        self.made: weakref.ref[Coroutine[Any, Any, None]] | None = None
        self.is_entered = False
        self.is_given_up = False
        self.suspension: Suspension | None = None
        self.restarts = False
        self.when_ended: Callable[[Running, Ending], None] | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether it goes on although it was asked to stop a while ago."""
        return self.trouble is not None

    def add_timer(self, timer: Timer) -> None:
        """Takes a timer that is called off when the attempt ends."""
        if self.timers is None:
            self.timers = []
        self.timers.append(timer)

    def call_off_timers(self) -> None:
        """Calls all timers off."""
        for timer in self.timers or ():
            timer.cancel()
        self.timers = None

    def stack(self) -> str:
        """Where the handler is, for a person."""
        if self.job_type.mode == "thread":
            frame = sys._current_frames().get(self.thread_id or 0)  # noqa: SLF001  # the documented way
            return "".join(traceback.format_stack(frame)) if frame else "(its thread has not started)"
        return stack_of(self.task.get_coro() if self.task else None)

    def place(self) -> str:
        """Where the handler is, in one line."""
        return place_in_code(_FRAME.findall(self.stack()))


class AttemptRegister:
    """All attempts of this runner, by job: those that run, and those whose end is still to be saved.

    Attributes:
        is_left: Whether the runner was left: what still runs is not recorded any more.
        find: Gives the running attempt of a job, or None.
    """

    def __init__(self) -> None:
        self.is_left = False
        self._running: dict[int, Running] = {}
        self.find: Callable[[int], Running | None] = self._running.get
        self._stuck: list[Running] = []  # those of them that have not ended, as far as was looked
        self._displaced: list[Running] = []  # by the next attempt of their jobs; they still hold their slots
        self._saving: dict[int, float] = {}  # how many seconds the attempt took
        self._owned: set[int] = set()
        self._ended = asyncio.Event()
        self._when_empty: Callable[[], None] | None = None

    @property
    def running(self) -> int:
        """How many attempts run."""
        return len(self._running)

    @property
    def unsaved(self) -> int:
        """How many ends are still to be saved."""
        return len(self._saving)

    @property
    def stuck(self) -> int:
        """How many of them were asked to stop and go on."""
        return sum(run.is_stuck for run in self._running.values())

    def found_stuck(self, run: Running, trouble: Trouble) -> None:
        """An attempt goes on although it was asked to stop a while ago."""
        run.trouble = trouble
        self._stuck.append(run)

    def troubles(self) -> tuple[Trouble, ...]:
        """What is reported of the attempts that are stuck, the oldest first."""
        if not self._stuck:  # nearly always
            return ()
        held = set(self.with_slots)
        self._stuck = [run for run in self._stuck if run in held]
        return tuple([run.trouble for run in self._stuck if run.trouble is not None])

    def __iter__(self) -> Iterator[Running]:
        """The attempts that run now."""
        return iter(tuple(self._running.values()))

    @property
    def with_slots(self) -> list[Running]:
        """All attempts that hold a slot: those that run, and those that were taken from the runner while they ran."""
        return [*self._running.values(), *self._displaced]

    @property
    def unsaved_ends(self) -> Mapping[int, float]:
        """The jobs whose ends are still to be saved, and how many seconds each attempt took."""
        return self._saving

    def is_running(self, claimed: Claimed) -> bool:
        """Whether an attempt runs, and no later one of its job. May be called on any thread."""
        run = self._running.get(claimed.id)
        return run is not None and run.claimed is claimed

    def attempt_of(self, task: asyncio.Task[Any] | None) -> Claimed | None:
        """The attempt that a task is, if it is one. May be called on any thread."""
        running = list(self._running.values()) if task else []
        return next((run.claimed for run in running if run.task is task), None)

    def watch_owned(self) -> set[int]:
        """The jobs that run or whose end is still to be saved; those that start from now on are added to it, until the
        next call.
        """
        self._owned = {*self._running, *self._saving}
        return self._owned

    def add(self, run: Running) -> None:
        """An attempt is about to run."""
        job_id = run.claimed.id
        displaced = self._running.setdefault(job_id, run)
        if displaced is not run:
            self._displaced.append(displaced)
            self._running[job_id] = run
        self._owned.add(job_id)

    def ended(self, run: Running) -> bool:
        """An attempt runs no more; its end is to be saved.

        Returns:
            Whether it was the latest of its job in this runner.
        """
        job_id = run.claimed.id
        is_latest = self._running.get(job_id) is run
        if is_latest:  # nearly always; and once for each job
            del self._running[job_id]
        else:
            self._remove(run)
        self._saving[job_id] = time.perf_counter() - run.started
        if not self._running:
            self._ended.set()
        return is_latest

    def saved(self, job_id: int) -> float:
        """Forgets an end that was to be saved; returns how many seconds its attempt took."""
        return self._saving.pop(job_id, 0.0)

    async def wait_until_done(self) -> None:
        """Returns when nothing runs any more."""
        while self._running:
            self._ended.clear()
            await self._ended.wait()

    def leave(self) -> None:
        """Gives up on what still runs: its end is not recorded. May be called twice."""
        self.is_left = True
        for run in self._running.values():
            run.call_off_timers()
            if run.job_type.mode == "async" and run.task:  # asyncio.run waits for every task that it knows
                asyncio._unregister_task(run.task)  # noqa: SLF001  # documented, for tasks that end in their own way

    def forget(self, run: Running) -> None:
        """An attempt that was left has ended."""
        self._remove(run)
        if not self._running and self._when_empty is not None:
            self._when_empty()

    def when_empty(self, call: Callable[[], None]) -> None:
        """Calls back when nothing runs any more: at once, or when the last of the attempts that were left has ended."""
        if self._running:
            self._when_empty = call
        else:
            call()

    def _remove(self, run: Running) -> None:
        """Takes an attempt off the list, unless another one of its job stands there: this one was taken from the runner
        while it ran, and the next one came to the same runner.
        """
        if self._running.get(run.claimed.id) is run:
            del self._running[run.claimed.id]
        elif run in self._displaced:
            self._displaced.remove(run)


def trouble_of(run: Running, since: int) -> Trouble:
    """An attempt that goes on although it was asked to stop at an instant."""
    claimed, why = run.claimed, run.stopped.value if run.stopped else None
    return Trouble("stuck", to_datetime(since), claimed.type, claimed.id, claimed.attempt, why, run.place())
