"""The library at work with limits by key: what the workloads measure of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from aiojobs_lite import JobRunner
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.ends import Complete
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.writes import Claim, Insert
from aiojobs_lite.stores.open import open_store

KEYS: Final = 10_000
LIMITS: Final[dict[str, Sequence[Limit | Rate]]] = {
    "no limit": (),
    "Limit": (Limit(2, key="n"),),
    "Limit and Rate": (Limit(2, key="n"), Rate(100, per="1m", key="n")),
}
_DEEP: Final = StoredLimit("deep", 2)
_LOOKS: Final = 200  # of which the median is taken


async def end_to_end(path: Path, jobs: int, limits: Sequence[Limit | Rate]) -> float:
    """Microseconds of CPU a job, of 100 producers and `KEYS` keys, from the first enqueue to the last commit."""
    runner = JobRunner(path, durability="normal")

    @runner.job(limits=limits or None)
    async def noop(n: int) -> None: ...

    async def produce(first: int) -> None:
        for n in range(first, jobs, 100):
            await runner.enqueue(noop, n=n % KEYS)

    async with runner:
        await runner.run_until_idle()
        started = time.process_time()
        await asyncio.gather(*map(produce, range(100)))
        await runner.run_until_idle()
        assert runner.stats().completed == jobs
        return (time.process_time() - started) / jobs * 1e6


@dataclass(frozen=True)
class Beside:
    """What was measured beside the jobs of one key that wait. Milliseconds."""

    enqueue: float
    claim: float
    look: float


async def beside_one_key(path: Path, waiting: int) -> Beside:
    """An enqueue of another key, a claim of it, and the counts, while so many jobs of one key wait."""
    store, now = open_store(path, "normal"), time.time_ns() // 1000
    await store.open()
    try:
        await store.apply([(SetLimits((_DEEP,)),)], now)
        for first in range(0, waiting, 10_000):
            rows = tuple(_row(0, now) for _ in range(first, min(first + 10_000, waiting)))
            await store.apply([(Insert(rows),)], now)
        claim = Claim("one", 10, frozenset({"deep"}), {}, {})
        await store.apply([(claim,)], now)
        enqueues, claims, looks = [], [], []
        for key in range(1, _LOOKS):
            begun = time.perf_counter()
            await store.apply([(Insert((_row(key, now),)),)], now)
            enqueued = time.perf_counter()
            applied = await store.apply([(claim,)], now)
            claimed = time.perf_counter()
            store.counts()
            looked = time.perf_counter()
            (job,) = applied.answers[0].jobs
            await store.apply([(Complete(job.id, job.attempt, job.owner, job.type),)], now)
            enqueues.append(enqueued - begun)
            claims.append(claimed - enqueued)
            looks.append(looked - claimed)
    finally:
        await store.close()
    return Beside(*[median(values) * 1000 for values in (enqueues, claims, looks)])


def _row(key: int, now: int) -> NewJob:
    lane = lane_text("deep", 1, [(_DEEP.name, key)], is_ordered=False)
    return NewJob("deep", '{"n":1}', 1, now, 5, now, lane=lane)
