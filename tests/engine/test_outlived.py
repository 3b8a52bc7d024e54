"""Jobs that are at their end when they are claimed, because their owners died where their type was not known."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest

from aiojobs_lite import job
from aiojobs_lite.engine.outlived import Called, call_unless_outlived
from aiojobs_lite.engine.running import Running
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.steps import ListSteps, StepKind, StepRow, StepState
from aiojobs_lite.policy.settle import Ending
from tests.helpers.engine import claimed
from tests.helpers.fault_store import IOERR

ENDED = StepRow("a", StepKind.RUN, StepState.DONE, "1", None, 1, None, 1, 2, 1)
WAITING = StepRow("nap", StepKind.SLEEP, StepState.WAITING, None, None, 0, 9, 1, None, None)


@job(max_attempts=5)
async def handler() -> str:
    return "done"


class Asked:
    """A store that has these operations, or fails."""

    def __init__(self, *operations: StepRow, error: Exception | None = None) -> None:
        self.operations, self.error = operations, error
        self.asked: list[Query[Any]] = []

    async def ask(self, query: Query[Any]) -> Any:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        return self.operations


def called(store: Asked, *, attempt: int, crashes: int) -> Called:
    run = Running(claimed(7, "handler", attempt=attempt)._replace(crashes=crashes), handler)
    return call_unless_outlived(store, run, lambda _: handler.handler())  # type: ignore[arg-type]  # it needs no more


@pytest.mark.parametrize(("attempt", "crashes"), [(5, 1), (5, 2), (6, 0)])
async def test_a_job_that_has_attempts_left_is_called_and_nothing_is_asked(attempt: int, crashes: int) -> None:
    store = Asked(ENDED)
    found = called(store, attempt=attempt, crashes=crashes)
    assert not isinstance(found, Ending)
    assert (await found, store.asked) == ("done", [])


@pytest.mark.parametrize(("attempt", "crashes"), [(6, 1), (4, 3)])
@pytest.mark.parametrize("operations", [(), (WAITING,)])
async def test_a_job_whose_attempts_are_used_up_or_that_crashed_too_often_is_not_called(
    attempt: int, crashes: int, operations: tuple[StepRow, ...]
) -> None:
    store = Asked(*operations)
    found = called(store, attempt=attempt, crashes=crashes)
    assert not isinstance(found, Ending)
    assert await found == Ending(lost=True, is_outlived=True)
    assert store.asked == [ListSteps(7)]


@pytest.mark.parametrize(("attempt", "crashes", "is_called"), [(6, 2, True), (7, 2, False), (2, 3, False)])
async def test_once_an_operation_has_ended_an_attempt_may_have_the_number_of_the_next(
    attempt: int, crashes: int, is_called: bool
) -> None:
    found = called(Asked(WAITING, ENDED), attempt=attempt, crashes=crashes)
    assert not isinstance(found, Ending)
    assert await found == ("done" if is_called else Ending(lost=True, is_outlived=True))


async def test_it_is_given_back_if_its_operations_cannot_be_read() -> None:
    found = called(Asked(error=copy(IOERR)), attempt=6, crashes=1)
    assert not isinstance(found, Ending)
    ending = await found
    assert (ending.unbegun, ending.lost, ending.failure.error_type) == (True, False, type(IOERR).__name__)
