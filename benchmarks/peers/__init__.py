"""Every peer beside ours, in one run: `python -m benchmarks.peers`.

Each measurement is made in an interpreter of its own. The rounds are interleaved: one round measures all, then comes
the next one, so that what else happens on the machine meets all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.harness import Figure
from benchmarks.peers.child import AWAITED_FUNCTIONS, CONCURRENT, FUNCTIONS, PRELOADED, SEQUENTIAL
from benchmarks.peers.launch import Launcher, MeasurementFailed, launcher
from benchmarks.peers.roster import ROSTER, WORKLOADS, Peer, Variant, beside
from benchmarks.servers import ServerFailed, ServerMissing

__all__ = ["beside", "figures"]

_COUNTED: Final = (SEQUENTIAL, PRELOADED)  # workloads of which the fsyncs are counted
_TRACED_PART: Final = 3  # their jobs are a third
_FAILURES: Final = (MeasurementFailed, ServerFailed, ServerMissing)


@dataclass(slots=True)
class _Series:
    """The values of one figure, as they come."""

    peer: Peer
    variant: Variant
    workload: str
    jobs: int
    values: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def figure(self) -> Figure:
        how = {CONCURRENT: self.peer.producers, PRELOADED: self.peer.worker}.get(self.workload, "")
        failed = f"{len(self.failures)} rounds failed, {self.failures[-1]}" if self.failures else ""
        sqlite = "SQLite of pysqlite3" if self.peer.needs_newer_sqlite else ""
        parts = [f"beside {self.variant.beside}", f"{self.jobs:,} jobs", how, sqlite, failed]
        note = "; ".join(part for part in parts if part)
        who, words = self.peer.who, self.variant.words
        return Figure(self.workload, who, words, "jobs/s", tuple(self.values), note=note)

    def figures(self) -> Iterator[Figure]:
        """The figure; of functions also their CPU, which says more on a machine that does something else, too."""
        found = self.figure()
        yield found
        if self.workload in {FUNCTIONS, AWAITED_FUNCTIONS}:
            yield replace(found, workload=f"CPU of {self.workload}", unit="us/job", values=tuple(self.costs))


def figures(
    rounds: int, scale: float = 1.0, say: Callable[[str], object] = lambda _: None, roster: Sequence[Peer] = ROSTER
) -> Iterator[Figure]:
    """Measures all that can be measured here; what cannot is a figure without values, whose note says why.

    Args:
        rounds: Values a figure.
        scale: Multiplies the numbers of jobs.
        say: Is told what comes next.
        roster: Which peers.

    Yields:
        Each figure as soon as its last value is there.
    """
    here = []
    for peer in roster:
        if reason := peer.reason():
            yield from _left_out(peer, reason)
        else:
            here.append(peer)
    series: dict[tuple[Peer, str], list[_Series]] = {}
    with launcher() as launch:
        for number in range(rounds):
            for peer in here:
                for variant in peer.variants:
                    say(f"round {number + 1} of {rounds}: {peer.who}, {variant.words}")
                    if number == 0:
                        series[peer, variant.key] = _all_series(peer, variant, scale)
                        yield from _fsyncs(launch, peer, variant, scale)
                    _round(launch, series[peer, variant.key])
                    if number == rounds - 1:
                        for one in series[peer, variant.key]:
                            yield from one.figures()


def _left_out(peer: Peer, reason: str) -> Iterator[Figure]:
    variant = peer.variants[0]
    for workload in variant.jobs:
        yield Figure(workload, peer.who, variant.words, "jobs/s", (), note=reason)


def _all_series(peer: Peer, variant: Variant, scale: float) -> list[_Series]:
    return [
        _Series(peer, variant, workload, _scaled(variant.jobs[workload], scale))
        for workload in WORKLOADS
        if workload in variant.jobs
    ]


def _scaled(jobs: int, scale: float) -> int:
    """At least one job for each concurrent producer."""
    return max(100, round(jobs * scale))


def _round(launch: Launcher, series: list[_Series]) -> None:
    """One value more for each workload of a variant."""
    try:
        with launch.ready(series[0].peer, series[0].variant) as measure:
            for one in series:
                try:
                    result = measure(one.workload, one.jobs)
                    one.values.append(one.jobs / result.seconds)
                    one.costs.append(result.cpu / one.jobs * 1e6)
                except _FAILURES as failure:
                    one.failures.append(str(failure))
    except (ServerFailed, ServerMissing) as failure:
        for one in series:
            one.failures.append(str(failure))


def _fsyncs(launch: Launcher, peer: Peer, variant: Variant, scale: float) -> Iterator[Figure]:
    """How often a job makes the disk write: once each, since it hardly varies."""
    whom = "the server and its children" if peer.server else "the process"
    for workload in (workload for workload in _COUNTED if workload in variant.jobs):
        jobs = _scaled(variant.jobs[workload] // _TRACED_PART, scale)
        values: tuple[float, ...] = ()
        note = f"beside {variant.beside}; {jobs:,} jobs; fsync and fdatasync calls of {whom}, by strace"
        try:
            with launch.ready(peer, variant, traced=True) as measure:
                values = (measure(workload, jobs).fsyncs / jobs,)
        except _FAILURES as failure:
            note = str(failure)
        yield Figure(f"fsyncs, {workload}", peer.who, variant.words, "fsyncs/job", values, note=note)
