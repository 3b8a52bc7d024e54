"""The core's own limits, checked in two minutes: `python -m benchmarks.throughput`.

Everything, with every peer and with charts: `python -m benchmarks`. Absolute figures say more about the machine than
about the library; the ratios are what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import sqlite3
from statistics import median

from benchmarks import bare, ours
from benchmarks.harness import DURABILITIES, Plan, new_path, on_new_path

PRODUCERS = 100
BACKLOG = 1_000_000
CLAIMED = 20_000  # jobs of the backlog that are timed
LEAST_RATIO, LEAST_CLAIM_RATIO = 0.15, 0.7
MOST_LATENCY, MOST_START, MOST_STATS = 0.002, 1.0, 0.001  # seconds


def show(name: str, figure: str, *, holds: bool | None = None) -> bool:
    """Prints a line; returns False if a limit does not hold."""
    verdict = {None: "", True: "   ok", False: "   MISSED"}[holds]
    print(f"{name:<58}{figure:>24}{verdict}", flush=True)
    return holds is not False


def against_bare(plan: Plan) -> bool:
    """End to end beside the bare loop, turn by turn."""
    good, jobs = True, plan.jobs(20_000)
    for durability in DURABILITIES:
        mine, limit = [], []
        for _ in range(plan.rounds):
            mine.append(on_new_path(lambda path: asyncio.run(ours.end_to_end(path, durability, jobs, PRODUCERS))))
            limit.append(on_new_path(lambda path: bare.end_to_end(path, durability, jobs)))
        ratio = median(mine) / median(limit)
        show(f"end to end, {PRODUCERS} producers, {durability}", f"{median(mine):,.0f} jobs/s")
        show(f"bare loop, {durability}", f"{median(limit):,.0f} jobs/s")
        good &= show(f"  ratio (at least {LEAST_RATIO})", f"{ratio:.2f}", holds=ratio >= LEAST_RATIO)
    return good


def latency(plan: Plan) -> bool:
    """Enqueue to handler start on an idle runner."""
    good = True
    for durability in DURABILITIES:
        seconds = median(
            median(on_new_path(lambda path: asyncio.run(ours.idle_latencies(path, durability, 200))))
            for _ in range(plan.rounds)
        )
        holds = seconds < MOST_LATENCY if durability == "normal" else None
        good &= show(f"enqueue to handler start, idle, {durability}", f"{seconds * 1000:.2f} ms", holds=holds)
    return good


def backlog(plan: Plan) -> bool:
    """A million pending rows, half of them due tomorrow, beside an almost empty table."""
    empty, full = [], []
    with new_path() as big:
        asyncio.run(ours.fill(big, BACKLOG // 2, BACKLOG // 2))
        for _ in range(plan.rounds):
            with new_path() as small:
                asyncio.run(ours.fill(small, CLAIMED, 0))
                empty.append(asyncio.run(ours.backlog(small, "normal", CLAIMED)))
            full.append(asyncio.run(ours.backlog(big, "normal", CLAIMED)))
    rate, on_empty = median(one.rate for one in full), median(one.rate for one in empty)
    start, look = median(one.start for one in full), median(one.look for one in full)
    show("claim and run a backlog, empty table", f"{on_empty:,.0f} jobs/s")
    show(f"claim and run a backlog, {BACKLOG:,} pending rows", f"{rate:,.0f} jobs/s")
    ratio = rate / on_empty
    good = show(f"  ratio (at least {LEAST_CLAIM_RATIO})", f"{ratio:.2f}", holds=ratio >= LEAST_CLAIM_RATIO)
    good &= show(f"start, {BACKLOG:,} pending rows", f"{start * 1000:.1f} ms", holds=start < MOST_START)
    return good & show(f"stats(), {BACKLOG:,} pending rows", f"{look * 1000:.3f} ms", holds=look < MOST_STATS)


def main() -> int:
    """Measures all; 1 if a limit was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of which the median is shown")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the jobs of an end-to-end measurement")
    options = parser.parse_args()
    plan = Plan(options.rounds, options.scale)
    logging.disable(logging.WARNING)
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, medians of {plan.rounds}")
    good = against_bare(plan)
    good &= latency(plan)
    good &= backlog(plan)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
