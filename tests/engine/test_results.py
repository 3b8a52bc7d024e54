"""What a handler returned: what counts as done, and what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine.results import NOT_KEPT, dump_result, limit_result, refuse_unfinished
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.policy.settle import Ending
from aiojobs_lite.sizes import LONGEST_REASON_CHARS


@job(largest_result=10)
async def kept() -> Any: ...


@job(keep_result=False)
async def dropped() -> Any: ...


class Number(int):
    """A value of the user's own kind."""


class Awaitable:
    def __await__(self) -> Iterator[None]:
        yield


def numbers() -> Iterator[int]:
    yield 1


async def later_numbers() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("value", [None, "x", 1, [1], {"a": 1}, 1.5, True, (1,), Number(2), object, range(3)])
def test_a_value_is_the_result(value: object) -> None:
    assert refuse_unfinished(value) is value


@pytest.mark.parametrize("value", [numbers(), later_numbers()])
def test_a_generator_is_work_that_was_not_done(value: object) -> None:
    with pytest.raises(TypeError, match="a generator, whose code has not run"):
        refuse_unfinished(value)


async def test_a_coroutine_is_work_that_was_not_done_and_is_closed() -> None:
    coroutine: Any = asyncio.Event().wait()
    with pytest.raises(TypeError, match="a coroutine that nothing awaits"):
        refuse_unfinished(coroutine)
    assert coroutine.cr_frame is None  # it would warn otherwise that it was never awaited


def test_another_awaitable_is_named_by_its_class() -> None:
    with pytest.raises(TypeError, match="returned a Awaitable that nothing awaits"):
        refuse_unfinished(Awaitable())


@pytest.mark.parametrize(
    ("job_type", "result", "is_kept"),
    [(kept, '"12345678"', True), (kept, '"123456789"', False), (dropped, '"123456789"', True), (kept, None, True)],
)
def test_a_result_of_another_process_is_kept_up_to_its_size(
    job_type: JobType[..., Any], result: str | None, is_kept: bool
) -> None:
    ending = Ending(result=result)
    limited = limit_result(job_type, ending)
    assert (limited is ending) == is_kept
    if not is_kept:
        assert limited.result is None
        assert limited.note is not None
        assert limited.note.startswith(NOT_KEPT)


def test_the_json_of_a_result_is_kept_or_why_it_is_not() -> None:
    assert dump_result(kept, [1, 2]) == ("[1,2]", None)
    assert dump_result(kept, None) == (None, None)
    assert dump_result(dropped, [1, 2]) == (None, None)
    result, why = dump_result(kept, "a" * 20)
    assert result is None
    assert why is not None
    assert why.startswith(NOT_KEPT)
    assert len(why) <= LONGEST_REASON_CHARS
