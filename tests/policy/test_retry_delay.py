"""The expression for the wait before a retry: its values, its bounds, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import InvalidOption
from aiojobs_lite.policy.retry_delay import RetryDelay


@pytest.mark.parametrize(
    ("expression", "retried", "seconds"),
    [
        ("15000", 0, 15),
        ("7000 * retried", 2, 14),
        ("1000 * (1 + retried)", 3, 4),
        ("pow(retried, 2) * 1000", 3, 9),
        ("max(1000, pow(2, retried) * 100)", 0, 1),
        ("max(1000, pow(2, retried) * 100)", 5, 3.2),
        ("8000 - 2000 - 1000", 0, 5),
        ("8000 / 2 / 2", 0, 2),
        ("1000 + 2 * 500", 0, 2),
        ("-(-1000) - -1000", 0, 2),
        ("2 * -3 * -1000", 0, 6),
        ("min(9000, 3000, 5000)", 0, 3),
        ("min(4000)", 0, 4),
        ("sqrt(4000000)", 0, 2),
        ("abs(-500)", 0, 0.5),
        ("exp(0) * 1000", 0, 1),
        ("floor(1.9) * 1000", 0, 1),
        ("ceil(1.1) * 1000", 0, 2),
        ("round(2.5) * 1000", 0, 3),
        (".5 * 2000.", 0, 1),
        ("86400001", 0, 86400),
        ("pow(10, 300)", 0, 86400),
        ("(" * 16 + "1000" + ")" * 16, 0, 1),
        ("1+" * 127 + "1", 0, 0.128),
        ("-" * 254 + "1", 0, 0.001),
    ],
)
def test_an_expression_gives_milliseconds_of_at_most_a_day(expression: str, retried: int, seconds: float) -> None:
    assert RetryDelay(expression).seconds(retried) == seconds


@pytest.mark.parametrize(
    "expression",
    ["0 - 1", "-1000", "1 / 0", "1000 / retried", "sqrt(-1)", "pow(10, 400)", "pow(0, -1)", "exp(1000)", "0 * exp(800)",
     "pow(10, 300) * pow(10, 300)", "floor(pow(10, 300) * pow(10, 300))", "pow(pow(9, 99), pow(9, 99))",
     "pow(10,300)*pow(10,300) - pow(10,300)*pow(10,300)",
     "max(1, pow(10,300)*pow(10,300)*0)"],
)  # fmt: skip
def test_a_value_that_nothing_can_wait_for_leaves_the_default(expression: str) -> None:
    assert RetryDelay(expression).seconds(0) is None


@pytest.mark.parametrize(
    "expression",
    ["", " ", "1 +", "* 1", "1 1", "(1", "1)", "()", "pow", "pow(1)", "pow(1, 2, 3)", "sqrt()", "sqrt(1, 2)", "min()",
     "max(1,)", "1, 2", "delay", "retried()", "retries", "2 ** 3", "2 ^ 3", "1e9", "0x10", "__import__('os')", "1 if 1",
     "retried.real", "1_000", "٣", "RETRIED", "1;2", "(" * 17 + "1" + ")" * 17, "1" * 257, " " * 256 + "1", "."],
)  # fmt: skip
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        RetryDelay(expression)
    assert refused.value.option == "expression"
    assert refused.value.expected == (
        "at most 256 characters of numbers, + - * / ( ), retried, and pow, sqrt, abs, exp, floor, ceil, round, min, "
        "max, such as pow(2, retried) * 1000"
    )


_TOKENS = ["1", "2.5", "0", "retried", "+", "-", "*", "/", "(", ")", ",", "pow", "min", "sqrt", "round", "exp", " "]


@given(
    st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_TOKENS), max_size=60).map("".join)), st.integers(0, 99)
)
def test_any_text_is_a_wait_of_a_day_at_most_or_is_refused(text: str, retried: int) -> None:
    try:
        found = RetryDelay(text).seconds(retried)
    except InvalidOption:
        return
    assert found is None or 0 <= found <= 86400


_WHOLE = st.integers(0, 50).map(str)
_SUMS = st.recursive(
    _WHOLE | st.just("retried"),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda three: f"({' '.join(three)})"),
    max_leaves=8,
)


@given(_SUMS, st.integers(0, 9))
def test_sums_and_products_are_those_of_python(expression: str, retried: int) -> None:
    value = float(eval(expression, {"retried": retried}))
    assert RetryDelay(expression).seconds(retried) == (min(value / 1000, 86400.0) if value >= 0 else None)
