"""Limits by key over processes that are killed: never over a limit or a rate, in order, and no job is left behind."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from aiojobs_lite import Job, JobRunner
from aiojobs_lite.clock import to_micros
from tests.helpers.apps.keyed import JOBS, MOST, PERIOD_S, STARTS, limited, ordered
from tests.helpers.programs import Child, program
from tests.helpers.rings import slow
from tests.helpers.stores import connected
from tests.helpers.waiting import until

KEYS = range(3)


class Call(NamedTuple):
    """One call of a handler: when it began and ended, or its process was killed, by the clock of all processes."""

    begun: float
    ended: float
    job: int


@slow
async def test_killed_processes_go_over_no_limit_and_leave_no_lane_behind(database: Path) -> None:
    log = database.with_name("calls")
    killed: dict[int, float] = {}  # when, by process
    async with JobRunner(database, jobs=JOBS, max_running=0) as runner, AsyncExitStack() as stack:
        await runner.enqueue_many([limited.bind(key) for _ in range(60) for key in KEYS])
        await runner.enqueue_many([ordered.bind(key, number) for number in range(25) for key in KEYS])
        total = 85 * len(KEYS)

        def ended() -> int:
            stats = runner.stats()
            return stats.completed + stats.dead

        async def start() -> Child:
            return await stack.enter_async_context(program("-m", "tests.helpers.apps.keyed", database, log))

        children = [await start() for _ in range(2)]
        for turn in range(5):
            seen = ended()
            await until(lambda seen=seen: ended() >= min(seen + 15, total))  # type: ignore[misc]
            child = children[turn % 2]
            killed[child.pid] = time.monotonic()
            await child.kill()
            children[turn % 2] = await start()
        await until(lambda: ended() == total)
        jobs = [await runner.jobs.get(job.id) for job in await runner.jobs.list(limit=1000)]
        assert len(jobs) == total
    calls = _calls(log, killed)
    for key in KEYS:
        _judge_limited(calls[f"limited:{key}"])
        _judge_ordered(calls[f"ordered:{key}"])
    _judge_rate(jobs)
    with connected(database) as connection:
        assert connection.execute("SELECT lane FROM aiojobs_lanes").fetchall() == []


def _calls(log: Path, killed: dict[int, float]) -> dict[str, list[Call]]:
    """By key. Stored instants do not do: a transaction is given its own before it waits for the file."""
    begun: dict[tuple[str, ...], float] = {}
    found: defaultdict[str, list[Call]] = defaultdict(list)
    for line in log.read_text().splitlines():
        what, at, *call = line.split()
        if what == "begun":
            begun[tuple(call)] = float(at)
        else:
            found[call[0]].append(Call(begun.pop(tuple(call)), float(at), int(call[1])))
    for (key, job, _, pid), at_begin in begun.items():  # nothing but a SIGKILL leaves a call without its end
        found[key].append(Call(at_begin, max(at_begin, killed[int(pid)]), int(job)))
    return found


def _judge_limited(calls: list[Call]) -> None:
    """Never more than the limit at once."""
    assert len(calls) >= 60
    for call in calls:
        assert sum(one.begun <= call.begun < one.ended for one in calls) <= MOST


def _judge_ordered(calls: list[Call]) -> None:
    """One after the other, a retry before the next job."""
    assert len(calls) >= 25
    for before, after in pairwise(sorted(calls)):
        assert before.ended <= after.begun
        assert before.job <= after.job


def _judge_rate(jobs: list[Job]) -> None:
    """Never more starts within the period than the rate, by the instants that the store counts in."""
    starts: defaultdict[str, list[int]] = defaultdict(list)
    for job in jobs:
        if job.type == limited.name:
            instants = {job.started_at, *[attempt.started_at for attempt in job.history]}
            starts[job.lane or ""] += [to_micros(instant) for instant in instants if instant is not None]
    assert len(starts) == len(KEYS)
    for found in starts.values():
        for start in found:
            assert sum(start <= one < start + PERIOD_S * 1e6 for one in found) <= STARTS
