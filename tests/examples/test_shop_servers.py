"""examples/shop under the servers of the acceptance: every job runs once, and SIGTERM ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from aiojobs_lite import JobRunner
from tests.helpers.pauses import pause
from tests.helpers.programs import Child, alive, members
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.serving import listens, reserved
from tests.helpers.smtp import MailServer, serving
from tests.helpers.waiting import PATIENCE, unmeasured, until

pytestmark = slow

APP = "examples.shop.main:app"
SERVERS = {
    "uvicorn --workers 2": f"uvicorn {APP} --port PORT --workers 2",
    "uvicorn --reload": f"uvicorn {APP} --port PORT --reload --reload-dir CODE",
    "gunicorn": f"gunicorn {APP} -k uvicorn_worker.UvicornWorker -w 2 -b 127.0.0.1:PORT --no-control-socket",
}
ORDERS = 12


class Warehouse(ThreadingHTTPServer):
    """Answers 429 to the first call, and 204 to all others.

    Attributes:
        calls: Of each order, how many calls came.
        keys: Of each order, the idempotency keys of its calls.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.calls: Counter[int] = Counter()
        self.keys: dict[int, set[str]] = {}


class _Call(BaseHTTPRequestHandler):
    server: Warehouse

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["order"]
        is_first = not self.server.calls
        self.server.calls[order] += 1
        self.server.keys.setdefault(order, set()).add(self.headers["Idempotency-Key"])
        self.send_response(429 if is_first else 204)
        if is_first:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    with Warehouse() as server, serving(server):
        yield server


@asynccontextmanager
async def served(command: str, folder: Path, **environment: str) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """The shop under a server, which answers; nothing of it outlives the block."""
    with reserved() as port:
        words = command.replace("PORT", str(port)).replace("CODE", str(folder / "code")).split()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *words, stdin=PIPE, stdout=PIPE, stderr=STDOUT, cwd=ROOT, start_new_session=True,
            env={**unmeasured(), "SHOP_FOLDER": str(folder / "shop"), **environment},
        )  # fmt: skip
        child = Child(process)
        try:
            await until(lambda: listens(port), 0.01)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False
            ) as client:
                await client.get("/jobs/0")  # gunicorn listens before its workers have started
                yield child, client
        finally:
            if process.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
                await child.ended()


async def have_started(looking: JobRunner, count: int, seen: set[str]) -> None:
    """Returns when so many runners of the servers were seen."""
    async with asyncio.timeout(PATIENCE):
        while len(seen) < count:
            seen |= {found.id for found in await looking.runners() if found.pid != os.getpid()}
            await pause(0.01)


async def finished(client: httpx.AsyncClient, job_id: int) -> dict[str, object]:
    async with asyncio.timeout(PATIENCE):
        while True:
            job: dict[str, object] = (await client.get(f"/jobs/{job_id}")).raise_for_status().json()
            if job["status"] not in {"pending", "processing"}:
                return job
            await pause(0.01)


async def shop(client: httpx.AsyncClient, smtp: MailServer, warehouse: Warehouse) -> None:
    """Calls each endpoint, and waits for what its jobs do."""
    mails, calls = len(smtp.received), len(warehouse.calls)
    for number in range(ORDERS):
        await client.post("/orders", params={"email": f"{number}@example.org", "article": "pen"})
    export = (await client.post("/exports", params={"email": "b@example.org"})).json()
    picture = b"P6 128 64 255\n" + bytes(3 * 128 * 64)
    upload = (await client.post("/images", files={"file": picture})).json()
    for job_id in (export, upload):
        job = await finished(client, job_id)
        assert (job["status"], job["attempts"]) == ("completed", 1), job
    assert Path(str(job["result"])).read_bytes().startswith(b"P6 64 32 255\n")
    await until(lambda: len(smtp.received) >= mails + ORDERS + 1, 0.01)
    await until(lambda: len(warehouse.calls) == calls + ORDERS, 0.01)


@pytest.mark.parametrize("server", SERVERS)
async def test_every_job_runs_once_and_sigterm_ends_it(
    server: str, tmp_path: Path, smtp: MailServer, warehouse: Warehouse
) -> None:
    (tmp_path / "code").mkdir()
    environment = {
        "SHOP_SMTP_HOST": "127.0.0.1",
        "SHOP_SMTP_PORT": str(smtp.port),
        "SHOP_WAREHOUSE": f"http://127.0.0.1:{warehouse.server_address[1]}/orders",
    }
    rounds, seen = 1, set[str]()
    async with served(SERVERS[server], tmp_path, **environment) as (child, client):
        async with JobRunner(tmp_path / "shop" / "jobs.db", max_running=0) as looking:
            await have_started(looking, 1 if "--reload" in server else 2, seen)
            await shop(client, smtp, warehouse)
            if "--reload" in server:
                (tmp_path / "code" / "changed.py").touch()
                await have_started(looking, 2, seen)
                await shop(client, smtp, warehouse)
                rounds = 2
            await until(lambda: sum(warehouse.calls.values()) > ORDERS * rounds, 0.01)  # the one that was put off
            async with asyncio.timeout(PATIENCE):
                while looking.stats().pending or looking.stats().processing:
                    await pause(0.01)
            jobs = await looking.jobs.list(limit=1000)
        os.kill(child.pid, signal.SIGTERM)
        assert await child.ended() == 0, child.lines
        await until(lambda: not any(map(alive, members(child.pid))), 0.01)

    assert Counter(job.type for job in jobs) == {
        "mail.send": (ORDERS + 1) * rounds, "webhooks.announce": ORDERS * rounds,
        "exports.make": rounds, "images.thumbnail": rounds,
    }  # fmt: skip
    assert {job.status for job in jobs} == {"completed"}
    assert sorted(job.attempts for job in jobs) == [*[1] * (len(jobs) - 1), 2]  # the one that was put off
    assert len({message["Message-ID"] for message in smtp.received}) == len(smtp.received) == (ORDERS + 1) * rounds
    assert sorted(warehouse.calls.values()) == [*[1] * (ORDERS * rounds - 1), 2]
    assert all(len(keys) == 1 for keys in warehouse.keys.values())
    assert not [line for line in child.lines if "Traceback" in line]
