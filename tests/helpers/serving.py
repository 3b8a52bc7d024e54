"""ASGI servers as processes of their own, which serve `apps/served.py`."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import httpx

from tests.helpers.programs import ROOT, Child, alive, members
from tests.helpers.waiting import unmeasured, until

APP = "tests.helpers.apps.served:app"
STARTS_AT_ONCE = 2  # of servers: a start is work for the machine, and most are several processes
LIMIT_S = 180.0  # of each thing that a server does; a guard against hanging, for the slowest machine


@dataclass(frozen=True)
class Server:
    """How one is started.

    Attributes:
        name: As the guide calls it.
        command: Its module and arguments; PORT and FOLDER are put in.
        runners: How many processes have a runner.
    """

    name: str
    command: str
    runners: int = 1


UVICORN = f"uvicorn {APP} --port PORT"
SERVERS = (
    Server("uvicorn", UVICORN),
    Server("uvicorn --workers 4", f"{UVICORN} --workers 4", runners=4),
    Server("uvicorn --reload", f"{UVICORN} --reload --reload-dir FOLDER"),
    Server("hypercorn", f"hypercorn {APP} --bind 127.0.0.1:PORT"),
    Server("granian", f"granian {APP} --interface asgi --port PORT"),
    Server(
        "gunicorn, uvicorn-worker",
        f"gunicorn {APP} --worker-class uvicorn_worker.UvicornWorker --bind 127.0.0.1:PORT --no-control-socket",
    ),
)


class Served:
    """A running server.

    Attributes:
        child: The process that was started.
        client: Talks to it.
        database: Of its runners.
    """

    def __init__(self, child: Child, client: httpx.AsyncClient, folder: Path) -> None:
        self.child, self.client = child, client
        self.database, self._log = paths(folder)
        self._is_gone = False

    def said(self, *words: str) -> list[list[str]]:
        """The lines in the log of the application that begin so."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [line.split() for line in lines if line.split()[: len(words)] == list(words)]

    async def comes_to(self, condition: Callable[[], bool]) -> None:
        """Waits for something that its processes do."""
        await until(condition, 0.01, LIMIT_S)

    async def ready(self, runners: int) -> None:
        """Returns when so many runners have started, and requests are answered."""
        await self.comes_to(lambda: len(self.said("up")) == runners or not alive(self.child.pid))
        assert alive(self.child.pid), "it ended at its start"
        await self.comes_to(lambda: listens(int(self.client.base_url.port or 0)))

    async def enqueue(self, kind: str) -> None:
        """Enqueues a job; returns when it runs."""
        response = await self.client.post(f"/jobs/{kind}")
        assert response.status_code == 200, response.text
        await self.comes_to(lambda: bool(self.said("begin", kind)))

    def stop(self, target: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Signals the `process` that was started, or its whole `group`."""
        (os.killpg if target == "group" else os.kill)(self.child.pid, number)

    async def gone(self) -> int:
        """Waits until no process of it is left; returns the exit code."""
        code = await self.child.ended(LIMIT_S)
        await self.comes_to(lambda: not any(map(alive, members(self.child.pid))))
        self._is_gone = True
        return code

    async def kill(self) -> None:
        """SIGKILL to what is left of it; after its end, its number may be another process's."""
        if not self._is_gone:
            with suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
            await self.gone()


@asynccontextmanager
async def running(server: Server, folder: Path) -> AsyncIterator[Served]:
    """Starts a server, which is ready then; kills what is left of it in the end."""
    database, log = paths(folder)
    environment = {**unmeasured(), "AIOJOBS_LITE_DATABASE": str(database), "SERVED_LOG": str(log)}
    with reserved() as port:
        command = server.command.replace("PORT", str(port)).replace("FOLDER", str(folder)).split()
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S)
        async with AsyncExitStack() as start, client:
            await start.enter_async_context(_gate_of_starts())
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, cwd=ROOT,
                start_new_session=True, env=environment,
            )  # fmt: skip
            served = Served(Child(process), client, folder)
            try:
                await served.ready(server.runners)
                await start.aclose()
                yield served
            except BaseException as error:
                await served.kill()
                error.add_note("\n".join([server.name, *map(" ".join, served.said()), *served.child.lines]))
                raise
            finally:
                await served.kill()


_STARTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def _gate_of_starts() -> asyncio.Semaphore:
    """Lets so many servers start at once, of those that an event loop starts side by side."""
    return _STARTS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(STARTS_AT_ONCE))


def paths(folder: Path) -> tuple[Path, Path]:
    """The database and the log."""
    return folder / "jobs.db", folder / "log"


@contextmanager
def reserved() -> Iterator[int]:
    """A port that only a server that knows its number will take: bound here, and not listened on."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def listens(port: int) -> bool:
    """Whether a server takes connections."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
