"""Functions of the user's: those that nothing awaits are refused where they are declared."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, Jobs
from aiojobs_lite.flow import Batch, Debounce, Throttle, Unique
from aiojobs_lite.limits import Limit, Rate


async def of_payload(payload: Any) -> str:
    return str(payload["user_id"])


class Later:
    """A function that is an object."""

    async def __call__(self, payload: Any) -> str:
        return await of_payload(payload)


async def mail(user_id: int) -> None: ...


async def many(items: list[int]) -> None: ...


KEYS: dict[str, Callable[[Any], object]] = {
    "unique": lambda key: Jobs().job(unique=Unique(key))(mail),
    "debounce": lambda key: Jobs().job(debounce=Debounce("5s", key=key))(mail),
    "throttle": lambda key: Jobs().job(throttle=Throttle("5s", key=key))(mail),
    "batch": lambda key: Jobs().job(batch=Batch(10, max_wait="5s", key=key))(many),
    "limit": lambda key: Jobs().job(limits=[Limit(1, key=key, name="x")])(mail),
    "rate": lambda key: Jobs().job(limits=[Rate(1, per="1m", key=key, name="x")])(mail),
    "unique of one enqueue": lambda key: Jobs().job(mail).using(unique=Unique(key)),
}
AWAITED = [of_payload, Later(), functools.partial(of_payload)]


@pytest.mark.parametrize("function", AWAITED, ids=["function", "object", "partial"])
@pytest.mark.parametrize("declare", KEYS.values(), ids=KEYS)
def test_the_function_of_a_key_is_a_plain_one(declare: Callable[[Any], object], function: Any) -> None:
    expected = "a plain function that returns the key, no `async def`: nothing awaits what it returns."
    with pytest.raises(InvalidOption, match=f"^key=.*: expected {re.escape(expected)}$"):
        declare(function)


@pytest.mark.parametrize("function", AWAITED, ids=["function", "object", "partial"])
def test_the_function_of_a_priority_is_a_plain_one(function: Any) -> None:
    expected = "a plain function that returns 'high' or 'medium' or 'low', no `async def`: nothing awaits what it"
    with pytest.raises(InvalidOption, match=f"^priority=.*: expected {re.escape(expected)} returns"):
        Jobs().job(priority=function)(mail)


@pytest.mark.parametrize("declare", KEYS.values(), ids=KEYS)
def test_a_plain_function_is_taken(declare: Callable[[Any], object]) -> None:
    assert declare(lambda payload: len(payload)) is not None
