"""The tracebacks in the log: of what failed and died, each distinct one once, and none of what a handler asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_lite import Abandon, Backoff, Cancel, JobContext, JobRunner, Retry, RunnerStats, Snooze, job
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import in_process, started
from tests.helpers.rings import slow
from tests.helpers.waiting import until

SHORT = Backoff(base=0.001, cap=0.001)


def records(caplog: pytest.LogCaptureFixture, fact: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "fact", "") == fact]


def lines(record: logging.LogRecord) -> list[str]:
    """The line as a formatter writes it, and what follows it."""
    return logging.Formatter("%(message)s").format(record).splitlines()


async def run(handler: Callable[..., Any], *payloads: int, **options: Any) -> None:
    """Runs one job for each payload, to its end."""
    runner = JobRunner(":memory:")
    job_type = runner.job(**{"max_attempts": 3, "backoff": SHORT, **options})(handler)
    async with runner:
        for payload in payloads:
            await runner.enqueue(job_type, payload)
        await until(lambda: _ended(runner.stats()) == len(payloads))


def _ended(stats: RunnerStats) -> int:
    return stats.completed + stats.dead + stats.cancelled


async def fails(number: int) -> None:
    raise KeyError(f"no such key: {number}")


def fails_in_a_thread(number: int) -> None:
    raise KeyError(f"no such key: {number}")


@pytest.mark.parametrize("handler", [fails, fails_in_a_thread])
async def test_what_fails_and_what_dies_bears_its_exception(
    handler: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    await run(handler, 1, max_attempts=2)
    (failed,), (dead,) = records(caplog, "AttemptFailed"), records(caplog, "JobBecameDead")
    for record in (failed, dead):
        assert record.exc_info is not None
        kind, error, frames = record.exc_info
        assert kind is KeyError
        assert isinstance(error, KeyError)
        assert frames is not None
        assert frames.tb_frame.f_code.co_name == handler.__name__ or frames.tb_next is not None
        message, first, *_, last = lines(record)
        assert message == record.getMessage()
        assert first.strip() == "Traceback (most recent call last):"
        assert last.strip() == "KeyError: 'no such key: 1'"
        assert not any("aiojobs_lite/engine" in line for line in lines(record)[:3])


async def test_each_distinct_traceback_stands_once_and_the_later_ones_name_it(caplog: pytest.LogCaptureFixture) -> None:
    def handler(ctx: JobContext, number: int) -> None:
        if ctx.attempt == 3:
            raise ValueError(number)
        raise KeyError(number)

    await run(handler, 7, 8, max_attempts=4)
    failed = records(caplog, "AttemptFailed")
    assert len(failed) == 6
    with_traceback = [record for record in failed if record.exc_info]
    assert [vars(record)["attempt"] for record in with_traceback] == [1, 3]
    first, third = (f"job {vars(record)['job_id']} attempt {vars(record)['attempt']}" for record in with_traceback)
    others = [record for record in failed if not record.exc_info]
    assert [record.exc_text for record in others] == [None] * 4
    noted = [record.getMessage().partition("; traceback as of ")[2] for record in others]
    assert set(noted) == {first, third}
    assert all(record.exc_info for record in records(caplog, "JobBecameDead"))  # always


async def test_a_type_has_its_own(caplog: pytest.LogCaptureFixture) -> None:
    def raises() -> None:
        raise OSError("out of paper")

    runner = JobRunner(":memory:")
    one = runner.job(name="one", max_attempts=2, backoff=SHORT)(raises)
    other = runner.job(name="other", max_attempts=2, backoff=SHORT)(raises)
    async with runner:
        await runner.enqueue(one)
        await runner.enqueue(other)
        await until(lambda: runner.stats().dead == 2)
    assert len([record for record in records(caplog, "AttemptFailed") if record.exc_info]) == 2


@pytest.mark.parametrize(
    ("wish", "fact", "level"),
    [
        (Retry("429"), "RetryRequested", logging.INFO),
        (Snooze(0, "later"), "JobSnoozed", logging.INFO),
        (Cancel("gone"), "JobBecameCancelled", logging.INFO),
        (Abandon("bad input"), "JobBecameDead", logging.ERROR),
        (ExceptionGroup("of a task group", [Retry("429")]), "RetryRequested", logging.INFO),
    ],
)
async def test_what_a_handler_asks_for_bears_none(
    wish: Exception, fact: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_lite")
    asked: list[int] = []

    async def asks(number: int) -> None:
        asked.append(number)
        if len(asked) == 1:
            raise wish

    await run(asks, 1)
    (record,) = records(caplog, fact)
    assert record.levelno == level
    assert (record.exc_info, record.exc_text) == (None, None)
    assert not any(record.exc_info or record.exc_text for record in caplog.records)


async def test_a_retry_of_the_last_attempt_is_a_death_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    async def asks(number: int) -> None:
        raise Retry("429")

    await run(asks, 1, max_attempts=1)
    (dead,) = records(caplog, "JobBecameDead")
    assert dead.exc_info is not None


async def test_a_fault_beside_a_retry_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def asks(number: int) -> None:
        raise ExceptionGroup("of a task group", [Retry("429"), ValueError("bad")])

    await run(asks, 1, max_attempts=2)
    (failed,) = records(caplog, "AttemptFailed")
    assert failed.exc_info is not None


async def test_a_fault_beside_a_cancel_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def asks(number: int) -> None:
        raise ExceptionGroup("both", [KeyError(number), Cancel("gone")])

    await run(asks, 1)
    (record,) = records(caplog, "JobBecameCancelled")
    assert record.levelno == logging.WARNING
    assert lines(record)[0] == "cancelled: asks job 1 (gone)"
    assert any("KeyError: 1" in line for line in lines(record))


async def test_no_interruption_bears_one(caplog: pytest.LogCaptureFixture) -> None:
    runner = JobRunner(":memory:", drain_timeout=0)

    @runner.job
    async def hangs() -> None:
        await asyncio.Event().wait()

    async with runner:
        await runner.enqueue(hangs)
        await until(lambda: runner.stats().running == 1)
    (record,) = records(caplog, "JobInterrupted")
    assert (record.exc_info, record.exc_text) == (None, None)


async def test_a_timeout_bears_the_line_where_it_met_the_handler(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    @job(timeout="90m", max_attempts=1)
    async def hangs() -> None:
        entered.set()
        await asyncio.Event().wait()

    entered = asyncio.Event()
    async with started(clock, hangs) as runner:
        await runner.enqueue(hangs)
        await entered.wait()
        clock.advance("90m")
        await until(lambda: runner.stats().dead == 1)
    (dead,) = records(caplog, "JobBecameDead")
    assert dead.exc_info is not None
    assert dead.exc_info[0] is TimeoutError
    assert any(line.strip() == "await asyncio.Event().wait()" for line in lines(dead))
    assert lines(dead)[-1].strip() == 'TimeoutError: no end after 1 h 30 min (timeout="1h30m")'


async def test_a_traceback_forges_no_line(caplog: pytest.LogCaptureFixture) -> None:
    async def forges(number: int) -> None:
        raise ValueError("x\nERROR dead: pay job 1\x1b[2J")

    await run(forges, 1, max_attempts=1)
    (dead,) = records(caplog, "JobBecameDead")
    assert all(line.startswith(" ") for line in lines(dead)[1:])
    assert "\x1b" not in logging.Formatter().format(dead)


@slow
async def test_of_another_process_the_log_has_the_text(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    failing = in_process(fails_in_a_thread, max_attempts=1)
    async with started(clock, failing) as runner:
        await runner.enqueue(failing, 5)
        await until(lambda: runner.stats().dead == 1)
    (dead,) = records(caplog, "JobBecameDead")
    assert dead.exc_info is None
    _, first, *_, last = lines(dead)
    assert (first.strip(), last.strip()) == ("Traceback (most recent call last):", "KeyError: 'no such key: 5'")
