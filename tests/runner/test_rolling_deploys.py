"""An old and a new version of an application on one file, in every order of start and stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner, Status, job
from aiojobs_lite.model.job import Held, Job
from aiojobs_lite.telemetry.facts import JobHeld
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.apps.versions import CONCURRENCY, VERSIONS, Version, fitting, make, other
from tests.helpers.rings import first_of
from tests.helpers.waiting import PATIENCE

LOOK = "2s"  # in which held jobs are looked at
ORDERS = list(product(VERSIONS, VERSIONS))  # which starts first, and which stops first


class Deploy:
    """Versions that come and go, and what their handlers did.

    Attributes:
        did: Version, type and payload of each attempt, in their order.
        ticks: The ticks that must have fired: schedule and instant.
    """

    def __init__(self, database: Path) -> None:
        self.database = database
        self.clock = FakeClock(datetime.fromisoformat("2026-01-05T07:58:00Z"))
        self.did: list[tuple[Version, str, dict[str, Any]]] = []
        self.ticks: Counter[tuple[str, str]] = Counter()
        self.alive: dict[Version, JobRunner] = {}
        self._closing: dict[Version, AsyncExitStack] = {}

    async def start(self, version: Version) -> JobRunner:
        def did(job_type: str, **payload: Any) -> None:
            self.did.append((version, job_type, payload))

        closing = AsyncExitStack()
        runner = await closing.enter_async_context(make(version, self.database, did, clock=self.clock))
        self.alive[version], self._closing[version] = runner, closing
        return runner

    async def stop(self, version: Version) -> None:
        del self.alive[version]
        await self._closing.pop(version).aclose()

    async def close(self) -> None:
        for version in list(self.alive):
            await self.stop(version)

    async def enqueue(self, version: Version) -> None:
        """Jobs that only this version can run, and one that both can, of a process that runs nothing itself."""
        async with make(version, self.database, self.did.append, clock=self.clock, max_running=0) as runner:
            for job_type, payload in fitting(version):
                await runner.enqueue_named(job_type, **payload)
            await runner.enqueue_named("same", n=len(self.did))

    async def settle(self) -> None:
        """All that can run now has run."""
        for _ in range(4):
            for runner in list(self.alive.values()):
                await runner.run_until_idle()

    async def minutes(self, count: int) -> None:
        """Time goes by; what must fire is noted."""
        for _ in range(count):
            then = self.clock.time + timedelta(minutes=1)
            for runner in self.alive.values():
                due = [name for name in runner.schedules.names() if runner.schedules.preview(name, 1) == [then]]
                self.ticks |= Counter((name, str({"tick": str(then)})) for name in due)
            self.clock.advance("1m")
            await self.settle()

    async def looks(self, is_done: Callable[[], Awaitable[bool]]) -> None:
        """So many of the looks at held jobs as it takes, and some more."""
        async with asyncio.timeout(PATIENCE):
            while not await is_done():
                self.clock.advance(LOOK)
                await self.settle()
        for _ in range(10):
            self.clock.advance(LOOK)
            await self.settle()

    async def unfinished(self, version: Version) -> list[Job]:
        """The jobs that a version can see and that are at no end."""
        return [job for job in await self.alive[version].jobs.list(limit=1000) if not job.is_finished]

    def ran(self, *job_types: str) -> Counter[tuple[str, str]]:
        """What ran, and how often: type and payload."""
        return Counter((job_type, str(payload)) for _, job_type, payload in self.did if job_type in job_types)


@pytest.fixture
async def deploy(database: Path) -> AsyncIterator[Deploy]:
    made = Deploy(database)
    yield made
    await made.close()


@pytest.mark.parametrize(("first", "leaves"), first_of(1, ORDERS))
async def test_jobs_of_both_versions_come_to_their_end_in_every_order(
    deploy: Deploy, first: Version, leaves: Version
) -> None:
    stays = other(leaves)
    await deploy.start(first)
    await deploy.enqueue(first)
    await deploy.start(other(first))
    await deploy.enqueue(other(first))
    for version in VERSIONS:
        await deploy.enqueue(version)
    mine = Counter((job_type, str(payload)) for version in VERSIONS for job_type, payload in fitting(version) * 2)

    async def all_done() -> bool:
        return not await deploy.unfinished(stays)

    await deploy.looks(all_done)  # each version takes what the other has refused
    assert deploy.ran("greet", "scale", "rename", "bye", "hello", "move") == mine
    for version in VERSIONS:
        await deploy.enqueue(version)
    await deploy.stop(leaves)

    async def others_held() -> bool:
        """What only the other version can run is held, or of a type that is not known; all else has run."""
        left = {(found.type, str(found.payload)): found.held for found in await deploy.unfinished(stays)}
        held = {
            (job_type, str(payload)): None if job_type in {"bye", "hello"} else Held.PAYLOAD
            for job_type, payload in fitting(leaves)
        }
        return left.items() <= held.items()

    await deploy.looks(others_held)
    assert await others_held()
    await deploy.start(leaves)
    await deploy.looks(all_done)
    jobs = await deploy.alive[stays].jobs.list(limit=1000)
    assert {(found.status, found.attempts, found.history) for found in jobs} == {(Status.COMPLETED, 1, ())}
    assert set(deploy.ran("greet", "scale", "rename", "bye", "hello", "move").values()) == {3}


@pytest.mark.parametrize(("first", "leaves"), first_of(1, ORDERS))
async def test_no_tick_is_lost_or_doubled_in_any_order(deploy: Deploy, first: Version, leaves: Version) -> None:
    """While both run, each fires by its own expression, and what fires at one instant by both is one tick."""
    await deploy.start(first)
    await deploy.minutes(5)
    await deploy.start(other(first))
    await deploy.minutes(25)
    await deploy.stop(leaves)
    await deploy.minutes(13)
    await deploy.start(leaves)
    await deploy.minutes(13)
    assert deploy.ran("every", "zone", "dropped", "added") == deploy.ticks
    assert {name for name, _ in deploy.ticks} == {"every", "zone", "dropped", "added"}
    assert not [found for found in await deploy.unfinished(first) if found.schedule is not None]


async def test_a_version_that_goes_on_alone_has_its_ticks_caught_up_although_the_other_started_last(
    deploy: Deploy,
) -> None:
    await deploy.start("new")
    await deploy.start("old")  # a worker that was started again in the middle of the deploy
    await deploy.minutes(3)
    await deploy.stop("old")
    await deploy.minutes(7)
    await deploy.stop("new")
    deploy.clock.advance("7m")
    before = deploy.ran("every")
    await deploy.start("new")
    await deploy.settle()
    assert deploy.ran("every") - before == Counter({("every", str({"tick": "2026-01-05 08:15:00+00:00"})): 1})


async def test_limits_that_differ_are_kept_by_each_version_for_itself(database: Path) -> None:
    """A version starts a job while fewer are processing, over all versions, than its own limit."""
    running = 0
    peaks: dict[str, int] = {"old": 0, "new": 0}

    def doing(version: Version) -> Callable[..., None]:
        def did(job_type: str, n: int) -> None:
            nonlocal running
            running += 1 if job_type == "begin" else -1
            if job_type == "begin":
                peaks[version] = max(peaks[version], running)

        return did

    old, new = (make(version, database, doing(version)) for version in VERSIONS)
    async with old, new:
        handles = [await (old, new)[n % 2].enqueue_named("limited", n=n) for n in range(60)]
        for handle in handles:
            await handle.result()
    assert 1 <= peaks["old"] <= CONCURRENCY["old"]
    assert 1 <= peaks["new"] <= CONCURRENCY["new"]


async def test_a_job_that_neither_version_can_run_is_not_passed_to_and_fro(database: Path) -> None:
    @job(name="greet")
    async def first(name: str) -> None: ...

    @job(name="greet")
    async def second(name: str, age: int) -> None: ...

    @job(name="greet")
    async def third(name: str, age: int = 3, *, city: str) -> None: ...

    clock = FakeClock()
    async with JobRunner(database, jobs=[first], max_running=0, clock=clock) as runner:
        await runner.enqueue(first, name="zoe")
    old, new = JobRunner(database, jobs=[second], clock=clock), JobRunner(database, jobs=[third], clock=clock)
    events = (old.watch(), new.watch())
    async with old, new:
        for _ in range(20):
            clock.advance(LOOK)
            await old.run_until_idle()
            await new.run_until_idle()
        found = await new.jobs.get(1)
        assert (found.status, found.held, found.attempts) == (Status.PENDING, Held.PAYLOAD, 0)
    assert len([fact for listener in events async for fact in listener if isinstance(fact, JobHeld)]) == 1
