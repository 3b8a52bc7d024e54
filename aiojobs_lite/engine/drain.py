"""The drain of an engine: what runs may end by itself, is then interrupted, and is saved."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiojobs_lite.engine.last_writes import LastWrites
from aiojobs_lite.engine.parts import Parts
from aiojobs_lite.engine.phase import Phase, Progress
from aiojobs_lite.policy.settle import Stop
from aiojobs_lite.stores.base import Owners
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import DrainFinished, DrainStarted


class Drain:
    """Lets the running attempts end, or ends them, and saves what they leave.

    Args:
        bus: Gets the facts of the drain.
        parts: Stop claiming, and are waited for.
        owners: Takes a note of ends that could not be saved.
        progress: Goes on to `DRAINING`.
        drain_timeout: Seconds that running jobs may take to end by themselves.
        cancel_grace: Seconds that they may take to end when they were stopped.
    """

    def __init__(
        self, *, bus: Bus, parts: Parts, owners: Owners, progress: Progress, drain_timeout: float, cancel_grace: float
    ) -> None:
        self._bus = bus
        self._parts = parts
        self._progress = progress
        self._drain_timeout = drain_timeout
        self._cancel_grace = cancel_grace
        self._last_writes = LastWrites(
            commits=parts.committer, attempts=parts.attempts, owners=owners, drain_timeout=drain_timeout,
            cancel_grace=cancel_grace,
        )  # fmt: skip
        self._reason = "close"
        self._is_hurried = asyncio.Event()

    def begin(self, why: str) -> None:
        """Nothing more is claimed, no tick fires. Enqueuing still works."""
        if self._progress.is_draining:
            return
        self._reason = why
        for part in (self._parts.dispatcher, self._parts.ticker, self._parts.executor):
            part.drain()
        self._progress.go_on_to(Phase.DRAINING)

    def hurry(self) -> None:
        """Interrupts at once what runs, now or as soon as the drain has begun."""
        self._is_hurried.set()

    async def run(self) -> None:
        """Waits for the attempts, interrupts those that take too long, and waits again."""
        started, parts = time.monotonic(), self._parts
        self._last_writes.drain_started()
        if self._bus.is_watched(DrainStarted):
            self._bus.publish(DrainStarted(self._reason, parts.attempts.running))
        await self._wait_for_attempts(self._drain_timeout, hurry=self._is_hurried)
        interrupted = parts.executor.stop_all(Stop.SHUTDOWN)
        await self._wait_for_attempts(self._cancel_grace)
        left = parts.attempts.running
        if self._bus.is_watched(DrainFinished):
            self._bus.publish(DrainFinished(time.monotonic() - started, max(0, interrupted - left), left))

    async def save(self) -> None:
        """Saves what the attempts left, in the time that is left; see `LastWrites.save`."""
        await self._last_writes.save(self._is_hurried)

    def note_unsaved(self) -> None:
        """See `LastWrites.note_unsaved`."""
        self._last_writes.note_unsaved()

    async def _wait_for_attempts(self, timeout: float, hurry: asyncio.Event | None = None) -> None:
        """Waits until nothing runs, at most so many seconds, or until it is to hurry."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._parts.attempts.wait_until_done())]
        if hurry is not None:
            waits.append(asyncio.ensure_future(hurry.wait()))
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
