"""How much of the event loop, which all apps share, one app may take for what is too large or in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar

from aiojobs_lite.inngest.slices import Slices, Steps, finish

T = TypeVar("T")

LARGEST_QUICK_BYTES: Final = 64 * 1024
"""Of an answer that is read at once."""

FAILED_CALL_S: Final = 0.002
"""About what a call takes of the event loop that came to nothing, with the claim and the end of its attempt."""

_TIMES: Final = 10.0  # so long is nothing done for each second that was taken: an app has a tenth of the event loop
_BURST_S: Final = 0.5  # of such a time, which an app is ahead when it took nothing for a while
_LONGEST_REST_S: Final = 10.0
_APART_S: Final = 0.005  # the calls that come after a rest: not all at once
_MOST_REQUESTS: Final = 75
_MOST_LARGE: Final = 8  # answers that are received at once: what came of each is in memory
_MOST_DELAYED: Final = 1_000  # requests: what waits takes memory
_RECEIVED_S: Final = 1.6e-9  # of a byte
_KEPT_S: Final = 1e-8  # of a byte of a large answer: it is stored, and sent with the end of the run
_AFTERWARDS: Final = 2.0  # times as long as reading an answer takes all that is done with its parts


class Pace:
    """Counts what one app takes of the event loop, and has it rest: ten times as long, when it took more than a little.

    All attempts of the app rest together, and so do their calls: what is not called sends no answer.

    Args:
        requests: How many requests the server makes for the app at once.
    """

    def __init__(self, requests: int = _MOST_REQUESTS) -> None:
        self._requests = asyncio.Semaphore(requests)
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(_MOST_LARGE)
        self._rests_until = 0.0
        self._delayed = 0

    def charge(self, seconds: float) -> None:
        """Counts a time of the event loop that the app has taken."""
        now = time.monotonic()
        until = max(self._rests_until, now - _BURST_S) + _TIMES * seconds
        self._rests_until = min(until, now + _LONGEST_REST_S)

    async def rest(self) -> None:
        """Returns when the app may be called: those that have waited are called one by one."""
        if self._is_rested and not self._turn.locked():
            return
        async with self._turn:
            await self._rested()
            self._rests_until = max(self._rests_until, time.monotonic() + _APART_S)

    @asynccontextmanager
    async def requesting(self) -> AsyncIterator[None]:
        """Within it the server makes a request for the app; one that raises has taken as much as a call in vain."""
        async with self._requests:
            await self.rest()
            try:
                yield
            except Exception:
                self.charge(FAILED_CALL_S)
                raise

    async def hold_up(self) -> None:
        """Returns when a request may be answered that was in vain: its sender has no other one on this connection."""
        self.charge(FAILED_CALL_S)
        if self._delayed < _MOST_DELAYED:
            self._delayed += 1
            try:
                await self.rest()
            finally:
                self._delayed -= 1

    def receiving(self) -> AbstractAsyncContextManager[None]:
        """Within it the rest of a large answer is received; see `received`."""
        return self._places

    async def received(self, size: int) -> None:
        """So many bytes of a large answer came; returns when the next ones may come."""
        self.charge(size * _RECEIVED_S)
        if not self._is_rested:
            async with self._turn:
                await self._rested()

    async def read(self, size: int, steps: Steps[T]) -> T:
        """What comes of reading an answer of so many bytes: large ones are read one by one, in slices."""
        if size <= LARGEST_QUICK_BYTES:
            return finish(steps)
        async with self._turn:
            await self._rested()
            slices = Slices()
            try:
                return await slices.run(steps)
            finally:
                self.charge(_KEPT_S * size + _AFTERWARDS * slices.taken)

    @property
    def _is_rested(self) -> bool:
        return self._rests_until <= time.monotonic()

    async def _rested(self) -> None:
        while (left := self._rests_until - time.monotonic()) > 0:  # noqa: ASYNC110  # no event, but the clock
            await asyncio.sleep(left)
