"""The hosts of `docs/guides/hosts.md`, each as a process: it starts the runner, a request enqueues, its end drains."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.helpers.apps.hosted import HELD, welcome
from tests.helpers.documents import PAGES, blocks
from tests.helpers.host_programs import (
    EXPECTED,
    GUNICORN,
    PAGE,
    PROGRAMS,
    UVICORN,
    completed,
    drained,
    ends,
    host,
    looking,
    served,
    sign_up,
    write_programs,
)
from tests.helpers.programs import descendants
from tests.helpers.rings import drawn, slow

pytestmark = [slow, drawn(2)]

AIOHTTP = "import aiohttp_app; aiohttp_app.web.run_app(aiohttp_app.app, host='127.0.0.1', port=PORT)"
SERVED: dict[str, tuple[tuple[str, ...], int]] = {  # how each is served, and the exit code after SIGTERM
    "starlette": ((*UVICORN, "starlette_app:app"), -signal.SIGTERM),
    "litestar": ((*UVICORN, "litestar_app:app"), -signal.SIGTERM),
    "quart": (("-m", "hypercorn", "--workers", "0", "--bind", "127.0.0.1:PORT", "quart_app:app"), 0),
    "aiohttp": (("-c", AIOHTTP), 0),
    "flask, jobs in its workers": ((*GUNICORN, "-c", "hooks.py", "flask_app:app"), 0),
}
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
import asyncio, hooked_bot, signal, sys

async def main():
    bot, ended = hooked_bot.Bot(), asyncio.Event()
    if sys.argv[1] == "handles":
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
    "hooked bot": (("-c", HOOKED_BOT, "handles"), 0),
    "hooked bot without a handler for SIGTERM": (("-c", HOOKED_BOT, "leaves"), -signal.SIGTERM),
}
ELSEWHERE = {"script", "test_hosts", "asgi", "jobs", "views"}  # have tests of their own


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_programs(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SERVED)
async def test_a_request_enqueues_and_the_end_of_the_server_drains(folder: Path, name: str) -> None:
    command, code = SERVED[name]
    async with served(folder, *command) as (child, client):
        assert await completed(folder, await sign_up(client, "/users/1")) == "welcomed user 1"
        await sign_up(client, f"/users/{HELD}")
        assert await drained(child, folder) == code
    assert await ends(folder) == EXPECTED


async def test_views_of_flask_enqueue_for_a_process_of_the_runner(folder: Path) -> None:
    command = (*GUNICORN, "--workers", "2", "flask_app:app")
    async with host(folder, "worker.py") as worker, served(folder, *command) as (server, client):
        assert await completed(folder, await sign_up(client, "/users/1")) == "welcomed user 1"
        await sign_up(client, f"/users/{HELD}")
        assert await drained(worker, folder) == -signal.SIGTERM
        waiting = await sign_up(client, "/users/3")  # no runner is left
        processes = [server.pid, *descendants(server.pid)]
        assert len(processes) == 3
        server.signal(signal.SIGTERM)
        assert await server.ended() == 0
        assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    assert (await ends(folder))[:2] == EXPECTED
    async with host(folder, "worker.py") as worker:
        assert await completed(folder, waiting) == "welcomed user 3"
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == -signal.SIGTERM


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


def test_each_program_of_the_page_is_run_here() -> None:
    commands = " ".join(word for command, _ in (*SERVED.values(), *ALONE.values()) for word in command)
    assert PROGRAMS.keys() - set(re.findall(r"\w+", commands)) == ELSEWHERE
    assert {block.page for page in PAGES for block in blocks(page) if block.is_program and block.file} == {PAGE}
