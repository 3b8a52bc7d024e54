"""A good Inngest app beside a hostile one: its rate alone and beside, and a steady stream of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.harness import OURS, Figure, Plan
from benchmarks.hostile.app import ATTACKS
from benchmarks.hostile.measure import Beside, measure

ALONE: Final = "alone"
STREAM: Final = "stream beside"
RATE: Final = "rate beside"
CPU: Final = "CPU of a run beside"

_AT_ONCE: Final = 600
_SECONDS: Final = 5.0


def hostile_apps(plan: Plan) -> Iterator[Figure]:
    """Each attack on a new database, after the same without it."""
    for attack in ATTACKS:
        found = [measure(attack, plan.jobs(_AT_ONCE), _SECONDS * min(plan.scale, 1)) for _ in range(plan.rounds)]
        alone, beside = [one for one, _ in found], [one for _, one in found]
        yield from _figures(f"{ALONE}, before {attack}", alone)
        yield from _figures(attack, beside)
        shares = tuple(after.rate / before.rate for before, after in found)
        yield Figure(f"{RATE} {attack}", OURS, "normal", "of alone", shares, note="in turns")
        costs = tuple(before.cpu / after.cpu for before, after in found)
        yield Figure(f"{CPU} {attack}", OURS, "normal", "of alone", costs, note="in turns; all of our process")
        yield Figure(f"{STREAM} {attack}", OURS, "normal", "of those due", tuple(one.kept for one in beside))


def _figures(name: str, found: Sequence[Beside]) -> Iterator[Figure]:
    rows = (
        ("runs", "runs/s", [one.rate for one in found]),
        ("p50 of the stream", "ms", [one.p50 for one in found]),
        ("p95 of the stream", "ms", [one.p95 for one in found]),
        ("memory", "MB", [one.memory for one in found]),
    )
    for what, unit, values in rows:
        yield Figure(f"{what}, {name}", OURS, "normal", unit, tuple(values))
