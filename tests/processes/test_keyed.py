"""Limits by key over processes that are killed: never over a limit or a rate, in order, and no job is left behind."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiojobs_lite import Job, JobRunner
from aiojobs_lite.clock import to_micros
from tests.helpers.apps.keyed import JOBS, MOST, PERIOD_S, STARTS, limited, ordered
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.stores import connected
from tests.helpers.waiting import until

KEYS = range(3)
Span = tuple[int, int]  # start and end of an attempt in microseconds


@slow
async def test_killed_processes_go_over_no_limit_and_leave_no_lane_behind(database: Path) -> None:
    async with JobRunner(database, jobs=JOBS, max_running=0) as runner, AsyncExitStack() as stack:
        await runner.enqueue_many([limited.bind(key) for _ in range(60) for key in KEYS])
        await runner.enqueue_many([ordered.bind(key, number) for number in range(25) for key in KEYS])
        total = 85 * len(KEYS)

        def ended() -> int:
            stats = runner.stats()
            return stats.completed + stats.dead

        children = [await stack.enter_async_context(_keyed(database)) for _ in range(2)]
        for turn in range(5):
            seen = ended()
            await until(lambda seen=seen: ended() >= min(seen + 15, total))  # type: ignore[misc]
            await children[turn % 2].kill()
            children[turn % 2] = await stack.enter_async_context(_keyed(database))
        await until(lambda: ended() == total)
        jobs = [await runner.jobs.get(job.id) for job in await runner.jobs.list(limit=1000)]
        assert len(jobs) == total
    _judge(jobs)
    with connected(database) as connection:
        assert connection.execute("SELECT lane FROM aiojobs_lanes").fetchall() == []


def _keyed(database: Path) -> Any:
    return program("-m", "tests.helpers.apps.keyed", database)


def _judge(jobs: list[Job]) -> None:
    """Goes by what is stored: when each attempt started and ended."""
    spans: defaultdict[str, list[Span]] = defaultdict(list)
    for job in sorted(jobs, key=lambda job: job.id):
        assert job.lane is not None
        spans[job.lane] += _attempts(job)
    for lane, found in spans.items():
        if lane.startswith("ordered"):
            assert all(before[1] <= after[0] for before, after in pairwise(found)), lane
            continue
        starts = sorted(start for start, _ in found)
        for start in starts:
            assert sum(one <= start < end for one, end in found) <= MOST, lane
            assert sum(start <= one < start + PERIOD_S * 1e6 for one in starts) <= STARTS, lane


def _attempts(job: Job) -> list[Span]:
    found = [(to_micros(one.started_at or one.ended_at), to_micros(one.ended_at)) for one in job.history]
    if job.started_at is not None and job.completed_at is not None:
        last = (to_micros(job.started_at), to_micros(job.completed_at))
        found += [last] if last not in found else []
    return found
