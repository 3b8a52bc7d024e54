"""Durable handlers over several processes that are killed, stopped and replaced: no finished step runs again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from aiojobs_lite import Job, JobContext, JobDead, JobHandle, JobRunner, Status, injected
from aiojobs_lite.durations import seconds
from aiojobs_lite.model.steps import ListSteps
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.facts import Fact, JobsMovedBack
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.apps.durable import changed_old, jobs, old, sleeper
from tests.helpers.instants import START
from tests.helpers.pauses import pause
from tests.helpers.programs import Child, program
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact, until

pytestmark = slow
LEAVES = 1_000
MOST_RUNNING = 50


class Site:
    """A database, and the file of effects beside it."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.file = database.with_name("effects")

    @property
    def effects(self) -> Counter[str]:
        """How often each step has done its work."""
        return Counter(self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else [])

    def worker(self, **options: object) -> AbstractAsyncContextManager[Child]:
        """A process that runs the handlers, once it has started."""
        return _started(program("-m", "tests.helpers.apps.durable", self.database, self.file, json.dumps(options)))

    def looking(self) -> JobRunner:
        """A runner of this process that knows the handlers, and runs nothing."""
        return JobRunner(self.database, jobs=[jobs], max_running=0)

    def strange(self) -> JobRunner:
        """A runner of this process that has no handlers."""
        return JobRunner(self.database, max_running=0)


@asynccontextmanager
async def _started(child: AbstractAsyncContextManager[Child]) -> AsyncIterator[Child]:
    async with child as found:
        await found.line("ready")
        yield found


@pytest.fixture
def site(database: Path) -> Site:
    return Site(database)


async def leave(*children: Child) -> None:
    for child in children:
        child.order("leave")
        assert await child.ended() == 0


# Steps side by side, and children.


async def test_steps_side_by_side_that_have_finished_do_not_run_again_in_another_process(site: Site) -> None:
    async with site.looking() as runner:
        async with site.worker() as first:
            handle = await runner.enqueue_named("parallel", parts=20)
            await first.line("held")
            await until(lambda: sum(site.effects.values()) == 20, look_every=0.01)
            await until_stored(runner, handle.id, 20)
            await first.kill()
        async with site.worker() as second:
            assert (await second.line("held"))[1:] == ["last", str(handle.id)]
            second.order("go")
            assert await handle.result(PATIENCE) == 20
            await leave(second)
        job = await handle.job()
        assert (job.crashes, job.attempts) == (1, 2)
    assert site.effects == Counter([*(f"part {handle.id} {part}" for part in range(20)), f"last {handle.id}"])


async def until_stored(runner: JobRunner, job_id: int, steps: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while sum(step.ended_at is not None for step in await Probe(runner).ask(ListSteps(job_id))) < steps:
            await pause(0.01)


async def test_children_ten_deep_over_two_processes(site: Site) -> None:
    async with site.looking() as runner, site.worker(max_running=1) as one, site.worker(max_running=1) as two:
        handle = await runner.enqueue_named("nested", depth=10)
        pids = await handle.result(PATIENCE)
        assert len(pids) == 22
        assert set(pids) <= {one.pid, two.pid}
        await until(lambda: runner.stats().completed == 11, look_every=0.01)  # the counts follow the result
        await leave(one, two)
    assert site.effects == Counter(f"{way} {depth}" for way in ("down", "up") for depth in range(11))


async def test_a_thousand_children_are_joined_over_processes_one_of_which_is_killed(site: Site) -> None:
    async with site.looking() as runner, site.worker(max_running=MOST_RUNNING) as stays:
        async with site.worker(max_running=MOST_RUNNING) as killed:
            handle = await runner.enqueue_named("fan", children=LEAVES)
            await until(lambda: sum(site.effects.values()) > LEAVES // 4, look_every=0.01)
            await killed.kill()
        async with site.worker(max_running=MOST_RUNNING) as late:
            assert await handle.result(PATIENCE) == sum(range(LEAVES))
            await leave(late)
        await until(lambda: runner.stats().completed == LEAVES + 1, look_every=0.01)  # no child was started twice
        assert runner.stats().dead == 0
        crashed = {job.id for job in await every_job(runner) if job.crashes}
        await leave(stays)
    assert set(site.effects) == {f"leaf {number}" for number in range(LEAVES)}
    twice = sum(site.effects.values()) - LEAVES
    assert twice <= len(crashed) <= MOST_RUNNING  # a step that a kill reached before its commit


async def every_job(runner: JobRunner) -> list[Job]:
    found, after = list[Job](), None
    while page := await runner.jobs.list(limit=1_000, after=after):
        found += page
        after = page[-1].id
    return found


# Cancelling.


async def test_a_cancel_in_mid_sleep_and_in_mid_step(site: Site) -> None:
    async with site.looking() as runner, site.worker() as child:
        sleeping = await runner.enqueue(sleeper, 3600)
        await until_suspended(runner, sleeping.id)
        assert await sleeping.cancel()
        assert (await sleeping.job()).status is Status.CANCELLED
        running = await runner.enqueue_named("in_the_middle")
        await child.line("held")
        await running.cancel()
        await until(lambda: runner.stats().cancelled == 2, look_every=0.01)
        child.order("go")
        await leave(child)
        assert (await running.job()).status is Status.CANCELLED
    assert site.effects == Counter(f"before {handle.id}" for handle in (sleeping, running))


async def until_suspended(runner: JobRunner, job_id: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while not (
            (await runner.jobs.get(job_id)).status is Status.PENDING
            and any(step.ended_at is None for step in await Probe(runner).ask(ListSteps(job_id)))
        ):
            await pause(0.01)


# Deploys and drains.


async def test_a_deploy_in_mid_sleep_adds_and_removes_steps(site: Site) -> None:
    async with JobRunner(site.database, jobs=[old], max_running=0) as runner:
        async with site.worker(version="old") as before:
            handle = await runner.enqueue_named("deployed")
            await until_suspended(runner, handle.id)
            await leave(before)
        async with site.worker(version="new") as after:
            assert await handle.result(PATIENCE) == "new"
            await after.line("log", "operations")
            await leave(after)
        assert (await handle.job()).attempts == 1
    assert site.effects == Counter(["first old", "removed old", "added new", "last new"])
    assert any("removed" in line for line in after.lines)  # it ended without having asked for that step


async def test_a_name_that_stands_for_another_kind_after_a_deploy_is_an_error_that_names_both(site: Site) -> None:
    async with JobRunner(site.database, jobs=[old], max_running=0) as runner:
        async with site.worker(version="old") as before:
            handle = await runner.enqueue(changed_old)
            await until_suspended(runner, handle.id)
            await leave(before)
        async with site.worker(version="new") as after:
            with pytest.raises(JobDead, match=r"'pause' of job 1 .* sleep .* event"):
                await handle.result(PATIENCE)
            await leave(after)
    assert site.effects == Counter(["first old"])


@pytest.mark.parametrize("is_patient", [True, False])
async def test_a_drain_in_mid_step(site: Site, is_patient: bool) -> None:
    async with site.looking() as runner:
        async with site.worker(drain_timeout="1h" if is_patient else 0.05, cancel_grace=0.05) as first:
            handle = await runner.enqueue_named("in_the_middle")
            await first.line("held")
            first.signal(SIGTERM)
            await first.line("log drain started")
            if is_patient:
                first.order("go")
                await until(lambda: site.effects["held 1"] == 1, look_every=0.01)
            else:
                await until(lambda: runner.stats().pending == 1, look_every=0.01)
            assert await first.ended() == -SIGTERM
        async with site.worker() as second:
            second.order("go")
            await handle.result(PATIENCE)
            await leave(second)
        assert (await handle.job()).interruptions == (0 if is_patient else 1)
    assert site.effects == Counter([f"{name} {handle.id}" for name in ("before", "held", "after")])


# Events.


@pytest.mark.parametrize("order", ["before", "after"])
async def test_an_event_that_comes_before_or_after_its_wait_begins(site: Site, order: str) -> None:
    async with site.strange() as sender, site.looking() as runner:
        handle = await runner.enqueue_named("waiter", user=7)
        if order == "before":
            await sender.send("user/replied", {"user": 7, "text": "yes"})
        async with site.worker() as child:
            if order == "after":
                await until_suspended(runner, handle.id)
                await sender.send("user/replied", {"user": 8, "text": "another"})
                await sender.send("user/replied", {"user": 7, "text": "yes"})
            assert await handle.result(PATIENCE) == "yes"
            await leave(child)
    assert site.effects == Counter(["before 7", "after 7 yes"])


async def test_events_that_come_while_their_waits_begin_are_matched_once(site: Site) -> None:
    users = range(100)
    async with site.strange() as sender, site.looking() as runner, site.worker() as one, site.worker() as two:

        async def enqueue_and_send(user: int) -> JobHandle[Any]:
            handle = await runner.enqueue_named("waiter", user=user)
            for text in ("first", "second"):
                await sender.send("user/replied", {"user": user, "text": text})
            return handle

        handles = [await enqueue_and_send(user) for user in users]
        assert [await handle.result(PATIENCE) for handle in handles] == ["first"] * len(users)
        await leave(one, two)
    assert site.effects == Counter(line for user in users for line in (f"before {user}", f"after {user} first"))


async def test_waits_whose_time_is_over_and_events_that_come_then(site: Site) -> None:
    users = range(50)
    async with site.strange() as sender, site.looking() as runner, site.worker() as one, site.worker() as two:
        handles = [await runner.enqueue_named("waiter", user=user, seconds=0.3) for user in users]
        for user in users[::2]:
            await sender.send("user/replied", {"user": user, "text": "yes"})
            await pause(0.02)
        results = [await handle.result(PATIENCE) for handle in handles]
        assert set(results[1::2]) == {None}
        assert set(results[::2]) <= {None, "yes"}  # whichever came first
        await leave(one, two)
    expected = [(f"before {user}", f"after {user} {text}") for user, text in zip(users, results, strict=True)]
    assert site.effects == Counter(line for lines in expected for line in lines)


async def test_an_event_of_a_program_without_handlers_starts_each_listener_once(site: Site) -> None:
    async with site.worker() as first:  # it stores what it listens to
        await leave(first)
    async with site.strange() as sender:
        for user in range(20):
            sent = await sender.send("user/came", {"user": user}, id=f"came-{user}")
            assert sent.is_new
            assert not (await sender.send("user/came", {"user": user}, id=f"came-{user}")).is_new
        async with site.worker() as one, site.worker() as two:
            await until(lambda: sender.stats().completed == 20, look_every=0.01)
            await leave(one, two)
    assert site.effects == Counter(f"greet {user}" for user in range(20))


# The clock.


@pytest.mark.parametrize("back", ["1h", "3h"])
async def test_a_clock_that_jumps_during_a_sleep(database: Path, back: str) -> None:
    clock, runs = FakeClock(START), Counter[str]()
    runners = [JobRunner(database, clock=clock) for _ in range(2)]
    names = [f"{hours} h" for hours in (1, 24, 24 * 30)]

    async def count(name: str) -> None:
        runs[name] += 1

    async def sleeps(hours: int, *, ctx: JobContext = injected) -> None:
        await ctx.step("before", count, f"before {hours} h")
        await ctx.sleep("pause", hours * 3600)
        await ctx.step("after", count, f"after {hours} h")

    for runner in runners:
        runner.job(sleeps)
    async with runners[0] as one, runners[1] as two:
        handles = [await one.enqueue_named("sleeps", hours=int(name[:-2])) for name in names]
        for handle in handles:
            await until_suspended(one, handle.id)
        moved = [runner.watch() for runner in (one, two)]
        clock.jump_to(START - timedelta(seconds=seconds(back, "back")))
        if back == "3h":  # the first sleep is moved back: by one of the two
            await next_of_both(moved, JobsMovedBack)
        await both_idle(one, two)
        assert runs == {f"before {name}": 1 for name in names}
        clock.jump_to(START + timedelta(days=2))  # over two ends
        for handle in handles[:2]:
            await handle.result(PATIENCE)
        assert (await handles[2].job()).status is Status.PENDING
        clock.jump_to(START + timedelta(days=31))
        await handles[2].result(PATIENCE)
    assert runs == {f"{part} {name}": 1 for part in ("before", "after") for name in names}


async def next_of_both(watches: list[Watch], kind: type[Fact]) -> None:
    """Returns when one of two runners has published a fact."""
    waiting = [asyncio.create_task(next_fact(watch, kind)) for watch in watches]
    _, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.wait(waiting)


async def both_idle(*runners: JobRunner) -> None:
    for runner in (*runners, *runners):
        await runner.run_until_idle()
