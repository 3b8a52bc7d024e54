"""One rule in each mode: a handler on the event loop, in a thread, in another process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Abandon, Cancel, Job, JobRunner, Retry, Snooze, Status, job
from aiojobs_lite.engine.child import CallAnswer, Declaration, call_handler, declaration_of, make_ready
from aiojobs_lite.errors import ResultNotKept
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.location import Location, locate
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    JobBecameCancelled,
    JobBecameDead,
    JobCompleted,
    JobSnoozed,
    RetryRequested,
)
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import started
from tests.helpers.engine import claimed
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

MODES = pytest.mark.parametrize("mode", ["async", "thread", pytest.param("process", marks=slow)])


class Odd(Exception):
    pass


def local_class() -> type[Exception]:
    class Local(Exception):
        pass

    return Local


Local = local_class()  # which pickle does not find
BUSY = TimeoutError("busy")
RAISED: dict[str, BaseException] = {
    "interrupt": KeyboardInterrupt(),
    "exit": SystemExit(3),
    "local": Local("odd"),
    "group": ExceptionGroup("g", [BUSY, Odd("odd")]),
    "group of local": ExceptionGroup("g", [ExceptionGroup("g", [Local("odd"), Local("odd")])]),
    "abandon": ExceptionGroup("g", [BUSY, Abandon("no", details={"what": "abandon"})]),
    "cancel": BaseExceptionGroup("g", [KeyboardInterrupt(), Cancel("gone")]),
    "retry": ExceptionGroup("g", [BUSY, Retry("r", after=7), Retry("r", after=9, details={"what": "retry"})]),
    "snooze": ExceptionGroup("g", [Snooze(7), Snooze(9)]),
    "wanted": ExceptionGroup("g", [Snooze(7), Retry("r", after=9)]),
}


def raises(what: str) -> None:
    raise RAISED[what]


async def raises_on_the_loop(what: str) -> None:
    raise RAISED[what]


def of_mode(mode: str, name: str = "raises", **options: Any) -> JobType[..., Any]:
    handler: Callable[..., Any] = raises_on_the_loop if mode == "async" else raises
    return JobType(handler, name=name, process=mode == "process", **options)


WAIT = timedelta(seconds=9)
DEAD, PENDING, CANCELLED = Status.DEAD, Status.PENDING, Status.CANCELLED
TABLE: list[tuple[str, dict[str, Any], Status, timedelta | None]] = [
    ("interrupt", {}, PENDING, None),
    ("exit", {}, PENDING, None),
    ("interrupt", {"abandon_on": KeyboardInterrupt}, DEAD, None),
    ("local", {"abandon_on": Local}, DEAD, None),
    ("local", {"retry_on": Local}, PENDING, None),
    ("local", {"retry_on": Odd}, DEAD, None),
    ("group", {"retry_on": (OSError, Odd)}, PENDING, None),
    ("group", {"retry_on": OSError}, DEAD, None),
    ("group", {"abandon_on": Odd}, DEAD, None),
    ("group of local", {"retry_on": Local}, PENDING, None),
    ("group of local", {"abandon_on": Local}, DEAD, None),
    ("abandon", {}, DEAD, None),
    ("cancel", {}, CANCELLED, None),
    ("retry", {}, PENDING, WAIT),
    ("snooze", {}, PENDING, WAIT),
]


@MODES
async def test_what_a_handler_raises_has_the_same_end_in_each_mode(clock: FakeClock, mode: str) -> None:
    types = [of_mode(mode, name=str(number), **row[1]) for number, row in enumerate(TABLE)]
    async with started(clock, *types) as runner:
        for raising, (what, options, status, wait) in zip(types, TABLE, strict=True):
            found = await settled(runner, raising, what)
            assert found.status is status, (what, options)
            assert found.attempts == (0 if what == "snooze" else 1)
            details = {"what": what} if what in {"abandon", "retry"} else None
            assert [attempt.details for attempt in found.history] == [details], (what, options)
            if wait is not None:
                assert found.scheduled_at - clock.time == wait, (what, options)


@MODES
async def test_a_fault_among_wishes_is_a_fault_in_each_mode(
    clock: FakeClock, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    types = [of_mode(mode, name=what) for what in ("wanted", "retry", "abandon")]
    async with started(clock, *types) as runner:
        facts = runner.watch()
        for raising in types:
            await settled(runner, raising, raising.name)
    kinds = [type(fact) for fact in facts.take() if isinstance(fact, AttemptFailed | JobBecameDead)]
    assert kinds == [RetryRequested, AttemptFailed, JobBecameDead]
    logged = [record for record in caplog.records if record.getMessage().startswith(("failed: ", "dead: "))]
    assert [bool(record.exc_info or record.exc_text) for record in logged] == [True, True]


async def settled(runner: JobRunner, raising: JobType[..., Any], what: str) -> Job:
    facts = runner.watch()
    handle = await runner.enqueue(raising, what)
    async for fact in facts:
        if isinstance(fact, AttemptFailed | JobBecameDead | JobBecameCancelled | JobSnoozed | JobCompleted):
            break
    return await handle.job()


# What is declared counts, wherever the handler is found.


def gives() -> int:
    return 42


@job(process=True)
def gives_as_declared() -> int:
    return 42


@slow
async def test_a_result_that_is_not_to_be_kept_is_not_kept_by_another_process(clock: FakeClock) -> None:
    types: list[JobType[..., Any]] = [
        JobType(gives, process=True, keep_result=False),
        JobType(gives_as_declared.handler, name="other", process=True, keep_result=False),
    ]
    async with started(clock, *types, gives_as_declared) as runner:
        for job_type in types:
            handle = await runner.enqueue(job_type)
            with pytest.raises(ResultNotKept):
                await handle.result(PATIENCE)
        assert await (await runner.enqueue(gives_as_declared)).result(PATIENCE) == 42


# The same, as the other process sees it.


def answered(job_type: JobType[..., Any], payload: str = "{}") -> CallAnswer:
    return call_handler(declaration_of(job_type, locate(job_type)), claimed(7, "any", payload))


def test_the_other_process_keeps_to_the_declaration() -> None:
    assert answered(JobType(gives, process=True)).result == "42"
    assert answered(JobType(gives, process=True, keep_result=False)) == CallAnswer()
    assert answered(JobType(gives_as_declared.handler, process=True, keep_result=False)) == CallAnswer()


@pytest.mark.parametrize("row", TABLE, ids=[f"{what} {options}" for what, options, *_ in TABLE])
def test_the_other_process_judges_as_this_one(row: tuple[str, dict[str, Any], Status, timedelta | None]) -> None:
    what, options, *_ = row
    job_type = of_mode("process", **options)
    answer = answered(job_type, f'{{"what": "{what}"}}')
    assert answer.verdict == job_type.policy.judge(RAISED[what])


def test_a_class_that_the_other_process_cannot_import_is_known_by_its_name() -> None:
    declared = declaration_of(of_mode("process", abandon_on=Odd), locate(of_mode("process")))
    (where,) = declared.abandon_on
    for odd in (where._replace(module="no.such.module"), where._replace(name="gone"), where._replace(name="BUSY")):
        changed: Declaration = declared._replace(abandon_on=(odd,))
        assert call_handler(changed, claimed(7, "any", '{"what": "group"}')).verdict.wish == "again"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nraise OSError('no such disk')\n", "`{name}` ({name}.py line 2): no such disk"),
        ("import no_such_module_at_all\n", "`{name}` ({name}.py line 1): No module named 'no_such_module_at_all'"),
        ("def broken(:\n", "`{name}`: invalid syntax ({name}.py, line 1)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_where(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"failing_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)
    answer = make_ready(Location(name, "handler"), sys.argv)
    assert answer is not None
    assert answer.failure is not None
    assert answer.failure.message == f"the worker process could not import {message.format(name=name)}"
