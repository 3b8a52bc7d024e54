"""A durable operation that was asked for without its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobContext, job
from aiojobs_lite.testing import context

FIRST = "the name of the operation, which comes first,"


@job
async def child(number: int = 1) -> int:
    return number


@pytest.mark.parametrize(
    ("call", "usage"),
    [
        (lambda ctx: ctx.sleep("3d"), "ctx.sleep(name, duration)"),
        (lambda ctx: ctx.sleep_until("2030-01-01"), "ctx.sleep_until(name, at)"),
        (lambda ctx: ctx.wait_for_event("order/paid"), "ctx.wait_for_event(name, event)"),
        (lambda ctx: ctx.invoke(child), "ctx.invoke(name, job, ...)"),
        (lambda ctx: ctx.gather([child.bind(1)]), "ctx.gather(name, jobs)"),
        (lambda ctx: ctx.gather("all", child.bind(1), child.bind(2)), "ctx.gather(name, jobs)"),
        (lambda ctx: ctx.send("order/paid"), "ctx.send(name, event)"),
        (lambda ctx: ctx.enqueue_once(child), "ctx.enqueue_once(name, job, ...)"),
    ],
)
def test_a_call_without_a_name_learns_that_it_comes_first(call: Callable[[JobContext], Any], usage: str) -> None:
    with pytest.raises(TypeError, match=r"argument.*\. The name of the operation comes first: ctx\.") as caught:
        call(context())
    assert str(caught.value).endswith(f"{usage}.")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda ctx: ctx.step(lambda: 3), f"{FIRST} ctx.step(name, function, ...), or a Step"),
        (lambda ctx: ctx.step(child.handler, 7), f"{FIRST} ctx.step(name, function, ...), or a Step"),
        (lambda ctx: ctx.invoke(child, 1), f"{FIRST} ctx.invoke(name, job_type, ...), or a Step"),
        (lambda ctx: ctx.invoke("name", "child"), "a job type, as `@job` makes it of a function, and not its name"),
        (lambda ctx: ctx.step("name"), "a function, and behind it its arguments"),
    ],
)
def test_what_is_no_name_is_refused_with_the_call_that_fits(call: Callable[[JobContext], Any], expected: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        call(context())
    assert caught.value.expected == expected


def test_another_word_in_a_call_is_refused_with_the_call_that_fits() -> None:
    with pytest.raises(TypeError, match=r"argument 'if_exp'\. It is called as ctx\.wait_for_event\("):
        context().wait_for_event("w", "e", if_exp="x")  # type: ignore[call-arg, unused-coroutine]


async def test_an_error_of_the_operation_itself_stays_as_it_is() -> None:
    def bad() -> Any:
        raise TypeError("of the iterator")
        yield

    with pytest.raises(TypeError, match=r"^of the iterator$"):
        await context().gather("all", bad())


def test_help_shows_the_methods_as_they_are() -> None:
    assert list(inspect.signature(JobContext.sleep).parameters) == ["self", "name", "duration"]
    assert (JobContext.sleep.__doc__ or "").startswith("Returns after a time")
