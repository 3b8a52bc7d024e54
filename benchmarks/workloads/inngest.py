"""Functions of an Inngest app beside a bare loop of aiohttp that makes the same calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks import inngest as measured
from benchmarks.deliveries import Run
from benchmarks.harness import DURABILITIES, OURS, Durability, Figure, Plan, on_new_path
from benchmarks.workloads.deliveries import BARE_AIOHTTP, frozen

NAMES: Final[Mapping[measured.App, str]] = {
    "sdk": "functions of an Inngest app",
    "instant": "functions of an instant app",
}
_UNIT: Final = "calls/s"
_WARM: Final = 20  # functions, whose calls are those that the bare loop makes


def inngest(plan: Plan) -> Iterator[Figure]:
    """200 functions of 3 steps without checkpoints, 100 at a time, and the bare loop, turn by turn."""
    with measured.serving("instant") as app:
        on_new_path(lambda path: asyncio.run(measured.run(path, "normal", app, _WARM)))
        calls = asyncio.run(measured.bodies(app))
    for kind, name in NAMES.items():
        with measured.serving(kind) as app, frozen(is_frozen=True):
            yield from _beside_bare(plan, app, name, calls)


def _beside_bare(plan: Plan, app: str, name: str, calls: list[bytes]) -> Iterator[Figure]:
    functions, found = plan.jobs(measured.FUNCTIONS), dict[tuple[str, Durability], list[Run]]()
    for _ in range(plan.rounds):
        for durability in DURABILITIES:
            bare = asyncio.run(measured.bare(app, calls, functions))
            ours = on_new_path(lambda path: asyncio.run(measured.run(path, durability, app, functions)))
            for who, run in ((BARE_AIOHTTP, bare), (OURS, ours)):
                found.setdefault((who, durability), []).append(run)
    for (who, durability), runs in found.items():
        yield Figure(name, who, durability, _UNIT, tuple(run.rate for run in runs), note="in turns")
        yield Figure(f"CPU of {name}", who, durability, "us", tuple(run.cpu for run in runs), note="in turns")
