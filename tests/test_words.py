"""Words of other libraries among the arguments of value objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from aiojobs_lite import Backoff, InvalidOption
from aiojobs_lite.events import On
from aiojobs_lite.flow import Batch, Debounce, Throttle, Unique
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.steps import Step
from aiojobs_lite.words import (
    WORDS_OF_BACKOFFS,
    WORDS_OF_BATCHES,
    WORDS_OF_CANCELS,
    WORDS_OF_DEBOUNCES,
    WORDS_OF_LIMITS,
    WORDS_OF_RATES,
    WORDS_OF_STEPS,
    WORDS_OF_THROTTLES,
    WORDS_OF_UNIQUE,
)

WORDS: dict[Any, Mapping[str, str]] = {
    Backoff: WORDS_OF_BACKOFFS,
    Batch: WORDS_OF_BATCHES,
    Debounce: WORDS_OF_DEBOUNCES,
    Limit: WORDS_OF_LIMITS,
    On: WORDS_OF_CANCELS,
    Rate: WORDS_OF_RATES,
    Step: WORDS_OF_STEPS,
    Throttle: WORDS_OF_THROTTLES,
    Unique: WORDS_OF_UNIQUE,
}
CALLS: list[tuple[Any, str, str]] = [
    (
        lambda given: Step("fetch", **given),
        "retries",
        "Step(name, max_attempts=...), which counts the first attempt too.",
    ),
    (lambda given: Step("fetch", **given), "max_attempt", "the option max_attempts."),
    (lambda given: Backoff(**given), "factor", "nothing: each wait is twice the one before."),
    (lambda given: Unique("user_id", **given), "period", 'Unique(..., scope="1h").'),
    (lambda given: Unique(**given), "key", 'Unique("user_id"), the fields first.'),
    (lambda given: Limit(2, key="a", **given), "scope", "nothing: it holds over all runners of the database."),
    (lambda given: Rate(2, key="a", **given), "period", "Rate(most, per=...)."),
    (lambda given: Debounce("5s", **given), "timeout", "Debounce(period, max_wait=...)."),
    (
        lambda given: Throttle("5s", **given),
        "limit",
        'one job in each period; for more @job(limits=[Rate(100, per="1m")]).',
    ),
    (lambda given: Batch(9, **given), "timeout", "Batch(size, max_wait=...)."),
    (lambda given: On("user/left", **given), "if_", 'On(event, match="user_id").'),
    (lambda given: On("user/left", **given), "zzz", "one of event, match."),
]


@pytest.mark.parametrize(("make", "word", "ours"), CALLS)
def test_a_word_by_habit_is_answered_with_ours(make: Callable[[dict[str, Any]], object], word: str, ours: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        make({word: 3})
    assert str(caught.value) == f"{word}=3: expected {ours}"


@pytest.mark.parametrize("kind", WORDS)
def test_no_word_is_that_of_an_argument_and_each_answer_names_its_class_or_says_why_not(kind: Any) -> None:
    arguments = inspect.signature(kind).parameters.values()
    named = {one.name for one in arguments if one.kind is not one.VAR_POSITIONAL}
    assert WORDS[kind].keys().isdisjoint(named)
    for ours in set(WORDS[kind].values()):
        assert any(f"{one.__name__}(" in ours for one in WORDS) or ours.startswith("nothing: ")


def test_what_lacks_or_is_too_much_is_said_by_python() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Step()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'key'"):
        Limit(2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional arguments"):
        On("a", "b")  # type: ignore[call-arg]
