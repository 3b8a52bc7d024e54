"""See it work: a FastAPI application is driven over HTTP, killed in mid-job and started again. Nothing is lost.

    pip install ".[examples]" && python examples/quickstart.py

The first half of this file is the application. The second half runs it as a process of its own, plays its users, kills
it, and checks every claim that it prints: if one is not true, the exit code is not 0.

time_zones.csv is zone1970.tab of the IANA time zone database, release 2026f (public domain), with decimal degrees.
"""

from __future__ import annotations

import asyncio
import csv
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from fastapi import FastAPI, UploadFile

from aiojobs_lite import Backoff, JobContext, JobRunner, RunnerStats, injected

# The application

DATABASE = Path(os.environ.get("AIOJOBS_LITE_DATABASE", "jobs.db"))
LONG_PART = float(os.environ.get("QUICKSTART_LONG_PART", "0"))  # seconds that a report takes on this server
log = logging.getLogger("quickstart")
runner = JobRunner(DATABASE)


@runner.job(max_attempts=3, backoff=Backoff(base="0.2s"))
async def welcome(email: str, *, ctx: JobContext = injected) -> str:
    """Here you would talk to your mail server. This one puts some users off, and does not reach others at all."""
    if email.startswith("greylisted@") and ctx.attempt < 3:
        raise ConnectionError("451 come again later")
    if email.startswith("unreachable@"):
        raise ConnectionError("421 no answer")
    return f"welcomed {email}"


@dataclass
class Report:
    """What a table of time zones says."""

    zones: int
    areas: dict[str, int]
    northernmost: str
    southernmost: str


@runner.job
def report(path: Path, *, ctx: JobContext = injected) -> Report:
    """Blocking work belongs into a plain `def`: it runs in a thread, and the server goes on answering."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    log.info("report job %d attempt %d: %d rows are read, now the long part", ctx.id, ctx.attempt, len(rows))
    time.sleep(LONG_PART)
    north_to_south = sorted(rows, key=lambda row: -float(row["latitude"]))
    areas = Counter(row["zone"].partition("/")[0] for row in rows)
    return Report(len(rows), dict(areas.most_common()), north_to_south[0]["zone"], north_to_south[-1]["zone"])


@runner.cron("* * * * * *")  # six fields, the first are the seconds: it ticks each second
async def heartbeat(ctx: JobContext = injected) -> None:
    log.info("heartbeat job %d: the tick of %s", ctx.id, f"{ctx.tick:%H:%M:%S} UTC")


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with runner:
        log.info("server is up")
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/users", status_code=202)
async def sign_up(email: str) -> dict[str, int]:
    handle = await runner.enqueue(welcome.using(idempotency_key=email), email=email)
    return {"job": handle.id}


@app.post("/reports", status_code=202)
async def upload(file: UploadFile) -> dict[str, int]:
    """A file goes beside the database, and its path into the job: jobs are small."""
    path = DATABASE.with_name(f"upload-{uuid4()}.csv")
    await asyncio.to_thread(path.write_bytes, await file.read())
    handle = await runner.enqueue(report, path=path)
    return {"job": handle.id}


@app.get("/jobs/{job_id}")
async def look_up(job_id: int) -> dict[str, Any]:
    job = await runner.jobs.get(job_id)
    failures = [f"attempt {past.attempt} {past.outcome}" for past in job.history]
    result = json.loads(job.result_json or "null")
    return {"status": job.status, "attempts": job.attempts, "error": job.error, "failures": failures, "result": result}


@app.get("/stats")
async def stats() -> RunnerStats:
    return runner.stats()


def serve(descriptor: int) -> None:
    """Runs the application on a socket that its parent opened."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    threading.Thread(target=end_with_parent, daemon=True).start()
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[socket.socket(fileno=descriptor)])


def end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written there: it returns when the parent is gone
    os._exit(1)


# The story

TABLE = Path(__file__).with_name("time_zones.csv")
CROWD = [f"user{number}@example.org" for number in range(1, 101)]
STYLES = {
    "checked:": "green",
    "server:  failed": "yellow",
    "server:  lost": "yellow",
    "server:  dead": "red",
    "server:": "dim",
    **dict.fromkeys("12345678", "bold"),
    "Nothing was lost": "bold green",
}
LONGEST = 25.0  # seconds for all of it: a guard against hanging


class Server:
    """The application as a process of its own."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self._process, self._lines = process, process.stdout

    async def tell(self, *about: str, until: str) -> None:
        """Prints the lines of its log that begin so, and returns after one that begins with `until`."""
        async for raw in self._lines:
            line = raw.decode().rstrip()
            if line.startswith((until, *about)):
                say(f"   server:  {line}")
            if line.startswith(until):
                return
        raise RuntimeError(f"the server ended before it said {until!r}")

    async def end(self, by: signal.Signals) -> int:
        """Sends it a signal, waits for its end, and returns its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(by)
        return await self._process.wait()


@asynccontextmanager
async def serving(folder: Path, port: socket.socket, *, long_part: float) -> AsyncIterator[Server]:
    """Starts the application on a folder and a port; it does not outlive the block.

    The port is open already, and stays so: requests that come while no server is up wait for the next one.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "serve", str(port.fileno())),
        stdin=PIPE,
        stdout=PIPE,
        pass_fds=[port.fileno()],
        env={**os.environ, "AIOJOBS_LITE_DATABASE": str(folder / "app.db"), "QUICKSTART_LONG_PART": str(long_part)},
    )
    server = Server(process)
    try:
        await server.tell("rescued", "lost", until="server is up")
        yield server
    finally:
        await server.end(signal.SIGKILL)


class Users:
    """The users of the application, over HTTP.

    Attributes:
        accepted: The job of everything that was answered with 202, by what was asked for.
        unanswered: How many requests got no answer.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.accepted: dict[str, int] = {}
        self.unanswered = 0

    async def sign_up(self, email: str) -> int:
        """Asks again if there is no answer, as every careful client does: the idempotency key makes that safe."""
        while True:
            try:
                answer = await self._http.post("/users", params={"email": email})
            except httpx.TransportError:
                self.unanswered += 1
            else:
                return self._accept(email, answer)

    async def upload(self, name: str, content: bytes) -> int:
        """Asks for a report on a file."""
        return self._accept(name, await self._http.post("/reports", files={"file": (name, content)}))

    async def end_of(self, job_id: int) -> dict[str, Any]:
        """What became of a job, as soon as it has come to its end."""
        while True:
            job: dict[str, Any] = (await self._http.get(f"/jobs/{job_id}")).raise_for_status().json()
            if job["status"] not in {"pending", "processing"}:
                return job

    async def stats(self) -> dict[str, Any]:
        """What `runner.stats()` says."""
        stats: dict[str, Any] = (await self._http.get("/stats")).raise_for_status().json()
        return stats

    def _accept(self, what: str, answer: httpx.Response) -> int:
        job_id: int = answer.raise_for_status().json()["job"]
        self.accepted[what] = job_id
        return job_id


def say(line: str) -> None:
    """Prints a line; in colours where it goes to a terminal and `rich` is installed."""
    console = terminal()
    if console is None:
        print(line, flush=True)
    else:
        style = next((style for begin, style in STYLES.items() if line.strip().startswith(begin)), None)
        console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


@cache
def terminal() -> Any:
    if not sys.stdout.isatty() or find_spec("rich") is None:
        return None
    return import_module("rich.console").Console()


def check(claim: str, found: object, expected: object) -> None:
    if found != expected:
        raise RuntimeError(f"not true: {claim}. Found {found!r}, expected {expected!r}.")
    say(f"   checked: {claim}")


async def sign_ups(users: Users, server: Server) -> None:
    say("\n2. A user signs up and is answered at once; the mail is a job")
    first = await users.sign_up("first@example.org")
    say(f"   POST /users?email=first@example.org: accepted as job {first}")
    await server.tell(until=f"completed: welcome job {first} ")
    check("signing up once more makes no second job", await users.sign_up("first@example.org"), first)

    say("\n3. A job fails twice, waits a little longer each time, and succeeds")
    greylisted = await users.sign_up("greylisted@example.org")
    await server.tell("failed: welcome", until=f"completed: welcome job {greylisted} ")
    check("it took three attempts", (await users.end_of(greylisted))["attempts"], 3)

    say("\n4. A job fails in all its attempts: it is dead, and kept for a person to look at")
    unreachable = await users.sign_up("unreachable@example.org")
    await server.tell("failed: welcome", until=f"dead: welcome job {unreachable} ")
    dead = await users.end_of(unreachable)
    say(f"   GET /jobs/{unreachable}: {dead['status']}, {dead['error']}; {', '.join(dead['failures'])}")
    check("each failure is on record", len(dead["failures"]), 3)


async def crash(users: Users, server: Server, crowd: asyncio.TaskGroup) -> list[asyncio.Task[int]]:
    say("\n5. A CSV file is uploaded, 100 users sign up, and in the midst of it the server is killed")
    uploaded = await users.upload(TABLE.name, await asyncio.to_thread(TABLE.read_bytes))
    say(f"   POST /reports with {TABLE.name}: accepted as job {uploaded}")
    await server.tell(until=f"report job {uploaded} attempt 1")
    signing_up = [crowd.create_task(users.sign_up(email)) for email in CROWD]
    for answered in islice(asyncio.as_completed(signing_up), 30):
        await answered
    say(f"   kill -9, after {sum(email in users.accepted for email in CROWD)} of the 100 were accepted")
    check("the server is gone, by signal 9", await server.end(signal.SIGKILL), -9)
    return signing_up


async def recovery(users: Users, server: Server) -> None:
    uploaded = users.accepted[TABLE.name]
    await server.tell(until=f"report job {uploaded} attempt 2")
    await server.tell(until=f"completed: report job {uploaded} attempt 2")
    job = await users.end_of(uploaded)
    check("the interrupted job ran again as attempt 2", (job["attempts"], job["failures"]), (2, ["attempt 1 lost"]))
    say("   the report on the time zones of the world:")
    for name, value in job["result"].items():
        shown = ", ".join(f"{area} {count}" for area, count in value.items()) if isinstance(value, dict) else value
        say(f"      {name}: {shown}")


async def nothing_lost(users: Users) -> None:
    say(f"   {users.unanswered} of the 100 users were still waiting for their answer when the server was killed:")
    say("   they got none and asked again, without knowing whether their job was already stored")
    ends = Counter([(await users.end_of(job_id))["status"] for job_id in users.accepted.values()])
    check("of 104 accepted jobs all succeeded, but for the dead one", dict(ends), {"completed": 103, "dead": 1})
    stats = await users.stats()
    welcomes = {
        status: stats["by_type"]["welcome"][status] for status in ("pending", "processing", "completed", "dead")
    }
    check("no user has two jobs", welcomes, {"pending": 0, "processing": 0, "completed": 102, "dead": 1})
    say("   the final stats():")
    for name, numbers in {**dict(sorted(stats["by_type"].items())), "all": stats}.items():
        say(f"      {name:<10}" + "".join(f"{numbers[status]:>5} {status}" for status in welcomes))


async def story(folder: Path, port: socket.socket) -> None:
    url = f"http://127.0.0.1:{port.getsockname()[1]}"
    limits = httpx.Limits(max_connections=10)  # so many of the users ask at a time
    async with (
        asyncio.timeout(LONGEST),
        httpx.AsyncClient(base_url=url, timeout=LONGEST, limits=limits, trust_env=False) as http,
        asyncio.TaskGroup() as crowd,
    ):
        users = Users(http)
        say("A FastAPI application under uvicorn, with its jobs in one SQLite file")
        async with serving(folder, port, long_part=3600) as server:
            say("\n1. A handler runs by the clock, each second from now on; each run is a job with its own number")
            for _ in range(2):
                await server.tell(until="heartbeat job")
            await sign_ups(users, server)
            signing_up = await crash(users, server, crowd)

        say("\n6. The server is started again on the same file")
        async with serving(folder, port, long_part=0) as server:
            await recovery(users, server)
            await asyncio.wait(signing_up)
            say("\n7. Nothing is lost")
            await nothing_lost(users)
            say("\n8. The server is stopped in peace, as by a deploy")
            await server.end(signal.SIGTERM)
            await server.tell("drain started", until="drain finished")


def main() -> None:
    started = time.monotonic()
    # As Ctrl-C, which asyncio turns into a cancellation: the server ends, the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with tempfile.TemporaryDirectory(prefix="quickstart-") as folder, socket.create_server(("127.0.0.1", 0)) as port:
        try:
            asyncio.run(story(Path(folder), port))
        except TimeoutError as late:
            raise RuntimeError(f"waited for {LONGEST:g} s for what comes next in the story: it was lost") from late
    say(f"\nNothing was lost. This took {time.monotonic() - started:.1f} s.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    else:
        main()
