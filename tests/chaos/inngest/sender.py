"""Sends events until each is acknowledged, with the same id each time.

`python -m tests.chaos.inngest.sender URL NOTES SEED` reads lines, each of which is the number of runs that are to have
been started. At the end of its input it finishes what it is at, and ends.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from tests.chaos.inngest.notes import Notes
from tests.chaos.inngest.plan import FOLLOWED_BY, STARTED_BY, id_of
from tests.helpers.pauses import pause, work_for

_AT_ONCE: Final = 30
_AGAIN_S: Final = 0.05
_LATEST_S: Final = 3.0
_KINDS: Final = ("order/placed", "order/placed", "report/asked", "notice/asked", "total/asked")
_TIMEOUT_S: Final = 5.0


class Sender:
    """Sends events.

    Args:
        http: The client of the server.
        notes: Where acknowledgements are noted.
        chance: The randomness.
    """

    def __init__(self, http: httpx.AsyncClient, notes: Notes, chance: random.Random) -> None:
        self._http = http
        self._notes = notes
        self._chance = chance
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def start(self, n: int) -> None:
        """Starts a run, and sends what it waits for; some of that with the start itself."""
        name = _KINDS[n % len(_KINDS)]
        assert name in STARTED_BY
        followed = list(FOLLOWED_BY.get(name, ()))
        at_once = [name, *(one for one in followed if self._chance.random() < 0.1)]
        await self._send(at_once, n)
        for one in followed:
            if one not in at_once:
                await work_for(self._chance.uniform(0, _LATEST_S))
                await self._send([one], n)

    async def _send(self, names: Sequence[str], n: int) -> None:
        """Sends events in one request, again and again until it is acknowledged."""
        events = [{"name": name, "id": id_of(name, n), "data": {"n": n}} for name in names]
        tries = 0
        while True:
            tries += 1
            try:
                async with self._gate:
                    answer = await self._http.post("/e/any", json=events if len(events) > 1 else events[0])
                if answer.status_code == httpx.codes.OK:
                    break
                why = str(answer.status_code)
            except httpx.HTTPError as error:
                why = type(error).__name__
            self._notes.note("failed", event=events[0]["id"], why=why)
            await pause(_AGAIN_S)
        ids: list[Any] = answer.json()["ids"]
        for name, found in zip(names, ids, strict=True):
            self._notes.note("sent", event=id_of(name, n), name=name, n=n, id=found, tries=tries)


async def main() -> None:
    """Sends until its input ends."""
    url, path, seed = sys.argv[1:]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE // 2)
    async with (
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=_TIMEOUT_S, limits=limits) as http,
        asyncio.TaskGroup() as group,
    ):
        sender, started = Sender(http, Notes(Path(path)), random.Random(seed)), 0
        while line := await reader.readline():
            while started < int(line):
                started += 1
                group.create_task(sender.start(started))


if __name__ == "__main__":
    asyncio.run(main())
