"""What one runner measures of its own work."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.model.buckets import Durations
from aiojobs_lite.telemetry import meters
from aiojobs_lite.telemetry.meters import CommitMeter, Meter, Metrics


class StandingClock:
    def __init__(self, now: float) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    clock = StandingClock(1000.0)
    monkeypatch.setattr(meters, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def meter_of(*durations: float) -> Meter:
    meter = Meter()
    for duration in durations:
        meter.record(duration, succeeded=True)
    return meter


def test_without_attempts_there_are_no_figures() -> None:
    assert Meter().percentile(0.5) is None
    assert Meter().success_rate() is None


@pytest.mark.parametrize(
    ("durations", "share", "expected"),
    [
        ([3.0], 0.5, 3.0),
        ([3.0], 0.95, 3.0),
        ([2.0, 1.0], 0.5, 1.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        (list(range(1, 101)), 0.5, 50),
        (list(range(1, 101)), 0.95, 95),
        (list(range(1, 21)), 0.95, 19),
        (list(range(1, 20)), 0.95, 19),
        ([1.0, 2.0], 1.0, 2.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_the_least_duration_that_the_share_did_not_exceed(
    durations: list[float], share: float, expected: float
) -> None:
    assert meter_of(*durations).percentile(share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=600), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_one_of_the_last_512_durations_and_lies_where_it_should(
    durations: list[float], share: float
) -> None:
    found = meter_of(*durations).percentile(share)
    latest = durations[-512:]
    assert found in latest
    assert sum(duration <= found for duration in latest) >= share * len(latest)
    assert sum(duration < found for duration in latest) < math.ceil(share * len(latest))


def test_the_success_rate_is_the_share_that_succeeded() -> None:
    meter = Meter()
    for succeeded in (True, False, True, True):
        meter.record(1.0, succeeded=succeeded)
    assert meter.success_rate() == 0.75


def test_a_meter_looks_back_on_512_attempts() -> None:
    meter = Meter()
    for _ in range(100):
        meter.record(9.0, succeeded=False)
    for _ in range(511):
        meter.record(1.0, succeeded=True)
    assert meter.success_rate() == 511 / 512
    assert meter.percentile(1.0) == 9.0
    meter.record(1.0, succeeded=True)
    assert meter.success_rate() == 1.0
    assert meter.percentile(1.0) == 1.0


def test_metrics_keep_the_types_apart() -> None:
    metrics = Metrics()
    metrics.ended("a", 1.0, succeeded=True)
    metrics.ended("a", 3.0, succeeded=True)
    metrics.ended("b", 2.0, succeeded=False)
    assert set(metrics.meters) == {"a", "b"}
    assert metrics.meters["a"].percentile(1.0) == 3.0
    assert metrics.meters["a"].success_rate() == 1.0
    assert metrics.meters["b"].success_rate() == 0.0


def test_metrics_of_two_runners_share_nothing() -> None:
    Metrics().ended("a", 1.0, succeeded=True)
    fresh = Metrics()
    assert fresh.meters == {}
    assert (fresh.refused_ends, fresh.skipped_ticks, fresh.loop_lag, fresh.throughput()) == (0, 0, 0.0, 0.0)


def test_the_throughput_of_a_young_runner_is_that_since_its_start(clock: StandingClock) -> None:
    metrics = Metrics()
    assert metrics.throughput() == 0.0
    for _ in range(30):
        metrics.ended("a", 0.1, succeeded=True)
    assert metrics.throughput() == 30.0  # over one second, not over none
    clock.now += 10
    assert metrics.throughput() == 3.0


def test_the_throughput_is_that_of_the_last_minute(clock: StandingClock) -> None:
    metrics = Metrics()
    for _ in range(300):  # five minutes, two a second
        metrics.ended("a", 0.1, succeeded=True)
        clock.now += 0.5
        metrics.ended("b", 0.1, succeeded=False)
        clock.now += 0.5
    assert metrics.throughput() == pytest.approx(2.0, abs=0.05)
    clock.now += 30
    assert metrics.throughput() == pytest.approx(1.0, abs=0.05)
    clock.now += 31
    assert metrics.throughput() == 0.0


def test_a_burst_in_one_second_is_forgotten_as_a_whole(clock: StandingClock) -> None:
    metrics = Metrics()
    clock.now += 100
    for _ in range(600):
        metrics.ended("a", 0.1, succeeded=True)
    clock.now += 59
    assert metrics.throughput() == 10.0
    clock.now += 1
    assert metrics.throughput() == 0.0


def test_what_the_throughput_remembers_is_bounded(clock: StandingClock) -> None:
    metrics = Metrics()
    for _ in range(1000):
        metrics.ended("a", 0.1, succeeded=True)
        clock.now += 1
    assert len(metrics._per_second) == 61  # noqa: SLF001  # nothing else shows what is kept


def test_commits_are_counted_in_buckets_and_summed() -> None:
    meter = CommitMeter()
    assert meter.durations() == Durations()
    for duration in (0.0001, 0.0002, 0.25):
        meter.record(duration)
    found = meter.durations()
    assert (found.count, round(found.total, 6)) == (3, 0.2503)
    assert (found.buckets[0.001], found.buckets[0.256]) == (2, 3)
    assert 0.22 < (found.percentile(1.0) or 0) < 0.28
