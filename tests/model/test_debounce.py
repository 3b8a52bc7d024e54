"""The value of `debounce=`: what it refuses, and how it shows itself."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.flow import Debounce


def test_periods_are_seconds_and_a_key_is_optional() -> None:
    plain = Debounce("5s")
    assert (plain.period, plain.max_wait, plain.key) == (5, None, ())
    keyed = Debounce(5, max_wait="1m", key=("a", "b.c"))
    assert (keyed.period, keyed.max_wait, keyed.key) == (5, 60, ("a", "b.c"))
    assert Debounce(5, key=["a", "b.c"]).key == keyed.key
    assert repr(plain) == "Debounce('5s')"
    assert repr(keyed) == "Debounce('5s', max_wait='1m', key=('a', 'b.c'))"


@pytest.mark.parametrize(
    ("arguments", "options", "option"),
    [
        ((0,), {}, "period"),
        (("soon",), {}, "period"),
        ((None,), {}, "period"),
        (("5s",), {"max_wait": "x"}, "max_wait"),
        (("5s",), {"max_wait": 4.9}, "max_wait"),
        (("5s",), {"key": ""}, "key"),
        (("5s",), {"key": ()}, "key"),
        (("5s",), {"key": 5}, "key"),
    ],
)
def test_what_cannot_work_is_refused_with_the_option(arguments: Any, options: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Debounce(*arguments, **options)
    assert caught.value.option == option


def test_a_longest_wait_below_the_period_is_refused() -> None:
    with pytest.raises(InvalidOption, match="max_wait='1s': expected at least the period, 5s"):
        Debounce("5s", max_wait="1s")
