"""How a timeout reads, and what the log needs to know of an exception."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_lite import Abandon, Retry, Snooze, job
from aiojobs_lite.engine.endings import raised_of, with_timeout
from aiojobs_lite.engine.failures import describe
from aiojobs_lite.engine.running import Running
from aiojobs_lite.policy.settle import Ending, Stop
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.telemetry.tracebacks import Raised
from tests.helpers.engine import claimed


def running(timeout: float | str | None = None) -> Running:
    @job(timeout=timeout)
    async def late() -> None: ...

    return Running(claimed(1, "late"), late)


def stopped(error: BaseException | None) -> Ending:
    return Ending(error=error, failure=None if error is None else describe(error), stopped=Stop.TIMEOUT)


@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        (0.05, 'no end after 0.05 s (timeout="50ms")'),
        (1, 'no end after 1 s (timeout="1s")'),
        ("90s", 'no end after 90 s (timeout="1m30s")'),
        ("2m", 'no end after 2 min (timeout="2m")'),
        ("1h30m", 'no end after 1 h 30 min (timeout="1h30m")'),
        ("7d", 'no end after 7 days (timeout="7d")'),
    ],
)
@pytest.mark.parametrize("error", [None, asyncio.CancelledError("aiojobs_lite: timeout")])
def test_a_timeout_says_how_long_it_was_as_it_can_be_written(
    timeout: float | str, text: str, error: BaseException | None
) -> None:
    ending = with_timeout(running(timeout), stopped(error))
    assert ending.failure is not None
    assert (ending.failure.error_type, ending.failure.message) == ("TimeoutError", text)
    assert "CancelledError" not in (ending.failure.traceback or "")
    assert ending.stopped is Stop.TIMEOUT
    assert (ending.error is None) == (error is None)


class Falsy(Exception):
    def __bool__(self) -> bool:
        raise RuntimeError("not to be asked")


@pytest.mark.parametrize("error", [ValueError("mine"), Falsy()])
def test_what_the_handler_raised_when_it_was_stopped_stays(error: Exception) -> None:
    ending = stopped(error)
    assert with_timeout(running(1), ending) is ending


class Hostile(Exception):
    __class__: Any = property(lambda self: 1 / 0)


@pytest.mark.parametrize(
    ("error", "verdict", "is_wanted"),
    [
        (ValueError("no"), None, False),
        (Retry("later"), None, True),
        (Abandon("no"), None, True),
        (ExceptionGroup("all", [Retry("later"), Snooze(1)]), None, True),
        (ExceptionGroup("both", [Retry("later"), ValueError("no")]), None, False),
        (RuntimeError("Retry"), Verdict(Wish.RETRY, is_wanted=True), True),
        (RuntimeError("Retry and a fault"), Verdict(Wish.RETRY), False),
        (RuntimeError("ValueError"), Verdict(Wish.AGAIN), False),
    ],
)
def test_what_is_raised_is_a_wish_or_a_fault(error: BaseException, verdict: Verdict | None, is_wanted: bool) -> None:
    kept = error if verdict is None else None
    assert raised_of(running(), Ending(error=error, verdict=verdict)) == Raised(5, kept, is_wanted)


def test_an_exception_that_cannot_be_looked_at_is_not_kept() -> None:
    assert raised_of(running(), Ending(error=Hostile())) == Raised(5)
    assert raised_of(running(), Ending(lost=True)) == Raised(5)
