"""What durable functions cost: their steps, and those that are asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import functions as measured
from benchmarks.functions import KINDS, Run
from benchmarks.harness import DURABILITIES, OURS, Figure, Plan, new_path, on_new_path
from benchmarks.workloads.latency import percentiles

ASLEEP: Final = 100_000
COHORT: Final = 1_000
_BESIDE: Final = {"plain jobs": measured.plain, "functions of 3 steps": measured.three_steps}


def functions(plan: Plan) -> Iterator[Figure]:
    """Functions of 3 trivial steps and plain jobs, turn by turn, by 100 producers and 100 slots."""
    jobs = plan.jobs(10_000)
    for durability in DURABILITIES:
        found: dict[str, list[Run]] = {name: [] for name in _BESIDE}

        def measure(path: Path, wanted: Any) -> Run:
            return asyncio.run(measured.end_to_end(path, durability, jobs, wanted))

        for _ in range(plan.rounds):
            for name, wanted in _BESIDE.items():
                found[name].append(on_new_path(lambda path: measure(path, wanted)))
        for name, runs in found.items():
            yield Figure(name, OURS, durability, "jobs/s", tuple(run.rate for run in runs), note="in turns")
            yield Figure(f"CPU of {name}", OURS, durability, "us/job", tuple(run.cpu for run in runs), note="in turns")


def asleep(plan: Plan) -> Iterator[Figure]:
    """Beside 100,000 functions that sleep, or wait for events, and beside none; the files take turns."""
    for kind in KINDS:
        with new_path() as path:
            count, beside = plan.jobs(ASLEEP), path.with_name("none.db")
            filled = measured.filled(path, kind, count)
            yield Figure(f"falling asleep, {kind}", OURS, "normal", "jobs/s", (filled.rate,), ASLEEP)
            yield Figure(f"memory asleep, {kind}", OURS, "normal", "MB", (filled.megabytes,), ASLEEP)
            yield Figure(f"tasks asleep, {kind}", OURS, "normal", "tasks", (filled.tasks,), ASLEEP)
            paths = {0: beside, ASLEEP: path}
            yield from (_beside_sleepers if kind == "sleep" else _beside_waiters)(plan, paths)


def _beside_sleepers(plan: Plan, paths: dict[int, Path]) -> Iterator[Figure]:
    jobs, due = plan.jobs(20_000), plan.jobs(COHORT)
    runs: dict[int, list[Run]] = {count: [] for count in paths}
    memory: dict[int, list[float]] = {count: [] for count in paths}
    late: list[float] = []
    for _ in range(plan.rounds):
        for count, path in paths.items():
            runs[count].append(asyncio.run(measured.end_to_end(path, "normal", jobs)))
            memory[count].append(measured.memory_beside(path))
        late.append(asyncio.run(measured.cohort(paths[ASLEEP], due)))
    for count in paths:
        rates, costs = tuple(run.rate for run in runs[count]), tuple(run.cpu for run in runs[count])
        yield Figure("end to end beside sleepers", OURS, "normal", "jobs/s", rates, count)
        yield Figure("CPU of a job beside sleepers", OURS, "normal", "us/job", costs, count)
        yield Figure("memory beside sleepers", OURS, "normal", "MB", tuple(memory[count]), count)
    yield Figure("last of a cohort goes on", OURS, "normal", "ms", tuple(late), due, note="all due at one instant")


def _beside_waiters(plan: Plan, paths: dict[int, Path]) -> Iterator[Figure]:
    found: dict[int, list[list[float]]] = {count: [] for count in paths}
    for _ in range(plan.rounds):
        for count, path in paths.items():
            found[count].append(asyncio.run(measured.deliveries(path, plan.jobs(200))))
    for count in paths:
        yield from percentiles("event to its waiter", "normal", found[count], count)
