"""Programs and processes of multiprocessing, started in handlers of each mode, also under a server."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from tests.helpers.programs import descendants, program
from tests.helpers.rings import slow
from tests.helpers.serving import Server, running
from tests.helpers.starting import HOWS
from tests.helpers.waiting import PATIENCE

pytestmark = [slow, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]
APP = "tests.helpers.apps.starting"
MODES = ("async", "thread", "process")
RESULTS = [0, 2, 4, 6]
SERVERS = [
    Server("uvicorn", f"uvicorn {APP}:app --port PORT"),
    Server("hypercorn", f"hypercorn {APP}:app --bind 127.0.0.1:PORT"),
    Server("granian", f"granian {APP}:app --interface asgi --port PORT"),
    Server(
        "gunicorn",
        f"gunicorn {APP}:app --worker-class uvicorn_worker.UvicornWorker --bind 127.0.0.1:PORT --no-control-socket",
    ),
]


async def test_in_a_program_all_of_them_work_and_obey_terminate() -> None:
    async with program("-m", APP) as child:
        for mode in MODES:
            for how in HOWS:
                words = await child.line(mode)
                assert words[:2] == [mode, how]
                assert json.loads("".join(words[2:])) == [*RESULTS, -signal.SIGTERM], (mode, how)
        assert await child.ended() == 0
        assert descendants(child.pid) == []


@pytest.mark.parametrize("server", SERVERS, ids=[server.name for server in SERVERS])
async def test_under_a_server_all_of_them_work(tmp_path: Path, server: Server) -> None:
    async with running(server, tmp_path) as served, asyncio.timeout(6 * PATIENCE):
        for mode in MODES:
            is_daemon = server.name == "hypercorn" and mode != "process"  # multiprocessing lets it have no child
            for how in HOWS[:1] if is_daemon else HOWS:
                response = await served.client.post(f"/{mode}/{how}")
                assert response.json() == [*RESULTS, -signal.SIGTERM], (mode, how)
        served.stop("process")
        await served.gone()
