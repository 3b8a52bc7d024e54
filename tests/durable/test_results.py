"""What functions return that are called as steps: where the annotation is found, and what is stored without one."""

from __future__ import annotations

import functools
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
