"""What functions return that are called as steps: where the annotation is found, and what is stored without one."""

from __future__ import annotations

import functools
import gc
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from aiojobs_lite.durable.results import StepResults
from aiojobs_lite.errors import InvalidOption

DAY = date(2026, 3, 1)


def plain(_: int) -> date:
    return DAY


class Calendar:
    def day(self) -> date:
        return DAY

    def __call__(self) -> date:
        return DAY


@pytest.mark.parametrize("function", [plain, functools.partial(plain, 1), Calendar().day, Calendar()])
def test_the_annotation_of_what_is_called_counts(function: Callable[..., Any]) -> None:
    result = StepResults().of(function)
    assert result.load(result.dump(DAY)) == DAY


@pytest.mark.parametrize("annotation", [Any, int | str | bool | None, "own"])
@pytest.mark.parametrize(
    "value", [0, -5, 2**70, True, False, None, "", "x", '"\\\n\x00\x7f', "\u00e9\u2028", "null", "NaN", "**********"]
)
def test_the_short_way_gives_the_same_json_value_as_any(annotation: Any, value: object) -> None:
    def returns() -> None: ...

    returns.__annotations__["return"] = type(value) if annotation == "own" and value is not None else annotation
    if annotation == "own" and value is None:
        returns.__annotations__["return"] = None
    result = StepResults().of(returns)
    stored = result.dump(value)
    assert type(value) in result.plain
    assert (json.loads(stored), type(json.loads(stored))) == (value, type(value))
    assert (result.load(stored), type(result.load(stored))) == (value, type(value))


@pytest.mark.parametrize(("value", "problem"), [("\ud800", "surrogates"), ("x" * 300_000, "bytes"), ("1", "fit")])
def test_the_short_way_refuses_what_else_is_refused(value: object, problem: str) -> None:
    def returns() -> str:
        return ""

    def number() -> int:
        return 1

    with pytest.raises(ValueError, match=problem):
        StepResults().of(number if value == "1" else returns).dump(value)


def test_what_an_annotation_changes_does_not_go_the_short_way() -> None:
    def number() -> float:
        return 1

    class Own(int):
        """No plain number."""

    assert StepResults().of(number).plain == frozenset()
    assert StepResults().of(plain).plain == frozenset()
    assert type(Own(1)) not in StepResults().of(lambda: None).plain


def test_what_is_known_of_a_function_goes_with_it() -> None:
    results = StepResults()
    functions = [lambda: None for _ in range(9)]
    for function in functions:
        results.of(function)
    assert len(results.known) == 9
    del function, functions
    gc.collect()
    assert results.known == {}


def test_without_an_annotation_it_is_any_json() -> None:
    result = StepResults().of(lambda: None)
    assert result.load(result.dump({"a": [1, None]})) == {"a": [1, None]}


def test_one_function_is_looked_at_once() -> None:
    results = StepResults()
    assert results.of(Calendar().day) is results.of(Calendar().day)
    assert results.of(plain) is not results.of(Calendar().day)


def test_what_json_cannot_hold_is_refused() -> None:
    def opened() -> Callable[[], int]:
        return lambda: 1

    with pytest.raises(InvalidOption, match="JSON") as error:
        StepResults().of(opened)
    assert "expected a function whose result JSON can hold; its result has a type that cannot be stored" in str(
        error.value
    )
    assert not any(words in str(error.value) for words in ("job type", "keep_result"))
