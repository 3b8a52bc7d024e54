"""How fast the answers of one app are read: large ones take the event loop, which all apps share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LARGEST_QUICK_BYTES: Final = 64 * 1024
"""Of an answer that is read at once."""

_REST: Final = 9.0  # times as long as the reading took: an app has a tenth of the event loop for its large answers
_LONGEST_REST_S: Final = 5.0


class Pace:
    """The large answers of one app are read one by one, with a rest after each that is in proportion to its reading.

    All attempts of the app wait meanwhile, and so do their calls: what is not called sends no answer.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._rests_until = 0.0

    async def rest(self) -> None:
        """Returns when the app may be called."""
        left = self._rests_until - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    @asynccontextmanager
    async def reading(self, size: int) -> AsyncIterator[None]:
        """Within it an answer of so many bytes is read, without a pause."""
        if size <= LARGEST_QUICK_BYTES:
            yield
            return
        async with self._turn:
            await self.rest()
            begun = time.monotonic()
            try:
                yield
            finally:
                ended = time.monotonic()
                self._rests_until = ended + min(_REST * (ended - begun), _LONGEST_REST_S)
