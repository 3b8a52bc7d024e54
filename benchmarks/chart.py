"""Draws `results.svg`: charts that one can look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import BARE, OURS, Figure


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Draws all charts into one file; what was not measured is left out."""
    import matplotlib as mpl  # noqa: PLC0415  # only who draws needs it

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "aiojobs_lite"  # the same figures make the same file
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt  # noqa: PLC0415  # the same

    drawing = plt.figure(figsize=(12, 19), layout="constrained")
    halves: Any = drawing.subfigures(2, 1, height_ratios=(1, 1.3))  # its stub knows no array
    upper, lower = halves
    axes, bars = upper.subplots(2, 2), lower.subplots(2, 1)
    _lines(axes[0][0], figures, "end to end", "End to end, by producers", "producers", "jobs/s", both=True)
    _lines(axes[0][1], figures, "jobs done", "Seconds grow linearly in jobs", "jobs", "seconds")
    _lines(
        axes[1][0], figures, "claim and run beside a backlog", "Jobs/s hardly depend on the backlog", "pending rows",
        "jobs/s",
    )  # fmt: skip
    _lines(axes[1][1], figures, "busy host, one p99", "enqueue beside a busy host", "slice, ms", "p99, ms", both=True)
    _bars(bars[0], figures, "preloaded run", "A backlog run by each")
    _bars(bars[1], figures, "sequential enqueue", "One enqueue after another")
    drawing.savefig(path, metadata={"Date": None})
    plt.close(drawing)


def _lines(
    axis: Any, figures: Sequence[Figure], workload: str, title: str, below: str, beside: str, *, both: bool = False
) -> None:
    for who in (OURS, BARE):
        for durability in ("normal", "full") if both else ("normal",):
            points = [
                (figure.at, figure.median)
                for figure in figures
                if (figure.workload, figure.who, figure.durability) == (workload, who, durability)
                and figure.at is not None
                and figure.values
            ]
            if points:
                axis.plot(*zip(*points, strict=True), marker="o", label=f"{who}, {durability}" if both else who)
    axis.set(title=title, xlabel=below, ylabel=beside)
    if workload != "jobs done":
        axis.set_xscale("symlog", linthresh=10_000 if below == "pending rows" else 1)
    axis.margins(y=0.15)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    if axis.lines:
        axis.legend()


def _bars(axis: Any, figures: Sequence[Figure], workload: str, title: str) -> None:
    by_name = {
        f"{figure.who} ({figure.durability})": (figure.median, figure.who == OURS)
        for figure in figures
        if figure.workload == workload and figure.values and figure.who != BARE
    }
    rows = sorted((median, name, is_ours) for name, (median, is_ours) in by_name.items())
    for position, (median, _name, is_ours) in enumerate(rows):
        axis.barh(position, median, color="tab:blue" if is_ours else "tab:grey")
        axis.text(median, position, f" {median:,.0f}", va="center", fontsize=8)
    if rows:
        axis.set_yticks(range(len(rows)), [name for _median, name, _is_ours in rows], fontsize=8)
        axis.set_xscale("log")
        axis.set_xlim(right=2 * rows[-1][0])
    axis.set(title=title, xlabel="jobs/s, logarithmic")
