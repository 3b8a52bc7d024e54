"""What is done when a job dies: `on_dead=` of a job type and `runner.on_dead` for all."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Abandon, Cancel, InvalidOption, JobRunner, Status, job
from aiojobs_lite.dead import DeadJob
from aiojobs_lite.engine import deaths
from aiojobs_lite.errors import RecordedError, RunnerAlreadyStarted
from aiojobs_lite.model.writes import Claim, Insert, Unit
from aiojobs_lite.telemetry.facts import JobEnqueued
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import faulty
from tests.helpers.fault_store import Fault, Kind
from tests.helpers.machine import promised
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, quiet, until


class Deaths:
    """Reactions that remember what they were called with."""

    def __init__(self) -> None:
        self.of_type: list[DeadJob] = []
        self.of_any: list[DeadJob] = []
        self.threads: set[int] = set()

    async def type_died(self, dead: DeadJob) -> None:
        self.of_type.append(dead)

    def any_died(self, dead: DeadJob) -> None:
        self.threads.add(threading.get_ident())
        self.of_any.append(dead)


@pytest.fixture
def seen() -> Deaths:
    return Deaths()


@pytest.fixture
def runner(seen: Deaths) -> JobRunner:
    runner = JobRunner(":memory:", drain_timeout=0.05, cancel_grace=0.05)

    @runner.job(max_attempts=1, on_dead=seen.type_died)
    async def charge(user_id: int) -> None:
        raise KeyError(user_id)

    @runner.job(on_dead=seen.type_died)
    async def well(end: str = "") -> None:
        if end == "cancelled":
            raise Cancel("gone")
        if end == "abandoned":
            raise Abandon("bad")

    assert runner.on_dead(seen.any_died) == seen.any_died
    return runner


async def test_a_function_is_called_once_a_dead_job_with_what_was_raised(runner: JobRunner, seen: Deaths) -> None:
    async with runner:
        handle = await runner.enqueue_named("charge", user_id=7)
        await runner.run_until_idle()
        job = await handle.job()
    (dead,), (same,) = seen.of_type, seen.of_any
    assert dead == same
    assert (dead.id, dead.type, dead.attempt, dead.max_attempts) == (handle.id, "charge", 1, 1)
    assert (dead.payload, dead.label, dead.created_at) == ({"user_id": 7}, None, job.created_at)
    assert dead.reason == job.reason == "its only attempt used up"
    assert isinstance(dead.error, KeyError)
    assert dead.error.args == (7,)
    last = traceback.extract_tb(dead.error.__traceback__)[-1]
    assert (last.name, last.line) == ("charge", "raise KeyError(user_id)")
    assert dead.traceback == job.history[-1].traceback
    assert dead.traceback.endswith("KeyError: 7\n")
    assert seen.threads.isdisjoint({threading.get_ident()})  # a plain function runs in a thread


async def test_a_death_is_durable_before_its_function_is_called() -> None:
    runner = JobRunner(":memory:")
    found: list[Status] = []

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError

    @runner.on_dead
    async def look(dead: DeadJob) -> None:
        found.append((await runner.jobs.get(dead.id)).status)

    async with runner:
        await runner.enqueue(fails)
        await runner.run_until_idle()
    assert found == [Status.DEAD]


async def test_what_does_not_die_calls_nothing(runner: JobRunner, seen: Deaths) -> None:
    async with runner:
        await runner.enqueue_named("well")
        await runner.enqueue_named("well", end="cancelled")
        await runner.run_until_idle()
        assert seen.of_any == []
        await runner.enqueue_named("well", end="abandoned")
        await runner.run_until_idle()
        assert [dead.reason for dead in seen.of_any] == ["abandoned by its handler"]
        assert isinstance(seen.of_type[0].error, Abandon)


async def test_a_redriven_job_that_dies_again_is_a_death_again(runner: JobRunner, seen: Deaths) -> None:
    async with runner:
        handle = await runner.enqueue_named("charge", user_id=7)
        await runner.run_until_idle()
        await runner.jobs.redrive(handle.id)
        await runner.run_until_idle()
    assert [dead.id for dead in seen.of_any] == [handle.id] * 2


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_reaction_that_fails_is_logged_and_reaches_nothing_else(
    runner: JobRunner, seen: Deaths, caplog: pytest.LogCaptureFixture, kind: type[BaseException], is_async: bool
) -> None:
    def fails(dead: DeadJob) -> None:
        raise kind("no mail server")

    async def fails_too(dead: DeadJob) -> None:
        raise kind("no mail server")

    runner.on_dead(fails_too if is_async else fails)
    runner.on_dead(seen.type_died)
    async with runner:
        handle = await runner.enqueue_named("charge", user_id=7)
        await runner.run_until_idle()
        assert await (await runner.enqueue_named("well")).result() is None
    assert len(seen.of_type) == 2
    (record,) = [record for record in caplog.records if "on_dead" in record.getMessage()]
    assert record.levelno == logging.ERROR
    assert f"on_dead of charge job {handle.id} failed in " in record.getMessage()
    assert f"{kind.__name__}: no mail server" in record.getMessage()
    assert record.exc_info is not None


# Job types.


async def test_a_job_type_is_enqueued_with_the_id_of_the_dead_job() -> None:
    runner, found = JobRunner(":memory:"), []

    @job(priority="high")
    async def refund(job_id: int) -> None:
        found.append((await runner.jobs.get(job_id)).payload)

    @runner.job(max_attempts=1, on_dead=refund.using(label="refund"))
    async def charge(user_id: int) -> None:
        raise KeyError(user_id)

    async with runner:  # it has joined the runner
        await runner.enqueue(charge, 7)
        await runner.run_until_idle()
        (refunded,) = await runner.jobs.list(type="refund")
    assert found == [{"user_id": 7}]
    assert (refunded.label, refunded.priority, refunded.status) == ("refund", "high", Status.COMPLETED)


async def test_what_a_death_enqueues_is_published_as_every_other_job() -> None:
    runner = JobRunner(":memory:")

    @job
    async def refund(job_id: int) -> None: ...

    @runner.job(max_attempts=1, on_dead=refund.using(idempotency_key="once"))
    async def charge() -> None:
        raise KeyError

    async with runner:
        facts = runner.watch()
        first = await runner.enqueue(charge)
        await runner.run_until_idle()
        second = await runner.enqueue(charge)  # its death finds the job of the first one
        await runner.run_until_idle()
        (refunded,) = await runner.jobs.list(type="refund")
        enqueued = [(fact.job_id, fact.type) for fact in facts.take() if isinstance(fact, JobEnqueued)]
    assert enqueued == [(first.id, "charge"), (refunded.id, "refund"), (second.id, "charge")]


async def test_a_job_type_is_enqueued_in_the_transaction_of_the_death(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails between the two would show one without the other."""
    store = faulty(tmp_path / "jobs.db")
    runner, units = JobRunner(store), []
    apply: Any = store.apply

    async def applied(given: Any, now: int) -> Any:
        units.extend(given)
        return await apply(given, now)

    monkeypatch.setattr(store, "apply", applied)

    @job
    async def refund(job_id: int) -> None: ...

    @runner.job(max_attempts=1, on_dead=refund)
    async def charge() -> None:
        raise KeyError

    async with runner:
        await runner.enqueue(charge)
        await runner.run_until_idle()
    (unit,) = [unit for unit in units if type(unit[0]).__name__ == "Close"]
    assert [type(write).__name__ for write in unit] == ["Close", "Insert"]


async def test_a_job_dies_at_its_first_attempt_though_the_store_refuses_the_job_of_its_death(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, calls = faulty(tmp_path / "jobs.db"), list[int]()

    @job
    async def refund(job_id: int) -> None: ...

    @job(max_attempts=1, on_dead=refund)
    async def charge() -> None:
        calls.append(1)
        raise Abandon("card refused")

    def has_refund(units: Sequence[Unit]) -> bool:
        inserts = [write for unit in units for write in unit if isinstance(write, Insert)]
        return any(row.type == "refund" for write in inserts for row in write.rows)

    store.faults = [Fault(Kind.REJECTED, when=has_refund)]
    runner = JobRunner(store, jobs=[charge])
    async with runner:
        handle = await runner.enqueue(charge)
        await runner.run_until_idle()
        dead = await handle.job()
        refunds = await runner.jobs.list(type="refund")
    assert (dead.status, dead.attempts, calls, refunds) == (Status.DEAD, 1, [1], [])
    assert "is saved without what goes with it (the jobs that it enqueues: 'refund')" in caplog.text


async def test_a_job_type_for_every_death_does_not_react_to_its_own() -> None:
    runner = JobRunner(":memory:")
    calls: list[str] = []

    @runner.job(max_attempts=1)
    async def charge() -> None:
        raise KeyError

    @runner.on_dead
    @job(max_attempts=1)
    async def alarm(job_id: int) -> None:
        raise OSError

    @runner.on_dead
    @job(max_attempts=1)
    async def second_alarm(job_id: int) -> None:
        raise OSError

    runner.on_dead(lambda dead: calls.append(dead.type))
    async with runner:
        await runner.enqueue(charge)
        await runner.run_until_idle()
        assert runner.stats().dead == 3
    assert sorted(calls) == ["alarm", "charge", "second_alarm"]  # a function is called for these, too


# Where only the record is left.


@job(process=True, max_attempts=1)
def dies(pid: int) -> None:
    raise LookupError(f"in another process: {pid != os.getpid()}")


@slow
async def test_of_a_worker_process_the_record_is_given(seen: Deaths) -> None:
    runner = JobRunner(":memory:", jobs=[dies])
    runner.on_dead(seen.type_died)
    async with runner:
        await runner.enqueue(dies, os.getpid())
        await runner.run_until_idle()
    (dead,) = seen.of_type
    assert isinstance(dead.error, RecordedError)
    assert (dead.error.job_id, dead.error.error_type) == (dead.id, "LookupError")
    assert dead.error.message == "in another process: True"
    assert dead.error.traceback == dead.traceback
    assert "raise LookupError" in dead.traceback


async def test_a_job_whose_owner_died_is_reacted_to_where_it_is_rescued(seen: Deaths) -> None:
    runner = JobRunner(":memory:", max_running=0)

    @job
    async def refund(job_id: int) -> None: ...

    @runner.job(max_attempts=1, on_dead=refund)
    async def bomb(size: int) -> None: ...

    runner.on_dead(seen.type_died)
    async with runner:
        handle = await runner.enqueue(bomb.using(label="large"), size=9)
        facts = runner.watch()
        answer = await Probe(runner).write(Claim("00000000000000ab", 1, ("bomb",), {}, {}))
        assert [claimed.id for claimed in answer.jobs] == [handle.id]
        await Probe(runner).rescue()
        await until(lambda: len(seen.of_type) == 1)
        enqueued = await runner.jobs.list(type="refund")
        published = [fact.job_id for fact in facts.take() if isinstance(fact, JobEnqueued)]
    (dead,) = seen.of_type
    assert (dead.id, dead.payload, dead.label, dead.attempt) == (handle.id, {"size": 9}, "large", 1)
    assert (dead.reason, getattr(dead.error, "message", "")) == ("its only attempt used up", "its process ended")
    assert [(one.id, one.payload) for one in enqueued] == [(published[0], {"job_id": handle.id})]


# The drain, and limits.


async def test_leaving_waits_for_a_reaction_that_runs() -> None:
    runner, entered, release, ended = JobRunner(":memory:"), asyncio.Event(), asyncio.Event(), []

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError

    @runner.on_dead
    async def lasting(dead: DeadJob) -> None:
        entered.set()
        await release.wait()
        ended.append(dead.id)

    async with runner:
        await runner.enqueue(fails)
        await entered.wait()
        leaving = asyncio.ensure_future(runner.__aexit__(None, None, None))
        await until(lambda: Probe(runner).is_draining)
        assert not leaving.done()
        release.set()
        await leaving
        assert ended == [1]
        await runner.__aenter__()


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_reaction_that_does_not_end_cannot_hold_the_drain_up(
    runner: JobRunner, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    entered, release, wake = threading.Event(), threading.Event(), asyncio.Event()

    def blocks(dead: DeadJob) -> None:
        entered.set()
        release.wait(PATIENCE)

    async def swallows(dead: DeadJob) -> None:
        entered.set()
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await wake.wait()

    runner.on_dead(swallows if is_async else blocks)
    try:
        await runner.__aenter__()
        await runner.enqueue_named("charge", user_id=7)
        await until(entered.is_set)
        with promised(0.1 + 1):  # drain_timeout, cancel_grace, and one second
            await runner.__aexit__(None, None, None)
    finally:
        release.set()
    text = "on_dead: 1 calls did not end before the runner was closed, and 0 did not begin"
    assert [record.getMessage() for record in caplog.records if record.getMessage() == text] == [text]
    wake.set()
    await quiet()


async def test_many_deaths_are_reacted_to_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, running, most, calls = JobRunner(":memory:"), 0, 0, 0

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError

    @runner.on_dead
    async def count(dead: DeadJob) -> None:
        nonlocal running, most, calls
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        calls += 1

    async with runner:
        await runner.enqueue_many([fails.bind() for _ in range(50)])
        await runner.run_until_idle()
    assert calls == 50
    assert 1 < most <= 10


async def test_more_deaths_than_can_wait_are_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deaths, "MOST_DEATHS_WAITING", 5)
    runner, calls, release = JobRunner(":memory:"), [], asyncio.Event()

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError

    @runner.on_dead
    async def wait(dead: DeadJob) -> None:
        calls.append(dead.id)
        await release.wait()

    async with runner:
        await runner.enqueue_many([fails.bind() for _ in range(40)])
        await until(lambda: runner.stats().dead == 40)
        release.set()
        await runner.run_until_idle()
        assert len(calls) == 15
        await runner.enqueue(fails)
        await runner.run_until_idle()
        assert len(calls) == 16  # it goes on
    assert sum("too many wait" in record.getMessage() for record in caplog.records) == 1


# What is refused.


async def with_two(dead: DeadJob, more: int) -> None: ...


@job
async def takes_nothing() -> None: ...


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (5, "a job type that takes the id of a dead job."),
        (ValueError, "a job type that takes the id of a dead job."),
        (with_two, "and nothing else: missing a required argument: 'more'"),
        (lambda: None, "and nothing else: too many positional arguments"),
        (takes_nothing, "and nothing else: "),
    ],
)
def test_what_cannot_be_called_with_a_dead_job_is_refused(value: Any, why: str) -> None:
    expected = "a function that takes a DeadJob, or a job type that takes the id of a dead job"
    for declare in (lambda: job(on_dead=value)(takes_nothing.handler), lambda: JobRunner(":memory:").on_dead(value)):
        with pytest.raises(InvalidOption, match=re.escape(expected)) as caught:
            declare()
        assert caught.value.option == "on_dead"
        assert why in str(caught.value)


async def test_a_runner_that_is_started_takes_no_more(runner: JobRunner, seen: Deaths) -> None:
    async with runner:
        with pytest.raises(RunnerAlreadyStarted, match="given a handler of dead jobs"):
            runner.on_dead(seen.any_died)
