"""What handlers return, as JSON both ways."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Never, NoReturn
from uuid import UUID

import pytest
from pydantic import SecretStr

from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.result import Result
from tests.helpers.payloads import (
    INFINITY,
    NAN,
    SECRET,
    Aliased,
    Computed,
    Login,
    Opaque,
    Order,
    Point,
    nested,
)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3),
        (Any, {"a": [1, None]}),
        (Order, Order(id=UUID(int=1), lines=[])),
        (Aliased, Aliased(userId=3)),
        (Computed, Computed(width=3)),
        (list[Point], [Point(1.0)]),
        (datetime, datetime(2026, 3, 1, tzinfo=UTC)),
        (float | None, None),
    ],
)
def test_a_result_comes_back_as_it_went(annotation: Any, value: Any) -> None:
    result = Result("t", annotation)
    assert result.load(result.dump(value)) == value


@pytest.mark.parametrize("annotation", [NoReturn, Never, None])
def test_a_handler_that_never_returns_may_say_so(annotation: Any) -> None:
    assert Result("t", annotation).dump(None) == "null"


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (int, SECRET, "this str does not fit the return annotation: int was expected"),
        (int | bool, SECRET, "this str does not fit the return annotation: int or bool was expected"),
        (None, [SECRET], "this list does not fit the return annotation: none was expected"),
        (
            dict[str, int],
            {"a": f"Expected `{SECRET}`", "b": f"\n  PydanticSerializationUnexpectedValue(Expected `{SECRET}`"},
            "this dict does not fit the return annotation: int was expected",
        ),
        (Any, Opaque(), "this Opaque is no JSON: Unable to serialize unknown type: "),
        (Any, f"{SECRET}\ud800", "this str is no JSON: Error serializing to JSON: Unicode"),
        (float, NAN, "value: must be a finite number, JSON has no other"),
        (Any, {"a": [INFINITY]}, "a.0: must be a finite number, JSON has no other"),
        (Any, nested(300), "this list is no JSON: Error serializing to JSON: ValueError: "),
    ],
    ids=[
        "wrong type",
        "wrong types",
        "not none",
        "a type in the text",
        "opaque",
        "surrogate",
        "nan",
        "infinity",
        "deep",
    ],
)
def test_a_result_that_json_cannot_hold_is_refused_without_its_value(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=r"fit|finite|is no JSON") as caught:
        Result("t", annotation).dump(value)
    assert str(caught.value).startswith(problem)
    assert SECRET not in str(caught.value)


def test_a_stored_result_that_no_longer_fits_is_refused_without_its_value() -> None:
    with pytest.raises(ValueError, match="result") as caught:
        Result("t", int).load(f'"{SECRET}"')
    assert str(caught.value) == "result: Input should be a valid integer, unable to parse string as an integer"
    stored = json.dumps({"id": str(UUID(int=1)), "lines": [{"article": "a", "price": SECRET}]})
    with pytest.raises(ValueError, match=r"^lines\.0\.price: ") as caught:
        Result("t", Order).load(stored)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (SecretStr, "its result has a secret type"),
        (Login, r"its result \(password\) has a secret type"),
        (Opaque, "its result has a type that cannot be stored as JSON"),
    ],
)
def test_a_return_type_that_json_cannot_hold_is_refused_with_the_way_out(annotation: Any, problem: str) -> None:
    with pytest.raises(InvalidJobType, match=f"^job type 't': {problem}") as caught:
        Result("t", annotation)
    assert str(caught.value).endswith(", or declare it with keep_result=False")


def test_text_of_very_many_digits_is_no_number() -> None:
    digits = "1" * 5_000
    assert Result("t", Any).load(Result("t", Any).dump(digits)) == digits
