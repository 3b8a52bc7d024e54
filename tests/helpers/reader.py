"""Does what a page says: its files are copied, its commands run, and they print what the page shows."""

from __future__ import annotations

import re
import shlex
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import httpx

from tests.helpers.documents import Block
from tests.helpers.programs import Child, program
from tests.helpers.root import ROOT
from tests.helpers.serving import listens
from tests.helpers.waiting import until

_FILE: Final = re.compile(r"# (\w+\.py)\n")
_ENVIRONMENT: Final = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COVERAGE_PROCESS_START": ""}
_AT_THE_END_OF: Final = re.compile(r"Put this at the end of `(\w+\.py)`")


class Reader:
    """A person who does what the page says, in an empty folder.

    Args:
        folder: The folder.
        port: That of the server, in place of 8000.
        servers: Ends the servers in the end.
    """

    def __init__(self, folder: Path, port: int, servers: AsyncExitStack) -> None:
        self._folder, self._port, self._servers = folder, port, servers
        self._server: Child | None = None
        self._printed: list[str] = []  # by the last command

    def copy(self, block: Block) -> None:
        """Copies a file, or adds the block to the file that the page names before it."""
        if named := _FILE.match(block.text):
            self._folder.joinpath(named[1]).write_text(block.text, encoding="utf-8")
        else:
            lines = block.page.read_text(encoding="utf-8").splitlines()[: block.line]
            (name,) = _AT_THE_END_OF.findall("\n".join(lines))
            with self._folder.joinpath(name).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{block.text}")

    async def do(self, line: str) -> None:
        """Runs a command (`$ ...`), or checks that a line is printed."""
        if line.startswith("$ "):
            await self.run(line[2:])
        else:
            assert await self.prints(line), line

    async def run(self, command: str) -> None:
        """Runs a command; all that the one before it printed has been checked."""
        assert self._printed == []
        await self._run(shlex.split(command))

    async def prints(self, line: str) -> bool:
        """Whether the last command prints a line next, or the server, which is waited for; `...` is any text."""
        shown = re.compile(r".*".join(map(re.escape, line.split("..."))))
        if self._printed and shown.fullmatch(self._printed[0]):
            self._printed.pop(0)
            return True
        if self._server is not None:
            await self._server.matching(shown)
        return self._server is not None

    async def _run(self, command: list[str]) -> None:
        match command:
            case ["uvicorn", *arguments]:
                await self._serve(arguments)
            case ["curl", *arguments]:
                method = arguments[1] if arguments[0] == "-X" else "GET"
                url = f"http://{arguments[-1]}".replace("localhost:8000", f"127.0.0.1:{self._port}")
                async with httpx.AsyncClient() as client:
                    self._printed = [(await client.request(method, url)).text]
            case ["pkill", "-9", *_]:
                assert self._server is not None
                await self._server.kill()
            case ["touch", name]:
                self._folder.joinpath(name).touch()
            case ["python", *arguments]:
                async with program(*arguments, folder=self._folder, **_ENVIRONMENT) as child:
                    assert await child.ended() == 0, child.lines
                    self._printed = child.lines[-1:]
            case _:
                raise AssertionError(f"an unknown command: {command}")

    async def _serve(self, arguments: list[str]) -> None:
        """Starts the server; one that runs still is interrupted before, as by Ctrl-C."""
        if self._server is not None:
            self._server.signal(signal.SIGINT)
            await self._server.ended()
        self._server = await self._servers.enter_async_context(
            program("-m", "uvicorn", *arguments, "--port", str(self._port), folder=self._folder, **_ENVIRONMENT)
        )
        await until(lambda: listens(self._port), 0.01)
