"""What jobs in a batch cost beside jobs in none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from benchmarks import ours
from benchmarks.harness import OURS, Figure, Plan, on_new_path

JOBS = 100_000
SMALL = 100  # jobs of each of many batches


def batches(plan: Plan) -> Iterator[Figure]:
    """Enqueued by 100 producers, run and finished: in one batch, in batches of 100, and in none, turn by turn."""
    jobs = plan.jobs(JOBS)
    found: dict[int, list[float]] = {jobs: [], SMALL: [], 0: []}
    for _ in range(plan.rounds):
        for size, rates in found.items():
            rates.append(on_new_path(lambda path: asyncio.run(ours.in_batches(path, "normal", jobs, 100, size))))
    for size, at in ((jobs, JOBS), (SMALL, SMALL), (0, 0)):
        yield Figure("jobs in batches of", OURS, "normal", "jobs/s", tuple(found[size]), at)
