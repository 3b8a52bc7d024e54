"""ASGI servers that are asked to stop while a job runs: what becomes of the job and of the processes, and how soon.

`python -m tests.helpers.servers` tries all of them; with `--write` it writes what it saw into the table
of `docs/guides/deploying.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiojobs_lite import Job, JobRunner, Status, job
from tests.helpers.apps.served import BLOCKED, CANCEL_GRACE, DRAIN_TIMEOUT, KINDS, QUICK
from tests.helpers.root import ROOT
from tests.helpers.serving import SERVERS, Server, running

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Trial:
    """A server that is asked to stop while a job runs.

    Attributes:
        server: Which.
        target: Who is signalled: the `process` that was started, or its whole `group`.
        kind: The job.
        number: The signal.
    """

    server: Server
    target: str
    kind: str
    number: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Seen:
    """What came of it.

    Attributes:
        outcome: Of the job; one of OUTCOMES.
        seconds: From the signal until no process of the server was left.
        code: Exit code of the process that was started.
        begun: How often the job was begun.
    """

    outcome: str
    seconds: float
    code: int
    begun: int


# The job's status as the server left it; its status, attempts, interruptions and crashes after the next start.
OUTCOMES = {
    ("completed", Status.COMPLETED, 1, 0, 0): "completed",
    ("pending", Status.PENDING, 0, 1, 0): "interrupted",
    ("processing", Status.PENDING, 0, 1, 0): "rescued",
    ("processing", Status.PENDING, 1, 0, 1): "lost",
}


async def tried(trial: Trial, folder: Path) -> Seen:
    """Tries it in an empty folder, and brings the job to its end afterwards."""
    async with running(trial.server, folder) as served:
        await served.enqueue(trial.kind)
        stopped = time.monotonic()
        served.stop(trial.target, trial.number)
        code = await served.gone()
        seconds = time.monotonic() - stopped
    outcome = await outcome_in(served.database)
    assert (await ended_in(served.database)).status is Status.COMPLETED
    assert sorted(path.name for path in folder.iterdir()) == ["jobs.db", "log"]
    return Seen(outcome, seconds, code, len(served.said("begin")))


async def outcome_in(database: Path) -> str:
    """What became of the only job, as the next start finds it."""
    left = status_in(database)
    async with JobRunner(database, jobs=KINDS, max_running=0) as runner:
        found = await runner.jobs.get(1)
    facts = left, found.status, found.attempts, found.interruptions, found.crashes
    return OUTCOMES.get(facts, str(facts))


def status_in(database: Path) -> str:
    """The status of the only job."""
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT status FROM aiojobs_jobs").fetchall()[0][0])


async def ended_in(database: Path) -> Job:
    """Runs the only job to its end; all kinds return at once by then."""
    async with JobRunner(database, jobs=[job(name=kind.name)(at_once) for kind in KINDS]) as runner:
        await runner.run_until_idle()
        return await runner.jobs.get(1)


async def at_once() -> None:
    """Each job of the application, after a deploy that repaired it."""


TARGETS = ("process", "group")
EXPECTED = {
    "quick": "completed",
    "long": "interrupted",
    "swallows": "rescued",
    "blocks": "completed",
    "thread": "rescued",
}
CODES = {"uvicorn": -15}  # else 0
# Seconds that the drain may take; the server itself takes some as well.
DRAIN = {
    "quick": QUICK,
    "long": DRAIN_TIMEOUT,
    "swallows": DRAIN_TIMEOUT + CANCEL_GRACE,
    "blocks": BLOCKED,
    "thread": DRAIN_TIMEOUT + CANCEL_GRACE,
}
AT_ONCE = 6  # servers side by side: for most of the time they wait


def trials_of(server: Server, targets: Iterable[str] = TARGETS) -> list[Trial]:
    """Every job, with SIGTERM to the process and to the group."""
    return [Trial(server, target, kind) for target in targets for kind in EXPECTED]


async def side_by_side(
    call: Callable[[T, Path], Awaitable[R]], items: Iterable[T], at_once: int = AT_ONCE
) -> dict[T, R]:
    """Calls a function with each of these and an empty folder, several at the same time."""
    gate = asyncio.Semaphore(at_once)

    async def called(item: T) -> R:
        async with gate:
            with tempfile.TemporaryDirectory() as folder:
                return await call(item, Path(folder))

    async with asyncio.TaskGroup() as group:
        tasks = {item: group.create_task(called(item)) for item in items}
    return {item: task.result() for item, task in tasks.items()}


# The table of the guide.

GUIDE = ROOT / "docs" / "guides" / "deploying.md"
BEGIN, END = "<!-- servers -->\n", "<!-- /servers -->\n"


def table(seen: dict[Trial, Seen]) -> str:
    """One row a server and target, one column a job."""
    lines = [f"| server | SIGTERM to | {' | '.join(f'`{kind}`' for kind in EXPECTED)} | exit code |", "|---" * 8 + "|"]
    for server in SERVERS:
        for target in TARGETS:
            row = [seen[Trial(server, target, kind)] for kind in EXPECTED]
            cells = [f"{one.outcome}, {one.seconds:.1f} s" for one in row]
            codes = " or ".join(str(code) for code in sorted({one.code for one in row}))
            lines.append(f"| {' | '.join([server.name, target, *cells, codes])} |")
    return "".join(f"{line}\n" for line in lines)


def written() -> dict[tuple[str, ...], tuple[list[str], str]]:
    """The guide's table: server and target -> outcomes and exit code."""
    text = GUIDE.read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.split(BEGIN)[1].split(END)[0].splitlines()[2:]]
    return {(row[0], row[1]): ([re.sub(r", \d+\.\d s$", "", cell) for cell in row[2:-1]], row[-1]) for row in rows}


async def main(*, write: bool) -> None:
    """Tries all servers."""
    trials = [trial for server in SERVERS for trial in trials_of(server)]
    rows = table(await side_by_side(tried, trials, at_once=2))  # few, for the times' sake
    sys.stdout.write(rows)
    if write:
        before, rest = GUIDE.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        GUIDE.write_text(f"{before}{BEGIN}{rows}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into the guide")
    asyncio.run(main(write=parser.parse_args().write))
