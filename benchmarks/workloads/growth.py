"""How cost grows: with the number of jobs done, and with the number that wait."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks import bare, ours
from benchmarks.harness import DURABILITIES, OURS, Figure, Plan, new_path, resident_megabytes
from benchmarks.workloads.throughput import side_by_side

WAITING: Final = (0, 100_000, 1_000_000)  # pending rows, half of them due tomorrow
DONE: Final = (1_000, 5_000, 20_000, 50_000)  # jobs from first to last
TAKEN: Final = 10_000  # jobs of a backlog that are timed


def preloaded(plan: Plan) -> Iterator[Figure]:
    """10,000 jobs that wait, run with 100 slots."""
    jobs = plan.jobs(TAKEN)

    def measure(path: Path) -> float:
        asyncio.run(ours.fill(path, jobs, 0))
        return asyncio.run(ours.backlog(path, durability, jobs)).rate

    for durability in DURABILITIES:
        yield from side_by_side(
            plan, "preloaded backlog", durability, jobs, measure,
            lambda path: bare.end_to_end(path, durability, jobs),
        )  # fmt: skip


def jobs_done(plan: Plan) -> Iterator[Figure]:
    """Seconds for so many jobs from first to last, by 100 producers."""
    for most in DONE:
        jobs = plan.jobs(most)
        ours_and_bare = side_by_side(
            plan, "jobs done", "normal", jobs,
            lambda path: asyncio.run(ours.end_to_end(path, "normal", jobs, 100)),
            lambda path: bare.end_to_end(path, "normal", jobs),
        )  # fmt: skip
        for figure in ours_and_bare:
            yield replace(figure, unit="s", values=tuple(jobs / rate for rate in figure.values))


def waiting(plan: Plan) -> Iterator[Figure]:
    """Start, claim rate, `stats()` and memory beside so many pending rows; the databases take turns."""
    jobs = plan.jobs(TAKEN)
    counts = [plan.jobs(rows) if rows else 0 for rows in WAITING]
    found: dict[int, list[ours.Backlog]] = {rows: [] for rows in counts}
    memory: dict[int, list[float]] = {rows: [] for rows in counts}
    with new_path() as folder:
        paths = {rows: folder.with_name(f"{rows}.db") for rows in counts}
        for rows, path in paths.items():
            asyncio.run(ours.fill(path, rows // 2 + jobs * (plan.rounds + 1), rows // 2))
        for _ in range(plan.rounds):
            for rows, path in paths.items():
                found[rows].append(asyncio.run(ours.backlog(path, "normal", jobs)))
                memory[rows].append(_megabytes(path))
    for rows in counts:
        runs = found[rows]
        yield Figure("start beside a backlog", OURS, "normal", "ms", tuple(one.start * 1000 for one in runs), rows)
        yield Figure("claim and run beside a backlog", OURS, "normal", "jobs/s", tuple(one.rate for one in runs), rows)
        yield Figure("stats() beside a backlog", OURS, "normal", "ms", tuple(one.look * 1000 for one in runs), rows)
        yield Figure("memory beside a backlog", OURS, "normal", "MB", tuple(memory[rows]), rows)


def _megabytes(path: Path) -> float:
    """What a process of its own takes that starts a runner on the database, which is paused, and looks."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.workloads.growth", str(path)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


async def _looked(path: Path) -> float:
    noop = ours.Noop(path, "normal")
    async with noop.runner as runner:
        await runner.run_until_idle()
        runner.stats()
        await runner.jobs.list(limit=100)
        return resident_megabytes()


if __name__ == "__main__":
    print(asyncio.run(_looked(Path(sys.argv[1]))))
