"""The drain of an engine: what runs may end by itself, is then interrupted, and is saved."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

from aiojobs_lite.engine.identity import Identity
from aiojobs_lite.engine.last_writes import LastWrites
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.errors import StoreError
from aiojobs_lite.model.ends import Again, End
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.runners import MarkDraining
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Owners
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted, DrainWaits
from aiojobs_lite.telemetry.wording import aged, by_type

SILENT_S: Final = 1.0  # of a drain, before it says what it waits for

_LEAST_S: Final = 0.1  # that the calls of `on_dead` may take in any case


class Drain:
    """Lets the running attempts end, or ends them, and saves what they leave. It reports of each attempt what was
    stored of it, and is finished when all of them have their ends, or the runner was left.

    Args:
        bus: Gets the facts of the drain.
        parts: Stop claiming, and are waited for.
        owners: Takes a note of ends that could not be saved.
        progress: Goes on to `DRAINING`.
        identity: Of this runner.
        drain_timeout: Seconds that running jobs may take to end by themselves.
        cancel_grace: Seconds that they may take to end when they were stopped.
    """

    def __init__(
        self, *, bus: Bus, parts: Parts, owners: Owners, progress: Progress, identity: Identity, drain_timeout: float,
        cancel_grace: float,
    ) -> None:  # fmt: skip
        self._bus = bus
        self._parts = parts
        self._progress = progress
        self._identity = identity
        self._drain_timeout = drain_timeout
        self._cancel_grace = cancel_grace
        self._last_writes = LastWrites(
            commits=parts.committer, attempts=parts.attempts, owners=owners, drain_timeout=drain_timeout,
            cancel_grace=cancel_grace,
        )  # fmt: skip
        self._reason = "close"
        self._is_hurried = asyncio.Event()
        self._deadline = 0.0  # by the monotonic clock: of all but the last writes
        self._started: float | None = None  # by the monotonic clock; None: it has not started, or is finished
        self._interrupted: set[int] = set()
        self._left: set[int] = set()

    def begin(self, why: str) -> None:
        """Nothing more is claimed, no tick fires. Enqueuing still works."""
        if self._progress.is_draining:
            return
        self._reason = why
        parts = self._parts
        for part in (parts.dispatcher, parts.ticker, parts.executor.processes, parts.watchers, parts.figures):
            part.drain()
        self._progress.go_on_to(Phase.DRAINING)

    def hurry(self) -> None:
        """Interrupts at once what runs, now or as soon as the drain has begun."""
        self._is_hurried.set()

    async def run(self) -> None:
        """Waits for the attempts, interrupts those that take too long, and waits again."""
        parts = self._parts
        self._started = time.monotonic()
        self._deadline = self._started + self._drain_timeout + self._cancel_grace
        self._last_writes.drain_started()
        parts.recorder.add_listener(self)
        if self._bus.is_watched(DrainStarted):
            types = by_type(Counter(run.job_type.name for run in parts.attempts))
            self._bus.publish(DrainStarted(self._reason, parts.attempts.running, types, self._drain_timeout))
        if parts.attempts.running:  # else it is over at once
            parts.committer.keep((MarkDraining(self._identity.owner),), _ignore)
        await self._wait(min(SILENT_S, self._drain_timeout))
        left = self._drain_timeout - SILENT_S
        if left > 0 and parts.attempts.running and not self._is_hurried.is_set():
            if self._bus.is_watched(DrainWaits):
                self._bus.publish(DrainWaits(self._reason, parts.attempts.running, self._waited_for(), left))
            await self._wait(left)
        parts.executor.stop_all(Stop.SHUTDOWN)
        await _first_of(parts.attempts.wait_until_done(), timeout=self._cancel_grace)

    async def wait_for_ends(self) -> None:
        """Returns when every attempt has ended and its end is stored, or when the runner is being left."""
        await _first_of(self._until_all_ended(), self._progress.until(Phase.CLOSING))
        if self._have_all_ended:
            self._parts.waiters.close()  # not later: a server closes the runner when its last request has ended
            self.finish()

    async def save(self) -> None:
        """Saves what the attempts left, in the time that is left; see `LastWrites.save`."""
        self._note_left()
        await self._last_writes.save(self._is_hurried)
        await self._wait_for_calls()
        if not self._parts.attempts.unsaved:
            self.finish()

    def note_unsaved(self) -> None:
        """See `LastWrites.note_unsaved`."""
        self._note_left()
        self._last_writes.note_unsaved()

    def finish(self) -> None:
        """Publishes what became of the attempts; once, at the first call."""
        started, self._started = self._started, None
        if started is None or not self._bus.is_watched(DrainFinished):
            return
        groups = self._interrupted, self._left, self._parts.attempts.unsaved_ends
        interrupted, left, unsaved = (tuple(sorted(group)) for group in groups)
        self._bus.publish(DrainFinished(time.monotonic() - started, interrupted, left, unsaved))

    def attempt_ended(self, end: End) -> None:
        """An end is stored."""
        if isinstance(end, Again) and end.outcome is Outcome.INTERRUPTED:
            self._interrupted.add(end.id)

    @property
    def _have_all_ended(self) -> bool:
        return not self._parts.attempts.running and not self._parts.attempts.unsaved

    async def _wait(self, seconds: float) -> None:
        """Waits for the attempts, unless it is hurried."""
        await _first_of(self._parts.attempts.wait_until_done(), self._is_hurried.wait(), timeout=seconds)

    def _waited_for(self) -> str:
        now = time.perf_counter()
        return aged([(run.job_type.name, run.claimed.id, now - run.started) for run in self._parts.attempts])

    async def _until_all_ended(self) -> None:
        """Whenever an end was stored, nothing may be left to write."""
        committer = self._parts.committer
        while not self._have_all_ended:
            committer.went_idle.clear()
            committer.wake()
            await committer.went_idle.wait()

    async def _wait_for_calls(self) -> None:
        """The calls of `on_dead` may end by themselves in the time that is left, and are cancelled then."""
        deaths = self._parts.deaths
        if not deaths.is_idle:
            await _first_of(deaths.until_idle(), self._is_hurried.wait(), timeout=self._time_left)
        if not deaths.is_idle:
            await _first_of(deaths.until_idle(), timeout=min(self._time_left, self._cancel_grace))
        await deaths.end()

    @property
    def _time_left(self) -> float:
        return max(_LEAST_S, self._deadline - time.monotonic())

    def _note_left(self) -> None:
        self._left.update(run.claimed.id for run in self._parts.attempts)


def _ignore(_unit: Unit, _answer: Any, _error: StoreError | None) -> None:
    """It is only for others to know."""


async def _first_of(*waits: Coroutine[Any, Any, object], timeout: float | None = None) -> None:
    """Returns when one of them has, or after so many seconds."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
