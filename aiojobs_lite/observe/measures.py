"""The metrics of a runner and its database: their names, labels, and how each is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.buckets import Durations
from aiojobs_lite.model.job import Status
from aiojobs_lite.runner.figures import DatabaseFigures, TypeFigures
from aiojobs_lite.telemetry.stats import RunnerStats

_WAITING: Final = (Status.PENDING, Status.PROCESSING)
_KEPT: Final = (Status.COMPLETED, Status.DEAD, Status.CANCELLED)


class Reading(NamedTuple):
    """What all metrics of one scrape are read from.

    Attributes:
        database: How the database stands.
        totals: The figures of each job type since its first end.
        process: The stats of the runner of this process.
    """

    database: DatabaseFigures
    totals: tuple[TypeFigures, ...]
    process: RunnerStats


Samples = Iterable[tuple[tuple[str, ...], float | Durations]]
"""The values of the labels, and the value: of a histogram `Durations`."""


class Measure(NamedTuple):
    """One metric.

    Attributes:
        kind: `counter`, `gauge` or `histogram`.
        name: Its name, with the unit; a counter without `_total`.
        text: What it counts.
        labels: The names of its labels.
        read: Gives its samples.
    """

    kind: str
    name: str
    text: str
    labels: tuple[str, ...]
    read: Callable[[Reading], Samples]


def _one(value: float | None) -> Iterator[tuple[tuple[str, ...], float]]:
    if value is not None:
        yield (), value


def _attempts(reading: Reading) -> Samples:
    return (
        ((figures.type, outcome.value), count)
        for figures in reading.totals
        for outcome, count in figures.outcomes.items()
    )


def _ended(reading: Reading) -> Samples:
    for figures in reading.totals:
        yield (figures.type, Status.COMPLETED.value), figures.completed
        yield (figures.type, Status.DEAD.value), figures.dead
        yield (figures.type, Status.CANCELLED.value), figures.cancelled


def _counts(statuses: Iterable[Status]) -> Callable[[Reading], Samples]:
    wanted = tuple(statuses)

    def read(reading: Reading) -> Samples:
        return (
            ((job_type, status.value), of_type[status])
            for job_type, of_type in reading.database.counts.items()
            for status in wanted
        )

    return read


def _oldest(reading: Reading) -> Samples:
    database = reading.database
    for job_type in database.counts:
        since = database.oldest_due_by_type.get(job_type)
        yield (job_type,), 0.0 if since is None else (database.at - since).total_seconds()


def _troubles(reading: Reading) -> Samples:
    runners = reading.database.runners
    kinds = Counter(trouble.kind for runner in runners for trouble in runner.troubles)
    yield ("stuck",), kinds["stuck"] + sum(runner.troubles_left_out for runner in runners)
    yield ("blocked",), kinds["blocked"]
    yield ("degraded",), kinds["degraded"]
    yield ("silent",), sum(runner.silent is not None for runner in runners)


def _waiting(reading: Reading) -> Samples:
    database = reading.database
    for reason, of_types in database.oldest_waiting.items():
        for job_type, since in of_types.items():
            yield (job_type, reason), (database.at - since).total_seconds()


MEASURES: Final = (
    Measure(
        "counter", "aiojobs_attempts", "Attempts that ended, by outcome; of all processes, for ever.",
        ("type", "outcome"), _attempts,
    ),
    Measure(
        "counter", "aiojobs_jobs_ended", "Jobs that ended by an attempt, by status; of all processes, for ever.",
        ("type", "status"), _ended,
    ),
    Measure(
        "histogram", "aiojobs_attempt_duration_seconds", "How long handlers took; of all processes, for ever.",
        ("type",), lambda reading: (((figures.type,), figures.durations) for figures in reading.totals),
    ),
    Measure(
        "gauge", "aiojobs_queue_jobs", "Jobs that wait (pending) and jobs that run (processing).",
        ("type", "status"), _counts(_WAITING),
    ),
    Measure(
        "gauge", "aiojobs_kept_jobs", "Ended jobs that are not yet pruned, by status.", ("type", "status"),
        _counts(_KEPT),
    ),
    Measure(
        "gauge", "aiojobs_due_jobs", "Jobs that could start now if a slot were free; at most 10,000 are counted.", (),
        lambda reading: _one(reading.database.due.count),
    ),
    Measure(
        "gauge", "aiojobs_held_jobs", "Jobs that are held, by reason; at most 10,000 of each are counted.",
        ("reason",), lambda reading: (((reason,), held.count) for reason, held in reading.database.held.items()),
    ),
    Measure(
        "gauge", "aiojobs_oldest_due_age_seconds", "For how long the longest waiting job has been due.", ("type",),
        _oldest,
    ),
    Measure(
        "gauge", "aiojobs_oldest_waiting_age_seconds",
        "For how long the longest waiting job has been due that waits for something else than a slot, by reason.",
        ("type", "reason"), _waiting,
    ),
    Measure(
        "gauge", "aiojobs_unclaimed_jobs", "Pending jobs of types that no live runner has registered.", ("type",),
        lambda reading: (((job_type,), count) for job_type, count in reading.database.unclaimed.items()),
    ),
    Measure(
        "gauge", "aiojobs_type_paused", "1: the type is paused.", ("type",),
        lambda reading: (((job_type,), job_type in reading.database.paused) for job_type in reading.database.counts),
    ),
    Measure(
        "gauge", "aiojobs_runners", "Runners that live, in all processes.", (),
        lambda reading: _one(len(reading.database.runners)),
    ),
    Measure(
        "gauge", "aiojobs_runner_troubles",
        "Stuck handlers, blocked event loops, degraded and silent runners: no database to write, no report for 30 s.",
        ("kind",), _troubles,
    ),
    Measure(
        "gauge", "aiojobs_running_handlers", "Handlers that run in this process.", (),
        lambda reading: _one(reading.process.running),
    ),
    Measure(
        "gauge", "aiojobs_stuck_handlers", "Handlers of this process that run on after they were stopped.", (),
        lambda reading: _one(reading.process.stuck),
    ),
    Measure(
        "gauge", "aiojobs_event_loop_lag_seconds", "How late the event loop of this process was lately.", (),
        lambda reading: _one(reading.process.loop_lag),
    ),
    Measure(
        "histogram", "aiojobs_commit_duration_seconds",
        "How long transactions of this process took, until the answer was back on the event loop.", (),
        lambda reading: [((), reading.process.commits)],
    ),
    Measure(
        "gauge", "aiojobs_degraded", "1: this process cannot write the database.", (),
        lambda reading: _one(reading.process.degraded is not None),
    ),
)  # fmt: skip
"""All metrics, in the order of the exposition."""


def families(reading: Reading, core: Any) -> Iterator[Any]:
    """The metrics as the client library of Prometheus has them.

    Args:
        reading: What they are read from.
        core: Its module `prometheus_client.core`.
    """
    makers = {
        "counter": core.CounterMetricFamily, "gauge": core.GaugeMetricFamily, "histogram": core.HistogramMetricFamily,
    }  # fmt: skip
    for measure in MEASURES:
        family = makers[measure.kind](measure.name, measure.text, labels=measure.labels)
        for labels, value in measure.read(reading):
            if isinstance(value, Durations):
                bounds = [("+Inf" if bound == float("inf") else str(bound), n) for bound, n in value.buckets.items()]
                family.add_metric(labels, bounds, value.total)
            else:
                family.add_metric(labels, value)
        yield family
