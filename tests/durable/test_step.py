"""The options of a step, and the names of operations."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import Backoff, InvalidOption
from aiojobs_lite.durable.step import LONGEST_STEP_NAME_CHARS, check_name, repeated
from aiojobs_lite.steps import Step


def test_a_step_has_its_options_in_their_units() -> None:
    step = Step("fetch", max_attempts=3, backoff=Backoff(base="2s"), timeout="1m")
    assert (step.name, step.max_attempts, step.timeout) == ("fetch", 3, 60.0)
    assert repr(step) == f"Step('fetch', max_attempts=3, backoff={step.backoff!r}, timeout='1m')"
    assert repr(Step("fetch")) == "Step('fetch')"


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_attempts", 0), ("max_attempts", "3"), ("backoff", "2s"), ("timeout", 0), ("timeout", "soon")],
)
def test_an_option_that_cannot_work_is_refused(option: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=rf"^{option}="):
        Step("fetch", **{option: value})


@pytest.mark.parametrize("name", ["", 7, None, "a#2", "x" * (LONGEST_STEP_NAME_CHARS + 1)])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidOption, match=r"^name="):
        check_name(name)


def test_a_name_has_no_mark_of_its_own() -> None:
    with pytest.raises(InvalidOption, match=r"expected text without '#', which counts names that repeat\.$"):
        check_name("a#2")


def test_a_name_that_repeats_is_counted_from_the_second_use() -> None:
    assert [repeated("fetch", use) for use in (1, 2, 3)] == ["fetch", "fetch#2", "fetch#3"]
    assert check_name("x" * LONGEST_STEP_NAME_CHARS)
