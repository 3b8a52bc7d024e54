"""How the testing kit moves the clock: from one instant at which something is due to the next."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from enum import Enum

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.errors import JobNotFound, StoreUnavailable
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.telemetry.wording import counted, span
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.errors import MOST_SHOWN, JobsNotFinished
from aiojobs_lite.testing.replacement import Replacement

_PAGE = 1000  # jobs a read
GLANCE_S = 0.05  # of real time, before it is looked at what the handlers wait for


class _Rest(Enum):
    """Why the clock may be moved."""

    IDLE = "nothing runs and nothing is due"
    WAITS = "what runs only waits for jobs that are due later"


class Moves:
    """Moves a clock over all that is due in some runners.

    Args:
        clock: The clock of all of them.
        started: The runners, all of them started.
    """

    def __init__(self, clock: FakeClock, started: Sequence[Replacement]) -> None:
        self._clock = clock
        self._started = started

    async def settle(self, patience: float) -> bool:
        """Waits until nothing runs and nothing is due, so many seconds at most; returns whether that came."""
        try:
            async with asyncio.timeout(patience):
                for one in self._started:
                    await one.on_loop(one.runner.run_until_idle())
        except TimeoutError:
            return False
        return True

    async def prune(self) -> None:
        """Deletes what was kept long enough, as a runner does it once a minute."""
        for one in self._started:
            with contextlib.suppress(StoreUnavailable):
                if not one.has_crashed:
                    await one.on_loop(one.probe.prune())

    async def next_instant(self) -> int | None:
        """When something is due next: a job, a tick, a timer of a handler, the next start of a rate. None: never."""
        now, found = self._clock.now(), list[int]()
        for one in self._started:
            found += [to_micros(job.scheduled_at) for job in await self._unfinished(one, Status.PENDING)]
            found += [] if one.has_crashed else one.probe.next_ticks.values()
        found += self._timers() + self._claims()
        return min((due for due in found if due > now), default=None)

    async def to_end(self, timeout: float, most_moves: int, check: Callable[[], None]) -> None:
        """Runs until every job is finished.

        Args:
            timeout: Seconds that handlers may take between two moves.
            most_moves: How often the clock is moved.
            check: Called after each move.

        Raises:
            JobsNotFinished: If that does not come.
        """
        moves, is_stuck = 0, False
        while moves <= most_moves:
            rest = await self._rest(timeout)
            check()
            if rest is None:
                raise await self._not_finished(f"handlers still run after {span(timeout)} of real time")
            pending = [job for one in self._started for job in await self._unfinished(one, Status.PENDING)]
            if not pending:
                return
            now = self._clock.now()
            later = [due for job in pending if (due := to_micros(job.scheduled_at)) > now] + self._claims()
            if not later:
                if is_stuck and not any(one.probe.is_claiming for one in self._started):
                    raise await self._not_finished("what is left cannot run, however far the clock is moved")
                is_stuck = True  # a claim may have taken the last of them while they were read: one more look says so
                continue
            moves, is_stuck = moves + 1, False
            timers = self._timers() if rest is _Rest.WAITS else []
            if moves <= most_moves:
                self._clock.jump_to(to_datetime(max(min(later + timers), self._clock.now())))
        raise await self._not_finished(f"not at its end after {counted(most_moves, 'move')} of the clock")

    async def _rest(self, timeout: float) -> _Rest | None:
        """Waits until the clock may be moved; None: that did not come.

        A handler that waits for its own timeout gets it.
        """
        rest = await self._rest_within(min(timeout, 1.0))
        if rest is None and (timers := self._timers()):
            self._clock.jump_to(to_datetime(max(min(timers), self._clock.now())))
        return rest or await self._rest_within(timeout)

    async def _rest_within(self, patience: float) -> _Rest | None:
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            if await self.settle(min(left, GLANCE_S)):
                return _Rest.IDLE
            if await self._only_waits():
                return _Rest.WAITS
        return None

    async def _only_waits(self) -> bool:
        """Whether handlers run, all of them only wait for jobs, and every other job runs later."""
        if not all(one.probe.only_waits for one in self._started):
            return False
        pending = [job for one in self._started for job in await self._unfinished(one, Status.PENDING)]
        is_later = all(to_micros(job.scheduled_at) > self._clock.now() for job in pending)
        return bool(pending) and (is_later or bool(self._claims()))

    def _timers(self) -> list[int]:
        return [timer for one in self._started if not one.has_crashed for timer in one.probe.next_timers]

    def _claims(self) -> list[int]:
        """When the runners claim next, of those that do not now: at the next attempt of a rate, say."""
        claims = [one.probe.next_claim for one in self._started if not one.has_crashed]
        return [claim for claim in claims if claim is not None and claim > self._clock.now()]

    async def _unfinished(self, one: Replacement, status: Status) -> list[Job]:
        found: list[Job] = []
        after = None
        while not one.has_crashed:  # a handler may let its runner crash: then this is the end
            try:
                page = await one.on_loop(one.runner.jobs.list(status=status, limit=_PAGE, after=after))
            except StoreUnavailable:
                if one.has_crashed:
                    break
                raise
            found += page
            if page.next is None:
                return found
            after = page.next
        return []

    async def _not_finished(self, problem: str) -> JobsNotFinished:
        found = [
            (one, job)
            for one in self._started
            for status in (Status.PROCESSING, Status.PENDING)
            for job in await self._unfinished(one, status)
        ]
        reasons = [await self._reason(one, job) for one, job in found[:MOST_SHOWN]]
        return JobsNotFinished(problem, [job for _, job in found], to_datetime(self._clock.now()), reasons)

    async def _reason(self, one: Replacement, job: Job) -> str:
        """Why a job does not run."""
        try:
            return (await one.on_loop(one.runner.jobs.explain(job.id))).removesuffix(".")
        except (JobNotFound, StoreUnavailable):  # it was deleted, or the runner has crashed meanwhile
            return f"job {job.id} of {job.type} is {job.status}"
