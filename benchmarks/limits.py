"""What the figures must hold, as data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from benchmarks.deliveries import HANGING
from benchmarks.functions import KINDS
from benchmarks.harness import BARE, DURABILITIES, OURS, Figure
from benchmarks.hostile.app import ATTACKS, GREEDY
from benchmarks.peers.child import CONCURRENT, FUNCTIONS, PRELOADED, SEQUENTIAL
from benchmarks.peers.roster import FUNCTIONS_ROSTER, ROSTER, beside
from benchmarks.service import SHAPES as JOB_SHAPES
from benchmarks.workloads import deliveries, hostile, inngest
from benchmarks.workloads.figures import SHAPES, WITH, WITHOUT
from benchmarks.workloads.functions import ASLEEP, COHORT
from benchmarks.workloads.open_page import CORE, PAGES, PLACES, RATE
from benchmarks.workloads.pages import SLOWEST


class Results:
    """All figures of one run, to be asked for."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = list(figures)

    def median(self, workload: str, durability: str = "normal", at: float | None = None, who: str = OURS) -> float:
        """The median of one figure; NaN if it was not measured."""
        for figure in self._figures:
            if (figure.workload, figure.durability, figure.at, figure.who) == (workload, durability, at, who):
                return figure.median
        return math.nan

    def beside(self, workload: str, durability: str, who: str) -> float:
        """Ours as a multiple of a peer, both as they were measured in turns."""
        theirs = self.median(workload, durability, who=who)
        ours = [
            one
            for one in self._figures
            if (one.workload, one.durability, one.who) == (workload, beside(durability), OURS)
        ]
        return ours[-1].median / theirs if ours else math.nan

    def of_bare(self, workload: str, durability: str = "normal", at: float | None = None) -> float:
        """Ours as a share of the bare limit."""
        return self.median(workload, durability, at) / self.median(workload, durability, at, BARE)


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of what must hold: `value` lies between `least` and `most`."""

    text: str
    value: float
    least: float = -math.inf
    most: float = math.inf

    @property
    def holds(self) -> bool | None:
        """Whether it does; None if it was not measured."""
        return None if math.isnan(self.value) else self.least <= self.value <= self.most


MILLION: Final = 1_000_000
_TIMES: Final = {
    "tinyjobs": 10, "huey": 10, "APScheduler": 10, "SAQ": 10, "arq": 10, "procrastinate": 10, "PgQueuer": 2,
}  # fmt: skip
_NO_EQUAL: Final = "synchronous=OFF"  # hands nothing to the disk: nothing of ours is as little durable


def limits(found: Results) -> list[Limit]:
    """Every limit, with its value in this run."""
    return [
        Limit("end to end, 100 producers, normal, of bare", found.of_bare("end to end", "normal", 100), 0.30),
        Limit("end to end, 100 producers, full, of bare", found.of_bare("end to end", "full", 100), 0.35),
        Limit("preloaded backlog, normal, of bare", found.of_bare("preloaded backlog", "normal", 10_000), 0.27),
        Limit("preloaded backlog, full, of bare", found.of_bare("preloaded backlog", "full", 10_000), 0.27),
        Limit("enqueue_many(1000), normal, of bare inserts", found.of_bare("enqueue_many(1000)", "normal"), 0.4),
        Limit("enqueue_many(1000), full, of bare inserts", found.of_bare("enqueue_many(1000)", "full"), 0.4),
        Limit("sequential enqueue, normal, of bare with a hop", found.of_bare("sequential enqueue", "normal"), 0.7),
        Limit("sequential enqueue, full, of bare with a hop", found.of_bare("sequential enqueue", "full"), 0.7),
        Limit("idle latency p50, normal, ms", found.median("idle latency p50"), most=0.6),
        Limit("idle latency p99, normal, ms", found.median("idle latency p99"), most=2),
        Limit("idle latency p50, full, ms", found.median("idle latency p50", "full"), most=1.2),
        Limit("idle CPU, % of one core", found.median("idle CPU"), most=0.5),
        Limit(
            "jobs in one batch of 100,000, of the rate in none",
            found.median("jobs in batches of", at=100_000) / found.median("jobs in batches of", at=0),
            0.8,
        ),
        *_beside_a_backlog(found),
        *_many_types(found),
        *_keys(found),
        *_deliveries(found),
        *_inngest(found),
        *_hostile(found),
        *_figures(found),
        *_functions(found),
        *_functions_asleep(found),
        *(limit for durability in ("normal", "full") for limit in _busy_host(found, durability)),
        *_web(found),
        *_dashboard(found),
        *_run_beside_peers(found),
        *_enqueue_beside_peers(found),
    ]


def _beside_a_backlog(found: Results) -> list[Limit]:
    rate, start, memory = "claim and run beside a backlog", "start beside a backlog", "memory beside a backlog"
    return [
        Limit(
            "claim rate at 1 M pending, of that on empty",
            found.median(rate, at=MILLION) / found.median(rate, at=0), 0.9,
        ),
        Limit(
            "start at 1 M pending, ms longer than on empty",
            found.median(start, at=MILLION) - found.median(start, at=0), most=50,
        ),
        Limit("1 M pending cost, MB", found.median(memory, at=MILLION) - found.median(memory, at=0), most=60),
        Limit("stats() at 1 M pending, ms", found.median("stats() beside a backlog", at=MILLION), most=1),
    ]  # fmt: skip


def _many_types(found: Results) -> list[Limit]:
    """A claim costs what it takes, not what is registered. Turn by turn it takes from a hundred types where it took
    from ten, and each has counts of its own to be kept.
    """
    lines = []
    for order, least in (("ten in a row", 0.8), ("turn by turn", 0.5)):
        for workload in (f"end to end of types, {order}", f"preloaded backlog of types, {order}"):
            rate = found.median(workload, at=1000) / found.median(workload, at=10)
            lines.append(Limit(f"{workload}: 1,000, of the rate of 10", rate, least))
        lines.append(Limit("stats() with 1,000 types, ms", found.median(f"stats() of types, {order}", at=1000), most=1))
    return lines


def _keys(found: Results) -> list[Limit]:
    """Limits by key cost less than half of a job, and jobs that wait behind one key cost nothing."""
    plain, lines = found.median("CPU with 10,000 keys, no limit"), []
    for name in ("Limit", "Limit and Rate"):
        rate = plain / found.median(f"CPU with 10,000 keys, {name}")
        lines.append(Limit(f"10,000 keys, {name}: of the rate without, by CPU", rate, 0.5))
    for name in ("enqueue", "claim", "counts"):
        workload = f"{name} beside one deep key"
        times = found.median(workload, at=MILLION) / found.median(workload, at=10)
        lines.append(Limit(f"{name} beside 1 M jobs of one key, times that of 10", times, most=1.2))
    return lines


def _deliveries(found: Results) -> list[Limit]:
    """The bare loop stores nothing. Both send by aiohttp, and to the same server."""
    lines = []
    for durability in DURABILITIES:
        bare = found.median(deliveries.NAME, durability, who=deliveries.BARE_AIOHTTP)
        rate = found.median(deliveries.NAME, durability) / bare
        lines.append(Limit(f"deliveries, 100 in flight, {durability}, of bare aiohttp", rate, 0.5))
    hanging = found.median(deliveries.BESIDE, at=HANGING) / found.median(deliveries.BESIDE, at=0)
    return [
        *lines,
        Limit("deliveries beside a host that hangs, of the rate without", hanging, 0.9),
        Limit("memory of 20,000 deliveries, MB more than of 2,000", found.median(deliveries.MEMORY), most=5),
    ]


def _inngest(found: Results) -> list[Limit]:
    """Both call the same app by aiohttp, with the same bodies. The bare loop stores nothing, and makes no body."""
    lines, name = [], inngest.NAMES["sdk"]
    for durability in DURABILITIES:
        bare = found.median(name, durability, who=deliveries.BARE_AIOHTTP)
        calls = found.median(name, durability) / bare
        lines.append(Limit(f"calls of {name}, {durability}, of bare aiohttp", calls, 0.5))
    return lines


def _hostile(found: Results) -> list[Limit]:
    """No attack slows a good app: what it does at most, and what it does of a steady stream. Of an app that has very
    many runs, and answers as it should, the stream counts alone: both share the processor.
    """
    lines = []
    for attack in ATTACKS:
        stream = found.median(f"{hostile.STREAM} {attack}")
        lines.append(Limit(f"beside {attack}: a steady stream of runs, of those due", stream, 0.9))
        if attack not in GREEDY:
            lines.append(Limit(f"beside {attack}: runs/s, of alone", found.median(f"{hostile.RATE} {attack}"), 0.9))
    return lines


def _figures(found: Results) -> list[Limit]:
    """The figures of all processes cost a job next to nothing."""
    costs = {shape: f"CPU of a job beside figures, {shape}" for shape in SHAPES}
    return [
        Limit(
            f"figures, {shape}, CPU, of that without",
            found.median(cost, at=WITH) / found.median(cost, at=WITHOUT),
            most=1.03,
        )
        for shape, cost in costs.items()
    ]


def _functions(found: Results) -> list[Limit]:
    """A step is a commit of its own that its function waits for, and still a share of a group's."""
    lines = []
    for durability in DURABILITIES:
        rate = found.median("functions of 3 steps", durability) / found.median("plain jobs", durability)
        lines.append(Limit(f"functions of 3 steps, {durability}, of the rate of plain jobs", rate, 0.35))
    for peer in FUNCTIONS_ROSTER:
        for variant in peer.variants if peer.who != OURS else ():
            times = found.beside(FUNCTIONS, variant.words, peer.who)
            lines.append(Limit(f"{FUNCTIONS}, {variant.beside}, times {peer.name}", times, 100))
    return lines


def _functions_asleep(found: Results) -> list[Limit]:
    """A function that sleeps or waits is rows in the file, and nothing in memory."""
    lines = [
        Limit(
            f"{what} of 100,000 functions asleep, {kind}",
            found.median(f"{what} asleep, {kind}", at=ASLEEP),
            most=most,
        )
        for kind in KINDS
        for what, most in (("tasks", 0), ("memory", 5))
    ]
    beside = "memory beside sleepers"
    cpu = "CPU of a job beside sleepers"
    behind = "event to its waiter p50"
    return [
        *lines,
        Limit(
            "memory of a runner beside them, MB more",
            found.median(beside, at=ASLEEP) - found.median(beside, at=0),
            most=5,
        ),
        Limit(
            "jobs beside them, of the rate beside none, by CPU",
            found.median(cpu, at=0) / found.median(cpu, at=ASLEEP),
            0.97,
        ),
        Limit(
            "1,000 functions due at once: the last goes on, ms",
            found.median("last of a cohort goes on", at=COHORT),
            most=1000,
        ),
        Limit(
            "event for one of 100,000 waiters, ms more than for the only one",
            found.median(behind, at=ASLEEP) - found.median(behind, at=0),
            most=5,
        ),
    ]


def _busy_host(found: Results, durability: str) -> list[Limit]:
    lines = []
    for slice_ms, most in ((1.0, 50), (10.0, 200)):
        one = found.median("busy host, one p99", durability, slice_ms)
        many = found.median("busy host, 100 p99", durability, slice_ms)
        lines.append(Limit(f"enqueue beside {slice_ms:g} ms slices, {durability}, p99 ms", one, most=most))
        lines.append(Limit(f"the same of 100, {durability}, p99 ms", many, most=2 * most))
    return lines


def _web(found: Results) -> list[Limit]:
    rate = found.median("web", who="/enqueue") / found.median("web", who="/none")
    tail = found.median("web p99", who="/enqueue") / found.median("web p99", who="/none")
    return [
        Limit("web, frozen: requests/s that enqueue, of those without a job", rate, 0.6),
        Limit("web, frozen: p99 that enqueues, times that without a job", tail, most=3),
    ]


def _dashboard(found: Results) -> list[Limit]:
    """Of a file with a million jobs: the slowest of all pages, and what an open one costs a runner at work."""
    lines = [Limit(f"slowest page, {name}, ms", found.median(f"{SLOWEST}, {name}"), most=100) for name in JOB_SHAPES]
    for place in PLACES:
        for page in PAGES:
            lost = found.median(f"{RATE} {page}, {place}")
            lines.append(Limit(f"open {page} {place}, % of the rate", lost, most=2))
    for page in PAGES:
        taken = found.median(f"{CORE} {page}, {PLACES[0]}")
        lines.append(Limit(f"open {page} {PLACES[0]}, CPU, % of a core", taken, most=2))
    return lines


def _run_beside_peers(found: Results) -> list[Limit]:
    """Each at its own default durability, ours at that which compares with it."""
    return [
        Limit(
            f"preloaded run, times {peer.who}",
            found.beside(PRELOADED, peer.variants[0].words, peer.who),
            _TIMES[peer.name],
        )
        for peer in ROSTER
        if peer.name in _TIMES
    ]


def _enqueue_beside_peers(found: Results) -> list[Limit]:
    """The quickest of all that are as durable."""
    lines = []
    for workload in (SEQUENTIAL, CONCURRENT):
        for durability in ("normal", "full"):
            times = [
                found.beside(workload, variant.words, peer.who)
                for peer in ROSTER
                for variant in peer.variants
                if peer.name in _TIMES and variant.beside == durability and _NO_EQUAL not in variant.words
            ]
            quickest = min((one for one in times if not math.isnan(one)), default=math.nan)
            lines.append(Limit(f"{workload}, {durability}, times the quickest peer", quickest, 1))
    return lines
