"""The two headers of flow control."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import InvalidOption
from aiojobs_lite.qstash.flow_control import FlowControl, flow_control

PARTS = ("parallelism=2", "rate=5", "period=60s")


@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)), ids="|".join)
@pytest.mark.parametrize("between", [",", ", ", " , "])
def test_the_order_and_blanks_count_for_nothing(order: tuple[str, ...], between: str) -> None:
    assert flow_control("k", f" {between.join(order)} ".replace("=", " = ")) == FlowControl("k", 2, 5, 60)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", FlowControl("a b/ü")),
        ("rate=1", FlowControl("a b/ü", rate=1)),
        ("parallelism=3", FlowControl("a b/ü", parallelism=3)),
        ("period=1d", FlowControl("a b/ü", period_s=86400)),
        ("period=7d", FlowControl("a b/ü", period_s=604_800)),
    ],
)
def test_any_of_the_three_may_be_absent_and_a_key_is_free_text(value: str, expected: FlowControl) -> None:
    assert flow_control("a b/ü", value) == expected


@pytest.mark.parametrize(
    "value",
    ["rate=0", "rate=-1", "rate=1.5", "rate=", "rate", "rate=1,rate=1", "rate=1,", "speed=1", "period=0", "period=8d",
     "parallelism=٣", "rate=" + "9" * 10],
)  # fmt: skip
def test_a_value_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        flow_control("k", value)
    assert refused.value.option == "Upstash-Flow-Control-Value"
    assert refused.value.expected == (
        "parallelism=, rate= (integers from 1) or period= (at most a week), each once, such as rate=5, period=60s"
    )


def test_a_period_that_is_no_duration_and_an_empty_key_are_refused() -> None:
    with pytest.raises(InvalidOption, match="whole numbers with the units"):
        flow_control("k", "period=soon")
    with pytest.raises(InvalidOption, match="a key, such as the name of a customer"):
        flow_control(" ", "rate=1")


@given(st.integers(1, 10**9 - 1), st.integers(1, 604_800))
def test_what_is_written_is_read(rate: int, period: int) -> None:
    assert flow_control("k", f"rate={rate},period={period}") == FlowControl("k", None, rate, period)
