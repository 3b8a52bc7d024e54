"""What is wrong, the worst first; and the page that shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import SystemClock
from aiojobs_lite.figures import BoundedCount, DatabaseFigures, Durations
from aiojobs_lite.limits import Limit
from aiojobs_lite.model.figures import AddFigures, EndFigures, hour_of
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.troubles import Trouble
from aiojobs_lite.runner.fullest import FullestLane
from aiojobs_lite.telemetry.stats import RunnerStats
from aiojobs_lite.web import overview
from aiojobs_lite.web.problems import Problem, dead_groups, problems_of
from tests.helpers.dashboard import dashboard, text_of
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import one

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WELL = RunnerStats(
    pending=0, scheduled=0, retrying=0, held=0, processing=0, completed=0, dead=0, cancelled=0, running=0, stuck=0,
    oldest_due_age=0.0, throughput=0.0, loop_lag=0.0, commits=Durations(), draining=False, degraded=None,
    refused_ends=0, skipped_ticks=0, unclaimed={}, by_type={},
)  # fmt: skip
RUNS = RunnerInfo("me", 1, "web1", 10, {"a": None}, NOW, None, is_draining=False, running=0, is_alive=True)


STANDS = DatabaseFigures(
    at=NOW, counts={}, due=BoundedCount(0, is_more=False), oldest_due_at=None, oldest_due_by_type={},
    oldest_waiting={}, held={}, paused={}, runners=(RUNS,), unclaimed={},
)  # fmt: skip
STUCK = Trouble("stuck", NOW - timedelta(seconds=90), "mail", 7, 2, "timeout", "/app/a.py:3 in send")
DEGRADED = Trouble("degraded", NOW - timedelta(seconds=90), None, None, None, "SQLITE_BUSY", "")
DEGRADED_TITLE = "The runner me (pid 1 on web1) has not been able to write the database for 1 min 30 s (SQLITE_BUSY)"
STUCK_TITLE = (
    "Job 7 of mail, attempt 2, is stuck: stopped (timeout) 1 min 30 s ago, it goes on at /app/a.py:3 in send in the "
    "runner me (pid 1 on web1)"
)
SILENT_TITLE = (
    "The runner me (pid 1 on web1) has not reported for 40 s: its event loop is blocked, or its process was stopped"
)
LONG_AGO = NOW - timedelta(seconds=90)
DUE = replace(
    STANDS, due=BoundedCount(10_000, is_more=True), oldest_due_at=LONG_AGO, oldest_due_by_type={"a": LONG_AGO},
)  # fmt: skip


def found(stats: RunnerStats = WELL, standing: DatabaseFigures = STANDS) -> list[Problem]:
    return problems_of(stats, standing, [], [])


def levels(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(one.level, one.title) for one in problems]


async def test_of_many_dead_jobs_the_newest_are_looked_at_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MOST_DEAD_LOOKED_AT", 2)
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def pay() -> None:
        raise LookupError

    async with dashboard(runner) as client:
        for count, said in ((2, "2 dead: pay"), (1, "2+ dead: pay")):
            await runner.enqueue_many([pay.bind() for _ in range(count)])
            await runner.run_until_idle()
            assert said in text_of((await client.get("/")).text)


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert found() == []


def test_each_thing_that_is_wrong_is_a_line() -> None:
    cases: list[tuple[list[Problem], tuple[str, str]]] = [
        (found(replace(WELL, degraded="disk full")), ("bad", "The database cannot be written")),
        (found(standing=replace(STANDS, runners=())), ("bad", "No runner lives that runs jobs")),
        (
            found(standing=replace(STANDS, runners=(replace(RUNS, max_running=0),))),
            ("bad", "No runner lives that runs jobs"),
        ),
        (found(standing=replace(STANDS, runners=(replace(RUNS, troubles=(STUCK,)),))), ("bad", STUCK_TITLE)),
        (found(standing=replace(STANDS, runners=(replace(RUNS, silent=40.0),))), ("bad", SILENT_TITLE)),
        (found(replace(WELL, loop_lag=1.5)), ("bad", "The event loop is 1.5 s late")),
        (found(replace(WELL, draining=True)), ("note", "This runner drains")),
        (found(standing=DUE), ("bad", "10,000+ due, the first, of a, for 1 min 30 s")),
        (
            found(standing=replace(STANDS, held={"payload": BoundedCount(2, is_more=False)})),
            ("bad", "2 held: the payload no longer fits the handler"),
        ),
        (found(standing=replace(STANDS, unclaimed={"a": 3})), ("bad", "3 jobs of a without a handler")),
        (found(standing=replace(STANDS, paused={"a": Pause(NOW, "ann")})), ("warn", "a is paused")),
        (
            found(
                standing=replace(
                    STANDS, held={"lane": BoundedCount(3, is_more=False), "after": BoundedCount(1, is_more=False)}
                )
            ),
            ("note", "3 behind a full limit"),
        ),
        (
            found(standing=replace(STANDS, unclaimed={"a": 3}, paused={"a": Pause(NOW, "ann")})),
            ("warn", "a is paused"),
        ),
    ]
    for problems, expected in cases:
        assert levels(problems) == [expected]


def test_a_database_that_cannot_be_written_is_one_line_whichever_runner_says_so() -> None:
    standing = replace(STANDS, runners=(replace(RUNS, troubles=(DEGRADED,)),))
    assert levels(found(standing=standing)) == [("bad", DEGRADED_TITLE)]
    own = found(replace(WELL, degraded="SQLITE_BUSY"), standing)
    assert levels(own) == [("bad", "The database cannot be written")]


def test_a_line_leads_to_what_it_speaks_of() -> None:
    (locked,) = found(replace(WELL, degraded="SQLITE_BUSY"))
    assert locked.text.startswith(
        "Another program holds its lock: end that transaction; `aiojobs-lite db doctor` names it. Nothing is lost"
    )
    (full,) = found(replace(WELL, degraded="SQLITE_FULL"))
    assert full.text.startswith("SQLITE_FULL. Nothing is lost")
    (stuck,) = found(standing=replace(STANDS, runners=(replace(RUNS, troubles=(STUCK,)),)))
    assert (stuck.path, stuck.parameters) == ("jobs/7", {})
    assert stuck.text == "It keeps its slot until it ends by itself, or its process is restarted."
    (behind,) = found(standing=replace(STANDS, held={"lane": BoundedCount(3, is_more=False)}))
    assert behind.path == "lanes"
    fullest = FullestLane("'orgs' for the key 7, 2 of 2", (9, "export", 241.0), 0.25)
    held = replace(STANDS, held={"lane": BoundedCount(3, is_more=False)})
    (behind_most,) = problems_of(WELL, held, [], [], fullest)
    assert behind_most.text == f"{behind.text} Most are behind {fullest}."
    assert "due for" not in behind.text
    lanes, waits = {"lane": BoundedCount(3, is_more=False)}, {"lane": {"a": LONG_AGO}, "paused": {"b": LONG_AGO}}
    paused = {"b": Pause(NOW, "ann")}
    waiting, behind = found(standing=replace(STANDS, held=lanes, oldest_waiting=waits, paused=paused))
    assert behind.text.endswith("The first has been due for 1 min 30 s.")
    assert waiting.text.endswith("by ann. 0 jobs pending, the first due 1 min ago.")


def test_of_jobs_that_no_runner_runs_no_line_says_that_slots_are_taken() -> None:
    (full,) = found(standing=DUE)
    assert full.text.startswith("All slots, or the concurrency of its type, are taken.")
    assert full.parameters == {"status": "pending", "type": "a"}
    for changes in ({"runners": ()}, {"unclaimed": {"a": 2}}):
        texts = [one.text for one in found(standing=replace(DUE, **changes))]
        assert "No runner lives that runs it." in texts


def test_the_worst_comes_first() -> None:
    standing = replace(STANDS, paused={"a": Pause(None, None)}, runners=(replace(RUNS, silent=40.0),))
    problems = found(replace(WELL, draining=True), standing)
    assert [level for level, _ in levels(problems)] == ["bad", "warn", "note"]


async def test_jobs_that_died_stand_together_by_type_and_error() -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def pay(amount: int) -> None:
        raise (LookupError if amount else OSError)(f"no {amount}")

    async with runner:
        for amount in (1, 2, 0, 3):
            await runner.enqueue(pay, amount=amount)
            await runner.run_until_idle()
        dead = await runner.jobs.list(status="dead")
        groups = dead_groups(dead, NOW - timedelta(days=36_500), errors := await runner.figures.errors())
        assert [(one.type, one.error, one.jobs, one.example) for one in groups] == [
            ("pay", "LookupError", 3, "LookupError: no 3"), ("pay", "OSError", 1, "OSError: no 0"),
        ]  # fmt: skip
        assert [one.first_at for one in groups] == [one.first_at for one in errors]
        assert [one.first_at for one in dead_groups(dead, NOW - timedelta(days=36_500))] == [None, None]
        assert dead_groups(dead, datetime.now(UTC) + timedelta(hours=1)) == []


async def test_a_death_has_its_begin_beside_many_errors_of_which_none_died(database: Path) -> None:
    runner, now = JobRunner(database), SystemClock().now()

    @runner.job(max_attempts=1)
    async def pay() -> None:
        raise OSError("no")

    ends = [EndFigures(f"t{n}", Outcome.FAILED, "KeyError", 99, 0, 0, 0, now, now) for n in range(100)]
    async with dashboard(runner) as client:
        await runner.enqueue(pay)
        await runner.run_until_idle()
        async with opened(database) as store:
            await one(store, AddFigures(hour_of(now), tuple(ends), ()))
        assert "it began " in text_of((await client.get("/")).text)


async def test_the_first_page_says_that_all_is_well_or_what_is_not() -> None:
    runner = JobRunner(":memory:")
    options: dict[str, Any] = {"limits": [Limit(2, name="tenants", key="tenant")]}

    @runner.job(name="mail.send", max_attempts=1, **options)
    async def send(tenant: str) -> None:
        raise LookupError("no address")

    @runner.cron("0 9 * * *")
    async def digest() -> None: ...

    async with dashboard(runner) as client:
        assert "All is well." in (await client.get("/")).text
        await runner.enqueue(send, tenant="acme")
        await runner.run_until_idle()
        await runner.types.pause(send, by="ann")
        await runner.limits.pause("tenants", key="acme", by="ben")
        await runner.schedules.pause("digest", by="eve")
        text = text_of((await client.get("/")).text)
        for part in (
            "1 dead: mail.send", "LookupError: no address", "mail.send is paused", "by ann", "by ben",
            "The limit tenants is paused for acme", "The schedule digest is paused", "by eve", "waiting 0", "dead 1",
        ):  # fmt: skip
            assert part in text, part
        assert "All is well." not in text


async def test_what_stops_all_jobs_stands_before_those_that_died(database: Path) -> None:
    runner = JobRunner(database)

    @runner.job(max_attempts=1)
    async def pay() -> None:
        raise LookupError

    async with runner:
        await runner.enqueue(pay)
        await runner.run_until_idle()
        await runner.types.pause(pay)
    async with dashboard(JobRunner(database, max_running=0)) as client:
        text = text_of((await client.get("/")).text)
    lines = ("No runner lives that runs jobs", "1 dead: pay", "pay is paused")
    assert sorted(lines, key=text.index) == list(lines)
