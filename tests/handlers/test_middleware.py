"""What `middleware=` takes, and refuses at the line with the mistake."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner, Jobs
from aiojobs_lite.handlers.middleware import check_middleware
from aiojobs_lite.runner.middleware import Middleware


class Timed(Middleware):
    async def around_attempt(self, ctx: Any, proceed: Any) -> Any:
        return await proceed()


class Alike:
    async def around_enqueue(self, jobs: Any, proceed: Any) -> None:
        await proceed()


class Plain:
    def around_attempt(self, ctx: Any, proceed: Any) -> Any: ...


SAME = Timed()


@pytest.mark.parametrize(
    "bad", [None, 5, "x", Timed(), [Timed], [Middleware], [object()], [Plain()], [len], [None], [SAME, SAME]]
)
def test_what_cannot_work_is_refused(bad: Any) -> None:
    for make in (Jobs, JobRunner):
        with pytest.raises(InvalidOption, match=r"^middleware(\[0\])?(=| )"):
            make(middleware=bad)


def test_an_error_says_what_is_wanted() -> None:
    wrong: Any = Timed
    with pytest.raises(InvalidOption, match=r"an object, Timed\(\), not the class"):
        Jobs(middleware=[wrong])
    methods = "with an `async def around_enqueue`, `around_attempt` or `around_step`"
    with pytest.raises(InvalidOption, match=f"an object {methods}"):
        Jobs(middleware=[Plain()])
    with pytest.raises(InvalidOption, match="each object once"):
        Jobs(middleware=[SAME, SAME])


def test_objects_with_one_step_or_both_are_taken() -> None:
    for good in ([], (Timed(),), [Alike(), Timed()]):
        assert check_middleware("middleware", good) == tuple(good)
    assert len(check_middleware("middleware", iter([Timed()]))) == 1
    JobRunner(middleware=[Timed()])
