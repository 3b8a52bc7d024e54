"""Functions of an Inngest app: what the workload measures of them, and the bare loop of aiohttp beside them.

There are two apps, each a process of its own. One is that of a user, by an SDK (`benchmarks/sdk_app.py`). The other,
`python -m benchmarks.inngest`, answers as an SDK does, and at once: of it the share is that of the runner alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from aiojobs_lite import JobRunner
from aiojobs_lite.events import EventToSend
from aiojobs_lite.inngest import inngest_app
from benchmarks.deliveries import AT_ONCE, Run, measured
from benchmarks.harness import Durability

FUNCTIONS: Final = 200
STEPS: Final = 3
CALLS: Final = STEPS + 1
"""Of a function: each has an answer with a step, the last one the result."""

FUNCTION: Final = "bench-three"
EVENT: Final = "bench/asked"
_HASHES: Final = tuple(hashlib.sha1(f"step-{number}".encode()).hexdigest() for number in range(STEPS))
_BODIES_PATH: Final = b"GET /bodies"


App = Literal["sdk", "instant"]
_MODULES: Final[dict[App, str]] = {"sdk": "benchmarks.sdk_app", "instant": __name__}


# The app that answers at once.


def sdk_answer(status: str, body: str, more: str = "") -> bytes:
    """An answer of an SDK, with more headers."""
    text = body.encode()
    of_sdk = "x-inngest-sdk: inngest-py:v0.5.19\r\nx-inngest-req-version: 2\r\ncontent-type: application/json"
    return f"HTTP/1.1 {status}\r\n{of_sdk}\r\n{more}content-length: {len(text)}\r\n\r\n".encode() + text


def registration(app: str, name: str, function: str, event: str, retries: int = 4) -> bytes:
    """The body by which an app registers its one function."""
    runtime = {"type": "http", "url": f"{app}/api?fnId={function}&stepId=step"}
    step = {"id": "step", "name": "step", "runtime": runtime, "retries": {"attempts": retries}}
    one = {"id": function, "name": function, "triggers": [{"event": event}], "steps": {"step": step}}
    return json.dumps({"url": app, "appName": name, "sdk": "py:v0.5.19", "functions": [one]}).encode()


def _answer(status: str, body: object) -> bytes:
    return sdk_answer(status, json.dumps(body))


_STEPS: Final = [
    _answer(
        "206 Partial Content", [{"op": "StepRun", "id": hashed, "displayName": f"step-{number}", "data": {"n": number}}]
    )
    for number, hashed in enumerate(_HASHES)
]
_RETURNS: Final = _answer("200 OK", {"done": True})
_MEMOS: Final = [f'"{hashed}":{{'.encode() for hashed in _HASHES]


class _App(asyncio.Protocol):
    """Answers each call with the first step that has no memo in it, and else with the result."""

    bodies: Final[list[bytes]] = [b""] * CALLS  # the latest call with so many memos

    def __init__(self) -> None:
        self._left = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        left = self._left + data
        while (end := left.find(b"\r\n\r\n")) >= 0:
            head = left[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 : end if (stop := head.find(b"\r", at)) < 0 else stop]) if at >= 0 else 0
            if len(left) < end + 4 + size:
                break
            is_call, body = not left.startswith(_BODIES_PATH), left[end + 4 : end + 4 + size]
            self._transport.write(self._answer(body) if is_call else self._latest())
            left = left[end + 4 + size :]
        self._left = left

    def _answer(self, body: bytes) -> bytes:
        count = sum(memo in body for memo in _MEMOS)
        self.bodies[count] = body
        return _STEPS[count] if count < STEPS else _RETURNS

    def _latest(self) -> bytes:
        return _answer("200 OK", [body.decode() for body in self.bodies])


async def serve() -> None:
    """Serves until the process is killed."""
    server = await asyncio.get_running_loop().create_server(_App, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


# What is measured.


@contextmanager
def serving(app: App) -> Iterator[str]:
    """An app as a process of its own; its address."""
    with subprocess.Popen([sys.executable, "-m", _MODULES[app]], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


async def bodies(app: str) -> list[bytes]:
    """What was posted to the app that answers at once: the calls of a function in order."""
    import aiohttp  # noqa: PLC0415  # of the extra

    async with aiohttp.ClientSession() as session, session.get(f"{app}/bodies") as answer:
        found = [body.encode() for body in await answer.json()]
    assert all(found), "the bare loop posts what was called before"
    return found


async def bare(app: str, calls: list[bytes], functions: int) -> Run:
    """The same calls of aiohttp alone, by `AT_ONCE` tasks, with its own defaults: the calls of a function in order."""
    import aiohttp  # noqa: PLC0415  # of the extra

    left, url, found = iter(range(functions)), f"{app}/api?fnId={FUNCTION}&stepId=step", list[Run]()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def work() -> None:
            for _ in left:
                for body in calls:
                    async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as called:
                        assert called.ok, await called.text()
                        await called.read()

        with measured(functions * CALLS, found):
            await asyncio.gather(*[work() for _ in range(AT_ONCE)])
    return found[0]


async def run(path: Path, durability: Durability, app: str, functions: int) -> Run:
    """Starts so many runs by events, while their function is paused, and then has them come to their ends."""
    runner, found = JobRunner(path, durability=durability, max_running=AT_ONCE), list[Run]()
    server = inngest_app(runner, mode="dev")
    async with runner:
        await _register(server, app)
        await runner.types.pause(FUNCTION)
        await runner.events.send_many([EventToSend(EVENT, {"n": n}) for n in range(functions)])
        await runner.run_until_idle()
        with measured(functions * CALLS, found):
            await runner.types.resume(FUNCTION)
            await runner.run_until_idle()
        assert runner.stats().by_type[FUNCTION].completed == functions
    return found[0]


async def _register(server: Any, app: str) -> None:
    """Registers the function, as an SDK does."""
    body = registration(app, "bench", FUNCTION, EVENT)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": "/fn/register", "raw_path": b"/fn/register", "query_string": b"", "root_path": "", "headers": [],
    }  # fmt: skip
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    await server(scope, receive, send)
    assert answered[0]["status"] == 200, answered


if __name__ == "__main__":
    asyncio.run(serve())
