"""Nothing grows: 100,000 jobs through one runner, and 200 runners one after another, each in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.helpers.databases import sound
from tests.helpers.programs import program
from tests.helpers.rings import slow

pytestmark = slow

MEGABYTE = 2**20
JOBS = 100_000
RUNNERS = 200
LARGEST_LOG = 16 * MEGABYTE  # of write-ahead log; a checkpoint is due after a thousand pages or transactions
LARGEST_DATABASE = 10 * MEGABYTE  # unpruned it would be over 20


async def soaked(database: Path, style: str, count: int) -> tuple[list[dict[str, int]], list[Any]]:
    """Runs `soaking.py`; what it held now and then, and what it said in the end. It says nothing else."""
    arguments = ("-W", "error", "-m", "tests.helpers.apps.soaking", database, style, str(count))
    async with program(*arguments, COVERAGE_PROCESS_START="") as child:
        while (await child.line())[0] != "end":
            pass
        assert await child.ended() == 0
    *held, end = child.lines
    assert [line for line in held if not line.startswith("{")] == []  # no warning, not even at the exit
    return [json.loads(line) for line in held], json.loads(end.removeprefix("end "))


def grew(held: list[dict[str, int]], name: str) -> int:
    """By how much something grew between a fifth of the way and whatever was the most after it."""
    fifth = len(held) // 5
    return max(found[name] for found in held[fifth:]) - held[fifth][name]


async def test_a_hundred_thousand_jobs_leave_memory_log_and_database_as_they_were(database: Path) -> None:
    held, (ran, log, left, kept) = await soaked(database, "jobs", JOBS)
    assert sum(ran.values()) == JOBS + ran["failing"] // 2  # each of those twice
    assert left == 0
    assert grew(held, "memory") < 8 * MEGABYTE
    assert grew(held, "objects") < JOBS // 20
    assert grew(held, "descriptors") <= 0
    assert grew(held, "threads") <= 20  # those whose jobs run at this moment
    assert grew(held, "files") <= 0
    assert 0 < log < LARGEST_LOG
    assert held[-1]["database"] < LARGEST_DATABASE
    assert kept < JOBS // 2
    assert sound(database)


async def test_two_hundred_runners_leave_nothing(database: Path) -> None:
    held, (ran, files) = await soaked(database, "runners", RUNNERS)
    assert ran["quick"] == RUNNERS * 9 // 10
    assert files == [database.name]  # no owner's file, no log
    assert grew(held, "memory") < 4 * MEGABYTE
    assert grew(held, "objects") < 4 * RUNNERS  # a runner is some hundreds
    for name in ("descriptors", "threads", "tasks", "files"):
        assert grew(held, name) <= 0
    assert (held[-1]["threads"], held[-1]["tasks"], held[-1]["files"]) == (1, 1, 1)
    assert sound(database)
