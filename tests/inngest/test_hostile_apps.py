"""A hostile app beside a good one, over real HTTP: however it answers, the runs of the good one go on.

There are more runs of the hostile app than slots of the runner. A row is what it does with a call.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import pytest

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.inngest import inngest_app
from tests.helpers.endpoints import Received, endpoint, reply
from tests.helpers.inngest import operation, sdk, sdk_headers
from tests.helpers.pauses import pause
from tests.helpers.waiting import until

pytestmark = pytest.mark.slow
SLOTS: Final = 8
HOSTILE_RUNS: Final = 3 * SLOTS
GOOD_RUNS: Final = 20
Writer = asyncio.StreamWriter


def streamed(status: int, part: bytes, rest: float) -> Callable[[Writer], Awaitable[None]]:
    """An answer that never ends, part by part."""

    async def answer(writer: Writer) -> None:
        names = "".join([f"{name.replace('_', '-')}: {value}\r\n" for name, value in sdk_headers().items()])
        writer.write(f"HTTP/1.1 {status} OK\r\n{names}transfer-encoding: chunked\r\n\r\n".encode())
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await pause(rest)

    return answer


def written(answer: bytes) -> Callable[[Writer], Awaitable[None]]:
    """An answer as it is."""

    async def write(writer: Writer) -> None:
        writer.write(answer)

    return write


async def never(_: Writer) -> None:
    await asyncio.Event().wait()


async def reset(writer: Writer) -> None:
    opened = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


ATTACKS: Final[dict[str, Callable[[Writer], Awaitable[None]]]] = {
    "no answer": never,
    "an answer byte by byte": streamed(200, b" ", 0.01),
    "blanks of a stream without an end": streamed(201, b" ", 0.05),
    "an answer without an end": streamed(200, b"1" * 65_536, 0),
    "a reset": reset,
    "a redirect": written(reply(302, b"", Location="http://169.254.169.254/")),
    "5 MB": written(sdk(200, "1" * 5_000_000)),
    "failures at once": written(sdk(500, '{"message":"no"}', retry_after="1")),
    "steps that fail at once": written(sdk(206, [operation("StepError", "a", error={})], retry_after="1")),
    "a bomb of gzip": written(reply(200, gzip.compress(b"0" * 50_000_000), **sdk_headers(Content_Encoding="gzip"))),
    "4 MB of quotes": written(sdk(200, f'{"[" * 151}"' + '\\"' * 2_000_000)),
    "results of 1 MB": written(sdk(200, f'"{"x" * 1_000_000}"')),
    "900 steps": written(sdk(206, [operation("StepRun", f"step {n}", data="x" * 900) for n in range(900)])),
    "300,000 lists": written(sdk(200, f"[{'[],' * 300_000}[]]")),
    "10,000 operations": written(sdk(206, f"[{','.join(['{}'] * 10_000)}]")),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_runs_of_a_good_app_go_on_beside_a_hostile_one(attack: str) -> None:
    hostile_calls = list[str]()

    async def answer(received: Received, writer: Writer) -> None:
        if "evil" in received.target:
            hostile_calls.append(received.target)
            await ATTACKS[attack](writer)
        else:
            writer.write(sdk(200, received.json()["event"]["data"]["n"]))

    runner = JobRunner(":memory:", max_running=SLOTS, cancel_grace="1s", drain_timeout="0.1s")
    async with endpoint(answer) as server:
        app = inngest_app(runner, mode="dev", app_concurrency=SLOTS // 2, backoff=Backoff(base="1s", cap="2s"))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inngest.test")
        async with runner, client:
            for name in ("evil", "good"):
                step = {"runtime": {"type": "http", "url": f"{server.url}/{name}"}}
                one = {"id": f"{name}-go", "triggers": [{"event": f"{name}/go"}], "steps": {"step": step}}
                registered = await client.post("/fn/register", json={"appName": name, "functions": [one]})
                assert registered.status_code == 200, registered.text
            await client.post("/e/key", json=[{"name": "evil/go"}] * HOSTILE_RUNS)
            await until(lambda: bool(hostile_calls))
            sent = await client.post("/e/key", json=[{"name": "good/go", "data": {"n": n}} for n in range(GOOD_RUNS)])
            assert sent.status_code == 200
            await until(lambda: runner.stats().by_type["good-go"].completed == GOOD_RUNS, 0.01)
            evil = await runner.jobs.list(type="evil-go", limit=HOSTILE_RUNS)
            assert len(evil) == HOSTILE_RUNS  # none is lost
            assert runner.stats().by_type["evil-go"].processing <= SLOTS // 2
