"""`python -m benchmarks.peers [--rounds 5] [--scale 1]`: the figures as lines of JSON, then a table."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterable
from types import FrameType

from benchmarks.harness import OURS, Figure
from benchmarks.peers import beside, figures


def table(measured: Iterable[Figure]) -> Iterable[str]:
    """One line a figure, with the ratio of ours, at an equal durability, to the peer."""
    measured = list(measured)
    ours = {(figure.workload, figure.durability): figure.median for figure in measured if figure.who == OURS}
    for workload in dict.fromkeys(figure.workload for figure in measured):
        yield f"\n{workload}"
        rows = [figure for figure in measured if figure.workload == workload]
        for figure in sorted(rows, key=lambda figure: not figure.values):
            equal = beside(figure.durability)
            yield f"  {figure.who:<22}{figure.durability:<47}{_value(figure, ours.get((workload, equal)), equal)}"


def _value(figure: Figure, ours: float | None, equal: str) -> str:
    if not figure.values:
        return f"      not measured: {figure.note}"
    if figure.unit != "jobs/s":
        return f"{figure.median:>12.4f} {figure.unit}"
    ratio = f"{ours / figure.median:>8.1f} x {equal}" if ours else ""
    return f"{figure.median:>12,.0f} {figure.unit}{ratio}"


def main() -> int:
    """Measures all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of which the median is shown")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the numbers of jobs")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    started = time.monotonic()
    measured = []
    for figure in figures(options.rounds, options.scale, lambda text: print(text, file=sys.stderr, flush=True)):
        measured.append(figure)
        print(figure.line(), flush=True)
    print(*table(measured), sep="\n")
    print(f"\nmedians of {options.rounds}; x: ours at the named durability, divided by the peer")
    print(f"{time.monotonic() - started:.0f} s in all")
    return 0


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """As an exception, so that all servers are stopped."""
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
