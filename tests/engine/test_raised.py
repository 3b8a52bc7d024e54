"""What handlers may raise: signals that are not made as ours are, classes that cannot be asked, signals in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import anyio
import pytest

from aiojobs_lite import Abandon, Cancel, JobContext, JobRunner, Retry, Snooze, Status, injected, job
from aiojobs_lite.telemetry.facts import AttemptFailed, Fact, JobBecameCancelled, JobBecameDead, JobSnoozed
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.hosts import nothing_reaches_the_host
from tests.helpers.waiting import PATIENCE, next_fact


class BareRetry(Retry):
    def __init__(self, why: str) -> None:
        self.why = why


class BareSnooze(Snooze):
    def __init__(self, why: str) -> None:
        self.why = why


class MuteCancel(Cancel):
    def __init__(self, fault: type[BaseException]) -> None:
        self.fault = fault

    def __str__(self) -> str:
        raise self.fault


class MuteAbandon(Abandon):
    def __init__(self, fault: type[BaseException]) -> None:
        self.fault = fault

    def __str__(self) -> str:
        raise self.fault


class MuteSnooze(Snooze):
    def __str__(self) -> str:
        raise SystemExit


def cannot_be_asked(fault: type[BaseException]) -> type[Exception]:
    """An exception class that fails when it is asked whether an exception is one of it."""

    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            raise fault

    class Odd(Exception, metaclass=Meta):
        pass

    return Odd


@job
async def quick() -> str:
    return "ran"


async def end_of(raises: Callable[[], Any], kind: type[Fact], **options: Any) -> tuple[Any, Any]:
    """Runs a job that raises, and one after it in the only slot there is; returns how the first ended."""

    @job(**options)
    async def odd() -> None:
        outcome = raises()
        if asyncio.iscoroutine(outcome):
            await outcome

    runner = JobRunner(":memory:", jobs=[odd, quick], clock=FakeClock(), max_running=1)
    with nothing_reaches_the_host():
        async with asyncio.timeout(PATIENCE), runner:
            events = runner.watch()
            handle = await runner.enqueue(odd)
            fact = await next_fact(events, kind)
            assert fact.job_id == handle.id  # type: ignore[attr-defined]  # those asked for have it
            assert await (await runner.enqueue(quick)).result() == "ran"
            assert runner.stats().running == 0
            return fact, await handle.job()


def raiser(error: BaseException) -> Callable[[], NoReturn]:
    def raises() -> NoReturn:
        raise error

    return raises


async def test_a_retry_that_was_not_made_as_ours_leaves_its_delay_to_the_backoff() -> None:
    _, found = await end_of(raiser(BareRetry("busy")), AttemptFailed)
    assert (found.status, found.attempts) == (Status.PENDING, 1)
    assert found.history[0].error_type == "BareRetry"
    assert timedelta(seconds=1) <= found.scheduled_at - FakeClock().time <= timedelta(seconds=2)


async def test_a_snooze_that_was_not_made_as_ours_is_over_at_once() -> None:
    asked: list[int] = []

    @job
    async def snoozes(ctx: JobContext = injected) -> str:
        asked.append(ctx.attempt)
        if len(asked) == 1:
            raise BareSnooze("later")
        return "ran"

    async with JobRunner(":memory:", jobs=[snoozes], clock=FakeClock()) as runner:
        handle = await runner.enqueue(snoozes)
        assert await handle.result() == "ran"
        assert (asked, (await handle.job()).snoozes) == ([1, 1], 1)


@pytest.mark.parametrize("fault", [ValueError, SystemExit])
async def test_a_signal_whose_text_raises_settles_its_job(fault: type[BaseException]) -> None:
    fact, found = await end_of(raiser(MuteCancel(fault)), JobBecameCancelled)
    assert (found.status, fact.reason) == (Status.CANCELLED, f"(its __str__ raised {fault.__name__})")
    _, found = await end_of(raiser(MuteAbandon(fault)), JobBecameDead)
    assert (found.status, found.reason, found.attempts) == (Status.DEAD, "abandoned by its handler", 1)


async def test_a_snooze_whose_text_raises_costs_nothing() -> None:
    _, found = await end_of(raiser(MuteSnooze("1h")), JobSnoozed)
    assert (found.status, found.attempts, found.snoozes) == (Status.PENDING, 0, 1)
    assert found.scheduled_at - FakeClock().time == timedelta(hours=1)


@pytest.mark.parametrize("option", ["retry_on", "abandon_on"])
@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
async def test_a_class_that_cannot_be_asked_about_an_exception_fails_the_attempt_and_nothing_else(
    fault: type[BaseException], option: str
) -> None:
    options: dict[str, Any] = {option: cannot_be_asked(fault)}
    _, found = await end_of(raiser(LookupError("mine")), AttemptFailed, **options)
    assert (found.status, found.attempts) == (Status.PENDING, 1)
    assert found.history[0].error_type == fault.__name__


# Groups, as task groups make them.


async def fails(error: Exception) -> None:
    raise error


async def in_asyncio(*errors: Exception) -> None:
    async with asyncio.TaskGroup() as group:
        for error in errors:
            group.create_task(fails(error))


async def in_anyio(*errors: Exception) -> None:
    async with anyio.create_task_group() as group:
        for error in errors:
            group.start_soon(fails, error)


async def in_both(*errors: Exception) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(in_anyio(*errors))


GROUPED = pytest.mark.parametrize("grouped", [in_asyncio, in_anyio, in_both])


@GROUPED
async def test_a_group_of_one_signal_is_that_signal(grouped: Callable[..., Any]) -> None:
    fact, found = await end_of(lambda: grouped(Retry("busy", after=7)), AttemptFailed)
    assert (found.status, fact.next_at - FakeClock().time) == (Status.PENDING, timedelta(seconds=7))
    _, found = await end_of(lambda: grouped(Abandon("bad")), JobBecameDead)
    assert (found.reason, found.attempts) == ("abandoned by its handler", 1)


@GROUPED
async def test_in_a_group_of_several_each_one_counts(grouped: Callable[..., Any]) -> None:
    fact, found = await end_of(lambda: grouped(Retry("a", after=60), Retry("b", after=9)), AttemptFailed)
    assert (found.status, found.attempts) == (Status.PENDING, 1)
    assert fact.next_at - FakeClock().time == timedelta(seconds=60)  # the longest that any asks for
    assert found.history[0].error_type == "ExceptionGroup"
    _, found = await end_of(lambda: grouped(Abandon("a"), ValueError("b")), JobBecameDead)
    assert (found.reason, found.attempts) == ("abandoned by its handler", 1)
    many = grouped, OSError("a"), ValueError("b")
    _, found = await end_of(lambda: many[0](*many[1:]), JobBecameDead, retry_on=OSError)
    assert (found.reason, found.attempts) == ("ValueError is not to be tried again", 1)
    _, found = await end_of(lambda: many[0](*many[1:]), AttemptFailed, retry_on=(OSError, ValueError))
    assert (found.status, found.attempts) == (Status.PENDING, 1)
