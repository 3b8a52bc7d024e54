"""What a list says of jobs beyond their rows: of the stuck ones, and of those that are behind a limit."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, job
from aiojobs_lite.limits import Limit
from aiojobs_lite.runner import troubles
from aiojobs_lite.runner.troubles import JobMark
from aiojobs_lite.web.jobs import line_state
from tests.helpers.dashboard import dashboard, text_of
from tests.helpers.pauses import pause
from tests.helpers.stuck import stuck
from tests.helpers.waiting import until

NOW = datetime(2100, 1, 1, tzinfo=UTC)


@job(name="report", limits=[Limit(1, key="org", name="orgs")])
async def report(org: str) -> None: ...


async def marks_in(runner: JobRunner) -> Mapping[int, JobMark]:
    return await runner.jobs.marks(await runner.jobs.list())


async def test_jobs_behind_a_full_or_paused_limit_are_marked_and_others_are_not(database: Path) -> None:
    release = threading.Event()

    @job(name="slow", limits=[Limit(1, key="org", name="slow orgs")])
    def slow(org: str) -> None:
        release.wait()

    async with JobRunner(database, jobs=[slow, report]) as runner:
        try:
            await runner.enqueue_many([slow.bind(org) for org in ("acme", "acme", "blue")])
            await until(lambda: runner.stats().running == 2)
            await runner.limits.pause("orgs", key="acme")
            await runner.enqueue(report, org="acme")
            await runner.enqueue(report.using(delay="1h"), org="acme")
            found = await marks_in(runner)
            assert found == {
                2: JobMark("behind a limit", "'slow orgs' for the key \"acme\", 1 of 1", ("slow orgs", "acme")),
                4: JobMark("behind a limit", "'orgs' for the key \"acme\", paused", ("orgs", "acme")),
            }
            async with dashboard(JobRunner(database, max_running=0)) as client:
                page = text_of((await client.get("/jobs")).text)
                assert page.count("behind a limit 'slow orgs' for the key") == 1
            waiting = await runner.jobs.get(4)
            assert line_state(waiting, NOW, mark=found[4]) == "behind a limit"
            assert line_state(waiting, NOW, is_paused=True, mark=found[4]) == "paused"
        finally:
            release.set()


async def test_of_very_many_lanes_the_first_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "MOST_LANES_LOOKED_AT", 2)
    async with JobRunner(":memory:", jobs=[report]) as runner:
        await runner.limits.pause("orgs")
        await runner.enqueue_many([report.bind(org) for org in ("a", "b", "c", "c")])
        assert list(await marks_in(runner)) == [4, 3, 2]


async def test_a_stuck_attempt_is_marked_until_it_ends(database: Path) -> None:
    async with JobRunner(database, cancel_grace=0) as runner:
        async with stuck(runner) as handle:
            while not (found := await marks_in(runner)):
                await pause(0.01)
            mark = found[handle.id]
            assert (mark.state, mark.text[:17]) == ("stuck", "stopped (cancel) ")
            assert mark.text.endswith(" in deaf")
            assert line_state(await handle.job(), NOW, is_paused=True, mark=mark) == "stuck"
            async with dashboard(JobRunner(database, max_running=0)) as client:
                assert "stuck stopped (cancel)" in text_of((await client.get("/jobs")).text)
        while await marks_in(runner):
            await pause(0.01)
