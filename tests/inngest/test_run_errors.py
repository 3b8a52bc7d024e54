"""What made a run fail, as a function is given it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiojobs_lite import Attempt, Job, Outcome, Status
from aiojobs_lite.inngest.run_errors import error_of_run, errors_of_children
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.model.steps import ListChildren, StepKind, StepRow, StepState, end_memo
from tests.helpers.inngest import hashed

AT = datetime(2026, 1, 1, tzinfo=UTC)
A = f"{hashed('a')} a"


def attempt(details: str | None = None, error_type: str | None = "E", message: str | None = "m") -> Attempt:
    return Attempt(1, Outcome.FAILED, AT, AT, "one", error_type, message, "at x", details)


def dead(*history: Attempt, status: Status = Status.DEAD, error: str | None = "E: m") -> Job:
    made = object.__new__(Job)
    for name, value in {"history": history, "status": status, "error": error, "reason": "why"}.items():
        object.__setattr__(made, name, value)
    return made


def test_the_error_is_the_last_one_of_the_sdk_word_for_word() -> None:
    details = '{"name":"T","message":"x","code":"c","cause":{"n": 1.0},"error":"invalid status code: 500"}'
    assert error_of_run(dead(attempt(), attempt(details))) == '{"name":"T","message":"x","cause":{"n": 1.0}}'


def test_the_error_is_that_of_the_server_without_one() -> None:
    assert json.loads(error_of_run(dead(attempt()))) == {"name": "E", "message": "m", "stack": "at x"}
    nothing = attempt(error_type=None, message=None)
    assert json.loads(error_of_run(dead(nothing))) == {"name": "Error", "message": "", "stack": "at x"}
    assert json.loads(error_of_run(dead())) == {"name": "Error", "message": "E: m"}
    assert json.loads(error_of_run(dead(error=None))) == {"name": "Error", "message": "why"}


class Store:
    """A store of one child.

    Attributes:
        asked: The queries.
    """

    def __init__(self, child: Job | None) -> None:
        self._child = child
        self.asked: list[object] = []

    async def __call__(self, query: Any) -> Any:
        self.asked.append(query)
        return ((A, 9),) if isinstance(query, ListChildren) else self._child


def row(
    memo: str | None, name: str = A, kind: StepKind = StepKind.CHILD, state: StepState = StepState.FAILED
) -> StepRow:
    return StepRow(name, kind, state, memo, None, 1, None, 1, 1, 1)


DEAD = end_memo("dead", None, "why", "E: m")


async def test_of_an_invoked_function_that_died_its_run_says_why() -> None:
    store = Store(dead(attempt()))
    assert await errors_of_children(store, 7, [row(DEAD)]) == {A: '{"name":"E","message":"m","stack":"at x"}'}
    assert store.asked == [ListChildren(7), GetJob(9)]


async def test_a_child_that_is_gone_or_runs_again_says_nothing() -> None:
    assert await errors_of_children(Store(None), 7, [row(DEAD), row(DEAD, "other")]) == {}
    assert await errors_of_children(Store(dead(status=Status.PENDING)), 7, [row(DEAD)]) == {}


async def test_nothing_is_asked_for_other_steps() -> None:
    store = Store(None)
    rows = [
        row('{"data":1}', state=StepState.DONE), row(end_memo("timeout", None, None, None)), row(None),
        row(end_memo("cancelled", None, "x", None)), row(DEAD, kind=StepKind.RUN),
    ]  # fmt: skip
    assert await errors_of_children(store, 7, rows) == {}
    assert store.asked == []
