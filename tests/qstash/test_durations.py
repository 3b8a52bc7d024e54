"""Durations of QStash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import InvalidOption
from aiojobs_lite.qstash.durations import whole_seconds


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("50s", 50),
        ("1d10h30m", 124_200),
        ("1h30m3s", 5403),
        ("0", 0),
        ("90", 90),
        ("7d", 604_800),
        ("36600d", 36_600 * 86_400),
    ],
)
def test_a_duration_is_whole_seconds(written: str, expected: int) -> None:
    assert whole_seconds(written, "Upstash-Delay") == expected


@pytest.mark.parametrize(
    "written", ["", "s", "1.5h", "1h 30m", " 5s", "5ms", "1w", "-5", "٣", "5S", "36601d", "9" * 13]
)
def test_what_is_no_duration_is_refused_by_the_name_of_its_header(written: str) -> None:
    expected = "whole numbers with the units d, h, m or s and no blanks, such as 50s or 1d10h30m, at most a century"
    with pytest.raises(InvalidOption, match=expected) as refused:
        whole_seconds(written, "Upstash-Delay")
    assert refused.value.option == "Upstash-Delay"


@given(st.integers(0, 300), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_the_parts_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = whole_seconds(f"{days}d{hours}h{minutes}m{seconds}s", "Upstash-Delay")
    assert total == days * 86400 + hours * 3600 + minutes * 60 + seconds
    assert whole_seconds(str(total), "Upstash-Delay") == total


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_is_refused(text: str) -> None:
    try:
        found = whole_seconds(text, "Upstash-Delay")
    except InvalidOption:
        return
    assert found >= 0
