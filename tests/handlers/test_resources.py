"""What each kind of value in `deps=` means."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager, nullcontext
from typing import Annotated, Any, NewType, Protocol
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from aiojobs_lite import JobRunner, PerAttempt
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.resources import enter, enter_in_thread, is_asynchronous, is_entered, recipe_of


class Pool:
    def __init__(self, size: int = 1) -> None:
        self.size = size


class Calls(Pool):
    def __call__(self) -> None: ...


class Maker:
    def __call__(self) -> Pool:
        return Pool(7)


class Entered:
    async def __aenter__(self) -> Pool:
        return Pool(2)

    async def __aexit__(self, *error: object) -> None: ...


class Sends(Protocol):
    def send(self) -> None: ...


Small = NewType("Small", Pool)


def plain() -> Pool:
    return Pool(3)


async def waiting() -> Pool:
    return Pool(4)


@asynccontextmanager
async def managed() -> AsyncIterator[Pool]:
    yield Pool(5)


@contextmanager
def managed_plainly() -> Iterator[Pool]:
    yield Pool(6)


async def yields() -> AsyncIterator[Pool]:
    yield Pool(8)


def yields_plainly() -> Iterator[Pool]:
    yield Pool(9)


async def made(key: Any, value: Any) -> Any:
    """What handlers get."""
    recipe = recipe_of(key, value)
    if recipe.factory is None:
        return recipe.value
    async with AsyncExitStack() as stack:
        return await enter(stack, key, recipe.factory)


POOL = Pool()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (Pool, POOL),
        (Pool, Calls()),  # it can be called, and is a pool
        (Pool | None, POOL),
        (Annotated[Pool, "read"], Calls()),
        (Small, Calls()),
        (Sends, object()),
        ("name", POOL),
        (dict[str, int], {"a": 1}),
        (Callable[[], Pool], plain),
        (type[Pool], Pool),
        (Pool, Mock()),
        (Pool, MagicMock()),
        (Pool, AsyncMock()),
        (int, None),
        (threading.Lock, threading.Lock()),
        (Sends, asyncio.Lock()),
    ],
)
async def test_a_value_is_given_as_it_is(key: Any, value: Any) -> None:
    assert await made(key, value) is value


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (Pool, 1),
        (functools.partial(Pool, 12), 12),
        (lambda: Pool(13), 13),
        (plain, 3),
        (waiting, 4),
        (managed, 5),
        (managed(), 5),
        (managed_plainly, 6),
        (yields, 8),
        (yields_plainly, 9),
        (Entered, 2),
        (Entered(), 2),
        (Maker().__call__, 7),
        (nullcontext(Pool(14)), 14),
        (PerAttempt(Maker()), 7),
        (PerAttempt(yields), 8),
        (PerAttempt(lambda: waiting()), 4),
    ],
)
async def test_what_can_be_called_or_entered_makes_the_resource(value: Any, size: int) -> None:
    assert (await made(Pool, value)).size == size


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (plain, False),
        (Pool, False),
        (managed_plainly, False),
        (yields_plainly, False),
        (lambda: managed(), False),  # it cannot be seen
        (Maker(), False),
        (waiting, True),
        (managed, True),
        (yields, True),
        (Entered, True),
        (functools.partial(functools.partial(managed)), True),
        (functools.partial(plain), False),
    ],
)
def test_whether_a_factory_is_called_on_the_event_loop(factory: Any, expected: bool) -> None:
    assert is_asynchronous(PerAttempt(factory).factory) is expected


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        (Pool, Maker(), "a Pool, or what makes one; this object can be called and is none"),
        (Pool, Maker(), r"If it makes one, give `lambda: it\(\)`.*`contextlib\.nullcontext\(it\)`"),
        (Sends, Maker(), "this object can be called"),
        (Pool, lambda size: Pool(size), "called without arguments"),
        (Pool, type("Named", (), {"__init__": lambda self, name: None}), "functools.partial"),
    ],
)
def test_what_may_mean_two_things_is_refused_with_the_way_out(key: Any, value: Any, advice: str) -> None:
    with pytest.raises(InvalidOption, match=advice) as caught:
        JobRunner(":memory:", deps={key: value})
    assert (caught.value.option, caught.value.value) == ("deps", value)


@pytest.mark.parametrize("key", ["Pool", b"Pool", 1, None, (Pool,)])
def test_a_key_that_is_no_type_is_refused(key: Any) -> None:
    with pytest.raises(InvalidOption, match=r"expected types as the keys, as the annotations of handlers have them"):
        JobRunner(":memory:", deps={key: POOL})


def nothing() -> None: ...


def yields_nothing() -> Iterator[None]:
    yield


async def waits_for_nothing() -> None: ...


@pytest.mark.parametrize("factory", [nothing, yields_nothing, waits_for_nothing, nullcontext, lambda: nullcontext()])
async def test_a_factory_that_gives_none_is_named(factory: Any) -> None:
    for key in (Pool, Small, Annotated[Pool, "read"], dict[str, Pool], Sends):
        with pytest.raises(
            TypeError, match=r"gives None\. Let it return the resource, or yield it; to have None injected, give deps="
        ):
            await made(key, factory)
        assert await made(key, None) is None
    assert await made(Pool | None, factory) is None
    assert await made(Pool, lambda: Calls) is Calls  # another type stands in for it


def yields_twice() -> Iterator[Pool]:
    yield Pool()
    yield Pool()


def yields_never() -> Iterator[Pool]:
    if POOL.size > 1:
        yield POOL


async def waits_and_yields_twice() -> AsyncIterator[Pool]:
    yield Pool()
    yield Pool()


@pytest.mark.parametrize("factory", [yields_twice, yields_never, waits_and_yields_twice])
async def test_a_generator_that_does_not_yield_once_is_named(factory: Any) -> None:
    with pytest.raises(RuntimeError, match=r"the function for Pool does not yield exactly once: generator didn't"):
        await made(Pool, PerAttempt(factory))
    if factory is not waits_and_yields_twice:
        with pytest.raises(RuntimeError, match="for Pool does not yield exactly once"), ExitStack() as stack:
            enter_in_thread(stack, Pool, PerAttempt(factory).factory)


async def test_a_generator_of_the_handler_is_not_taken_for_one_of_a_resource() -> None:
    async with AsyncExitStack() as stack:
        await enter(stack, Pool, PerAttempt(yields_plainly).factory)
        with pytest.raises(RuntimeError, match=r"^generator didn't stop$"), contextmanager(yields_twice)():
            pass


def test_a_coroutine_is_no_factory() -> None:
    with pytest.raises(InvalidOption, match="the async function for Pool, not a call of it"):
        JobRunner(":memory:", deps={Pool: waiting()})


@pytest.mark.parametrize("factory", [3, lambda size: size, Pool.__init__])
def test_a_factory_of_an_attempt_takes_no_arguments(factory: Any) -> None:
    with pytest.raises(InvalidOption, match="called without arguments"):
        PerAttempt(factory)


NO_FACTORY = (
    "what makes a Connection for each attempt, not a C|without arguments"  # from Python 3.13 on it has a signature
)


def test_what_makes_a_resource_of_each_attempt_is_no_such_resource() -> None:
    connection: Any = sqlite3.connect(":memory:")  # it can be called, to compile a statement
    with closing(connection), pytest.raises(InvalidOption, match=NO_FACTORY):
        JobRunner(":memory:", deps={sqlite3.Connection: PerAttempt(connection)})
    for factory in (Pool, waiting, functools.partial(Pool)):
        assert recipe_of(object, PerAttempt(factory)) == recipe_of(Pool, PerAttempt(factory))


def test_a_lock_and_a_mock_are_not_entered() -> None:
    assert not any(map(is_entered, (threading.Lock(), threading.Condition(), asyncio.Semaphore(), MagicMock(), 3)))
    assert all(map(is_entered, (Entered(), managed(), managed_plainly(), nullcontext())))
    assert repr(PerAttempt(Pool)).startswith("PerAttempt(<class ")
