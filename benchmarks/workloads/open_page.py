"""What an open page of the dashboard costs a runner at work, on a file with a million jobs.

The jobs go on without end, and in turns the page is open, or not, each time for as long as it waits between two looks:
so both meet the same noise. It is served by a process of its own, as `aiojobs-lite web` does, or by that of the runner.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvicorn

from aiojobs_lite.web import jobs_dashboard
from aiojobs_lite.web.site import POLLED_EVERY_S
from benchmarks import ours
from benchmarks.harness import OURS, Figure, Plan, new_path
from benchmarks.service import SHAPES, fill
from benchmarks.workloads.pages import APP, JOBS
from benchmarks.workloads.web import Server, served

PLACES: Final = ("own process", "runner's process")
PAGES: Final = ("/", "/jobs")
RATE, CPU, CORE = "rate beside open", "CPU beside open", "CPU of open"
_TURNS: Final = (False, True, True, False)  # whether the page is open, in each turn of a round
_PRODUCERS: Final = 100


class Turn(NamedTuple):
    """What was measured in a turn.

    Attributes:
        rate: Jobs a second.
        cpu: Seconds of CPU of the runner's process a job.
        core: Which share of a core the process took that serves the dashboard.
    """

    rate: float
    cpu: float
    core: float


def open_page(plan: Plan) -> Iterator[Figure]:
    """By how many percent the rate of jobs is lower, and their CPU higher in the process of the runner."""
    for place in PLACES:
        for page in PAGES:
            with new_path() as path:
                asyncio.run(fill(path, plan.jobs(JOBS), SHAPES["mixed"]))
                rounds = asyncio.run(_measured(path, place, page, plan.rounds))
            lost = tuple(100 * (1 - with_it.rate / without.rate) for without, with_it in rounds)
            more = tuple(100 * (with_it.cpu / without.cpu - 1) for without, with_it in rounds)
            note = f"less, of {rounds[0][0].rate:,.0f} jobs a second"
            yield Figure(f"{RATE} {page}, {place}", OURS, "normal", "%", lost, note=note)
            yield Figure(f"{CPU} {page}, {place}", OURS, "normal", "%", more, note="more a job, of the runner")
            if place == PLACES[0]:
                taken = tuple(100 * (with_it.core - without.core) for without, with_it in rounds)
                yield Figure(f"{CORE} {page}, {place}", OURS, "normal", "%", taken, note="of a core")


async def _measured(path: Path, place: str, page: str, rounds: int) -> list[tuple[Turn, Turn]]:
    """Of each round the turns without the page, and with it."""
    noop = ours.Noop(path, "normal", keep_completed="30d")
    async with noop.runner, _dashboard(noop, path, place) as server:
        with _visitor(server.address) as visitor:
            producers = [asyncio.create_task(_produce(noop)) for _ in range(_PRODUCERS)]
            try:
                await _turn(noop, server)  # the first one does not count
                return [await _round(noop, server, visitor, page) for _ in range(rounds)]
            finally:
                for producer in producers:
                    producer.cancel()
                await asyncio.gather(*producers, return_exceptions=True)


async def _round(noop: ours.Noop, server: Server, visitor: subprocess.Popen[str], page: str) -> tuple[Turn, Turn]:
    turns: dict[bool, list[Turn]] = {False: [], True: []}
    for is_open in _TURNS:
        if is_open:
            await _said(visitor, page)
        turns[is_open].append(await _turn(noop, server))
        if is_open and not int(await _said(visitor, "")):
            raise RuntimeError("the page was not made anew while it was open")
    without, with_it = (Turn(*(sum(values) / 2 for values in zip(*turns[one], strict=True))) for one in turns)
    return without, with_it


async def _turn(noop: ours.Noop, server: Server) -> Turn:
    began, used, done, core = time.perf_counter(), time.process_time(), noop.count, server.cpu()
    await asyncio.sleep(POLLED_EVERY_S)
    done, seconds = noop.count - done, time.perf_counter() - began
    return Turn(done / seconds, (time.process_time() - used) / done, (server.cpu() - core) / seconds)


async def _produce(noop: ours.Noop) -> None:
    while True:
        await noop.runner.enqueue(noop.jobs[0], n=1)


@asynccontextmanager
async def _dashboard(noop: ours.Noop, path: Path, place: str) -> AsyncIterator[Server]:
    """What serves the dashboard."""
    if place == PLACES[0]:
        with served(APP, {**os.environ, "AIOJOBS_LITE_DATABASE": str(path)}) as alone:
            yield alone
        return
    app = jobs_dashboard(noop.runner, auth=lambda request: "admin")  # noqa: ARG005  # anybody on this machine
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # a request waits in its queue until the server is there
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield Server(f"http://127.0.0.1:{listening.getsockname()[1]}", os.getpid())
        finally:
            server.should_exit = True
            await serving


@contextmanager
def _visitor(address: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.workloads.visitor", address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as visitor:
        yield visitor


async def _said(visitor: subprocess.Popen[str], line: str) -> str:
    """What the visitor answers to a line, while the jobs go on."""
    assert visitor.stdin is not None
    assert visitor.stdout is not None
    print(line, file=visitor.stdin, flush=True)
    return await asyncio.to_thread(visitor.stdout.readline)
