"""Text and sizes of any kind at every entrance of a runner, in all modes: kept, shortened, and shown on one line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings

from aiojobs_lite import (
    Abandon,
    AiojobsError,
    Cancel,
    JobCancelled,
    JobDead,
    JobHandle,
    JobRunner,
    Retry,
    Snooze,
    Status,
    job,
)
from aiojobs_lite.errors import InvalidOption, InvalidPayload, PayloadTooLarge, ResultNotKept, UnknownJobType
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.telemetry.facts import ResultNotStored
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.text import make_storable
from tests.helpers.hostile_text import HOSTILE, any_text, is_one_printed_line
from tests.helpers.rings import depth, slow
from tests.helpers.waiting import PATIENCE, next_fact

MODES = ["async", "thread", pytest.param("process", marks=slow)]
FORGED = HOSTILE[0]
RAISED: dict[str, Callable[[str], BaseException]] = {
    "ValueError": ValueError,
    "Retry": lambda text: Retry(text, after=1),
    "Snooze": lambda text: Snooze(1, text),
    "Abandon": Abandon,
    "Cancel": Cancel,
}


def raise_it(kind: str, index: int) -> NoReturn:
    raise RAISED[kind](HOSTILE[index])


async def raise_on_the_loop(kind: str, index: int) -> NoReturn:
    raise RAISED[kind](HOSTILE[index])


def give(size: int) -> str:
    return "x" * size


async def give_on_the_loop(size: int) -> str:
    return "x" * size


def type_of(mode: str, plain: Callable[..., Any], on_the_loop: Callable[..., Any], **options: Any) -> JobType[..., Any]:
    return job(**options)(on_the_loop) if mode == "async" else job(process=mode == "process", **options)(plain)


@asynccontextmanager
async def started(*job_types: JobType[..., Any]) -> AsyncIterator[JobRunner]:
    async with asyncio.timeout(PATIENCE), JobRunner(":memory:", jobs=job_types, clock=FakeClock()) as runner:
        yield runner


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged; no word of a machine that was too busy: it shows a stack."""
    return [line for record in caplog.records if not (line := record.getMessage()).startswith("blocked: ")]


@pytest.mark.parametrize("kind", RAISED)
@pytest.mark.parametrize("mode", MODES)
async def test_what_a_handler_raises_is_kept_as_it_was_and_logged_on_one_line(
    mode: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    raises = type_of(mode, raise_it, raise_on_the_loop, max_attempts=1)
    async with started(raises) as runner:
        for index, text in enumerate(HOSTILE):
            handle = await runner.enqueue(raises, kind, index)
            await runner.run_until_idle()
            found = await handle.job()
            (attempt,) = found.history
            kept = make_storable(text, 2_000)
            assert len(kept) <= 2_000
            if kind == "Snooze":
                assert (found.reason, attempt.message) == (kept, kept)
            else:
                assert attempt.message == kept
                assert kept in (attempt.traceback or "") or len(kept) == 2_000
                assert len(attempt.traceback or "") <= 20_000
            if kind == "Cancel":
                assert found.reason == kept
            if kind != "Snooze":
                with pytest.raises((JobDead, JobCancelled)) as caught:
                    await handle.result()
                assert is_one_printed_line(str(caught.value))
    assert len(lines(caplog)) >= len(HOSTILE)
    assert [line for line in lines(caplog) if not is_one_printed_line(line)] == []
    shown = [vars(record).get(name, "") for record in caplog.records for name in ("error", "job_reason")]
    assert [value for value in shown if not is_one_printed_line(str(value))] == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_result_that_is_too_large_is_not_kept_and_its_job_is_done(mode: str) -> None:
    gives = type_of(mode, give, give_on_the_loop, largest_result=1_000)
    async with started(gives) as runner:
        facts = runner.watch()
        fits = await runner.enqueue(gives, 998)
        assert await fits.result() == "x" * 998
        for size in (999, 2_000_000):
            handle = await runner.enqueue(gives, size)
            with pytest.raises(ResultNotKept, match=r"at most 1,000 are stored.*larger largest_result="):
                await handle.result()
            found = await handle.job()
            assert (found.status, found.attempts, found.result_json) == (Status.COMPLETED, 1, None)
            fact = await next_fact(facts, ResultNotStored)
            assert (fact.job_id, fact.attempt) == (handle.id, 1)
            assert "1,000" in fact.reason


async def test_as_declared_payload_and_result_have_256_kib() -> None:
    gives = job(give_on_the_loop)
    takes = job(takes_text)
    async with started(gives, takes) as runner:
        assert len(await (await runner.enqueue(gives, 256 * 1024 - 2)).result()) == 256 * 1024 - 2
        with pytest.raises(ResultNotKept):
            await (await runner.enqueue(gives, 256 * 1024 - 1)).result()
        with pytest.raises(PayloadTooLarge) as caught:
            await runner.enqueue(takes, "x" * 256 * 1024)
        assert caught.value.limit == 256 * 1024


async def takes_text(text: str) -> str:
    return text


async def test_a_type_may_allow_more_and_less() -> None:
    more = job(name="more", largest_payload=2**20, largest_result=2**20)(takes_text)
    less = job(name="less", largest_payload=100)(takes_text)
    async with started(more, less) as runner:
        assert await (await runner.enqueue(more, "x" * 10**6)).result() == "x" * 10**6
        with pytest.raises(PayloadTooLarge, match="at most 100 are allowed"):
            await runner.enqueue(less, "x" * 100)
    wrong: Any
    for wrong in (0, -1, True, 1.5, 2**30, "1k"):
        with pytest.raises(InvalidOption, match="largest_result"):
            job(largest_result=wrong)(takes_text)
        with pytest.raises(InvalidOption, match="largest_payload"):
            job(largest_payload=wrong)(takes_text)


async def test_a_reason_of_a_cancel_is_shortened(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    takes = job(takes_text)
    async with started(takes) as runner:
        for text in HOSTILE:
            handle = await runner.enqueue(takes.using(delay="1h"), "x")
            assert await handle.cancel(text) is Status.CANCELLED
            assert (await handle.job()).reason == make_storable(text, 2_000)
        for wrong in ("", 7, b"x"):
            with pytest.raises(InvalidOption, match="reason"):
                await handle.cancel(wrong)  # type: ignore[arg-type]  # what is refused
    assert [line for line in lines(caplog) if not is_one_printed_line(line)] == []


@settings(max_examples=depth(10, 25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=any_text())
def test_any_text_at_any_entrance_is_kept_or_refused(text: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    caplog.clear()
    asyncio.run(_sent_through_every_entrance(text))
    for line in lines(caplog):
        assert is_one_printed_line(line)


async def _sent_through_every_entrance(text: str) -> None:
    @job(max_attempts=1)
    async def echo(given: str) -> str:
        return given

    @job(max_attempts=1)
    async def fail(given: str) -> NoReturn:
        raise ValueError(given)

    @job(max_attempts=1)
    async def stop() -> NoReturn:
        raise Abandon(text)

    @job(max_attempts=1)
    async def give_back() -> Any:
        return {text: [text]}

    async with started(echo, fail, stop, give_back) as runner:
        with one_line(InvalidPayload):
            assert await (await runner.enqueue(echo, text)).result() == text
        with one_line(InvalidPayload):
            await _dies(await runner.enqueue(fail, text), text)
        await _dies(await runner.enqueue(stop), text)
        with one_line(ResultNotKept):
            assert await (await runner.enqueue(give_back)).result() == {text: [text]}
        with one_line(InvalidOption):
            keyed = await runner.enqueue(stop.using(delay="1h", idempotency_key=text))
            assert (await keyed.job()).idempotency_key == text
        with one_line(InvalidOption):
            labelled = await runner.enqueue(stop.using(delay="1h", label=text))
            assert (await labelled.job()).label == text
        with one_line(InvalidOption):
            assert job(name=text)(takes_text).name == text
        with one_line(UnknownJobType):
            await runner.enqueue_named(f"{text} ")


async def _dies(handle: JobHandle[Any], text: str) -> None:
    with pytest.raises(JobDead) as caught:
        await handle.result()
    assert is_one_printed_line(str(caught.value))
    assert (await handle.job()).history[0].message == make_storable(text, 2_000)


@contextmanager
def one_line(refused: type[AiojobsError]) -> Iterator[None]:
    """What the block does may be refused by this error, whose text is then one line."""
    try:
        yield
    except refused as error:
        shown = str(error)
    else:
        return
    assert is_one_printed_line(shown)
