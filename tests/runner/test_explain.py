"""What `runner.jobs.explain` says, case by case; and that what it says is what keeps the job."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiojobs_lite import Abandon, JobNotFound, JobRunner, Retry, Snooze, Status, job
from aiojobs_lite.engine.phase import Phase
from aiojobs_lite.flow import Batch
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.job import Held
from aiojobs_lite.runner.explain import OwnRunner, Situation, sentence
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.mail import dies, other, welcome
from tests.helpers.stores import connected
from tests.helpers.waiting import PATIENCE, until

HOST = socket.gethostname()
GATE = asyncio.Event()


@job(concurrency=2)
async def limited() -> None:
    await GATE.wait()


@job
async def open_ended() -> None:
    await GATE.wait()


@job(limits=[Limit(1, key="org_id", name="one"), Rate(2, per="1m", key="org_id", name="api")])
async def keyed(org_id: int) -> None: ...


@job(limits=[Limit(1, key="org_id", ordered=True)])
async def ordered(org_id: int) -> None:
    await GATE.wait()


@job(batch=Batch(3, max_wait="40m"))
async def gathered(ids: list[int]) -> None:
    if 0 in ids:
        raise Retry(after="41m")


@job(max_attempts=3)
async def moody(what: str) -> None:
    if what == "retry":
        raise Retry("no luck", after="42m")
    if what == "snooze":
        raise Snooze("10m")
    raise Abandon("bad input")


@pytest.fixture(autouse=True)
def gate() -> None:
    """Closes the gate of the handlers, on the event loop of each test."""
    globals()["GATE"] = asyncio.Event()


@asynccontextmanager
async def running(database: Path, clock: FakeClock, *, max_running: int = 100) -> AsyncIterator[JobRunner]:
    """A runner with all job types of this module; its handlers are let go in the end."""
    runner = JobRunner(
        database,
        jobs=[limited, open_ended, keyed, ordered, moody, welcome, dies, gathered],
        clock=clock,
        drain_timeout=PATIENCE,
        max_running=max_running,
    )
    async with runner:
        yield runner
        GATE.set()


def own(runner: JobRunner) -> str:
    return f"this runner ({Probe(runner).owner})"


async def test_a_delayed_job_is_due_later(idle: JobRunner) -> None:
    async with idle:
        handle = await idle.enqueue(welcome.using(delay="41m"), 1)
        assert await idle.jobs.explain(handle.id) == (
            f"job {handle.id} of email.welcome waits: it is due in 41 min (00:41:00 UTC); and all live runners "
            f"that have registered its type run nothing (max_running=0): {own(idle)}."
        )


async def test_a_job_that_gathers_items_says_how_many_it_has(database: Path, clock: FakeClock) -> None:
    async with running(database, clock, max_running=1) as runner:
        handle = await runner.enqueue(gathered, [1, 2])
        name = f"job {handle.id} of gathered"
        assert await runner.jobs.explain(handle.id) == f"{name} waits: it gathers items: 2 of 3, until 00:40:00 UTC."
        await runner.jobs.reschedule(handle.id, at=datetime(2026, 1, 2, tzinfo=UTC))
        assert "until 2026-01-02 00:00:00 UTC." in await runner.jobs.explain(handle.id)
        await runner.enqueue(open_ended)
        await until(lambda: runner.stats().processing == 1)
        await runner.enqueue(gathered, [3])
        assert "gathers" not in await runner.jobs.explain(handle.id)
        other = await runner.enqueue(gathered, [0])
        await runner.jobs.cancel(other.id)
        assert "cancelled" in await runner.jobs.explain(other.id)


async def test_a_job_that_waits_for_its_retry_gathers_no_items(database: Path, clock: FakeClock) -> None:
    async with running(database, clock) as runner:
        handle = await runner.enqueue(gathered, [0, 0, 1])
        await runner.run_until_idle()
        assert "it is due in 41 min (00:41:00 UTC) after attempt 1 failed" in await runner.jobs.explain(handle.id)
        handle = await runner.enqueue(gathered, [0, 1])
        await runner.jobs.run_now(handle.id)
        await runner.run_until_idle()
        assert "it is due in 41 min (00:41:00 UTC) after attempt 1 failed" in await runner.jobs.explain(handle.id)


async def test_a_job_after_a_failure_a_snooze_or_a_drain_says_so(database: Path, clock: FakeClock) -> None:
    async with running(database, clock) as runner:
        failed, snoozed = [await runner.enqueue(moody, what) for what in ("retry", "snooze")]
        await runner.run_until_idle()
        assert await runner.jobs.explain(failed.id) == (
            f"job {failed.id} of moody waits: it is due in 42 min (00:42:00 UTC) after attempt 1 failed "
            "(Retry: no luck)."
        )
        assert await runner.jobs.explain(snoozed.id) == (
            f"job {snoozed.id} of moody waits: it is due in 10 min (00:10:00 UTC) since its handler snoozed it."
        )


async def test_a_paused_type_says_since_when_and_by_whom_and_not_that_it_waits_for_a_runner(
    database: Path, clock: FakeClock
) -> None:
    async with running(database, clock) as runner:
        await runner.types.pause(welcome, by="ann")
        handle = await runner.enqueue(welcome, 1)
        assert await runner.jobs.explain(handle.id) == (
            f"job {handle.id} of email.welcome waits: its type is paused since 2026-01-01 00:00:00 UTC, by ann."
        )
        await runner.types.resume(welcome)
        await handle.result()


async def test_a_pause_of_an_older_release_has_neither_time_nor_author(idle: JobRunner, database: Path) -> None:
    async with idle:
        handle = await idle.enqueue(welcome, 1)
        with connected(database) as connection:
            connection.execute("INSERT INTO aiojobs_pauses (type) VALUES ('email.welcome')")
            connection.commit()
        assert "waits: its type is paused; and" in await idle.jobs.explain(handle.id)


async def test_the_limit_of_a_type_counts_over_all_runners(database: Path, clock: FakeClock) -> None:
    async with running(database, clock) as runner, running(database, clock, max_running=0) as looking:
        handles = [await runner.enqueue(limited) for _ in range(3)]
        await until(lambda: runner.stats().running == 2)
        text = "the limit of its type is reached: 2 of 2 are processing over all runners"
        for asked in (runner, looking):
            assert await asked.jobs.explain(handles[2].id) == f"job {handles[2].id} of limited waits: {text}."
        GATE.set()
        for handle in handles:
            await handle.result()


async def test_a_limit_by_key_says_how_much_of_it_is_taken(database: Path, clock: FakeClock) -> None:
    async with running(database, clock) as runner:
        await runner.enqueue_many([keyed.bind(7) for _ in range(3)])
        await until(lambda: runner.stats().completed == 2)
        assert await runner.jobs.explain(3) == (
            "job 3 of keyed waits: the limit 'api' is reached for the key 7: 2 of 2 attempts began within 1 min, and "
            "the next may in 1 min (00:01:00 UTC)."
        )
        await runner.limits.pause("one", key=7, by="ops")
        assert await runner.jobs.explain(3) == (
            "job 3 of keyed waits: the limit 'one' is paused since 2026-01-01 00:00:00 UTC, by ops, for the key 7."
        )
        first, _, last = await runner.enqueue_many([ordered.bind(7) for _ in range(3)])
        await until(lambda: runner.stats().running == 1)
        assert await runner.jobs.explain(last.id) == (
            f"job {last.id} of ordered waits: the limit 'ordered: ordered by org_id' is reached for the key 7: 1 of 1 "
            f"are processing over all runners; and its key is ordered, and job {first.id + 1} comes before it."
        )


async def test_all_slots_may_be_taken(database: Path, clock: FakeClock) -> None:
    async with running(database, clock, max_running=1) as runner, running(database, clock, max_running=0) as looking:
        await runner.enqueue(open_ended)
        waiting = await runner.enqueue(welcome, 1)
        await until(lambda: runner.stats().running == 1)
        start = f"job {waiting.id} of email.welcome waits: all slots are taken: 1 of 1 in "
        assert await runner.jobs.explain(waiting.id) == f"{start}{own(runner)}."
        named = f"the runner {Probe(runner).owner} (pid {os.getpid()} on {HOST})"
        assert await looking.jobs.explain(waiting.id) == f"{start}{named}."
        GATE.set()
        await waiting.result()


async def test_a_type_that_no_live_runner_has_registered(idle: JobRunner, database: Path, clock: FakeClock) -> None:
    async with idle:
        handle = await idle.enqueue(other)
    async with running(database, clock) as runner:
        text = f"job {handle.id} of other waits: no live runner has registered its type."
        assert await runner.jobs.explain(handle.id) == text
        async with JobRunner(database, jobs=[other], clock=clock) as second:
            await second.run_until_idle()
            assert (await second.jobs.get(handle.id)).status is Status.COMPLETED


async def test_a_runner_that_drains_is_named_in_every_runner(database: Path, clock: FakeClock) -> None:
    async with running(database, clock, max_running=0) as looking, running(database, clock) as runner:
        await runner.enqueue(open_ended)
        await until(lambda: runner.stats().running == 1)
        Probe(runner).engine.drain("test")
        handle = await runner.enqueue(welcome, 1)
        start = f"job {handle.id} of email.welcome waits: "
        assert await runner.jobs.explain(handle.id) == f"{start}{own(runner)} is draining."
        named = f"the runner {Probe(runner).owner} (pid {os.getpid()} on {HOST}) is draining"
        async with asyncio.timeout(PATIENCE):
            while await looking.jobs.explain(handle.id) != f"{start}{named}.":  # noqa: ASYNC110  # it is noted soon
                await asyncio.sleep(0)


async def test_a_running_job_names_its_attempt_and_its_runner(database: Path, clock: FakeClock) -> None:
    async with running(database, clock) as runner, running(database, clock, max_running=0) as looking:
        handle = await runner.enqueue(open_ended)
        await until(lambda: runner.stats().running == 1)
        clock.advance(3)
        start = f"job {handle.id} of open_ended runs: attempt 1 of 5 began 3.0 s ago in "
        assert await runner.jobs.explain(handle.id) == f"{start}{own(runner)}."
        named = f"the runner {Probe(runner).owner} (pid {os.getpid()} on {HOST})"
        assert await looking.jobs.explain(handle.id) == f"{start}{named}."


async def test_a_finished_job_says_how_it_ended(database: Path, clock: FakeClock) -> None:
    async with running(database, clock) as runner:
        completed = await runner.enqueue(welcome, 1)
        dead = await runner.enqueue(dies)
        await runner.run_until_idle()
        cancelled, silent = [await runner.enqueue(welcome.using(delay="1h"), 1) for _ in range(2)]
        await cancelled.cancel("not needed.")  # it ends with one full stop all the same
        await silent.cancel()
        at = "2026-01-01 00:00:00 UTC"
        assert [await runner.jobs.explain(handle.id) for handle in (completed, dead, cancelled, silent)] == [
            f"job {completed.id} of email.welcome is completed: attempt 1 of 5 succeeded at {at}.",
            f"job {dead.id} of dies is dead since {at}: its only attempt used up; its latest error was "
            "ValueError: number 0.",
            f"job {cancelled.id} of email.welcome was cancelled at {at}: not needed.",
            f"job {silent.id} of email.welcome was cancelled at {at}: no reason was given.",
        ]


async def test_a_job_that_is_not_there_is_missed(idle: JobRunner) -> None:
    async with idle:
        with pytest.raises(JobNotFound):
            await idle.jobs.explain(77)


async def test_a_held_job_says_why(database: Path, clock: FakeClock) -> None:
    @job(name="email.welcome")
    async def older(users: int) -> None: ...

    async with JobRunner(database, jobs=[older], max_running=0, clock=clock) as old:
        handle = await old.enqueue(older, 1)
    async with running(database, clock) as runner:
        await runner.run_until_idle()
        text = await runner.jobs.explain(handle.id)
        assert text.startswith(
            f"job {handle.id} of email.welcome waits: it is held (payload) until a handler takes it: "
        )
        assert "user_id" in text


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (Held.EVENT, "it is suspended until an operation ends"),
        (
            Held.LISTENER,
            "an event started it for a type that the sender did not know: a runner of that type takes it up",
        ),
    ],
)
async def test_a_job_that_is_held_for_events_says_what_comes_next(idle: JobRunner, held: Held, why: str) -> None:
    async with idle:
        handle = await idle.enqueue(welcome, 1)
        job = replace(await handle.job(), held=held)
        (stored,) = await idle.runners()
    own = OwnRunner(stored.id, Phase.RUNNING, None, 0, 0)
    found = Situation(job, job.created_at, None, 0, [replace(stored, max_running=2)], False, own)
    assert sentence(found) == f"job {job.id} of email.welcome waits: {why}."


CPUS = os.cpu_count() or 1


async def test_what_only_this_runner_knows_is_said_of_it(idle: JobRunner) -> None:
    """Faults and phases that pass too quickly to be asked in."""
    async with idle:
        handle = await idle.enqueue(welcome, 1)
        job = await handle.job()
        (stored,) = await idle.runners()
    mine = replace(stored, max_running=2)
    own = OwnRunner(mine.id, Phase.RUNNING, None, 0, 0)
    found = Situation(job, job.created_at, None, 0, [mine], False, own)
    start = f"job {job.id} of email.welcome "
    assert sentence(found) == (
        f"{start}is due, and nothing holds it back: it starts after the jobs that were due before it."
    )
    for changes, text in (
        ({"fault": "SQLITE_FULL"}, "the database cannot be written (SQLITE_FULL)"),
        ({"phase": Phase.STARTING}, f"this runner ({mine.id}) is starting"),
        ({"phase": Phase.DRAINING}, f"this runner ({mine.id}) is draining"),
        ({"slots": 2}, f"all slots are taken: 2 of 2 in this runner ({mine.id})"),
        ({"workers": CPUS}, f"all slots are taken: {CPUS} of {CPUS} worker processes of this runner ({mine.id})"),
    ):
        assert sentence(replace(found, own=replace(own, **changes))) == f"{start}waits: {text}."
    limit = replace(mine, types={"email.welcome": 2})
    stuck = replace(found, processing=1, runners=[limit], own=replace(own, slots_of_type=2))
    assert sentence(stuck) == (
        f"{start}waits: the limit of its type is reached: 1 of 2 are processing over all runners and 1 handler that "
        "ended too late."
    )
    running = replace(job, status=Status.PROCESSING, attempts=1, started_at=job.created_at, owner=mine.id)
    begun = f"{start}runs: attempt 1 of 5 began 0.0 s ago in this runner ({mine.id})"
    for situation, text in (
        (replace(found, own=replace(own, is_saving=True)), "its handler has ended, and the end is being saved"),
        (replace(found, own=replace(own, stopped="timeout")), "it was asked to stop (timeout)"),
        (replace(found, is_owner_dead=True), "that runner is dead, and a live one gives the job back within seconds"),
    ):
        assert sentence(replace(situation, job=running)) == f"{begun}; {text}."
    asked = replace(running, cancel_requested=True, interrupted=True)
    assert sentence(replace(found, job=asked)) == (
        f"{begun}; it was asked to cancel; the drain of its runner left it running."
    )
