"""Endpoints that deliveries call: servers of asyncio on loopback, which answer byte by byte as a test says."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import trustme

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http


class Received(NamedTuple):
    """A request as it came.

    Attributes:
        method: Its method.
        target: Path and query, as they were sent.
        headers: Its headers, with their names in small letters.
        body: Its body.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for given, value in self.headers if given == name.lower()), None)

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


Answers = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


class Endpoint:
    """A server on loopback.

    Attributes:
        received: All requests, in their order.
        url: Where it is.
        at_once: How many requests are open, and how many were at most.
    """

    def __init__(self, answers: Answers) -> None:
        self.received: list[Received] = []
        self.url = ""
        self.open = self.most_open = self.connections = 0
        self._answers = answers
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def targets(self) -> list[str]:
        """Path and query of each request."""
        return [one.target for one in self.received]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves a connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._request(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def close(self) -> None:
        """Closes what is open."""
        for writer in self._writers:
            writer.close()
        for task in [*self._tasks]:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2])]
        size = int(dict(headers).get("content-length", 0))
        self.received.append(Received(method, target, headers, await reader.readexactly(size)))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._answers(self.received[-1], writer)
            await writer.drain()
        finally:
            self.open -= 1


def reply(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    """The bytes of an answer."""
    given = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Reason\r\nContent-Length: {len(body)}\r\n{given}\r\n".encode() + body


@asynccontextmanager
async def endpoint(
    *answers: bytes | Answers, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> AsyncIterator[Endpoint]:
    """A server that gives its answers one after the other, the last one again and again; without any, 200."""
    waiting = list(answers) or [reply()]

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        given = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(given, bytes):
            writer.write(given)
        else:
            await given(received, writer)

    made = Endpoint(answer)
    server = await asyncio.start_server(made.serve, address, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    made.url = f"{'http' if tls is None else 'https'}://{address}:{port}"
    try:
        yield made
    finally:
        server.close()
        await made.close()
        await server.wait_closed()


@asynccontextmanager
async def delivering(**options: Any) -> AsyncIterator[JobRunner]:
    """A runner in memory that delivers to endpoints of tests."""
    async with JobRunner(":memory:", jobs=[local(**options)]) as runner:
        yield runner


def local(**options: Any) -> Http:
    """Deliveries to loopback."""
    return Http(**{"allow_http": True, "allow_private": True, **options})


class Names:
    """A resolver of aiohttp's: each name has one list of addresses after the other, the last one again and again.

    Attributes:
        asked: The names that were asked for.
    """

    def __init__(self, *addresses: list[str], port: int | None = None) -> None:
        self.asked: list[str] = []
        self._addresses = list(addresses)
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[dict[str, Any]]:
        """The addresses of a name."""
        self.asked.append(host)
        found = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        return [
            {
                "hostname": host, "host": address, "port": self._port or port, "proto": 0, "flags": 0,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
            }
            for address in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""


class Authority:
    """A certificate authority of one test.

    Attributes:
        trusting: A context that trusts it.
    """

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.trusting = ssl.create_default_context()
        self._authority.configure_trust(self.trusting)

    def serving(self, *names: str) -> ssl.SSLContext:
        """The context of a server with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context
