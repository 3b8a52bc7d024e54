"""Priorities by a function of the arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_lite import InvalidPayload, JobRunner
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import PRIORITIES


async def mail(plan: str = "free", size: int = 1) -> None: ...


def ranked(function: Callable[..., Any]) -> JobType[..., Any]:
    made: JobType[..., Any] = JobRunner(":memory:").job(priority=function)(mail)
    return made


def by_plan(arguments: Any) -> Any:
    return "high" if arguments["plan"] == "team" else "low"


def test_each_job_has_the_priority_that_its_arguments_give_it() -> None:
    job_type = ranked(by_plan)
    rows = [job_type.bind("team").row(0), job_type.bind().row(0), job_type.using(priority="medium").bind().row(0)]
    assert [row.priority for row in rows] == [PRIORITIES[name] for name in ("high", "low", "medium")]
    assert job_type.using(label="x").bind("team").row(0).priority == PRIORITIES["high"]
    assert job_type.priority == PRIORITIES["medium"]


def test_a_function_that_gives_no_priority_refuses_the_enqueue() -> None:
    with pytest.raises(InvalidPayload, match=r"by_size: the function of its priority returned 7: expected 'high' or"):
        ranked(by_size).bind(size=7).row(0)
    with pytest.raises(InvalidPayload, match=r"fails: the function of its priority raised KeyError\('none'\)"):
        ranked(fails).bind().row(0)


def by_size(arguments: Any) -> Any:
    return arguments["size"]


def fails(arguments: Any) -> Any:
    return arguments["none"]
