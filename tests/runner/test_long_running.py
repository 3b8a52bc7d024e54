"""Attempts that run far longer than usual: `status`, `check`, `explain` and the dashboard name them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.figures import DatabaseFigures, Durations
from aiojobs_lite.model.buckets import bucket_of
from aiojobs_lite.model.troubles import Trouble
from aiojobs_lite.runner import long_running
from aiojobs_lite.runner.long_running import LongRunning, long_attempts
from aiojobs_lite.runner.troubles import LEAST_KNOWN, longest_usual
from aiojobs_lite.testing import FakeClock
from tests.helpers.dashboard import dashboard, text_of
from tests.helpers.waiting import until


@job(name="sync")
async def sync(*, hangs: bool = False) -> None:
    if hangs:
        await asyncio.Event().wait()


@asynccontextmanager
async def hanging(database: Path | str, clock: FakeClock, *, known: int, hang: int) -> AsyncIterator[JobRunner]:
    """A runner in which some handlers have ended and some hang."""
    async with JobRunner(database, jobs=[sync], clock=clock, drain_timeout=0.0) as runner:
        await runner.enqueue_many([sync.bind() for _ in range(known)])
        await runner.run_until_idle()
        await runner.enqueue_many([sync.bind(hangs=True) for _ in range(hang)])
        await until(lambda: runner.stats().running == hang)
        yield runner


async def seen(runner: JobRunner, **changes: object) -> list[LongRunning]:
    standing: DatabaseFigures = await runner.figures.now()
    return await long_attempts(runner, replace(standing, **changes))  # type: ignore[arg-type]  # of the figures


async def test_handlers_that_hang_are_named_from_a_minute_on() -> None:
    clock = FakeClock()
    async with hanging(":memory:", clock, known=LEAST_KNOWN, hang=2) as runner:
        clock.advance(59)
        assert await seen(runner) == []
        assert "longer than usual" not in await runner.jobs.explain(21)
        clock.advance(2)
        (found,) = await seen(runner)
        assert (found.type, found.attempts, found.job_id, found.known) == ("sync", 2, 21, LEAST_KNOWN)
        assert found.age == 61
        assert found.what.startswith(
            "2 attempts of sync run far longer than usual, the first for 1 min 1 s: job 21 in "
        )
        assert "; of 20 that ended within 30 days the longest took " in found.what
        assert "cancel them" in found.advice
        said = await runner.jobs.explain(21)
        assert "; far longer than usual: of 20 that ended within 30 days the longest took " in said
        async with dashboard(JobRunner(":memory:", clock=clock)) as client:
            assert "longer than usual" not in (await client.get("/")).text  # of another database
        await runner.jobs.cancel(22)
        await until(lambda: runner.stats().running == 1)
        (found,) = await seen(runner)
        assert found.what.startswith("job 21 of sync runs far longer than usual, for 1 min 1 s, in the runner ")
        assert "cancel it" in found.advice


async def test_of_many_types_those_are_looked_at_that_have_run_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_running, "MOST_TYPES_LOOKED_AT", 1)
    clock = FakeClock()
    async with hanging(":memory:", clock, known=LEAST_KNOWN, hang=1) as runner:
        clock.advance("2h")

        @job
        async def early_in_the_alphabet() -> None:
            await asyncio.Event().wait()

        await runner.types.add(early_in_the_alphabet)
        await runner.enqueue(early_in_the_alphabet)
        await until(lambda: runner.stats().running == 2)
        clock.advance("2m")
        assert [one.type for one in await seen(runner)] == ["sync"]


async def test_nothing_is_said_of_a_type_of_which_few_attempts_have_ended() -> None:
    clock = FakeClock()
    async with hanging(":memory:", clock, known=LEAST_KNOWN - 1, hang=1) as runner:
        clock.advance("2h")
        assert await seen(runner) == []


async def test_of_what_another_report_explains_nothing_is_said() -> None:
    clock = FakeClock()
    async with hanging(":memory:", clock, known=LEAST_KNOWN, hang=1) as runner:
        clock.advance("2h")
        (me,) = (await runner.figures.now()).runners
        since = clock.time - timedelta(minutes=5)
        stuck = Trouble("stuck", since, "sync", 21, 1, "timeout", "")
        for explained in (
            (),
            (replace(me, silent=40.0),),
            (replace(me, troubles=(stuck,)),),
            (replace(me, troubles=(Trouble("blocked", since, None, None, None, None, ""),)),),
            (replace(me, troubles=(Trouble("degraded", since, None, None, None, "SQLITE_BUSY", ""),)),),
        ):
            assert await seen(runner, runners=explained) == []
        other = replace(stuck, attempt=2)
        assert len(await seen(runner, runners=(replace(me, troubles=(other,)),))) == 1


async def test_the_overview_names_them(database: Path) -> None:
    clock = FakeClock(datetime.now(UTC))
    async with hanging(database, clock, known=LEAST_KNOWN, hang=1):
        clock.advance("10m")
        async with dashboard(JobRunner(database, max_running=0, clock=clock)) as client:
            page = text_of((await client.get("/")).text)
    assert "Job 21 of sync runs far longer than usual, for 10 min, in the runner " in page
    assert "All is well" not in page


@pytest.mark.parametrize(
    ("known", "longest", "age", "is_long"),
    [
        (LEAST_KNOWN, 0.1, 59.0, False),
        (LEAST_KNOWN, 0.1, 60.0, True),
        (LEAST_KNOWN - 1, 0.1, 60.0, False),
        (LEAST_KNOWN, 600.0, 1_200.0, False),
        (LEAST_KNOWN, 600.0, 2_400.0, True),
    ],
)
def test_an_attempt_runs_for_long_if_it_runs_three_times_as_long_as_any(
    known: int, longest: float, age: float, is_long: bool
) -> None:
    usual = Durations(known, 0.0, ((bucket_of(0.01), known - 1), (bucket_of(longest), 1)))
    assert (longest_usual(usual, age) is not None) == is_long


def test_without_any_end_nothing_is_usual() -> None:
    assert longest_usual(Durations(), 1e6) is None
