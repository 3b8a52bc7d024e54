"""Measures everything, prints a table, checks the limits, draws the charts: `python -m benchmarks`.

Each figure is also a line of JSON in `results.jsonl`, beside which `results.svg` is drawn.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import chart, peers
from benchmarks.harness import BARE, OURS, Figure, Plan
from benchmarks.limits import Results, limits
from benchmarks.peers.roster import FUNCTIONS_ROSTER
from benchmarks.workloads import (
    batches,
    deliveries,
    figures,
    functions,
    growth,
    hostile,
    inngest,
    keys,
    latency,
    open_page,
    pages,
    throughput,
    web,
)

FOLDER: Final = Path(__file__).parent
WORKLOADS: Final[Mapping[str, Callable[[Plan], Iterable[Figure]]]] = {
    "enqueue": throughput.enqueue,
    "end_to_end": throughput.end_to_end,
    "payloads": throughput.payloads,
    "variety": throughput.variety,
    "batches": batches.batches,
    "many_types": throughput.many_types,
    "preloaded": growth.preloaded,
    "jobs_done": growth.jobs_done,
    "waiting": growth.waiting,
    "many_keys": keys.many_keys,
    "one_deep_key": keys.one_deep_key,
    "deliveries": deliveries.deliveries,
    "inngest": inngest.inngest,
    "hostile_apps": hostile.hostile_apps,
    "figures": figures.cost_of_figures,
    "functions": functions.functions,
    "functions_asleep": functions.asleep,
    "functions_beside_dbos": lambda plan: peers.figures(plan.rounds, plan.scale, roster=FUNCTIONS_ROSTER),
    "idle": latency.idle,
    "idle_cpu": latency.idle_cpu,
    "busy_host": latency.busy_host,
    "transactions": latency.transactions,
    "web": web.web,
    "pages": pages.pages,
    "open_page": open_page.open_page,
    "peers": lambda plan: peers.figures(plan.rounds, plan.scale),
}


def measured(names: Sequence[str], plan: Plan, log: Path) -> Iterator[Figure]:
    """The figures of some workloads as they come, each added to the log."""
    with log.open("w", encoding="utf-8") as lines:
        for name in names:
            for figure in WORKLOADS[name](plan):
                lines.write(figure.line() + "\n")
                lines.flush()
                yield figure


def shown(figure: Figure, bare: float) -> str:
    """One row of the table, with the ratio to the bare limit where there is one."""
    where = "" if figure.at is None else f" {figure.at:,.10g}"
    value = f"{figure.median:,.3g}" if figure.median < 100 else f"{figure.median:,.0f}"
    ratio = "" if math.isnan(bare) else f"{figure.median / bare:.2f}"
    if not figure.values:
        value = "-"
    return f"{figure.workload + where:<40}{figure.who:<24}{figure.durability:<22}{value:>10} {figure.unit:<12}{ratio:>5}  {figure.note}"  # noqa: E501


def main() -> int:
    """Measures, prints, draws; 1 if a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of which the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the numbers of jobs")
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), help="these workloads")
    parser.add_argument("--into", type=Path, default=FOLDER, help="where results.jsonl and results.svg go")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    figures: list[Figure] = []
    for figure in measured(options.only, Plan(options.rounds, options.scale), options.into / "results.jsonl"):
        figures.append(figure)
        beside = Results(figures).median(figure.workload, figure.durability, figure.at, BARE)
        if figure.who == BARE:  # after ours: now the ratio is known
            ours = next(one for one in figures if _same(one, figure) and one.who == OURS)
            print(shown(ours, beside))
        if figure.who != OURS or not _has_limit(figure):
            print(shown(figure, math.nan), flush=True)
    chart.draw(figures, options.into / "results.svg")
    print()
    lines = limits(Results(figures))
    for line in lines:
        verdict = {None: "not measured", True: "ok", False: "MISSED"}[line.holds]
        bound = f"at least {line.least:g}" if line.most == math.inf else f"at most {line.most:g}"
        print(f"{line.text:<58}{line.value:>9.3g}  {bound:<16}{verdict}")
    return int(any(line.holds is False for line in lines))


_BESIDE_BARE: Final = frozenset(
    {
        "sequential enqueue",
        "enqueue_many(1000)",
        "enqueue, 100 producers",
        "end to end",
        "payload",
        "preloaded backlog",
        "50 types with limits",
        "5 % fail once",
        "jobs done",
    }
)


def _has_limit(figure: Figure) -> bool:
    return figure.workload in _BESIDE_BARE and figure.durability in {"normal", "full"}


def _same(one: Figure, other: Figure) -> bool:
    return (one.workload, one.durability, one.at) == (other.workload, other.durability, other.at)


if __name__ == "__main__":
    raise SystemExit(main())
