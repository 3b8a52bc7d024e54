"""Functions of an Inngest app beside a bare loop of aiohttp that makes the same calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from benchmarks import inngest as measured
from benchmarks.deliveries import Run
from benchmarks.harness import DURABILITIES, OURS, Durability, Figure, Plan, on_new_path
from benchmarks.workloads.deliveries import BARE_AIOHTTP, frozen

NAME: Final = "functions of an Inngest app"
_UNIT: Final = "calls/s"
_WARM: Final = 20  # functions, whose calls are those that the bare loop makes


def inngest(plan: Plan) -> Iterator[Figure]:
    """200 functions of 3 steps without checkpoints, 100 at a time, and the bare loop, turn by turn."""
    functions = plan.jobs(measured.FUNCTIONS)
    found: dict[tuple[str, Durability], list[Run]] = {}
    with measured.serving() as app:
        on_new_path(lambda path: asyncio.run(measured.run(path, "normal", app, _WARM)))
        with frozen(is_frozen=True):
            for _ in range(plan.rounds):
                for durability in DURABILITIES:
                    bare = asyncio.run(measured.bare(app, functions))
                    ours = on_new_path(lambda path: asyncio.run(measured.run(path, durability, app, functions)))  # noqa: B023
                    for who, run in ((BARE_AIOHTTP, bare), (OURS, ours)):
                        found.setdefault((who, durability), []).append(run)
    for (who, durability), runs in found.items():
        yield Figure(NAME, who, durability, _UNIT, tuple(run.rate for run in runs), note="in turns")
        yield Figure(f"CPU of {NAME}", who, durability, "us", tuple(run.cpu for run in runs), note="in turns")
