"""The programs of `docs/guides/hosts.md` as processes, beside job types of which the test holds up one."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from aiojobs_lite import JobRunner, Status
from tests.helpers.apps.hosted import GO, HELD, jobs
from tests.helpers.documents import DOCS, blocks
from tests.helpers.programs import Child, descendants, program
from tests.helpers.root import ROOT
from tests.helpers.serving import listens, reserved
from tests.helpers.waiting import PATIENCE, until

PAGE = DOCS / "guides/hosts.md"
PROGRAMS = {block.file: block.text for block in blocks(PAGE) if block.is_program and block.file}
MAILS = """
from tests.helpers.apps.hosted import jobs, say_log, welcome

say_log()
"""
UVICORN = ("-m", "uvicorn", "--port", "PORT")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--no-control-socket")


def write_programs(folder: Path) -> None:
    """Writes each program of the page to a file of its name, and the module of job types that they import."""
    for name, text in PROGRAMS.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "mails.py").write_text(MAILS, encoding="utf-8")


@asynccontextmanager
async def host(folder: Path, *command: str) -> AsyncIterator[Child]:
    """Runs a program in the folder."""
    async with program(*command, folder=folder, PYTHONPATH=f"{folder}:{ROOT}") as child:
        yield child


@asynccontextmanager
async def served(folder: Path, *command: str) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """Runs a server, which answers then."""
    with reserved() as port:
        async with host(folder, *[word.replace("PORT", str(port)) for word in command]) as child:
            await until(lambda: listens(port), 0.01)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
                yield child, client


@asynccontextmanager
async def looking(folder: Path) -> AsyncIterator[JobRunner]:
    """A runner on the database of the hosts that runs nothing."""
    async with JobRunner(folder / "jobs.db", jobs=[jobs], max_running=0) as runner:
        yield runner


async def sign_up(client: httpx.AsyncClient, path: str) -> int:
    """Has a request enqueue a job; returns its id."""
    response = await client.post(path)
    assert response.is_success, response.text
    assert response.status_code in {201, 202}
    return int(response.json()["job"])


async def completed(folder: Path, job_id: int) -> object:
    """Waits for a job; returns its result."""
    async with looking(folder) as runner:
        job = await runner.jobs.wait(job_id)
    assert job.status is Status.COMPLETED, job
    return job.result


async def drained(child: Child, folder: Path, meanwhile: Callable[[], Awaitable[object]] | None = None) -> int:
    """Has SIGTERM end a host whose job is held up until the drain has begun; returns the exit code."""
    await child.line("held")
    processes = [child.pid, *descendants(child.pid)]
    child.signal(signal.SIGTERM)
    await child.line("log drain started")
    if meanwhile is not None:
        await meanwhile()
    (folder / GO).touch()
    code = await child.ended()
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    assert child.said("log drain finished") != []
    return code


async def ends(folder: Path) -> list[tuple[str, int, int, object]]:
    """The jobs as they were left: status, attempts, interruptions, result."""
    async with looking(folder) as runner:
        found = [await runner.jobs.get(job.id) for job in await runner.jobs.list()]
    return sorted((job.status, job.attempts, job.interruptions, job.result) for job in found)


EXPECTED = [(Status.COMPLETED, 1, 0, "welcomed user 1"), (Status.COMPLETED, 1, 0, f"welcomed user {HELD}")]
