"""What is around the call of a handler: the call begins in it or never, and leaves nothing that is not awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite.engine.around import call_around, call_process_around
from aiojobs_lite.engine.running import Running
from aiojobs_lite.errors import RecordedError
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Failure
from aiojobs_lite.policy.settle import Ending, Stop
from tests.helpers.engine import claimed

Proceed = Callable[[], Awaitable[Any]]
FAILED = Ending(error=RuntimeError("ValueError"), failure=Failure("ValueError", "no", None))


async def handler() -> Any: ...


@pytest.fixture
def run() -> Running:
    return Running(claimed(7, "a"), JobType(handler))


async def through(proceed: Proceed) -> Any:
    return await proceed()


async def replaces(_proceed: Proceed) -> Any:
    return {"other": 1}


async def swallows(proceed: Proceed) -> Any:
    try:
        return await proceed()
    except RecordedError:
        return "saved"


async def raises_another(proceed: Proceed) -> Any:
    try:
        return await proceed()
    except RecordedError as error:
        raise KeyError("mine") from error


async def returned(value: Any) -> Any:
    return value


async def test_what_the_handler_returns_goes_through(run: Running) -> None:
    assert await call_around(through, run, returned(5)) == 5


async def test_a_call_that_does_not_begin_is_closed(run: Running) -> None:
    called = returned(5)
    assert await call_around(replaces, run, called) == {"other": 1}
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await called
    assert (await call_process_around(replaces, run, returned(FAILED))).result == '{"other":1}'


async def test_the_end_in_a_process_stays_as_it_is_unless_it_is_replaced(run: Running) -> None:
    ended = Ending(result="[1]")
    assert await call_process_around(through, run, returned(ended)) is ended
    assert await call_process_around(through, run, returned(FAILED)) is FAILED
    assert await call_process_around(swallows, run, returned(FAILED)) == Ending(result='"saved"')
    with pytest.raises(KeyError):
        await call_process_around(raises_another, run, returned(FAILED))


async def notes(proceed: Proceed) -> Any:
    with pytest.raises(RecordedError, match="attempt 1 of job 7 failed: it was stopped"):
        await proceed()


async def test_a_drain_that_ended_the_process_is_not_swallowed(run: Running) -> None:
    stopped = Ending(stopped=Stop.SHUTDOWN)
    assert await call_process_around(notes, run, returned(stopped)) is stopped
    assert await call_process_around(swallows, run, returned(stopped)) is stopped
    assert await call_process_around(through, run, returned(stopped)) is stopped
