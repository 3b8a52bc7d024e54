"""Instants and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.inngest.expressions.moments import (
    duration_of_text,
    instant_of_number,
    instant_of_seconds,
    instant_of_text,
    text_of_duration,
    text_of_instant,
)
from tests.helpers.hostile_text import any_text


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", at(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02t03:04:05z", at(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02T03:04:05.5+01:30", at(2026, 1, 2, 1, 34, 5, 500_000)),
        ("2026-01-02T03:04:05.123456789Z", at(2026, 1, 2, 3, 4, 5, 123_456)),
        ("2026-01-02T03:04:05", at(2026, 1, 2, 3, 4, 5)),
        ("2026-01-02 03:04:05.25 -0700", at(2026, 1, 2, 10, 4, 5, 250_000)),
        ("2026-01-02", at(2026, 1, 2)),
        ("Fri, 02 Jan 2026 03:04:05 GMT", at(2026, 1, 2, 3, 4, 5)),
        ("Fri, 02 Jan 2026 03:04:05 +0100", at(2026, 1, 2, 2, 4, 5)),
        ("02 Jan 26 03:04 EST", at(2026, 1, 2, 8, 4)),
        ("Fri Jan  2 03:04:05 2026", at(2026, 1, 2, 3, 4, 5)),
        ("2026-02-30", None),
        ("2026-01-02T24:04:05Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-1-2", None),
        ("٢٠٢٦-01-02", None),
        ("tomorrow", None),
        ("", None),
        ("2026-01-02" + " " * 1_000, None),
    ],
)
def test_a_date_is_an_instant(text: str, expected: datetime | None) -> None:
    assert instant_of_text(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (946_684_799, None),
        (946_684_800, at(2000, 1, 1)),
        (1_767_323_045, at(2026, 1, 2, 3, 4, 5)),
        (1_767_323_045.0, at(2026, 1, 2, 3, 4, 5)),
        (9_999_999_999, at(2286, 11, 20, 17, 46, 39)),
        (10_000_000_000, at(1970, 4, 26, 17, 46, 40)),
        (1_767_323_045_678, at(2026, 1, 2, 3, 4, 5, 678_000)),
        (1_767_323_045_678_901_234, at(2026, 1, 2, 3, 4, 5, 678_901)),
        (10**19, None),
        (-1, None),
    ],
)
def test_a_number_is_an_instant_by_its_size(number: float, expected: datetime | None) -> None:
    assert instant_of_number(number) == expected


def test_seconds_are_those_since_1970() -> None:
    assert instant_of_seconds(-1) == at(1969, 12, 31, 23, 59, 59)
    assert instant_of_seconds(10**30) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6h35m10s", timedelta(hours=6, minutes=35, seconds=10)),
        ("1.5h", timedelta(minutes=90)),
        (".5s", timedelta(milliseconds=500)),
        ("1.s", timedelta(seconds=1)),
        ("-1m30s", timedelta(seconds=-90)),
        ("+1m", timedelta(minutes=1)),
        ("250ms", timedelta(milliseconds=250)),
        ("1us1µs1μs", timedelta(microseconds=3)),
        ("1500ns", timedelta(microseconds=1)),
        ("2d1w", timedelta(days=9)),
        ("0", timedelta()),
        ("86399999999999.999999s", timedelta.max),
        ("99999999999999999w", None),
        ("999999999999999w", None),
        ("1", None),
        ("1y", None),
        ("1 h", None),
        ("h", None),
        ("", None),
        ("1s" * 1_000, None),
    ],
)
def test_a_duration_is_as_long_as_it_says(text: str, expected: timedelta | None) -> None:
    assert duration_of_text(text) == expected


def test_a_moment_is_shown_as_short_as_it_is() -> None:
    shown = [text_of_duration(timedelta(microseconds=micros)) for micros in (0, 1, -1_500_000, 60_000_000)]
    assert shown == ["0s", "0.000001s", "-1.5s", "60s"]
    assert text_of_instant(at(2026, 1, 2)) == "2026-01-02T00:00:00Z"
    assert text_of_instant(at(26, 1, 2, 3, 4, 5, 600)) == "0026-01-02T03:04:05.000600Z"


@given(st.datetimes(timezones=st.just(UTC)), st.timedeltas())
def test_what_is_shown_is_read_as_the_same(instant: datetime, duration: timedelta) -> None:
    assert instant_of_text(text_of_instant(instant)) == instant
    assert duration_of_text(text_of_duration(duration)) == duration


@given(any_text() | st.text("0123456789:-+TZ. hmsdwuJanFri,", max_size=30))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    found: Any = instant_of_text(text)
    assert found is None or found.tzinfo is UTC
    assert isinstance(duration_of_text(text), timedelta | None)
