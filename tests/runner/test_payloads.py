"""Payloads that evolve: two versions of an application on one file, and how a version shows where jobs are read."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from aiojobs_lite import Job, JobClient, JobRunner, job
from aiojobs_lite.dead import DeadJob
from aiojobs_lite.errors import InvalidOption, KeyReused, UnknownJobType
from aiojobs_lite.flow import Unique
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Held
from aiojobs_lite.runner.middleware import JobToEnqueue, Middleware
from aiojobs_lite.telemetry.facts import AttemptFailed, Fact, JobHeld, PayloadsUnfit
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

Arguments = dict[str, Any]
LOOK_S = 2.0  # in which held jobs are looked at


def split(arguments: Arguments) -> Arguments:
    first, last = arguments["name"].split()
    return {"first": first, "last": last}


def greet(name: str) -> str:
    return name


def greet_both(first: str, last: str) -> str:
    return f"{first} {last}"


async def _old(name: str) -> str:
    return f"old {name}"


async def _new(first: str, last: str) -> str:
    return f"new {first} {last}"


old = job(name="greet")(_old)
new = job(name="greet", version=2, upgrade={1: split})(_new)


def facts_of(listener: Any, *kinds: type[Fact]) -> list[str]:
    """The facts of these kinds, as their log lines."""
    return [str(fact) for fact in listener.take() if isinstance(fact, kinds)]


async def result_of(runner: JobRunner, job_id: int) -> Any:
    await runner.run_until_idle()
    return (await runner.jobs.get(job_id)).result


async def all_end(clock: FakeClock, *runners: JobRunner) -> None:
    """Time goes by until all jobs are finished."""
    async with asyncio.timeout(PATIENCE):
        while not all(found.is_finished for found in await runners[0].jobs.list()):
            for runner in runners:
                await runner.run_until_idle()
            clock.advance(LOOK_S)


async def test_a_new_version_runs_what_waits_of_the_old_one_and_no_attempt_is_lost(
    database: Path, clock: FakeClock
) -> None:
    async with JobRunner(database, jobs=[old], max_running=0, clock=clock) as runner:
        handle = await runner.enqueue(old, "ann lee")
    async with JobRunner(database, jobs=[new], clock=clock) as runner:
        assert await result_of(runner, handle.id) == "new ann lee"
        found = await runner.jobs.get(handle.id)
        assert (found.attempts, found.history, found.payload, found.version) == (1, (), {"name": "ann lee"}, 1)


async def test_both_versions_run_side_by_side_and_each_job_runs_once(database: Path, clock: FakeClock) -> None:
    """A rolling deploy: what the old version cannot run is held, and the new one takes it; it runs both kinds."""
    first = JobRunner(database, jobs=[old], clock=clock)
    second = JobRunner(database, jobs=[new], clock=clock, max_running=0)
    async with first:
        facts = first.watch()
        async with second:
            handle = await second.enqueue(new, "ann", "lee")
            await first.run_until_idle()
            (line,) = facts_of(facts, JobHeld)
            assert line.startswith(f"held: greet job {handle.id} waits for a handler that takes its payload: ")
            assert line.endswith("arguments: were enqueued as version 2; this handler takes version 1 at most")
            (found,) = await second.jobs.list(type="greet")
            assert (found.held, found.attempts, found.payload, found.version) == (
                Held.PAYLOAD, 0, {"first": "ann", "last": "lee"}, 2,
            )  # fmt: skip
        async with JobRunner(database, jobs=[new], clock=clock) as third:
            plain = await first.enqueue(old, "bob ray")
            await all_end(clock, first, third)
            assert (await third.jobs.get(handle.id)).result == "new ann lee"
            assert (await third.jobs.get(plain.id)).result in {"old bob ray", "new bob ray"}
            assert {one.attempts for one in await third.jobs.list()} == {1}
            assert facts_of(facts, AttemptFailed) == []


async def test_a_rollback_holds_the_new_jobs_until_the_new_version_is_back(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[new], max_running=0, clock=clock) as runner:
        handle = await runner.enqueue(new, "ann", "lee")
    back = JobRunner(database, jobs=[old], clock=clock)
    facts = back.watch()
    async with back:
        (line,) = facts_of(facts, PayloadsUnfit)
        assert line.startswith(
            "unfit payloads: 1 of 1 job of greet looked at, which wait. This handler does not take them:"
        )
        assert line.endswith(
            f"job {handle.id}: arguments: were enqueued as version 2; this handler takes version 1 at most"
        )
        await back.run_until_idle()
        assert back.stats().held == 1
        assert [found.id for found in await back.jobs.list(held="payload")] == [handle.id]
        with pytest.raises(UnknownJobType, match="'other' is not registered"):
            await back.jobs.list(held="payload", type="other")
        with pytest.raises(InvalidOption, match="'payload' or 'after' or 'event' or 'listener' or 'lane'"):
            await back.jobs.list(held="x")  # type: ignore[arg-type]
        assert "version 2; this handler takes version 1 at most" in await back.jobs.explain(handle.id)
    async with JobRunner(database, jobs=[new], clock=clock) as runner:
        assert await result_of(runner, handle.id) == "new ann lee"


async def test_what_a_step_cannot_upgrade_is_held_and_a_better_step_takes_it(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[old], max_running=0, clock=clock) as runner:
        handle = await runner.enqueue(old, "ann")  # no last name
    async with JobRunner(database, jobs=[new], clock=clock) as broken:
        await broken.run_until_idle()
        found = await broken.jobs.get(handle.id)
        assert (found.held, found.attempts) == (Held.PAYLOAD, 0)
        assert found.reason is not None
        assert "upgrade[1]: the step from version 1 to version 2 raised ValueError(" in found.reason
        for _ in range(3):
            clock.advance(LOOK_S)
            await broken.run_until_idle()
        assert (await broken.jobs.get(handle.id)).held is Held.PAYLOAD

    better = job(name="greet", version=2, upgrade={1: lambda arguments: {"first": arguments["name"], "last": ""}})(_new)
    async with JobRunner(database, jobs=[better], clock=clock) as runner:
        assert await result_of(runner, handle.id) == "new ann "


async def test_a_running_version_takes_what_another_one_holds(database: Path, clock: FakeClock) -> None:
    """Neither starts meanwhile: a look of the new version finds it."""
    able = JobRunner(database, jobs=[new], clock=clock)
    async with JobRunner(database, jobs=[old], clock=clock) as unable, able:
        async with JobRunner(database, jobs=[new], max_running=0, clock=clock) as runner:
            handles = await runner.enqueue_many([new.bind("ann", str(n)) for n in range(6)])
        await all_end(clock, unable, able)
        found = [await able.jobs.get(handle.id) for handle in handles]
        assert [(one.result, one.attempts) for one in found] == [(f"new ann {n}", 1) for n in range(6)]


def enqueue_by_client(database: Path, first: str, last: str) -> None:
    with JobClient(database, jobs=[new]) as client:
        client.enqueue(new, first, last)


async def test_enqueue_in_and_a_client_store_the_version_too(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[new], max_running=0, clock=clock) as runner:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            await runner.enqueue_in(connection, new, "ann", "lee")
            connection.execute("COMMIT")
        await asyncio.to_thread(enqueue_by_client, database, "bob", "ray")
        jobs = await runner.jobs.list()
    assert [(found.version, found.payload["first"]) for found in jobs] == [(2, "bob"), (2, "ann")]
    assert {found.payload_json.partition(",")[0] for found in jobs} == {'{"@version":2'}
    written = json.loads(TypeAdapter(list[Job]).dump_json(jobs))[0]
    assert (written["version"], written["payload"]) == (2, {"first": "bob", "last": "ray"})


async def test_keys_are_of_the_arguments_and_an_idempotency_key_of_the_whole_call(
    database: Path, clock: FakeClock
) -> None:
    first, second = (job(name="a", version=version, unique=Unique())(_old) for version in (1, 2))
    async with JobRunner(database, jobs=[first], max_running=0, clock=clock) as runner:
        handle = await runner.enqueue(first, "x")
        await runner.enqueue(first.using(idempotency_key="k"), "y")
    async with JobRunner(database, jobs=[second], max_running=0, clock=clock) as runner:
        again = await runner.enqueue(second, "x")
        assert (again.id, again.is_new) == (handle.id, False)
        with pytest.raises(KeyReused):
            await runner.enqueue(second.using(idempotency_key="k"), "y")


async def test_dead_jobs_middleware_and_the_testing_kit_show_the_arguments_alone(job_kit: JobKit) -> None:
    deaths: list[DeadJob] = []
    seen: list[Any] = []

    class Sees(Middleware):
        async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
            seen.extend(dict(one.payload) for one in jobs)
            await proceed()

    @job(version=2, max_attempts=1, on_dead=deaths.append)
    async def dies(x: int, y: int = 2) -> None:
        raise ValueError(x)

    async with job_kit(JobRunner(jobs=[dies], middleware=[Sees()])) as runner:
        await runner.enqueue(dies, 1)
        await runner.run_until_idle()
        assert job_kit.assert_enqueued(dies, x=1, y=2).arguments == {"x": 1}
        job_kit.refute_enqueued(dies, x=2)
    assert seen == [{"x": 1}]
    assert [dead.payload for dead in deaths] == [{"x": 1}]


@slow
async def test_a_worker_process_gets_the_upgraded_arguments(database: Path, clock: FakeClock) -> None:
    """It needs no step: a lambda is one of this process alone."""
    first: JobType[..., str] = JobType(greet, name="greet", process=True)
    second: JobType[..., str] = JobType(
        greet_both, name="greet", process=True, version=2, upgrade={1: lambda given: split(given)}
    )
    async with JobRunner(database, jobs=[first], max_running=0, clock=clock) as runner:
        before = await runner.enqueue(first, "ann lee")
        bad = await runner.enqueue(first, "ann")
    async with asyncio.timeout(3 * PATIENCE), JobRunner(database, jobs=[second], clock=clock) as runner:
        assert await (await runner.enqueue(second, "bob", "ray")).result() == "bob ray"
        await runner.run_until_idle()
        assert (await runner.jobs.get(before.id)).result == "ann lee"
        assert (await runner.jobs.get(bad.id)).held is Held.PAYLOAD
