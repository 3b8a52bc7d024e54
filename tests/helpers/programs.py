"""Programs that run as processes of their own, and are dead when their test is over."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

from aiojobs_lite import JobRunner
from aiojobs_lite.testing.probe import Probe
from tests.helpers.apps.worker import JOBS
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE

_LONGEST = 2**26  # bytes of lines that wait unread before the program is held up


class Child:
    """A running program: its lines, orders to it, signals, its end.

    Attributes:
        pid: Its process id.
        lines: Every line that was read so far.
    """

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.pid = process.pid
        self.lines: list[str] = []

    async def line(self, *starts: str) -> list[str]:
        """The words of the next line that begins with one of these; those before it are only kept in `lines`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return await self._line(starts)
        raise AssertionError(f"not said: {starts}; its lines: {self.lines}")

    async def _line(self, starts: tuple[str, ...]) -> list[str]:
        while read := await self._stdout.readline():
            line = read.decode().rstrip("\n")
            self.lines.append(line)
            if line.startswith(starts or ""):
                return line.split()
        raise AssertionError(f"the program ended before it said {starts}; its lines: {self.lines}")

    async def matching(self, pattern: re.Pattern[str]) -> None:
        """Reads on to the next line that a pattern matches as a whole."""
        line = ""
        while not pattern.fullmatch(line):
            await self.line()
            line = self.lines[-1]

    def order(self, text: str) -> None:
        """Sends a line."""
        self._stdin.write(f"{text}\n".encode())

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def ended(self, limit: float = PATIENCE) -> int:
        """Waits for its end, reads what it still had to say, and returns its exit code (negative: the signal)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                async for line in self._stdout:
                    self.lines.append(line.decode().rstrip("\n"))
                return await self._process.wait()
        raise AssertionError(f"it does not end; its lines: {self.lines}")

    async def kill(self) -> int:
        """SIGKILL, which reaches a stopped process as well; then as `ended`."""
        if self._process.returncode is None:
            self.signal(signal.SIGKILL)
        return await self.ended()

    def said(self, start: str) -> list[list[str]]:
        """The words of all lines read so far that begin so."""
        return [line.split() for line in self.lines if line.startswith(start)]


def program(
    *arguments: str | Path, folder: str | Path = ROOT, **environment: str
) -> AbstractAsyncContextManager[Child]:
    """Starts `python ...` in a folder; kills it in the end. Its standard error is among its lines."""
    return _started(arguments, folder, environment, is_leader=False)


def leader(*arguments: str | Path) -> AbstractAsyncContextManager[Child]:
    """The same, as the head of a process group of its own."""
    return _started(arguments, ROOT, {}, is_leader=True)


@asynccontextmanager
async def _started(
    arguments: Sequence[str | Path], folder: str | Path, environment: Mapping[str, str], *, is_leader: bool
) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *map(str, arguments), stdin=PIPE, stdout=PIPE, stderr=STDOUT, cwd=folder, limit=_LONGEST,
        env={**os.environ, **environment}, start_new_session=is_leader,
    )  # fmt: skip
    child = Child(process)
    try:
        yield child
    finally:
        await child.kill()


@asynccontextmanager
async def worker(database: Path, style: str = "orders", **options: object) -> AsyncIterator[Child]:
    """Starts `apps/worker.py` on a database, with options of `JobRunner`."""
    async with program("-m", "tests.helpers.apps.worker", database, style, json.dumps(options)) as child:
        yield child


@asynccontextmanager
async def looking(database: Path) -> AsyncIterator[JobRunner]:
    """A runner in the test's own process that enqueues and looks, and runs nothing. Its start rescues."""
    async with JobRunner(database, jobs=JOBS, max_running=0) as runner:
        yield runner


def members(leader: int) -> list[int]:
    """The processes of a group, the leader left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(state[2]) == leader != int(folder.name):
            found.append(int(folder.name))
    return found


def descendants(ancestor: int) -> list[int]:
    """The processes that a process has started, and those that they have started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [ancestor]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def alive(pid: int) -> bool:
    """Whether a process still runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it may end while its file is read
        return False
    return state != "Z"


async def rescue(runner: JobRunner) -> None:
    """Has a runner look after the dead now, not at its next round."""
    await Probe(runner).rescue()
