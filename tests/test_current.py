"""`current_job()` and `JobFilter`: the job of the handler that runs, in all that it starts, and nowhere else."""

from __future__ import annotations

import asyncio
import io
import logging
import logging.config
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aiojobs_lite import Abandon, JobContext, JobRunner, JobType, current_job, injected, job
from aiojobs_lite.current import CURRENT
from aiojobs_lite.dead import DeadJob
from aiojobs_lite.logs import JobFilter
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import stopping_of
from tests.helpers.calls import in_process, started
from tests.helpers.rings import slow
from tests.helpers.waiting import until


def name_of_current() -> str:
    found = current_job()
    return f"{found.type} {found.id} {found.attempt}" if found else "none"


@job
async def plain() -> str:
    return name_of_current()


@job
async def with_context(ctx: JobContext = injected) -> bool:
    return current_job() is ctx is current_job()


@job
async def in_tasks() -> list[str]:
    async def child() -> str:
        await asyncio.sleep(0)
        return name_of_current()

    return [*await asyncio.gather(child(), child()), await asyncio.to_thread(name_of_current)]


@job
def in_thread(ctx: JobContext = injected) -> bool:
    return current_job() is ctx


@job
def in_thread_without_context() -> str:
    return name_of_current()


@pytest.mark.parametrize(
    ("job_type", "result"),
    [
        (plain, "plain 1 1"),
        (with_context, True),
        (in_tasks, ["in_tasks 1 1"] * 3),
        (in_thread, True),
        (in_thread_without_context, "in_thread_without_context 1 1"),
    ],
)
async def test_the_job_is_that_of_the_handler(job_type: JobType[..., Any], result: object, clock: FakeClock) -> None:
    async with started(clock, job_type) as runner:
        handle = await runner.enqueue(job_type)
        assert await handle.result() == result
        assert current_job() is None


@slow
async def test_in_another_process_it_is_the_same(clock: FakeClock) -> None:
    named = in_process(name_of_current)
    async with started(clock, named) as runner:
        assert await (await runner.enqueue(named)).result() == f"{named.name} 1 1"


async def test_jobs_that_run_at_the_same_time_do_not_meet(clock: FakeClock) -> None:
    entered = asyncio.Event()

    @job
    async def first() -> list[str]:
        found = [name_of_current()]
        await entered.wait()
        return [*found, name_of_current()]

    @job
    async def second() -> str:
        found = name_of_current()
        entered.set()
        return found

    async with started(clock, first, second) as runner:
        one, two = await runner.enqueue(first), await runner.enqueue(second)
        assert await two.result() == "second 2 1"
        assert await one.result() == ["first 1 1"] * 2


async def test_what_a_handler_enqueues_is_not_in_its_job(clock: FakeClock) -> None:
    """Its attempt begins in a callback of the event loop that the handler has set off."""
    runner, found = JobRunner(":memory:", clock=clock), []

    @runner.job
    async def child() -> None:
        found.append(name_of_current())

    @runner.job
    async def parent() -> None:
        await runner.enqueue(child)
        found.append(name_of_current())

    async with runner:
        await runner.enqueue(parent)
        await until(lambda: runner.stats().completed == 2)
    assert sorted(found) == ["child 2 1", "parent 1 1"]


async def test_it_has_what_the_runner_gives(clock: FakeClock) -> None:
    class Smtp: ...

    smtp = Smtp()
    stops: list[bool] = []

    @job
    async def takes_none() -> None:
        found = current_job()
        assert found is not None
        assert found.get(Smtp) is smtp

    @job(timeout="1s", max_attempts=1)
    def stopped() -> None:
        found = current_job()
        assert found is not None
        entered.set()
        stopping_of(found).wait()
        stops.append(found.stopping)

    entered = threading.Event()
    async with started(clock, takes_none, stopped, deps={Smtp: smtp}) as runner:
        await (await runner.enqueue(takes_none)).result()
        handle = await runner.enqueue(stopped)
        await until(entered.is_set)
        clock.advance("1s")
        await handle.result()
    assert stops == [True]


async def test_it_outlives_no_attempt_in_a_worker_thread_of_the_application(clock: FakeClock) -> None:
    async with started(clock, plain) as runner:
        await (await runner.enqueue(plain)).result()
        assert CURRENT.get() is None
        assert await asyncio.to_thread(name_of_current) == "none"


# The filter.


@contextmanager
def logging_to(stream: io.StringIO, log_filter: JobFilter, *names: str) -> Iterator[None]:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(job_id)s %(job_type)s %(job_attempt)s: %(message)s"))
    handler.addFilter(log_filter)
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)


async def test_each_record_of_a_handler_bears_its_job(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stream, log = io.StringIO(), logging.getLogger("shop")

    @job(name="email.welcome", max_attempts=1)
    async def email() -> None:
        log.info("sent")
        log.info("with its own", extra={"job_id": "mine"})

    with logging_to(stream, JobFilter(), "shop", "aiojobs_lite"):
        async with started(clock, email) as runner:
            await (await runner.enqueue(email)).result()
            log.info("outside")
    lines = stream.getvalue().splitlines()
    assert "1 email.welcome 1: sent" in lines
    assert "mine email.welcome 1: with its own" in lines
    assert "- - -: outside" in lines
    (completed,) = (line for line in lines if "completed:" in line)
    assert completed.startswith("1 email.welcome 1: completed: ")


@pytest.mark.parametrize("is_async", [True, False])
async def test_each_record_of_a_reaction_to_a_death_bears_the_dead_job(clock: FakeClock, is_async: bool) -> None:
    stream, log = io.StringIO(), logging.getLogger("shop")
    running = list[JobContext | None]()

    def reacts_in_thread(dead: DeadJob) -> None:
        log.error("died of %r", dead.error)
        running.append(current_job())

    async def reacts(dead: DeadJob) -> None:
        reacts_in_thread(dead)

    @job(max_attempts=2, on_dead=reacts if is_async else reacts_in_thread)
    async def charge() -> None:
        raise Abandon("no card")

    with logging_to(stream, JobFilter(), "shop"):
        async with started(clock, charge) as runner:
            await runner.enqueue(charge)
            await runner.run_until_idle()
            log.error("outside")
    assert stream.getvalue().splitlines() == ["1 charge 1: died of Abandon('no card')", "- - -: outside"]
    assert running == [None]


async def test_a_line_of_the_library_bears_the_job_that_it_is_about(clock: FakeClock) -> None:
    """Whatever handler's context it is made in."""
    stream = io.StringIO()

    @job
    async def logs() -> None:
        logging.getLogger("aiojobs_lite.engine").warning("of the runner")

    with logging_to(stream, JobFilter(None), "aiojobs_lite"):
        async with started(clock, logs) as runner:
            await (await runner.enqueue(logs)).result()
    assert "None None None: of the runner" in stream.getvalue().splitlines()


def test_a_configuration_by_dictionary_finds_it() -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "incremental": False,
        "filters": {"job": {"()": "aiojobs_lite.logs.JobFilter", "outside": "none"}},
        "handlers": {"of_shop": {"class": "logging.NullHandler", "filters": ["job"]}},
        "loggers": {"shop": {"handlers": ["of_shop"]}},
    }
    logging.config.dictConfig(config)
    shop = logging.getLogger("shop")
    (handler,) = shop.handlers
    record = logging.makeLogRecord({"name": "shop"})
    assert handler.filter(record)
    assert vars(record)["job_id"] == "none"
    shop.handlers.clear()
