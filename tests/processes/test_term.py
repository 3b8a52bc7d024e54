"""SIGTERM and SIGINT: the drain in time, the host's own handlers, and an end in any case."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner, Outcome, Status, job
from aiojobs_lite.telemetry.facts import DrainStarted
from tests.helpers.apps.worker import two_seconds
from tests.helpers.machine import promised
from tests.helpers.programs import Child, looking, program, worker
from tests.helpers.rings import drawn, first_of, slow
from tests.helpers.waiting import PATIENCE, next_fact

pytestmark = drawn(2)

SIGTERM, SIGINT = signal.SIGTERM, signal.SIGINT
BOTH = pytest.mark.parametrize("number", first_of(1, [SIGTERM, SIGINT]))
SHORT = {"drain_timeout": 0.1, "cancel_grace": 0.1}
LONG = {"drain_timeout": "1h", "cancel_grace": 0.1}


async def enqueued(database: Path, *names: str) -> list[int]:
    async with looking(database) as runner:
        return [(await runner.enqueue_named(name)).id for name in names]


@BOTH
async def test_a_signal_has_a_script_finish_what_runs_and_then_ends_it(database: Path, number: signal.Signals) -> None:
    (job_id,) = await enqueued(database, "held")
    async with worker(database, "forever") as child, looking(database) as runner:
        await child.line("started")
        child.signal(number)
        expected = f"log drain started ({number.name}): 1 attempt running: held (1);"
        assert (await child.line("log drain started"))[:9] == expected.split()
        late = await runner.enqueue_named("quick")
        child.order("go")
        await child.line("ended")
        assert await child.ended() == -number
        assert (await runner.jobs.get(job_id)).status is Status.COMPLETED
        assert (await late.job()).attempts == 0  # nothing is claimed after the signal
    assert child.said("restored") == ([["restored"]] if number is SIGINT else [])  # SIGTERM ends it before that


@slow
@BOTH
@pytest.mark.parametrize("options", [{}, SHORT], ids=["finished", "interrupted"])
async def test_resources_are_left_after_the_drain_and_before_the_signal_ends_a_script(
    database: Path, number: signal.Signals, options: dict[str, Any]
) -> None:
    async with program("-m", "tests.helpers.apps.leaving", database, json.dumps(options)) as child:
        await child.line("started")
        child.signal(number)
        await child.line("log drain started")
        if not options:
            child.order("go")
        assert await child.ended() == -number
    story = [line for line in child.lines if re.match(r"(entered|left|started|ended)\b", line)]
    assert story == [
        "entered engine", "entered mailer", "entered session", "started", "ended", "left session", "left mailer",
        "left engine",
    ]  # fmt: skip
    async with looking(database) as runner:
        ended = await runner.jobs.get(1)
    assert (ended.status, ended.interruptions) == ((Status.PENDING, 1) if options else (Status.COMPLETED, 0))


@slow
@BOTH
async def test_a_job_that_outlasts_the_drain_runs_again_at_no_cost(database: Path, number: signal.Signals) -> None:
    (job_id,) = await enqueued(database, "held")
    async with worker(database, "forever", **SHORT) as child:
        await child.line("started")
        child.signal(number)
        assert await child.ended() == -number
    async with worker(database) as second:
        assert await second.line("started") == ["started", str(job_id), "1"]
        second.order("go")
        second.order("leave")
        assert await second.ended() == 0
    async with looking(database) as runner:
        job = await runner.jobs.get(job_id)
        assert (job.status, job.attempts, job.interruptions, job.crashes) == (Status.COMPLETED, 1, 1, 0)


@slow
@BOTH
async def test_a_later_sigint_hurries_and_still_costs_no_attempt(database: Path, number: signal.Signals) -> None:
    (job_id,) = await enqueued(database, "endless")
    async with worker(database, "forever", **LONG) as child:
        await child.line("started")
        child.signal(number)
        await child.line("log drain started")
        child.signal(SIGINT)
        await child.line("stopped")
        assert await child.ended() == -number
    async with looking(database) as runner:
        job = await runner.jobs.get(job_id)
        assert (job.status, job.attempts, job.interruptions, job.crashes) == (Status.PENDING, 0, 1, 0)
        assert [attempt.outcome for attempt in job.history] == [Outcome.INTERRUPTED]


@slow
async def test_a_third_sigint_does_not_wait_for_a_job_that_is_slow_to_stop(database: Path) -> None:
    (job_id,) = await enqueued(database, "slow_to_stop")
    async with worker(database, "forever", drain_timeout="1h", cancel_grace="1h") as child:
        await child.line("started")
        child.signal(SIGINT)
        await child.line("log drain started")
        child.signal(SIGINT)
        await child.line("stopping")
        child.signal(SIGINT)
        assert await child.ended() == -SIGINT
    async with looking(database) as runner:
        assert (await runner.jobs.get(job_id)).status is Status.PENDING


@slow
async def test_an_exit_raised_by_the_handler_found_waits_for_the_drain(database: Path) -> None:
    (job_id,) = await enqueued(database, "held")
    async with worker(database, "exits") as child:
        await child.line("started")
        child.signal(SIGTERM)
        await child.line("log drain started (SIGTERM)")
        child.order("go")
        await child.line("ended")
        assert await child.ended() == 7
    async with looking(database) as runner:
        assert (await runner.jobs.get(job_id)).status is Status.COMPLETED


@slow
@pytest.mark.parametrize("name", ["swallowing", "threaded"])
@BOTH
async def test_a_job_that_cannot_be_stopped_does_not_keep_the_process(
    database: Path, number: signal.Signals, name: str
) -> None:
    (job_id,) = await enqueued(database, name)
    async with worker(database, "forever", **SHORT) as child:
        await child.line("started")
        with promised(3):  # both timeouts, a second, and the end of the interpreter
            child.signal(number)
            assert await child.ended() == -number
    async with looking(database) as runner:
        job = await runner.jobs.get(job_id)
        assert (job.status, job.attempts, job.interruptions, job.crashes) == (Status.PENDING, 0, 1, 0)


@slow
async def test_leaving_without_a_signal_restores_the_handlers_and_the_process_ends(database: Path) -> None:
    await enqueued(database, "swallowing")
    async with worker(database, "orders", **SHORT) as child:
        await child.line("started")
        child.order("leave")
        assert await child.ended() == 0
    assert child.said("restored") == [["restored"]]


@slow
async def test_a_handler_found_is_called_and_the_host_goes_on(database: Path) -> None:
    (job_id,) = await enqueued(database, "held")
    async with worker(database, "chained") as child:
        await child.line("started")
        child.signal(SIGTERM)
        await child.line("log drain started (SIGTERM)")
        child.order("go")
        await child.line("log drain finished")
        child.order("enqueue quick")  # the host is as it was, and may enqueue
        _, late = await child.line("enqueued")
        child.order("leave")
        assert await child.ended() == 0
    assert child.said("mine") == [["mine", str(SIGTERM.value)]]
    assert child.said("restored") == [["restored"]]
    async with looking(database) as runner:
        assert (await runner.jobs.get(job_id)).status is Status.COMPLETED
        assert (await runner.jobs.get(int(late))).attempts == 0


@slow
@BOTH
async def test_two_runners_of_one_script_both_finish_before_it_ends(database: Path, number: signal.Signals) -> None:
    second = database.with_name(f"{database.name}-2")
    (one,), (two,) = await enqueued(database, "quick"), await enqueued(second, "held")
    async with worker(database, "both") as child:
        await child.line("started")
        child.signal(number)
        for _ in range(2):
            await child.line(f"log drain started ({number.name})")
        await child.line("log drain finished")
        child.order("go")
        assert await child.ended() == -number
    async with looking(database) as first, looking(second) as other:
        assert (await first.jobs.get(one)).status is Status.COMPLETED
        job = await other.jobs.get(two)
        assert (job.status, job.attempts) == (Status.COMPLETED, 1)


# uvicorn


@asynccontextmanager
async def served(database: Path, **options: object) -> AsyncIterator[tuple[Child, httpx.AsyncClient]]:
    """The web application on a port that the system chose."""
    arguments = ("-m", "uvicorn", "tests.helpers.apps.web:app", "--port", "0")
    environment = {"AIOJOBS_LITE_DATABASE": str(database), "WEB_OPTIONS": json.dumps(options)}
    async with program(*arguments, **environment) as child:
        line = " ".join(await child.line("INFO:     Uvicorn running on"))
        async with httpx.AsyncClient(base_url=line.split()[4], timeout=PATIENCE) as client:
            yield child, client


@slow
async def test_uvicorn_serves_open_requests_while_the_runner_already_drains(database: Path) -> None:
    async with served(database, drain_timeout=0.1) as (child, client):
        finished = int((await client.post("/jobs/held")).text)
        await child.line("started")
        interrupted = int((await client.post("/jobs/endless")).text)
        await child.line("started")
        async with client.stream("GET", "/slow") as response:
            parts = response.aiter_lines()
            assert await anext(parts) == "begun"
            child.signal(SIGTERM)
            await child.line("log drain started (SIGTERM): 2")
            assert not child.said("lifespan")
            child.order("go")
            await child.line("ended")
            child.order("answer")
            late = int(await anext(parts))
            assert [part async for part in parts] == []
        await child.line("lifespan ends")
        code = await child.ended()
    assert code == -SIGTERM  # as uvicorn ends: it raises the signal again
    assert child.said("lifespan ended")
    async with looking(database) as runner:
        jobs = {job.id: job for job in await runner.jobs.list()}
        assert {job_id: (job.status, job.attempts) for job_id, job in jobs.items()} == {
            finished: (Status.COMPLETED, 1), interrupted: (Status.PENDING, 0), late: (Status.PENDING, 0),
        }  # fmt: skip
        assert jobs[interrupted].interruptions == 1
    async with worker(database) as second:
        for _ in range(2):
            await second.line("started", "quick")
        assert second.said("started") == [["started", str(interrupted), "1"]]


@slow
async def test_uvicorn_finishes_ten_jobs_in_time_and_starts_none_of_a_hundred(database: Path) -> None:
    async with served(database) as (child, _client):
        async with looking(database) as runner:
            handles = await runner.enqueue_many([two_seconds.bind() for _ in range(110)])
        for _ in range(10):
            await child.line("started")
        with promised(4):
            child.signal(SIGTERM)
            assert await child.ended() == -SIGTERM
    assert len(child.said("started")) == len(child.said("ended")) == 10
    async with JobRunner(database, jobs=[job(name="two_seconds")(two_seconds_at_once)]) as second:
        assert (second.stats().completed, second.stats().pending) == (10, 100)
        await second.run_until_idle()
        for handle in handles:
            found = await second.jobs.get(handle.id)
            assert (found.status, found.attempts) == (Status.COMPLETED, 1)


async def two_seconds_at_once() -> None:
    """The job of `apps/worker.py` after a deploy that made it quicker."""


@slow
@BOTH
async def test_uvicorn_ends_although_a_job_cannot_be_stopped(database: Path, number: signal.Signals) -> None:
    async with served(database, **SHORT) as (child, client):
        job_id = int((await client.post("/jobs/swallowing")).text)
        await child.line("started")
        child.signal(number)
        assert await child.ended() == (-SIGTERM if number is SIGTERM else 0)
    async with looking(database) as runner:
        job = await runner.jobs.get(job_id)
        assert (job.status, job.attempts, job.interruptions) == (Status.PENDING, 0, 1)


# In the test's own process


@asynccontextmanager
async def handler(number: signal.Signals, found: Any) -> AsyncIterator[None]:
    before = signal.signal(number, found)
    try:
        yield
    finally:
        signal.signal(number, before)


async def test_an_ignored_signal_stays_ignored(database: Path) -> None:
    async with handler(SIGTERM, signal.SIG_IGN), JobRunner(database):
        assert signal.getsignal(SIGTERM) is signal.SIG_IGN


async def test_a_handler_of_the_event_loop_is_called_too_and_stays(database: Path) -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Queue[int]()
    loop.add_signal_handler(SIGTERM, called.put_nowait, SIGTERM)
    found = signal.getsignal(SIGTERM)
    try:
        async with asyncio.timeout(PATIENCE), JobRunner(database) as runner:
            events = runner.watch()
            os.kill(os.getpid(), SIGTERM)
            assert (await next_fact(events, DrainStarted)).why == "SIGTERM"
            await called.get()
            await runner.jobs.list()  # the host leaves the runner when it wants
        assert signal.getsignal(SIGTERM) is found
        os.kill(os.getpid(), SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await called.get()
    finally:
        loop.remove_signal_handler(SIGTERM)


async def test_a_runner_in_a_thread_leaves_the_handlers_alone(database: Path) -> None:
    seen: list[Any] = []

    async def run() -> None:
        async with JobRunner(database):
            seen.extend(map(signal.getsignal, (SIGTERM, SIGINT)))

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join(PATIENCE)
    assert seen == [signal.getsignal(SIGTERM), signal.getsignal(SIGINT)]


async def test_runners_left_in_any_order_still_pass_signals_on(database: Path, tmp_path: Path) -> None:
    called: list[int] = []

    def mine(number: int, _frame: FrameType | None) -> None:
        called.append(number)

    async with handler(SIGTERM, mine):
        one, two = JobRunner(database), JobRunner(tmp_path / "two.db")
        await one.__aenter__()
        await two.__aenter__()
        await one.__aexit__(None, None, None)
        events = two.watch()
        os.kill(os.getpid(), SIGTERM)
        assert (await next_fact(events, DrainStarted)).why == "SIGTERM"
        assert called == [SIGTERM]
        await two.__aexit__(None, None, None)
        os.kill(os.getpid(), SIGTERM)
        assert called == [SIGTERM, SIGTERM]
