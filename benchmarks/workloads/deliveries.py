"""Deliveries over HTTP beside a bare loop of aiohttp, their memory, and a host that hangs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks import deliveries as measured
from benchmarks.deliveries import Run
from benchmarks.harness import DURABILITIES, OURS, Durability, Figure, Plan, new_path, on_new_path

BARE_AIOHTTP: Final = "bare aiohttp"
NAME: Final = "deliveries"
BESIDE: Final = "deliveries beside a host that hangs"
MEMORY: Final = "memory of deliveries"
_UNIT: Final = "deliveries/s"
_FIRST: Final = 100  # of each side, so that what an application has at its start is there to be frozen


def deliveries(plan: Plan) -> Iterator[Figure]:
    """10,000 deliveries that wait, 100 in flight, and the bare loop, turn by turn; frozen and not, as the web case."""
    with measured.serving() as port:
        yield from _beside_bare(plan, port, NAME, is_frozen=True)
        yield from _beside_bare(plan, port, f"{NAME}, nothing frozen", is_frozen=False)
        yield from _beside_hanging(plan, port)
        yield _memory(plan, port)


def _beside_bare(plan: Plan, port: int, workload: str, *, is_frozen: bool) -> Iterator[Figure]:
    count = plan.jobs(10_000)
    found: dict[tuple[str, Durability], list[Run]] = {}
    asyncio.run(measured.bare(port, _FIRST))
    on_new_path(lambda path: asyncio.run(measured.deliver(path, "normal", port, _FIRST)))
    with frozen(is_frozen=is_frozen):
        for _ in range(plan.rounds):
            for durability in DURABILITIES:
                bare = asyncio.run(measured.bare(port, count))
                published, delivered = on_new_path(
                    lambda path: asyncio.run(measured.deliver(path, durability, port, count))
                )
                for who, run in ((BARE_AIOHTTP, bare), (OURS, delivered), ("publish_many(1000)", published)):
                    found.setdefault((who, durability), []).append(run)
    for (who, durability), runs in found.items():
        yield Figure(workload, who, durability, _UNIT, tuple(run.rate for run in runs), note="in turns")
        yield Figure(f"CPU of {workload}", who, durability, "us", tuple(run.cpu for run in runs), note="in turns")


@contextmanager
def frozen(*, is_frozen: bool) -> Iterator[None]:
    """As `docs/guides/performance.md` says: the garbage collector leaves alone what the start has made."""
    gc.collect()
    if is_frozen:
        gc.freeze()
    yield
    gc.unfreeze()


def _beside_hanging(plan: Plan, port: int) -> Iterator[Figure]:
    count, found = plan.jobs(10_000), dict[int, list[Run]]({0: [], measured.HANGING: []})
    for _ in range(plan.rounds):
        for hanging, runs in found.items():
            runs.append(on_new_path(lambda path: asyncio.run(measured.beside_hanging(path, port, count, hanging))))
    for hanging, runs in found.items():
        yield Figure(BESIDE, OURS, "normal", _UNIT, tuple(run.rate for run in runs), hanging, note="in turns")


def _memory(plan: Plan, port: int) -> Figure:
    count = plan.jobs(20_000)
    with new_path() as path:
        http = measured.local(per_host=measured.AT_ONCE)
        asyncio.run(measured.publish(path, "normal", http, [measured.HOSTS[0]], port, count))
        return Figure(MEMORY, OURS, "normal", "MB", (measured.memory(path, count),), note="more at the end than early")
