"""How quickly jobs come to an end, by how many are finished."""

from __future__ import annotations

import pytest

from aiojobs_lite.telemetry.service_rate import ServiceRate


def test_without_two_looks_the_rate_is_not_known() -> None:
    rate = ServiceRate()
    assert rate.per_second(0) is None
    assert rate.wait_for(10, 0) == 1.0
    rate.sample(0, 500)
    assert rate.per_second(0.1) is None
    assert rate.wait_for(10, 10) == 1.0  # nothing came to an end


def test_the_rate_is_that_of_the_jobs_that_came_to_an_end() -> None:
    rate = ServiceRate()
    for second in range(5):
        rate.sample(second, 100 + 20 * second)
    assert rate.per_second(4) == pytest.approx(20)
    assert rate.wait_for(50, 4) == pytest.approx(2.5)
    assert rate.wait_for(1, 4) == 0.1
    assert rate.wait_for(1_000_000, 4) == 60.0


def test_pruned_jobs_are_not_taken_for_a_rate_below_zero() -> None:
    rate = ServiceRate()
    for now, kept in enumerate((1000, 1010, 5, 15)):
        rate.sample(now, kept)
    assert rate.per_second(3) == pytest.approx(20 / 3)


def test_what_is_over_a_minute_ago_does_not_count() -> None:
    rate = ServiceRate()
    for second in range(200):
        rate.sample(second, 1000 * min(second, 50))
    assert rate.per_second(199) == pytest.approx(0)
    assert rate.wait_for(5, 199) == 1.0
