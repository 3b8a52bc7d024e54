"""`@job`, with and without parentheses."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection
from typing import Any

import pytest

from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.options import EnqueueOptions, JobOptions
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.runner.context import JobContext


def plain(number: int, text: str = "a") -> str:
    return f"{text}{number}"


async def coroutine(number: int, *, ctx: JobContext = injected) -> str:
    return f"{ctx.id}:{number}"


class Sender:
    @job
    @staticmethod
    async def declared(number: int) -> int:
        return number + 1


def a_context() -> JobContext:
    return JobContext(Claimed(7, "t", "{}", 1, 0, 1, 5, 0, 0, 0, 0, 0, None, "me"))


def test_the_decorator_works_with_and_without_parentheses() -> None:
    @job
    async def bare(number: int) -> int:
        return number

    @job()
    async def empty(number: int) -> int:
        return number

    @job(name="named", max_attempts=2)
    async def configured(number: int) -> int:
        return number

    assert [(made.name, made.max_attempts) for made in (bare, empty, configured)] == [
        ("bare", 5),
        ("empty", 5),
        ("named", 2),
    ]


@pytest.mark.parametrize(
    ("function", "options"),
    [(job, JobOptions.__optional_keys__), (JobType.using, EnqueueOptions.__optional_keys__)],
    ids=["job", "using"],
)
def test_the_help_of_what_takes_options_lists_them_all(function: Any, options: Collection[str]) -> None:
    found = re.search(r"\*\*options: .*?describes: (.*?)\.\n", inspect.getdoc(function) or "", re.DOTALL)
    assert found
    assert set(re.findall(r"`(\w+)`", found[1])) == set(options)
    assert function.__name__ in {"job", "using"}


async def test_calling_a_declared_job_stays_a_plain_call() -> None:
    assert job(plain)(3) == "a3"
    assert job(name="x")(plain)(3, text="b") == "b3"
    assert await job(coroutine)(number=3, ctx=a_context()) == "7:3"
    assert await Sender.declared(1) == 2
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        job(plain)()  # type: ignore[call-arg]  # what is tested
