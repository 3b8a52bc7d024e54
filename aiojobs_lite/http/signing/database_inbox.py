"""An inbox in the database of a runner: every process of it knows which messages were handled."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Final

import anyio

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.http.signing.inbox import MessageStatus
from aiojobs_lite.model.documents import ABSENT
from aiojobs_lite.runner.runner import JobRunner

INBOX_KIND: Final = "http.inbox"
"""The kind of its documents."""

_KEEP_FOR: Final = "7d"  # longer than most senders try again
_LEASE: Final = "5m"
_SHORTEST_S: Final = 0.001
_TOKEN_BYTES: Final = 12


class DatabaseInbox:
    """An inbox in the database of a runner, which must be started: for several processes, and over their ends.

    A message that comes twice at once, in whatever processes, is new for one of them: the other copy finds the lease of
    the first. The lease of a process that died ends by itself, and the message is new again.

    Args:
        runner: The runner.
        keep_for: How long a handled message is remembered: longer than the sender tries again.
        lease: The longest that a handler takes; one that takes longer may run again beside itself.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    def __init__(self, runner: JobRunner, *, keep_for: Duration = _KEEP_FOR, lease: Duration = _LEASE) -> None:
        if not isinstance(runner, JobRunner):
            raise InvalidOption("runner", runner, "the JobRunner whose database remembers")
        self._documents = runner.documents
        self._keep_for = seconds(keep_for, "keep_for", least=_SHORTEST_S)
        self._lease = seconds(lease, "lease", least=_SHORTEST_S)
        self._leased: dict[str, str] = {}  # the tokens of this process, by message

    async def begin(self, key: str) -> MessageStatus:
        """How a message stands; if it is new, it is running from now on."""
        name, token = _name(key), secrets.token_hex(_TOKEN_BYTES)
        while True:
            if await self._take_lease(name, token):
                self._leased[name] = token
                return MessageStatus.NEW
            found = await self._documents.get(INBOX_KIND, name)
            if found is not None:  # else it ended meanwhile
                return MessageStatus.RUNNING if found.body.get("leased_by") else MessageStatus.HANDLED

    async def keep(self, key: str) -> None:
        """Remembers that a running message was handled."""
        name = _name(key)
        await self._documents.put(INBOX_KIND, name, {}, expires=self._keep_for)
        self._leased.pop(name, None)

    async def release(self, key: str) -> None:
        """Makes a running message new again."""
        name = _name(key)
        token = self._leased.pop(name, None)
        if token is not None:
            await self._give_back(name, token)

    async def _take_lease(self, name: str, token: str) -> bool:
        """Writes a lease, if there is no document; a caller that is cancelled leaves none."""
        lease = self._documents.put(INBOX_KIND, name, {"leased_by": token}, expires=self._lease, expected=ABSENT)
        writing = asyncio.ensure_future(lease)
        try:
            return await asyncio.shield(writing) is not None
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):  # it may be written all the same
                await asyncio.wait([writing])
                await self._give_back(name, token)
            raise

    async def _give_back(self, name: str, token: str) -> None:
        """Ends a lease, if it has not ended, and is no other one by now."""
        found = await self._documents.get(INBOX_KIND, name)
        if found is not None and found.body.get("leased_by") == token:
            await self._documents.delete(INBOX_KIND, name, expected=found.version)


def _name(key: str) -> str:
    """The name of the document of a message: of one length, whatever its sender has put into the id."""
    return hashlib.sha256(key.encode()).hexdigest()
