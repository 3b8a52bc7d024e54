"""Handlers under other decorators: what is called must take what the function inside shows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import validate_call

from aiojobs_lite import JobContext, JobRunner
from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.job_type import JobType


async def add(first: int, second: int = 2, *, third: int = 3) -> int:
    return first + second + third


async def add_number(first: int, /, second: int = 2, *, ctx: JobContext = injected) -> int:
    return ctx.attempt + first + second


async def send(number: int, mailer: Exception = injected) -> int:
    return number + len(mailer.args)


class Adder:
    async def __call__(self, first: int, second: int = 2) -> int:
        return first + second


def through(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await handler(*args, **kwargs)

    return wrapper


def by_name(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(**kwargs: Any) -> Any:
        return await handler(**kwargs)

    return wrapper


def with_context(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(*args: Any, ctx: JobContext, **kwargs: Any) -> Any:
        return await handler(*args, ctx=ctx, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("handler", "args", "result"),
    [
        (through(add), (1,), 6),
        (through(through(add)), (1, 5), 9),
        (by_name(add), (1, 5), 9),
        (validate_call(add), (1,), 6),
        (functools.partial(through(add), 1), (), 6),
        (functools.partial(through(add), second=7), (1,), 11),
        (functools.partial(Adder(), 1), (), 3),
        (with_context(add_number), (1,), 4),
        (through(with_context(add_number)), (1, 5), 7),
        (through(send), (1,), 2),
    ],
)
async def test_a_decorator_that_passes_on_what_it_is_given_changes_nothing(
    handler: Callable[..., Any], args: tuple[int, ...], result: int
) -> None:
    runner = JobRunner(":memory:", deps={Exception: Exception("one")})
    job_type = runner.job(name="t", max_attempts=1)(handler)
    async with runner:
        handle = await runner.enqueue(job_type, *args)
        await runner.run_until_idle()
        assert await handle.result() == result


def one_more(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(request: str, *args: Any, **kwargs: Any) -> Any:
        return await handler(*args, **kwargs)

    return wrapper


def by_position(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(*args: Any) -> Any:
        return await handler(*args)

    return wrapper


def none(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper() -> Any:
        return await handler(1)

    return wrapper


def some(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    async def wrapper(first: int, second: int) -> Any:
        return await handler(first, second)

    return wrapper


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (one_more(add), "missing a required argument: 'request'"),
        (by_position(add), "got an unexpected keyword argument 'first'"),
        (none(add), "got an unexpected keyword argument 'first'"),
        (some(add), "got an unexpected keyword argument 'third'"),
        (by_name(add_number), "too many positional arguments"),
        (functools.partial(one_more(add), first=1), "missing a required argument: 'request'"),
    ],
)
def test_a_decorator_that_takes_other_arguments_than_it_shows_is_refused(handler: Callable[..., Any], why: str) -> None:
    with pytest.raises(InvalidJobType) as caught:
        JobType(handler, name="t")
    assert str(caught.value) == (
        f"job type 't': a decorator's function does not take the arguments that it shows ({why}). Let it take *args "
        "and **kwargs, or show its own parameters: leave out functools.wraps"
    )
