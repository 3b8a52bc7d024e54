"""`JobRunner` as its users call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobNotFound, JobRunner, injected
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import (
    InvalidOption,
)
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.facts import DrainStarted
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.mail import dies, other, welcome
from tests.helpers.waiting import next_fact


async def test_a_job_runs_and_its_result_comes_back(database: Path) -> None:
    runner = JobRunner(database)

    @runner.job
    async def greet(name: str, *, ctx: JobContext = injected) -> str:
        return f"hello {name}, attempt {ctx.attempt}"

    async with runner:
        handle = await runner.enqueue(greet, name="ann")
        assert await handle.result("5s") == "hello ann, attempt 1"
        assert runner.stats().completed == 1


async def test_stats_are_exact_after_every_step(working: JobRunner, database: Path, clock: FakeClock) -> None:
    async with working:
        await working.enqueue_many([welcome.using(delay="1h").bind(1), other.bind(), dies.bind(0)])
        await working.run_until_idle()
        stats = working.stats()
        assert (stats.pending, stats.scheduled, stats.completed, stats.dead, stats.processing) == (1, 1, 1, 1, 0)
        assert stats.by_type["dies"].success_rate == 0.0
        assert stats.by_type["other"].success_rate == 1.0
        assert (stats.by_type["other"].p50 or 0) > 0
        assert stats.oldest_due_age == 0.0
        assert (stats.degraded, stats.draining, stats.running, stats.stuck) == (None, False, 0, 0)
        assert stats.throughput > 0
        clock.advance("2h")
        await working.run_until_idle()
        stats = working.stats()
        assert (stats.pending, stats.scheduled, stats.completed) == (0, 0, 2)
    async with JobRunner(database, jobs=[other], max_running=0, clock=clock) as stranger:
        assert stranger.stats().unclaimed == {}
        assert stranger.stats().by_type["email.welcome"].completed == 1


async def test_jobs_of_types_that_are_not_registered_wait_and_are_named(idle: JobRunner, database: Path) -> None:
    async with idle:
        await idle.enqueue_many([welcome.bind(n) for n in range(3)])
    async with JobRunner(database, jobs=[other]) as stranger:
        await stranger.run_until_idle()
        assert stranger.stats().unclaimed == {"email.welcome": 3}


@pytest.mark.parametrize(
    "options",
    [
        {"max_running": -1},
        {"max_running": True},
        {"drain_timeout": "soon"},
        {"cancel_grace": -1},
        {"durability": "maybe"},
        {"keep_completed": None},
        {"keep_dead": "x"},
        {"jobs": [print]},
    ],
)
def test_options_of_the_runner_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        JobRunner(":memory:", **options)
    assert caught.value.option in options


def test_the_database_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIOJOBS_LITE_DATABASE", raising=False)
    assert repr(JobRunner()) == "<JobRunner 'jobs.db' not started, 0 job types>"
    monkeypatch.setenv("AIOJOBS_LITE_DATABASE", str(tmp_path / "x.db"))
    assert str(tmp_path / "x.db") in repr(JobRunner())
    assert "y.db" in repr(JobRunner("y.db"))


async def test_what_is_old_enough_is_pruned(database: Path, clock: FakeClock) -> None:
    runner = JobRunner(
        database, jobs=[welcome, dies], clock=clock, keep_completed="1h", keep_dead="2h", durability="normal"
    )
    async with runner:
        done = await runner.enqueue(welcome, 1)
        dead = await runner.enqueue(dies)
        await runner.run_until_idle()
        assert (await done.job()).completed_at == to_datetime(clock.now())
        for hours, left in (("59m", 2), ("2m", 1), ("2h", 0)):
            clock.advance(hours)
            await Probe(runner).prune()
            assert len(await runner.jobs.list()) == left
        assert runner.stats().dead == runner.stats().completed == 0
        with pytest.raises(JobNotFound):
            await dead.job()


async def test_a_store_may_be_given_as_it_is(database: Path) -> None:
    store = open_store(database, "normal")
    runner = JobRunner(store, jobs=[other])
    for completed in (1, 2):  # it is opened again
        async with runner:
            assert Probe(runner).store is store
            await (await runner.enqueue(other)).result("5s")
            assert runner.stats().completed == completed


@pytest.mark.parametrize("database", [3, b"jobs.db", [], object()])
def test_what_is_no_database_is_refused(database: Any) -> None:
    with pytest.raises(InvalidOption, match=r"expected a path, a URL, or a store\.$"):
        JobRunner(database)


def test_a_runner_has_at_most_22_public_methods() -> None:
    methods = [name for name in dir(JobRunner) if not name.startswith("_")]
    assert len([*methods, "job"]) <= 22  # `job` is made for each runner


@pytest.mark.parametrize(("variable", "effect"), [("", 7.0), ("1s", 1.0), ("0", 0.0), (" 2.5 ", 2.5), ("1m30s", 90.0)])
async def test_the_environment_shortens_the_drain_whatever_the_code_says(
    variable: str, effect: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOJOBS_LITE_DRAIN_TIMEOUT", variable)
    async with JobRunner(":memory:", drain_timeout="7s") as runner:
        facts = runner.watch()
    assert (await next_fact(facts, DrainStarted)).timeout == effect


@pytest.mark.parametrize("variable", ["soon", "-1", "1 s"])
def test_a_wrong_variable_is_refused_by_its_name(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOJOBS_LITE_DRAIN_TIMEOUT", variable)
    with pytest.raises(InvalidOption, match="AIOJOBS_LITE_DRAIN_TIMEOUT="):
        JobRunner(":memory:")
