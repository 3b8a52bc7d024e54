"""What `runner.stats()` returns."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from aiojobs_lite.model.counts import Counts, TypeCounts
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.stats import RunnerStats, TypeStats, runner_stats, unclaimed
from tests.helpers.instants import SECOND

NOW = 1_000 * SECOND
MAIL = TypeCounts(pending=5, scheduled=1, retrying=2, held=1, processing=3, completed=4, dead=6, cancelled=7)
REPORT = TypeCounts(pending=2, completed=9)
FOREIGN = TypeCounts(pending=8)
GONE = TypeCounts(completed=1)
ALL = {"report": REPORT, "mail": MAIL, "foreign": FOREIGN, "gone": GONE}
LIMITS = {"mail": 3, "report": None, "unused": 1}


def counts_of(by_type: Mapping[str, TypeCounts], due: Mapping[str, int] | None = None) -> Counts:
    return Counts(TypeCounts(*map(sum, zip(*by_type.values(), strict=True))), by_type, due or {})


def stats_of(counts: Counts, metrics: Metrics | None = None, limits: Mapping[str, int | None] = LIMITS) -> RunnerStats:
    return runner_stats(
        counts, limits=limits, metrics=metrics or Metrics(), running=2, stuck=1, draining=True, degraded="SQLITE_FULL",
        now=NOW,
    )  # fmt: skip


def test_the_totals_are_those_of_all_types_and_the_rest_is_what_was_given() -> None:
    metrics = Metrics()
    metrics.refused_ends, metrics.skipped_ticks, metrics.loop_lag = 3, 4, 0.5
    metrics.commits.record(0.5)
    metrics.ended("mail", 1.0, succeeded=True)
    stats = stats_of(counts_of(ALL), metrics)
    assert (stats.pending, stats.scheduled, stats.retrying, stats.held) == (15, 1, 2, 1)
    assert (stats.processing, stats.completed, stats.dead, stats.cancelled) == (3, 14, 6, 7)
    assert (stats.running, stats.stuck, stats.draining, stats.degraded) == (2, 1, True, "SQLITE_FULL")
    assert (stats.commits.count, stats.commits.total) == (1, 0.5)
    assert (stats.refused_ends, stats.skipped_ticks, stats.loop_lag, stats.throughput) == (3, 4, 0.5, 1.0)


def test_by_type_has_every_type_that_is_registered_or_stored_in_order() -> None:
    by_type = stats_of(counts_of(ALL)).by_type
    assert list(by_type) == ["foreign", "gone", "mail", "report", "unused"]
    assert len(by_type) == 5
    assert by_type["mail"] == TypeStats(5, 1, 2, 1, 3, 4, 6, 7, concurrency=3)
    assert by_type["unused"] == TypeStats(concurrency=1)
    assert by_type["foreign"] == TypeStats(pending=8)
    assert "mail" in by_type
    assert "nothing" not in by_type
    assert by_type.get("nothing") is None
    with pytest.raises(KeyError, match="nothing"):
        by_type["nothing"]


def test_what_was_measured_of_a_type_stands_with_it_and_does_not_change_once_it_was_looked_at() -> None:
    metrics = Metrics()
    for duration in (1.0, 2.0, 3.0):
        metrics.ended("mail", duration, succeeded=duration < 3)
    by_type = stats_of(counts_of(ALL), metrics).by_type
    found = by_type["mail"]
    assert (found.p50, found.p95, found.success_rate) == (2.0, 3.0, 2 / 3)
    metrics.ended("mail", 9.0, succeeded=False)
    assert by_type["mail"] == found
    assert (by_type["report"].p50, by_type["report"].success_rate) == (None, None)
    assert set(metrics.meters) == {"mail"}  # to look makes no meter


def test_to_make_stats_looks_at_no_registered_type() -> None:
    class Untouched(dict[str, TypeCounts]):
        def __getitem__(self, job_type: str) -> TypeCounts:
            raise AssertionError(f"looked at {job_type}")

    limits = {f"type {number}": None for number in range(1000)}
    counts = Counts(TypeCounts(pending=1000), Untouched.fromkeys(limits, TypeCounts(pending=1)), {})
    assert stats_of(counts, limits=limits).pending == 1000


def test_unclaimed_are_the_pending_jobs_of_types_that_are_not_registered() -> None:
    assert stats_of(counts_of(ALL)).unclaimed == unclaimed(counts_of(ALL), LIMITS) == {"foreign": 8}
    assert unclaimed(counts_of({"gone": GONE}), {}) == {}


@pytest.mark.parametrize(
    ("due", "age"),
    [
        ({}, 0.0),
        ({"mail": NOW - 3 * SECOND, "report": NOW - 5 * SECOND}, 5.0),
        ({"mail": NOW - 3 * SECOND, "foreign": NOW - 5 * SECOND}, 3.0),
        ({"mail": NOW + 3 * SECOND}, 0.0),
        ({"foreign": NOW - 5 * SECOND}, 0.0),
    ],
)
def test_the_age_is_that_of_the_job_that_has_waited_longest_of_the_registered_types(
    due: dict[str, int], age: float
) -> None:
    assert stats_of(counts_of(ALL, due)).oldest_due_age == age


def test_stats_are_equal_by_their_values_and_print_them() -> None:
    counts = counts_of(ALL)
    assert stats_of(counts).by_type == stats_of(counts_of(dict(ALL))).by_type == dict(stats_of(counts).by_type)
    assert stats_of(counts).by_type != stats_of(counts_of({**ALL, "mail": GONE})).by_type
    assert repr(stats_of(counts).by_type) == repr(dict(stats_of(counts).by_type))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda stats: pickle.loads(pickle.dumps(stats))])
def test_a_copy_of_stats_says_the_same(again: Any) -> None:
    counts = counts_of(ALL)
    assert again(stats_of(counts)).by_type == stats_of(counts).by_type
    assert type(dataclasses.asdict(stats_of(counts))["by_type"]) is dict


def test_stats_may_be_the_answer_of_a_web_application() -> None:
    adapter = TypeAdapter(RunnerStats)
    stats = stats_of(counts_of(ALL))
    found = json.loads(adapter.dump_json(adapter.validate_python(stats)))
    assert found["by_type"]["mail"] == dataclasses.asdict(stats.by_type["mail"])
    assert found["pending"] == 15
    schema = adapter.json_schema(mode="serialization")
    assert schema["properties"]["by_type"]["additionalProperties"] == {"$ref": "#/$defs/TypeStats"}


@pytest.mark.parametrize("kind", [TypeStats, RunnerStats])
def test_stats_cannot_be_changed_and_document_every_field(kind: type[TypeStats] | type[RunnerStats]) -> None:
    document = inspect.getdoc(kind)
    assert document is not None
    for field in dataclasses.fields(kind):
        assert f"\n    {field.name}: " in document
    with pytest.raises(dataclasses.FrozenInstanceError):
        TypeStats().pending = 1  # type: ignore[misc]  # that it is frozen is what is tested
