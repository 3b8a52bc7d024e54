"""Durations and instants of SDKs."""

from __future__ import annotations

import pytest

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.inngest.durations import LONGEST_SLEEP_S, date, instant_of, micros

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30_000_000), ("1m30s", 90_000_000), ("2d", 172_800_000_000), ("1w", 604_800_000_000),
        ("1.5h", 5_400_000_000), ("250ms", 250_000), ("3us", 3), ("3µs", 3), ("3μs", 3), ("2000ns", 2), ("1ns", 0),
        ("0", 0), ("0s", 0), ("+1s", 1_000_000), (" 1s ", 1_000_000), (".5s", 500_000), ("1.s", 1_000_000),
        ("1h2m3s4ms5us", 3_723_004_005), ("366d", 366 * 86_400_000_000),
    ],
)  # fmt: skip
def test_durations_are_those_of_go_with_days_and_weeks(text: str, expected: int) -> None:
    assert micros(text, "period") == expected


@pytest.mark.parametrize("text", ["", "1", "s", "-1s", "1 s", "1S", "1y", "1s ago", "٣s", None, 7, True, "+", "1.2.3s"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(InvalidOption, match=r"period=.*: expected a duration such as 30s, 1h30m or 2d\."):
        micros(text, "period")


@pytest.mark.parametrize("text", ["367d", "999999999999999w"])
def test_what_is_longer_than_a_year_is_refused(text: str) -> None:
    expected = "a duration such as 30s, 1h30m or 2d, at most 366 days"
    with pytest.raises(InvalidOption, match=expected):
        micros(text, "timeout")
    with pytest.raises(InvalidOption, match=expected):
        instant_of(text, "timeout", NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:01Z", 1), ("2026-01-01T00:00:01.000Z", 1), ("2026-01-01T02:00:01+02:00", 1),
        ("2026-01-01T00:00:01", 1), ("2026-01-02", 86_400), ("2025-12-31T23:00:00Z", 0), ("1s", 1),
    ],
)  # fmt: skip
def test_an_instant_is_a_duration_or_a_date_and_now_at_the_earliest(text: str, expected: int) -> None:
    assert instant_of(text, "duration", NOW) == NOW + expected * 1_000_000


@pytest.mark.parametrize("text", ["2027-01-03T00:00:00Z", "9999-12-31T23:59:59-23:00"])
def test_a_date_lies_at_most_a_year_ahead(text: str) -> None:
    with pytest.raises(InvalidOption, match="or a date, at most 366 days ahead"):
        instant_of(text, "duration", NOW)
    assert instant_of("2027-01-02T00:00:00Z", "duration", NOW) == NOW + LONGEST_SLEEP_S * 1_000_000


@pytest.mark.parametrize("text", ["", "1s", "2026-13-01", "2026", None, 7, "Thu, 01 Jan 2026 00:00:00 GMT"])
def test_what_is_no_date_is_none(text: object) -> None:
    assert date(text) is None
