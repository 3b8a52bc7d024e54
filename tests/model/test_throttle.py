"""The value of `throttle=`: what it refuses, and how it shows itself."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.flow import Throttle


def test_a_period_is_seconds_and_a_key_is_optional() -> None:
    assert (Throttle("1m").period, Throttle("1m").key) == (60, ())
    assert Throttle("1m", key=["a", "b"]).key == Throttle("1m", key=("a", "b")).key == ("a", "b")
    assert repr(Throttle("1m")) == "Throttle('1m')"
    assert repr(Throttle("1m", key="a")) == "Throttle('1m', key=('a'))"


@pytest.mark.parametrize(
    ("arguments", "options", "option"),
    [((0,), {}, "period"), (("x",), {}, "period"), (("1m",), {"key": "a..b"}, "key"), (("1m",), {"key": [7]}, "key")],
)
def test_what_cannot_work_is_refused_with_the_option(arguments: Any, options: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Throttle(*arguments, **options)
    assert caught.value.option == option
