"""Durations, as people write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.durations import LONGEST_S, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.text import show_duration

EXPECTED = 'expected seconds, a timedelta, or text such as "30s", "5m", "1h30m", "7d"'


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0, 0.0),
        (30, 30.0),
        (0.25, 0.25),
        (timedelta(minutes=2, milliseconds=5), 120.005),
        ("0s", 0.0),
        ("250ms", 0.25),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("7d", 604_800.0),
        ("2w", 1_209_600.0),
        ("1.5h", 5400.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("  5m  ", 300.0),
        ("120", 120.0),  # as a header has it
        ("0.5", 0.5),
        ("30s30s", 60.0),
        (LONGEST_S, LONGEST_S),
    ],
)
def test_each_way_to_write_a_duration_gives_its_seconds(written: Any, expected: float) -> None:
    found = seconds(written)
    assert found == pytest.approx(expected, abs=1e-9)
    assert type(found) is float


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "30,",
        "5m30",
        "+5",
        "1_000",
        "1e3",
        "s",
        "-5s",
        "5 m",
        "5M",
        "1h 30m",
        ".5s",
        "5.s",
        "1e3s",
        "5min",
        "٣s",
        "nan",
        "5s\nx",
        True,
        False,
        None,
        b"5s",
        [5],
        1j,
    ],
)
def test_what_is_no_duration_is_refused(written: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        seconds(written, "timeout")
    assert str(caught.value) == f"timeout={written!r}: {EXPECTED}."
    assert caught.value.option == "timeout"
    assert caught.value.value is written


@pytest.mark.parametrize(
    "written",
    [-1, -0.001, timedelta(seconds=-1), float("nan"), float("inf"), "1" * 400 + "s", LONGEST_S + 1, "5300w", 10**400],
)
def test_a_duration_out_of_range_is_refused(written: Any) -> None:
    with pytest.raises(InvalidOption, match="from 0s to a century"):
        seconds(written)


def test_an_integer_too_long_to_be_printed_is_refused_like_any_other() -> None:
    with pytest.raises(InvalidOption, match=r"^delay=<int, its repr raised ValueError>: expected seconds"):
        seconds(10**5000, "delay")


def test_the_least_is_allowed_and_named_when_it_is_missed() -> None:
    assert seconds("1ms", "base", least=0.001) == 0.001
    with pytest.raises(InvalidOption) as caught:
        seconds(0, "base", least=0.001)
    assert str(caught.value) == f"base=0: {EXPECTED}, from 1ms to a century."


def test_the_option_has_a_name_even_if_none_was_given() -> None:
    with pytest.raises(InvalidOption) as caught:
        seconds("soon")
    assert caught.value.option == "duration"


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_000)))
def test_text_and_timedelta_mean_the_same(duration: timedelta) -> None:
    text = f"{duration.days}d{duration.seconds}s{duration.microseconds / 1000:.3f}ms"
    assert seconds(text) == pytest.approx(seconds(duration), abs=1e-6)


@given(st.text(max_size=20) | st.floats() | st.integers() | st.none() | st.timedeltas())
def test_anything_is_either_a_usable_number_or_refused(written: Any) -> None:
    try:
        found = seconds(written)
    except InvalidOption:
        return
    assert 0.0 <= found <= LONGEST_S


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0s"), (1, "1s"), (1.5, "1.5s"), (0.25, "250ms"), (0.001, "1ms"), (0.0005, "0.5ms"), (59.999, "59.999s"),
        (60, "1m"), (90, "1m30s"), (300, "5m"), (3600, "1h"), (5400, "1h30m"), (3601, "1h1s"), (86_400, "1d"),
        (604_800, "7d"), (90_061.25, "1d1h1m1.25s"), (LONGEST_S, "36600d"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_as_it_can_be_written(duration: float, text: str) -> None:
    assert show_duration(duration) == text
    assert seconds(text) == duration


@given(st.floats(min_value=0, max_value=LONGEST_S))
def test_what_is_shown_is_the_duration_to_the_microsecond(duration: float) -> None:
    assert seconds(show_duration(duration)) == pytest.approx(duration, abs=1e-6)
