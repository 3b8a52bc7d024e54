"""An application whose handlers start programs and processes of multiprocessing, in each mode.

As a program it says `MODE HOW RESULTS` for each, the results as JSON. Under a server, POST /MODE/HOW answers with the
same; AIOJOBS_LITE_DATABASE names its database, SERVED_LOG the file in which it notes `up PID`.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from aiojobs_lite import JobRunner, JobType, job
from tests.helpers.apps.common import note, say, show_log
from tests.helpers.starting import HOWS, double, pooled, terminated

LOG = Path(os.environ.get("SERVED_LOG", os.devnull))


@job(name="async", max_attempts=1)
async def on_the_loop(how: str) -> list[int]:
    if how == "subprocess":
        code = "print([2 * n for n in range(4)])"
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE)
        output, _ = await program.communicate()
        results = list(map(int, output.decode().strip("[]\n").split(",")))
    else:
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(2, multiprocessing.get_context(how)) as pool:
            results = await asyncio.gather(*(loop.run_in_executor(pool, double, n) for n in range(4)))
    return [*results, await asyncio.to_thread(ended, how)]


@job(name="thread", max_attempts=1)
def in_a_thread(how: str) -> list[int]:
    return [*pooled(how), ended(how)]


@job(name="process", max_attempts=1, process=True)
def in_a_process(how: str) -> list[int]:
    return [*pooled(how), ended(how)]


def ended(how: str) -> int:
    """How something ends that was started and is asked to end."""
    with tempfile.TemporaryDirectory() as folder:
        return terminated(how, f"{folder}/note")


JOBS: list[JobType[..., Any]] = [on_the_loop, in_a_thread, in_a_process]
runner = JobRunner(os.environ.get("AIOJOBS_LITE_DATABASE", ":memory:"), jobs=JOBS, drain_timeout=0.5)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    show_log()
    async with runner:
        note(LOG, "up", os.getpid())
        yield


async def run(request: Request) -> Response:
    mode, how = request.path_params["mode"], request.path_params["how"]
    return JSONResponse(await (await runner.enqueue_named(mode, how=how)).result())


app = Starlette(routes=[Route("/{mode}/{how}", run, methods=["POST"])], lifespan=lifespan)


async def main() -> None:
    show_log()
    async with runner:
        for mode in ("async", "thread", "process"):
            for how in HOWS:
                say(mode, how, json.dumps(await (await runner.enqueue_named(mode, how=how)).result()))


if __name__ == "__main__":
    asyncio.run(main())
