"""Has runs of the good app come to their ends, alone and beside an attack."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Final

import aiohttp

from benchmarks import inngest
from benchmarks.harness import new_path

RUNS_PER_S: Final = 60
"""Of the steady stream: a quarter of what a runner alone can do."""

_WARM: Final = 900  # runs before the first measurement: a process that is cold would flatter the second
_BEGINS_S: Final = 1.0  # an attack, before the first run beside it
_TOGETHER: Final = 50  # events in a request
_LOOK_S: Final = 0.02
_PATIENCE_S: Final = 60.0
_MICROS: Final = 1_000_000
_SERVER: Final = "benchmarks.hostile.server"
_APP: Final = "benchmarks.hostile.app"


@dataclass(frozen=True, slots=True)
class Beside:
    """What was measured of the good app.

    Attributes:
        rate: Runs a second that end, when very many are started at once.
        cpu: Milliseconds of CPU of our process for each of them, with all else that it did meanwhile.
        p50: Milliseconds from the instant at which a run of the steady stream is due to its end.
        p95: The same, of the slowest twentieth.
        kept: Runs of the steady stream that ended while it lasted, of those that were due.
        memory: Megabytes that our process has.
    """

    rate: float
    cpu: float
    p50: float
    p95: float
    kept: float
    memory: float


def measure(attack: str, at_once: int, seconds: float) -> tuple[Beside, Beside]:
    """One round on a new database: the good app alone, and beside an attack.

    Args:
        attack: The name of the attack.
        at_once: How many runs are started at once.
        seconds: How long the steady stream lasts.
    """
    with (
        new_path() as path,
        _process(_SERVER, str(path)) as (_, server),
        inngest.serving("instant") as good,
        _process(_APP, attack, server) as (hostile, _),
    ):
        return asyncio.run(_measure(server, good, hostile, at_once, seconds))


async def _measure(
    server: str, good: str, hostile: subprocess.Popen[str], at_once: int, seconds: float
) -> tuple[Beside, Beside]:  # fmt: skip
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)) as session:
        client = _Client(session, server)
        await client.register(good)
        await client.all_at_once(_WARM)
        alone = await client.measure(at_once, seconds)
        assert hostile.stdin is not None
        hostile.stdin.write("go\n")
        hostile.stdin.flush()
        await asyncio.sleep(_BEGINS_S)
        return alone, await client.measure(at_once, seconds)


class _Client:
    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session, self._server = session, server
        self._sent = 0

    async def register(self, app: str) -> None:
        body = inngest.registration(app, "bench", inngest.FUNCTION, inngest.EVENT)
        await self._post("/fn/register", body)

    async def measure(self, at_once: int, seconds: float) -> Beside:
        kept, lags = await self.steadily(seconds)
        rate, cpu, memory = await self.all_at_once(at_once)
        return Beside(rate, cpu, median(lags), quantiles(lags, n=20)[-1], kept, memory)

    async def all_at_once(self, count: int) -> tuple[float, float, float]:
        """Starts so many runs by a few requests; what `Beside` has as `rate`, `cpu` and `memory`."""
        before, at = await self._used(), _now()
        for first in range(0, count, _TOGETHER):
            await self._post("/e/key", json.dumps([_event(at)] * min(_TOGETHER, count - first)).encode())
        self._sent += count
        after = await self._until_completed(time.monotonic() + _PATIENCE_S)
        last = max(end for _, end in await self._ends(min(count, after["completed"])))
        seconds = (max(last, at + 1) - at) / _MICROS
        ended = after["completed"] - before["completed"]
        return ended / seconds, (after["cpu"] - before["cpu"]) / max(ended, 1) * 1e3, after["memory"]

    async def steadily(self, seconds: float) -> tuple[float, list[float]]:
        """Starts runs one by one at `RUNS_PER_S`, whatever becomes of them; what `Beside` has of the stream."""
        count, begin = round(seconds * RUNS_PER_S), _now()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                due = begin + number * _MICROS // RUNS_PER_S
                await asyncio.sleep((due - _now()) / _MICROS)
                group.create_task(self._post("/e/key", json.dumps(_event(due)).encode()))
        until = begin + round(seconds * _MICROS) + _MICROS // 2
        self._sent += count
        after = await self._until_completed(time.monotonic() + _PATIENCE_S)
        found = await self._ends(count)
        assert after["completed"] >= self._sent, "all runs of the stream came to their ends"
        return sum(end <= until for _, end in found) / count, [(end - due) / 1e3 for due, end in found]

    async def _until_completed(self, patience: float) -> dict[str, Any]:
        while (used := await self._used())["completed"] < self._sent and time.monotonic() < patience:  # noqa: ASYNC110  # another process
            await asyncio.sleep(_LOOK_S)
        return used

    async def _used(self) -> dict[str, Any]:
        return dict(await self._get("/bench/used"))

    async def _ends(self, count: int) -> list[tuple[int, int]]:
        return [(due, end) for due, end in await self._get(f"/bench/ends?count={count}")]

    async def _get(self, path: str) -> Any:
        async with self._session.get(f"{self._server}{path}") as answer:
            return await answer.json()

    async def _post(self, path: str, body: bytes) -> None:
        async with self._session.post(f"{self._server}{path}", data=body) as answer:
            assert answer.status == 200, await answer.text()


def _event(due: int) -> dict[str, object]:
    return {"name": inngest.EVENT, "data": {"at": due}}


def _now() -> int:
    return time.time_ns() // 1_000


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the line that it prints when it is ready."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
