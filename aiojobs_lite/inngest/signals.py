"""Which run waits for which signal: one at a time. It is kept in the database, so all processes know it."""

from __future__ import annotations

import hashlib
from typing import Final

from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.operations import Waiter
from aiojobs_lite.model.documents import ABSENT, Expected
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.runner.documents import StoredDocument

_KIND: Final = "inngest.signal"
_SHORTEST_S: Final = 0.001


class SignalWaits:
    """The signals of a hub, each with the step that waits for it."""

    def __init__(self, hub: Hub) -> None:
        self._documents = hub.runner.documents
        self._hub = hub

    async def take(self, signal: str, waiter: Waiter, until: int, *, replaces: bool) -> bool:
        """Lets a step wait for a signal.

        Args:
            signal: The signal.
            waiter: The step.
            until: When its wait is over, in microseconds.
            replaces: Whether it may take the place of another step, which is given the signal no more then.

        Returns:
            Whether it may wait; False: another step does.
        """
        while True:
            found = await self._find(signal)
            if found is not None and not replaces and await self._is_awaited(found, waiter):
                return False
            seconds = max((until - self._hub.now()) / MICROSECONDS, _SHORTEST_S)
            body = {"signal": signal, "job": waiter.job, "mark": waiter.mark}
            expected: Expected = ABSENT if found is None else found.version
            if await self._documents.put(_KIND, _name(signal), body, expires=seconds, expected=expected):
                return True  # else another one was faster

    async def waiter_of(self, signal: str) -> str | None:
        """The mark of the step that waits for a signal; None: none does."""
        found = await self._find(signal)
        return None if found is None else str(found.body["mark"])

    async def release(self, signal: str, mark: str) -> None:
        """A step waits for its signal no more: it has come."""
        found = await self._find(signal)
        if found is not None and found.body["mark"] == mark:
            await self._documents.delete(_KIND, found.name, expected=found.version)

    async def _find(self, signal: str) -> StoredDocument | None:
        return await self._documents.get(_KIND, _name(signal))

    async def _is_awaited(self, found: StoredDocument, waiter: Waiter) -> bool:
        """Whether another step waits for the signal, of a run that has not ended."""
        if found.body["mark"] == waiter.mark:
            return False
        job = await self._hub.ask_store(GetJob(found.body["job"]))
        return job is not None and not job.is_finished


def _name(signal: str) -> str:
    return hashlib.sha256(signal.encode(errors="surrogatepass")).hexdigest()
