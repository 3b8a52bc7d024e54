"""How many jobs a second: enqueued, and from the enqueue to the last commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import bare, ours
from benchmarks.harness import BARE, DURABILITIES, OURS, Durability, Figure, Plan, on_new_path

PAYLOADS = (100, 10_000, 100_000)  # bytes
PRODUCERS = (1, 10, 100, 1000)
TYPES = (10, 1000)


def enqueue(plan: Plan) -> Iterator[Figure]:
    """Enqueue only: one by one, 1,000 at once, and by 100 producers at a time."""
    for durability in DURABILITIES:
        few, many = plan.jobs(4_000), plan.jobs(50_000)
        yield from side_by_side(
            plan, "sequential enqueue", durability, None,
            lambda path: asyncio.run(ours.sequential_enqueue(path, durability, few)),
            lambda path: bare.inserts_one_by_one(path, durability, few),
        )  # fmt: skip
        yield from side_by_side(
            plan, "enqueue_many(1000)", durability, None,
            lambda path: asyncio.run(ours.enqueue_many(path, durability, many, 1000)),
            lambda path: bare.inserts(path, durability, many, 1000),
        )  # fmt: skip
        yield from side_by_side(
            plan, "enqueue, 100 producers", durability, None,
            lambda path: asyncio.run(ours.concurrent_enqueue(path, durability, many, 100)),
            lambda path: bare.inserts(path, durability, many, 100),
        )  # fmt: skip


def end_to_end(plan: Plan) -> Iterator[Figure]:
    """Enqueued by many producers, claimed, run and finished."""
    for durability in DURABILITIES:
        for producers in PRODUCERS:
            jobs = plan.jobs(20_000 if producers > 1 else 4_000)
            yield from side_by_side(
                plan, "end to end", durability, producers,
                lambda path: asyncio.run(ours.end_to_end(path, durability, jobs, producers)),
                lambda path: bare.end_to_end(path, durability, jobs),
            )  # fmt: skip


def payloads(plan: Plan) -> Iterator[Figure]:
    """The same with payloads of some size, by 100 producers."""
    for size in PAYLOADS:
        jobs, text = plan.jobs(max(1_000, min(20_000, 40_000_000 // size))), "x" * size
        yield from side_by_side(
            plan, "payload", "normal", size,
            lambda path: asyncio.run(ours.end_to_end(path, "normal", jobs, 100, text=text)),
            lambda path: bare.end_to_end(path, "normal", jobs, f'{{"n":1,"text":"{text}"}}'),
        )  # fmt: skip


def variety(plan: Plan) -> Iterator[Figure]:
    """The same with 50 job types that have limits of their own, and with failures that are tried again."""
    jobs = plan.jobs(20_000)
    for name, measure in (
        ("50 types with limits", partial(ours.end_to_end, types=50, concurrency=10)),
        ("5 % fail once", partial(ours.with_failures, every=20)),
    ):
        yield from side_by_side(
            plan, name, "normal", None,
            lambda path: asyncio.run(measure(path, "normal", jobs, 100)),
            lambda path: bare.end_to_end(path, "normal", jobs),
        )  # fmt: skip


def many_types(plan: Plan) -> Iterator[Figure]:
    """Jobs of 10 and of 1,000 types, enqueued and run, a backlog of them, and `stats()`: ten of a type in a row, and
    turn by turn, so that nearly each job of a transaction is of another type.
    """
    jobs = plan.jobs(10_000)
    for order, alike in (("ten in a row", 10), ("turn by turn", 1)):
        enqueued: dict[int, list[float]] = {types: [] for types in TYPES}
        found: dict[int, list[ours.Backlog]] = {types: [] for types in TYPES}

        def end_to_end(path: Path) -> float:
            return asyncio.run(ours.end_to_end(path, "normal", jobs, 100, types=types, alike=alike))

        def backlog(path: Path) -> ours.Backlog:
            asyncio.run(ours.fill(path, jobs, 0, types, alike))
            return asyncio.run(ours.backlog(path, "normal", jobs, types=types))

        for _ in range(plan.rounds):
            for types in TYPES:
                enqueued[types].append(on_new_path(end_to_end))
                found[types].append(on_new_path(backlog))
        for types in TYPES:
            yield Figure(f"end to end of types, {order}", OURS, "normal", "jobs/s", tuple(enqueued[types]), types)
            rates = tuple(one.rate for one in found[types])
            yield Figure(f"preloaded backlog of types, {order}", OURS, "normal", "jobs/s", rates, types)
            looks = tuple(one.look * 1000 for one in found[types])
            yield Figure(f"stats() of types, {order}", OURS, "normal", "ms", looks, types)


def side_by_side(
    plan: Plan, workload: str, durability: Durability, at: float | None, measure: Callable[[Path], float],
    limit: Callable[[Path], float],
) -> Iterator[Figure]:  # fmt: skip
    """Ours and the limit, turn by turn, each on a database of its own."""
    mine, limits = [], []
    for _ in range(plan.rounds):
        mine.append(on_new_path(measure))
        limits.append(on_new_path(limit))
    yield Figure(workload, OURS, durability, "jobs/s", tuple(mine), at)
    yield Figure(workload, BARE, durability, "jobs/s", tuple(limits), at)
