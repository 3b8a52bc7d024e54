"""Notices the commits of other processes, and jumps of the wall clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiojobs_lite.clock import MICROSECONDS, Clock
from aiojobs_lite.stores.base import Store

LOOK_EVERY = 0.1  # seconds in which the commits of other processes are noticed
_JUMP = 0.5  # seconds that the wall clock may drift from the monotonic one, at once or little by little


class Watcher:
    """Looks at what nobody tells the runner.

    Args:
        store: Asked whether somebody else has committed.
        clock: Its wall clock is watched.
        changed: Called after somebody else's commit.
        jumped: Called after the wall clock jumped.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        changed: Callable[[], Awaitable[None]],
        jumped: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._changed = changed
        self._jumped = jumped
        self._asked = False
        self._offset = self._offset_now()

    def look_again(self) -> None:
        """Has the next look find a change, whatever the store says."""
        self._asked = True

    async def run(self) -> None:
        """Looks, for ever. Sleeps by the event loop's own clock: other processes do not know a test's."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            # Since it was told last, not since the last look: it may jump while the store is asked, or after a fault.
            offset = self._offset_now()
            if abs(offset - self._offset) > _JUMP:
                self._offset = offset
                self._jumped()
            asked, self._asked = self._asked, False
            try:
                if await self._store.changed() or asked:
                    await self._changed()
            except BaseException:
                self._asked = True  # what was told once is not told again
                raise

    def _offset_now(self) -> float:
        """By how much the wall clock is ahead of the monotonic one, in seconds."""
        return self._clock.now() / MICROSECONDS - time.monotonic()
