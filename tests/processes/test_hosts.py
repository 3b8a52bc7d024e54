"""The hosts of `docs/guides/hosts.md`, each as a process: it starts the runner, a request enqueues, its end drains."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from aiojobs_lite import JobRunner, Status
from tests.helpers.apps.hosted import GO, HELD, jobs, welcome
from tests.helpers.documents import DOCS, PAGES, blocks
from tests.helpers.programs import ROOT, Child, descendants, program_in
from tests.helpers.rings import slow
from tests.helpers.serving import listens, reserved
from tests.helpers.waiting import PATIENCE, until

pytestmark = slow

PAGE = DOCS / "guides/hosts.md"
MAILS = """
from tests.helpers.apps.hosted import jobs, say_log, welcome

say_log()
"""
UVICORN = ("-m", "uvicorn", "--port", "PORT")
AIOHTTP = "import aiohttp_app; aiohttp_app.web.run_app(aiohttp_app.app, host='127.0.0.1', port=PORT)"
GUNICORN = ("-m", "gunicorn", "-c", "hooks.py", "--bind", "127.0.0.1:PORT", "--no-control-socket")
SERVED: dict[str, tuple[tuple[str, ...], int]] = {  # how each is served, and the exit code after SIGTERM
    "starlette": ((*UVICORN, "starlette_app:app"), -signal.SIGTERM),
    "fastapi": ((*UVICORN, "fastapi_app:app"), -signal.SIGTERM),
    "litestar": ((*UVICORN, "litestar_app:app"), -signal.SIGTERM),
    "quart": (("-m", "hypercorn", "--workers", "0", "--bind", "127.0.0.1:PORT", "quart_app:app"), 0),
    "aiohttp": (("-c", AIOHTTP), 0),
    "django": ((*UVICORN, "django_app:app"), -signal.SIGTERM),
    "django without lifespan": ((*UVICORN, "--lifespan", "off", "django_app:app"), -signal.SIGTERM),
    "flask": ((*GUNICORN, "flask_app:app"), 0),
}
SITE = """
import django_app, django_views, mails
from django.db import close_old_connections, connection, transaction
from django.http import JsonResponse
from django.urls import path

def count():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM user")
        return cursor.fetchone()[0]

@mails.jobs.job
def users() -> int:
    try:
        return count()
    finally:
        close_old_connections()

@transaction.atomic
def by_form(request, user_id, fails):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO user VALUES (%s)", [user_id])
    response = django_views.sign_up_by_form(request, user_id)
    if fails:
        raise OSError("rolled back")
    return response

def prepare(request):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE user (id INTEGER)")
    return JsonResponse({})

def enqueue(request):
    return JsonResponse({"job": django_app.runner.enqueue_threadsafe(users).id}, status=202)

django_app.urlpatterns += [path("prepare", prepare), path("users", enqueue)]
django_app.urlpatterns += [path("forms/<int:user_id>/<int:fails>", by_form)]
app = django_app.app
"""
BOT = f"""
import asyncio, bot

async def main():
    updates = asyncio.Queue()
    updates.put_nowait(1)
    updates.put_nowait({HELD})
    await bot.main(updates)

asyncio.run(main())
"""
HOOKED_BOT = f"""
import asyncio, hooked_bot, signal

async def main():
    bot, ended = hooked_bot.Bot(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await asyncio.create_task(bot.setup_hook())
    for user_id in (1, {HELD}):
        await hooked_bot.runner.enqueue(hooked_bot.mails.welcome, user_id=user_id)
    await ended.wait()
    await asyncio.create_task(bot.close())

asyncio.run(main())
"""
ALONE = {  # what runs without requests: as itself or as its library would, and the exit code after SIGTERM
    "worker": (("worker.py",), -signal.SIGTERM),
    "bot": (("-c", BOT), -signal.SIGTERM),
    "hooked bot": (("-c", HOOKED_BOT), 0),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The programs of the page, beside job types of which the test holds up one."""
    for block in blocks(PAGE):
        if block.is_program:
            (tmp_path / f"{block.file}.py").write_text(block.text, encoding="utf-8")
    (tmp_path / "mails.py").write_text(MAILS, encoding="utf-8")
    return tmp_path


@asynccontextmanager
async def host(folder: Path, *command: str) -> AsyncIterator[Child]:
    """Runs a program of the page."""
    async with program_in(folder, *command, PYTHONPATH=f"{folder}:{ROOT}") as child:
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
    async with JobRunner(folder / "jobs.db", jobs=[jobs], max_running=0) as runner:
        yield runner


async def sign_up(client: httpx.AsyncClient, path: str) -> int:
    response = await client.post(path)
    assert response.is_success, response.text
    assert response.status_code in {201, 202}
    return int(response.json()["job"])


async def drained(child: Child, folder: Path) -> int:
    """Has SIGTERM end a host whose job is held up until the drain has begun; returns the exit code."""
    await child.line("held")
    processes = [child.pid, *descendants(child.pid)]
    child.signal(signal.SIGTERM)
    await child.line("log drain started")
    (folder / GO).touch()
    code = await child.ended()
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    assert child.said("log drain finished") != []
    return code


async def ends(folder: Path) -> list[tuple[str, int, int, object]]:
    """The jobs as they were left."""
    async with looking(folder) as runner:
        found = [await runner.jobs.get(job.id) for job in await runner.jobs.list()]
    return sorted((job.status, job.attempts, job.interruptions, job.result) for job in found)


EXPECTED = [(Status.COMPLETED, 1, 0, "welcomed user 1"), (Status.COMPLETED, 1, 0, f"welcomed user {HELD}")]


@pytest.mark.parametrize("name", SERVED)
async def test_a_request_enqueues_and_the_end_of_the_server_drains(folder: Path, name: str) -> None:
    command, code = SERVED[name]
    async with served(folder, *command) as (child, client):
        job_id = await sign_up(client, "/users/1")
        async with looking(folder) as runner:
            assert (await runner.jobs.wait(job_id)).status is Status.COMPLETED
        await sign_up(client, f"/users/{HELD}")
        assert await drained(child, folder) == code
    assert await ends(folder) == EXPECTED


@pytest.mark.parametrize("name", ALONE)
async def test_a_program_without_requests_drains_at_its_end(folder: Path, name: str) -> None:
    command, code = ALONE[name]
    if name == "worker":
        async with looking(folder) as runner:
            for user_id in (1, HELD):
                await runner.enqueue(welcome, user_id=user_id)
    async with host(folder, *command) as child:
        assert await drained(child, folder) == code
    assert await ends(folder) == EXPECTED


async def test_a_script_does_what_is_due_and_ends(folder: Path) -> None:
    async with host(folder, "script.py") as child:
        assert await child.ended() == 0
    assert await ends(folder) == EXPECTED[:1]


async def test_django_enqueues_after_the_commit_and_a_handler_in_a_thread_reads_its_database(folder: Path) -> None:
    (folder / "site_of_test.py").write_text(SITE, encoding="utf-8")
    async with served(folder, *UVICORN, "site_of_test:app") as (child, client):
        assert (await client.post("/prepare")).is_success
        assert (await client.post("/forms/1/0")).status_code == 202
        assert (await client.post("/forms/7/1")).status_code == 500
        job_id = await sign_up(client, "/users")
        async with looking(folder) as runner:
            assert (await runner.jobs.wait(job_id)).status is Status.COMPLETED
            assert (await runner.jobs.get(job_id)).result == 1
        await sign_up(client, f"/users/{HELD}")
        assert await drained(child, folder) == -signal.SIGTERM
    expected = [("users", None, 1), ("welcome", 1, "welcomed user 1"), ("welcome", HELD, f"welcomed user {HELD}")]
    async with looking(folder) as runner:
        found = [await runner.jobs.get(job.id) for job in await runner.jobs.list()]
    assert sorted((job.type, job.payload.get("user_id"), job.result) for job in found) == expected


def test_each_program_of_the_page_is_run_here() -> None:
    commands = " ".join(word for command, _ in (*SERVED.values(), *ALONE.values()) for word in command)
    programs = {block.file for block in blocks(PAGE) if block.is_program}
    assert programs - set(re.findall(r"\w+", f"{commands} {SITE}")) == {"script"}  # which has a test of its own
    assert {block.page for page in PAGES for block in blocks(page) if block.is_program and block.file} == {PAGE}
