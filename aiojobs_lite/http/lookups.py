"""The addresses of hosts, by the system: a name server that hangs keeps nothing else waiting."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from aiojobs_lite.engine.calls import call_in_thread
from aiojobs_lite.engine.threads import CallThread

_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Lookups:
    """A resolver for aiohttp.

    Each lookup has a daemon thread of its own. Those of one host are one at a time, so that a name server that hangs
    holds one thread for each host, and not all threads of a pool that other hosts and the application need.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[str, int, int], asyncio.Task[list[dict[str, Any]]]] = {}

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[dict[str, Any]]:
        """The addresses of a host, as aiohttp wants them.

        Raises:
            OSError: If it has none.
        """
        key = host, port, family
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.ensure_future(call_in_thread(find_addresses, key, {}, CallThread()))
            running.add_done_callback(lambda done: self._ended(key, done))
        return [*await asyncio.shield(running)]

    async def close(self) -> None:
        """Leaves alone what still runs."""
        for running in [*self._running.values()]:
            running.cancel()

    def _ended(self, key: tuple[str, int, int], done: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # each caller of it may be gone


def find_addresses(host: str, port: int, family: int) -> list[dict[str, Any]]:
    """Asks the system, and waits for it.

    Raises:
        OSError: If it knows none.
    """
    found = []
    for kind, _, protocol, _, address in socket.getaddrinfo(
        host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    ):
        text, number = str(address[0]), int(address[1])
        if kind == socket.AF_INET6 and len(address) > 3 and address[3]:  # a link-local one: with its zone
            text, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        found.append(
            {"hostname": host, "host": text, "port": number, "family": kind, "proto": protocol, "flags": _NUMERIC}
        )
    return found
