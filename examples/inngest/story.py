"""Functions of the official Inngest SDKs, driven by a server in Python with one SQLite file. The server is killed.

    pip install ".[examples,inngest]" && npm install --prefix examples/inngest
    python examples/inngest/story.py

v3.mjs, v4.mjs and python_app.py have the same three functions, in the forms of the SDK for TypeScript in its versions 3
and 4, and of that for Python. `serve` below is all of the server that drives them. The rest of this file is its user:
it starts the three apps and the server, sends events, kills the server in the midst of it, starts it again on the same
file, and checks every claim that it prints. If one is not true, the exit code is not 0.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import uvicorn

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.inngest import inngest_app

# The server


def serve(database: str, descriptor: int, urls: list[str]) -> None:
    """Drives the functions of apps, on a socket that its parent opened."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    runner = JobRunner(Path(database))
    app = inngest_app(runner, mode="dev", apps=urls, look_every="0.5s", backoff=Backoff(base="0.5s", cap="2s"))
    config = uvicorn.Config(runner.asgi(app), log_level="warning")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written there: it returns when the parent is gone
    os._exit(1)


# The story

FOLDER = Path(__file__).parent
APPS = ("v3", "v4", "python")
REPORTS = range(1, 13)
LONGEST = 60.0  # seconds for all of it: a guard against hanging


def say(line: str) -> None:
    print(line, flush=True)


def check(claim: str, found: object, expected: object) -> None:
    if found != expected:
        raise RuntimeError(f"not true: {claim}. Found {found!r}, expected {expected!r}.")
    say(f"   checked: {claim}")


@asynccontextmanager
async def running(*command: str, port: socket.socket | None = None, **environment: str) -> AsyncIterator[Process]:
    """Runs a program, which does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        env={**os.environ, **environment},
        pass_fds=[] if port is None else [port.fileno()],
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def apps(server: str) -> AsyncIterator[list[str]]:
    """Runs node with each app in TypeScript, and uvicorn with the one in Python; gives where they are."""
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules").exists():
        raise RuntimeError("node and its packages are needed: npm install --prefix examples/inngest")
    async with AsyncExitStack() as stack:
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        python = ("-m", "uvicorn", "python_app:app", "--app-dir", str(FOLDER), "--log-level=error")
        urls = [f"http://127.0.0.1:{port.getsockname()[1]}"]
        on_port = running(sys.executable, *python, f"--fd={port.fileno()}", port=port, INNGEST_DEV=server)
        await stack.enter_async_context(on_port)
        for version in ("v3", "v4"):
            started = running(node, str(FOLDER / "serve.mjs"), version, INNGEST_DEV=server)
            process = await stack.enter_async_context(started)
            assert process.stdout is not None
            urls.append((await process.stdout.readline()).decode().split()[-1])
        yield urls


class User:
    """Sends events and starts functions, and looks at the database and at what the apps did.

    Args:
        runner: Looks at the database, and runs nothing.
        http: Asks the server.
        sources: Where apps tell what their steps did.
    """

    def __init__(self, runner: JobRunner, http: httpx.AsyncClient, sources: list[str]) -> None:
        self._runner = runner
        self._http = http
        self._sources = sources

    async def ask(self, path: str, body: object) -> None:
        """Asks again until the answer is good: the server may be away, and an app may not have registered yet."""
        while True:
            try:
                (await self._http.post(path, json=body)).raise_for_status()
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
            else:
                return

    async def send(self, name: str, subject: str, number: int) -> None:
        """Sends an event once, however often it is asked for: its id makes that safe."""
        await self.ask("/e/any", {"name": name, "data": {subject: number}, "id": f"{name} {number}"})

    async def effects(self) -> Counter[str]:
        """How often each effect has reached the world: `app step subject`."""
        answers = [await self._http.get(source) for source in self._sources]
        return Counter([line for answer in answers for line in answer.raise_for_status().json()])

    async def finished_steps(self) -> set[str]:
        """All steps whose results are stored, as the effects that they had."""
        found = set[str]()
        for job in await self._runner.jobs.list(limit=1_000):
            data = job.payload["event"]["data"] if "event" in job.payload else {}
            subject = data.get("userId", data.get("reportId", "all"))
            for step in await self._runner.jobs.steps(job.id):
                if step.state == "done" and not step.name.startswith("~"):  # what the server notes of a run
                    found.add(f"{job.type.partition('-')[0]} {step.name.partition(' ')[2]} {subject}")
        return found

    async def until_all_ended(self) -> Counter[tuple[str, str]]:
        """Returns when all runs are at their end: how many of each function have come to which."""
        while True:
            jobs = [job for job in await self._runner.jobs.list(limit=1_000) if job.type.partition("-")[0] in APPS]
            if all(job.is_finished for job in jobs):
                return Counter([(job.type.partition("-")[2], str(job.status)) for job in jobs])
            await asyncio.sleep(0.05)


async def start(user: User) -> None:
    say("1. The server asks the apps to register their functions; then each event starts one function of each app")
    for app in APPS:
        await user.ask(f"/invoke/{app}-daily-digest", {"data": {}})
    for number in (1, 2, 3):
        await user.send("user/signed.up", "userId", number)
    for number in REPORTS:
        await user.send("report/requested", "reportId", number)
    say("   sent: 3 sign-ups and 12 requests of reports; three digests are started without waiting for eight o'clock")


async def crash(user: User, server: Process) -> set[str]:
    say("\n2. The server is killed in the midst of it; the apps go on, and nothing answers them")
    while sum(" upload " in effect for effect in await user.effects()) < 8:  # noqa: ASYNC110  # other processes make it true
        await asyncio.sleep(0.02)
    server.kill()
    check("the server is gone, by signal 9", await server.wait(), -signal.SIGKILL)
    finished = await user.finished_steps()
    say(f"   kill -9, after {len(finished)} steps were stored")
    return finished


async def nothing_twice(user: User, finished: set[str]) -> None:
    ends = await user.until_all_ended()
    for (function, status), count in sorted(ends.items()):
        say(f"   {count:>3} of {function}: {status}")
    expected = {"daily-digest": 3, "make-report": 36, "welcome": 9}
    check("each run has come to its end", ends, {(name, "completed"): count for name, count in expected.items()})
    effects = await user.effects()
    check("no stored step ran again", {effect: effects[effect] for effect in finished if effects[effect] != 1}, {})
    steps = 3 * (4 + 3 * 3 + 12 * 4)
    check(f"the {steps} steps of all runs have reached the world", len(effects), steps)
    say(
        f"   {sum(effects.values()) - steps} steps ran a second time: they were on their way when the server was killed"
    )


async def story(folder: Path, port: socket.socket) -> None:
    url = f"http://127.0.0.1:{port.getsockname()[1]}"
    async with asyncio.timeout(LONGEST), apps(url) as urls:
        registering = [f"{one}/api/inngest" for one in urls]
        server = (sys.executable, __file__, "serve", str(folder / "app.db"), str(port.fileno()), *registering)
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False) as http,
            JobRunner(folder / "app.db", max_running=0) as runner,
        ):
            user = User(runner, http, [f"{one}/effects" for one in urls])
            async with running(*server, port=port) as process:
                await start(user)
                finished = await crash(user, process)
            say("\n3. The server is started again on the same file: each run goes on behind its last stored step")
            async with running(*server, port=port) as process:
                await nothing_twice(user, finished)
                process.terminate()
                await process.wait()


def main() -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="inngest-") as folder, socket.create_server(("127.0.0.1", 0)) as port:
        asyncio.run(story(Path(folder), port))
    say(f"\nNo stored step ran again. This took {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    else:
        main()
