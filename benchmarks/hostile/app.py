"""The hostile app: `python -m benchmarks.hostile.app ATTACK SERVER`, a process that gives way to all others.

It registers one function, prints a line, and attacks when it is given one. Most attacks are answers: the server is sent
events, and for as many calls as come as many events again. The others come at the endpoints of the server.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from benchmarks.inngest import registration, sdk_answer

FUNCTION: Final = "evil-go"
_EVENT: Final = "evil/go"
_RUNS: Final = 600
_AT_ONCE: Final = 4  # connections of a sender of events
_EVENTS: Final = 5_000  # in one request
_SLOW: Final = 500  # connections
_REPLAYING: Final = 20  # connections
_FETCHES: Final = 900
_OK: Final = "200 OK"
_PARTIAL: Final = "206 Partial Content"
_PART: Final = b" " * 65_536
_LARGE_BYTES: Final = 100_000_000

Writer = asyncio.StreamWriter
Answer = Callable[[bytes, Writer], Awaitable[None]]


def _hashed(number: int) -> str:
    return hashlib.sha1(str(number).encode()).hexdigest()


def _step(number: int, data: str) -> dict[str, object]:
    return {"op": "StepRun", "id": _hashed(number), "displayName": str(number), "data": data}


def _head(status: str, more: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nx-inngest-sdk: js:v4.24.0\r\nx-inngest-req-version: 2\r\n{more}\r\n\r\n".encode()


# Answers.


def _written(make: Callable[[], bytes]) -> Answer:
    """An answer as it is."""
    made = list[bytes]()

    async def write(_: bytes, writer: Writer) -> None:
        if not made:
            made.append(make())
        writer.write(made[0])
        await writer.drain()

    return write


async def _never(_: bytes, writer: Writer) -> None:
    await writer.wait_closed()


def _streamed(part: bytes, rest: float) -> Answer:
    """An answer that never ends, part by part."""

    async def stream(_: bytes, writer: Writer) -> None:
        writer.write(_head("201 Created", "transfer-encoding: chunked"))
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(rest)

    return stream


async def _large(_: bytes, writer: Writer) -> None:
    writer.write(_head(_OK, f"content-length: {_LARGE_BYTES}"))
    for _sent in range(0, _LARGE_BYTES, len(_PART)):
        writer.write(_PART)
        await writer.drain()


async def _fetches(body: bytes, writer: Writer) -> None:
    """Very many requests, which the server shall make to this app; a call after them is the end."""
    if b'"status_code"' in body:
        await _DONE(body, writer)
        return
    url = f"http://127.0.0.1:{writer.get_extra_info('sockname')[1]}/large"
    found = [{"op": "Gateway", "id": _hashed(n), "opts": {"url": url}} for n in range(_FETCHES)]
    writer.write(sdk_answer(_PARTIAL, json.dumps(found)))


def _bomb() -> bytes:
    text = gzip.compress(b"0" * 200_000_000)
    return _head(_OK, f"content-encoding: gzip\r\ncontent-length: {len(text)}") + text


def _of(body: str, status: str = _OK, more: str = "") -> Answer:
    return _written(lambda: sdk_answer(status, body, more))


_DONE: Final = _of("1")
_TEXT: Final = '"' + "x" * 1_000_000 + '"'
_ANSWERS: Final[dict[str, Answer]] = {
    "hangs": _never,
    "a byte a second": _streamed(b" ", 1),
    "a stream without an end": _streamed(_PART, 0),
    "100 MB": _large,
    "bombs of gzip": _written(_bomb),
    "10,000 operations": _written(
        lambda: sdk_answer(_PARTIAL, json.dumps([_step(number, "x") for number in range(10_000)]))
    ),
    "900 steps": _written(
        lambda: sdk_answer(_PARTIAL, json.dumps([_step(number, "x" * 900) for number in range(900)]))
    ),
    "4 MB of quotes": _of("[" * 151 + '"' + '\\"' * 2_000_000),
    "4 MB of brackets": _of("[" * 4_000_000),
    "lists": _of(f"[{'[],' * 249_000}[]]"),
    "results of 1 MB": _of(_TEXT),
    "500s": _of('{"message":"no"}', "500 Internal Server Error", "retry-after: 1\r\n"),
    "redirects": _of("", "302 Found", f"location: /{FUNCTION}\r\nretry-after: 1\r\n"),
    "900 fetches of 100 MB": _fetches,
}


# Senders.


async def _post(server: str, path: str, body: bytes, *, times: int = 1) -> None:
    """Posts a body, again and again on one connection."""
    place = urlsplit(server)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = f"POST {path} HTTP/1.1\r\nhost: {place.netloc}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    for _ in range(times):
        writer.write(head + body)
        found = await reader.readuntil(b"\r\n\r\n")
        size = next(line for line in found.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(size.partition(b":")[2]))
    writer.close()


async def _flood(server: str, name: str) -> None:
    events = json.dumps([{"name": name, "data": {"n": number}} for number in range(_EVENTS)]).encode()
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(_post(server, "/e/key", events, times=1_000))


async def _slow(server: str) -> None:
    """Requests whose heads and bodies come byte by byte."""
    place, starts = urlsplit(server), (b"GET /v1/events?", b"POST /e/key HTTP/1.1\r\ncontent-length: 3000000\r\n\r\n[")
    found = []
    for number in range(_SLOW):
        _, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(starts[number % 2])
        found.append(writer)
    while True:
        await asyncio.sleep(1)
        for number, writer in enumerate(found):
            writer.write(b" " if number % 2 else b"a")


def _checkpoint(call: bytes) -> tuple[str, bytes]:
    ctx = json.loads(call)["ctx"]
    steps = [_step(0, "x" * 1_000)]
    body = {"run_id": ctx["run_id"], "fn_id": ctx["fn_id"], "qi_id": ctx["qi_id"], "steps": steps}
    return f"/v1/checkpoint/{ctx['run_id']}/async", json.dumps(body).encode()


class _App:
    """What the process does.

    Args:
        attack: The name of the attack.
        server: The address of the server.
    """

    def __init__(self, attack: str, server: str) -> None:
        self._attack, self._server = attack, server
        self._calls = 0
        self._call: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tasks = set[asyncio.Task[None]]()
        self._senders: dict[str, Callable[[], Awaitable[None]]] = {
            "floods of events": lambda: _flood(server, "evil/nothing"),
            "floods of runs": lambda: _flood(server, _EVENT),
            "slow requests": lambda: _slow(server),
            "replayed checkpoints": self._replay,
        }

    async def attack(self) -> None:
        """Attacks for ever."""
        sender = self._senders.get(self._attack, self._start_runs)
        await sender()

    async def _start_runs(self) -> None:
        await _post(self._server, "/e/key", json.dumps([{"name": _EVENT, "data": {}}] * _RUNS).encode())

    async def _replay(self) -> None:
        """Sends the checkpoint of a call that stays open, again and again."""
        await _post(self._server, "/e/key", json.dumps({"name": _EVENT, "data": {}}).encode())
        path, body = _checkpoint(await self._call)
        async with asyncio.TaskGroup() as group:
            for _ in range(_REPLAYING):
                group.create_task(_post(self._server, path, body, times=1_000_000))

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """Answers the calls of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].partition(b":")[2])) if length else b""
                await (_large if head.startswith(b"GET /large") else self._answer)(body, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def _answer(self, body: bytes, writer: Writer) -> None:
        self._calls += 1
        if not self._call.done():
            self._call.set_result(body)
        if self._calls % (_RUNS // 2) == 0 and self._attack in _ANSWERS:
            task = asyncio.create_task(self._start_runs())
            self._tasks.add(task)
        if self._attack == "replayed checkpoints":
            await _never(body, writer)
        await _ANSWERS.get(self._attack, _DONE)(body, writer)


async def main(attack: str, server: str) -> None:
    """Attacks until the process is killed."""
    os.nice(19)
    app = _App(attack, server)
    served = await asyncio.start_server(app.serve, "127.0.0.1", 0, limit=8 * 1024 * 1024)
    url = f"http://127.0.0.1:{served.sockets[0].getsockname()[1]}"
    await _post(server, "/fn/register", registration(url, "evil", FUNCTION, _EVENT, retries=20))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await app.attack()
    await served.serve_forever()


ATTACKS: Final = (*_ANSWERS, "floods of events", "floods of runs", "slow requests", "replayed checkpoints")
"""The names of all attacks."""

GREEDY: Final = frozenset({"floods of runs"})
"""Those by an app that answers as it should."""


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
