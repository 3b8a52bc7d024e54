"""Deliveries over HTTP: what the workloads measure of them, and the bare loop of aiohttp beside them.

`python -m benchmarks.deliveries serve` is the server: a process of its own, so that it takes no time of what is
measured. `python -m benchmarks.deliveries memory DATABASE COUNT` delivers what waits, and prints its memory.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http, Publish
from benchmarks.harness import Durability, resident_megabytes

AT_ONCE: Final = 100
BODY: Final = b"x" * 300
HOSTS: Final = tuple(f"127.0.0.{number}" for number in range(1, 6))  # AT_ONCE by the default of `per_host`
HANGING_HOST: Final = "127.0.0.9"
HANGING: Final = 1_000  # deliveries to it
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_HEADERS: Final = {"Content-Type": "application/octet-stream"}
_PUBLISHED_AT_ONCE: Final = 1_000
_LOOK_EVERY_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured.

    Attributes:
        rate: Deliveries a second, from the start to the last commit.
        cpu: Microseconds of CPU a delivery, in the process of the runner.
    """

    rate: float
    cpu: float


@contextmanager
def measured(count: int, found: list[Run]) -> Iterator[None]:
    """Adds what the block takes for so many."""
    began, cpu = time.perf_counter(), time.process_time()
    yield
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    found.append(Run(count / seconds, used / count * 1e6))


# The server.


class _Server(asyncio.Protocol):
    """Answers each request with two bytes; one of `HANGING_HOST` never."""

    def __init__(self) -> None:
        self._left = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._hangs = transport.get_extra_info("sockname")[0] == HANGING_HOST

    def data_received(self, data: bytes) -> None:
        left = self._left + data
        while (end := left.find(b"\r\n\r\n")) >= 0:
            head = left[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 : end if (stop := head.find(b"\r", at)) < 0 else stop]) if at >= 0 else 0
            if len(left) < end + 4 + size:
                break
            left = left[end + 4 + size :]
            if not self._hangs:
                self._transport.write(_ANSWER)
        self._left = left


async def serve() -> None:
    """Serves on all addresses of loopback, until the process is killed."""
    server = await asyncio.get_running_loop().create_server(_Server, "0.0.0.0", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving() -> Iterator[int]:
    """The server as a process of its own; its port."""
    command = [sys.executable, "-m", "benchmarks.deliveries", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


# What is measured.


async def bare(port: int, count: int) -> Run:
    """Requests of aiohttp alone, by `AT_ONCE` tasks, with its own defaults: nothing is stored, checked or signed."""
    import aiohttp  # noqa: PLC0415  # of the extra

    left, url, found = iter(range(count)), f"http://{HOSTS[0]}:{port}/hook", list[Run]()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def work() -> None:
            for _ in left:
                async with session.post(url, data=BODY, headers=_HEADERS) as answer:
                    await answer.read()

        with measured(count, found):
            await asyncio.gather(*[work() for _ in range(AT_ONCE)])
    return found[0]


async def deliver(path: Path, durability: Durability, port: int, count: int) -> tuple[Run, Run]:
    """Publishes, and then delivers what waits to one host, which has `AT_ONCE` places; both."""
    http, found = local(per_host=AT_ONCE), list[Run]()
    with measured(count, found):
        await publish(path, durability, http, [HOSTS[0]], port, count)
    await _run(path, durability, http, count, found)
    return found[0], found[1]


async def beside_hanging(path: Path, port: int, count: int, hanging: int) -> Run:
    """Delivers to `HOSTS` by the defaults of all options, while so many deliveries wait for a host that hangs."""
    http, found = local(), list[Run]()
    await publish(path, "normal", http, [HANGING_HOST], port, hanging)
    await publish(path, "normal", http, HOSTS, port, count)
    await _run(path, "normal", http, count, found)
    return found[0]


async def publish(
    path: Path, durability: Durability, http: Http, hosts: Iterable[str], port: int, count: int
) -> None:  # fmt: skip
    """Publishes so many to some hosts, turn by turn; nothing delivers them."""
    urls = [f"http://{host}:{port}/hook" for host in hosts]
    async with JobRunner(path, jobs=[http], durability=durability, max_running=0) as runner:
        for first in range(0, count, _PUBLISHED_AT_ONCE):
            some = range(first, min(first + _PUBLISHED_AT_ONCE, count))
            await runner.publish_many([Publish(urls[n % len(urls)], content=BODY) for n in some])


async def _run(path: Path, durability: Durability, http: Http, count: int, found: list[Run]) -> None:
    """Delivers what waits until so many are completed."""
    runner = JobRunner(path, jobs=[http], durability=durability, max_running=AT_ONCE, drain_timeout=0)
    with measured(count, found):
        async with runner:
            await _until_completed(runner, count)


async def _until_completed(runner: JobRunner, count: int) -> None:
    while runner.stats().completed < count:  # noqa: ASYNC110  # an event for each would cost more than this look
        await asyncio.sleep(_LOOK_EVERY_S)


def local(**options: Any) -> Http:
    """Deliveries to loopback."""
    return Http(allow_http=True, allow_private=True, **options)


async def _memory(path: Path, count: int) -> None:
    """Delivers what waits; prints the memory when a tenth was delivered, and at the end, in megabytes."""
    runner = JobRunner(path, jobs=[local(per_host=AT_ONCE)], durability="normal", max_running=AT_ONCE)
    async with runner:
        for part in (count // 10, count):
            await _until_completed(runner, part)
            print(resident_megabytes(), flush=True)


def memory(path: Path, count: int) -> float:
    """Megabytes that the process of a runner takes more, from the first tenth of its deliveries to the last."""
    command = [sys.executable, "-m", "benchmarks.deliveries", "memory", str(path), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    early, late = map(float, done.stdout.split())
    return late - early


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["memory", database, number]:
            asyncio.run(_memory(Path(database), int(number)))
