"""`runner.runners()`, the key of a job, what rides along, and run now."""

from __future__ import annotations

import os
import signal
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobContext, JobNotAllowed, JobNotFound, JobRunner, Retry, injected, job
from aiojobs_lite.model.runners import MarkDraining, SetRunner
from aiojobs_lite.runner.long_running import long_attempts
from aiojobs_lite.runner.opened import OpenedDatabase
from aiojobs_lite.telemetry.facts import JobRescheduled, OwnerRescued, TypePaused, TypeResumed
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.apps.worker import JOBS
from tests.helpers.dashboard import dashboard, text_of
from tests.helpers.mail import other, welcome
from tests.helpers.programs import worker
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, next_fact


@job(process=True)
def key_elsewhere(ctx: JobContext = injected) -> list[object]:
    return [ctx.key, ctx.metadata]


@job(max_attempts=3)
async def tells(ctx: JobContext = injected) -> list[object]:
    if ctx.attempt == 1:
        raise Retry("again", after="1h")
    return [ctx.key, ctx.metadata]


async def test_each_runner_of_a_database_is_listed_in_every_one(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[welcome], max_running=7, clock=clock) as first:
        clock.advance(5)
        async with JobRunner(database, jobs=[other], max_running=0, clock=clock) as second:
            found = await first.runners()
            assert found == await second.runners()
            assert [runner.id for runner in found] == [Probe(second).owner, Probe(first).owner]
            assert [runner.max_running for runner in found] == [0, 7]
            assert [dict(runner.types) for runner in found] == [{"other": None}, {"email.welcome": None}]
            assert {(runner.pid, runner.host) for runner in found} == {(os.getpid(), socket.gethostname())}
            assert found[0].started_at - found[1].started_at == timedelta(seconds=5)
            assert all(runner.is_alive and not runner.running and runner.ended_at is None for runner in found)


async def test_one_that_was_left_is_dead_and_is_forgotten_after_an_hour(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[welcome], clock=clock) as left:
        gone = Probe(left).owner
    async with JobRunner(database, jobs=[welcome], clock=clock) as runner:
        assert {one.id: one.is_alive for one in await runner.runners()} == {gone: False, Probe(runner).owner: True}
        await Probe(runner).note_dead_runners()
        (noted,) = [one for one in await runner.runners() if one.id == gone]
        assert noted.ended_at == clock.time
        for hours, listed in ((0.9, 2), (0.2, 1)):
            clock.advance(hours * 3600)
            await Probe(runner).note_dead_runners()
            assert len(await runner.runners()) == listed


@slow
async def test_while_no_other_runner_lives_a_killed_one_is_known_by_its_last_sign(database: Path) -> None:
    async with worker(database) as child:
        await child.line("ready")
        async with JobRunner(database, jobs=JOBS, max_running=0) as sender:
            await sender.enqueue_named("held")
        await child.line("started")
        child.signal(signal.SIGKILL)
        await child.ended()
    async with OpenedDatabase(database) as looking:
        now = await looking.figures.now()
        (found,) = [one for one in await looking.runners() if one.pid == child.pid]
        assert (found.is_alive, found.ended_at) == (False, None)
        assert now.last_runner is not None
        assert now.last_runner.id == found.id
        assert found.last_sign_at is not None
        assert now.at - found.last_sign_at < timedelta(minutes=5)
        (left,) = await looking.jobs.list(status="processing")
        assert (await looking.jobs.marks([left]))[left.id].state == "lost"
        assert "that runner is dead, no other one lives" in await looking.jobs.explain(left.id)
        assert await long_attempts(looking, now) == []
    async with dashboard(OpenedDatabase(database)) as client:
        page = text_of((await client.get("/")).text)
    assert f"No runner lives that runs jobs; the last was {found.id} (pid {child.pid} on " in page
    assert "and 1 job that it left running will run again." in page
    assert "ended 1 lost" in page


@slow
async def test_a_process_that_was_killed_is_named_with_its_pid_where_its_jobs_are_rescued(database: Path) -> None:
    async with worker(database) as child:
        await child.line("ready")
        async with JobRunner(database, max_running=0) as runner:
            facts = runner.watch()
            (found,) = [one for one in await runner.runners() if one.pid == child.pid]
            async with JobRunner(database, jobs=JOBS, max_running=0) as sender:
                await sender.enqueue_named("held")
            await child.line("started")
            (found,) = [one for one in await runner.runners() if one.pid == child.pid]
            assert (found.is_alive, found.running) == (True, 1)
            child.signal(signal.SIGKILL)
            await child.ended()
            rescued = await next_fact(facts, OwnerRescued)
            assert (rescued.owner, rescued.pid, rescued.host) == (found.id, child.pid, socket.gethostname())
            assert f"{found.id} (pid {child.pid} on {socket.gethostname()})" in str(rescued)
            (found,) = [one for one in await runner.runners() if one.pid == child.pid]
            assert not found.is_alive
            assert found.ended_at is not None  # from the rescue on
            assert found.ended_at > found.started_at


@pytest.mark.parametrize("job_type", [tells, pytest.param(key_elsewhere, marks=slow)])
async def test_a_key_and_what_rides_along_are_the_same_everywhere_and_in_each_attempt(
    database: Path, clock: FakeClock, job_type: Any
) -> None:
    async with JobRunner(database, jobs=[tells, key_elsewhere], clock=clock) as runner:
        configured = job_type.using(metadata={"request_id": "r", "n": [1, None]})
        handle, plain = await runner.enqueue(configured), await runner.enqueue(job_type)
        await runner.run_until_idle()
        if job_type is tells:
            await runner.jobs.run_now(handle.id)
            await runner.jobs.run_now(plain.id)
        assert await handle.result(PATIENCE) == [handle.key, {"request_id": "r", "n": [1, None]}]
        assert await plain.result(PATIENCE) == [plain.key, {}]
        assert (await handle.job()).metadata == {"request_id": "r", "n": [1, None]}
        assert (await plain.job()).metadata == {}
    before = handle.key
    async with JobRunner(database, jobs=[tells], clock=clock) as again:
        assert again.jobs.key_of(handle.id) == before
        assert plain.key != before


async def test_two_databases_have_other_keys_and_a_copy_has_the_same(tmp_path: Path) -> None:
    keys = []
    for name in ("one.db", "two.db", "one.db", ":memory:", ":memory:"):
        database = name if name == ":memory:" else tmp_path / name
        async with JobRunner(database, jobs=[welcome], max_running=0) as runner:
            keys.append(runner.jobs.key_of(1))
    assert keys[0] == keys[2]
    assert len(set(keys)) == 4
    (tmp_path / "copy.db").write_bytes((tmp_path / "one.db").read_bytes())
    async with JobRunner(tmp_path / "copy.db", max_running=0) as runner:
        assert runner.jobs.key_of(1) == keys[0]


@pytest.mark.parametrize(
    "metadata",
    [7, "text", [1], {1: "a"}, {"a": object()}, {"a": float("nan")}, {"a": "\ud800"}, {"a": "x" * 16_378}],
)
def test_metadata_that_is_no_small_json_object_is_refused(metadata: object) -> None:
    with pytest.raises(
        InvalidOption, match=r"metadata.* a dict of text to plain JSON values, of at most 16,384 bytes as JSON"
    ):
        welcome.using(metadata=metadata)  # type: ignore[arg-type]


def test_the_largest_metadata_is_taken_and_none_is_no_column() -> None:
    for metadata, stored in (({"a": "x" * 16_376}, 16_384), ({}, None), (None, None)):
        row = welcome.using(metadata=metadata).bind(1).row(0)
        assert (row.metadata and len(row.metadata)) == stored


async def test_what_waits_for_its_time_runs_now(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[welcome], clock=clock) as runner:
        facts = runner.watch()
        handle = await runner.enqueue(welcome.using(delay="1d"), 1)
        await runner.jobs.run_now(handle.id)
        assert await handle.result(PATIENCE) == "1 unknown@example.org"
        assert await next_fact(facts, JobRescheduled) == JobRescheduled(handle.id, "email.welcome", clock.time)
        with pytest.raises(JobNotAllowed, match=r"is completed and cannot be run now.*attempt 1 of 5 succeeded"):
            await runner.jobs.run_now(handle.id)
        with pytest.raises(JobNotFound):
            await runner.jobs.run_now(77)


async def test_a_job_is_rescheduled_to_another_time(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[welcome], clock=clock) as runner:
        handle = await runner.enqueue(welcome.using(delay="1d"), 1)
        await runner.jobs.reschedule(handle.id, at=clock.time + timedelta(hours=2))
        await runner.run_until_idle()
        assert "it is due in 2 h (02:00:00 UTC)" in await runner.jobs.explain(handle.id)
        await runner.jobs.reschedule(handle.id, at="5m")
        assert "it is due in 5 min (00:05:00 UTC)" in await runner.jobs.explain(handle.id)
        clock.advance(300)
        await handle.result(PATIENCE)
        with pytest.raises(InvalidOption, match="aware"):
            await runner.jobs.reschedule(handle.id, at="soon")
        with pytest.raises(JobNotAllowed, match="cannot be rescheduled: that takes a pending job that is not held"):
            await runner.jobs.reschedule(handle.id, at=clock.time)


async def test_what_is_due_already_is_not_run_now_and_the_error_says_why_it_waits(idle: JobRunner) -> None:
    async with idle:
        handle = await idle.enqueue(welcome, 1)
        with pytest.raises(JobNotAllowed, match=r"waits for its retry or for its time; job 1 of .* \(max_running=0\)"):
            await idle.jobs.run_now(handle.id)


async def test_a_pause_is_shown_and_reported_in_every_runner(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with JobRunner(database, jobs=[welcome]) as runner, JobRunner(database, max_running=0) as looking:
        facts, mine = looking.watch(), runner.watch()
        await runner.enqueue(welcome.using(delay="1h"), 1)
        await runner.types.pause(welcome, by="ann")
        pause = runner.stats().by_type["email.welcome"].paused
        assert pause is not None
        assert (await next_fact(mine, TypePaused)).by == pause.by == "ann"
        noticed = await next_fact(facts, TypePaused)
        assert (noticed.type, noticed.since, noticed.by) == ("email.welcome", pause.since, "ann")
        assert looking.stats().by_type["email.welcome"].paused == pause
    async with JobRunner(database, max_running=0) as later:
        assert later.stats().by_type["email.welcome"].paused == pause
        lines = [record.getMessage() for record in caplog.records]
        assert sum("paused: no runner starts jobs of email.welcome" in line for line in lines) == 3
        assert not any("unclaimed" in line for line in lines[-2:])
        facts = later.watch()
        await later.types.resume("email.welcome")
        await next_fact(facts, TypeResumed)
        assert later.stats().by_type["email.welcome"].paused is None


async def test_a_pause_without_a_name_has_that_of_the_process(idle: JobRunner) -> None:
    async with idle:
        await idle.types.pause(welcome)
        assert f"(pid {os.getpid()})" in str((await idle.types.paused())["email.welcome"].by)
        with pytest.raises(InvalidOption, match="by"):
            await idle.types.pause(welcome, by=7)  # type: ignore[arg-type]


async def test_a_runner_that_died_while_it_drained_drains_no_more(database: Path) -> None:
    async with JobRunner(database) as runner:
        owner = "0" * 16  # of a process that is gone
        await Probe(runner).engine.write(SetRunner(owner, 1, "host", 5, "{}"))
        await Probe(runner).engine.write(MarkDraining(owner))
        (gone,) = [one for one in await runner.runners() if one.id == owner]
    assert (gone.is_alive, gone.is_draining) == (False, False)
