"""What limits by key cost: with many keys, and with very many jobs behind one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from benchmarks import keyed
from benchmarks.harness import OURS, Figure, Plan, on_new_path

WAITING: Final = (10, 1_000_000)  # jobs behind one key


def many_keys(plan: Plan) -> Iterator[Figure]:
    """Microseconds of CPU a job with 10,000 keys, by its limits, which take turns."""
    jobs = plan.jobs(20_000)
    found: dict[str, list[float]] = {name: [] for name in keyed.LIMITS}
    for _ in range(plan.rounds):
        for name, limits in keyed.LIMITS.items():
            found[name].append(on_new_path(lambda path: asyncio.run(keyed.end_to_end(path, jobs, limits))))
    for name, values in found.items():
        yield Figure(f"CPU with 10,000 keys, {name}", OURS, "normal", "us/job", tuple(values))


def one_deep_key(plan: Plan) -> Iterator[Figure]:
    """Enqueue of another key, claim and `stats()` beside so many jobs of one key."""
    for waiting in WAITING:
        rows = plan.jobs(waiting) if waiting > WAITING[0] else waiting
        runs = [
            on_new_path(lambda path: asyncio.run(keyed.beside_one_key(path, rows))) for _ in range(min(plan.rounds, 3))
        ]
        for name, values in (
            ("enqueue", [run.enqueue for run in runs]),
            ("claim", [run.claim for run in runs]),
            ("counts", [run.look for run in runs]),
        ):
            yield Figure(f"{name} beside one deep key", OURS, "normal", "ms", tuple(values), rows)
