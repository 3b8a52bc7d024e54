"""A runner in trouble is known to all others: what is stuck, what blocks its loop, or that it says nothing any more."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite import Job, JobRunner, Status
from aiojobs_lite.engine.phase import Phase
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.figures import BoundedCount, DatabaseFigures
from aiojobs_lite.model.runners import RunnerInfo
from aiojobs_lite.model.troubles import Trouble
from aiojobs_lite.runner.explain import OwnRunner, Situation, sentence
from aiojobs_lite.runner.troubles import no_runner, troubles_of
from tests.helpers.command import command
from tests.helpers.mail import welcome
from tests.helpers.pauses import pause
from tests.helpers.stuck import stuck

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FINE = RunnerInfo(
    "ab", 9, "web1", 10, {"email.welcome": None}, NOW, None, is_draining=False, running=1, is_alive=True,
)  # fmt: skip
STUCK = Trouble("stuck", NOW - timedelta(seconds=90), "email.welcome", 7, 2, "timeout", "/app/a.py:3 in send")
BLOCKED = Trouble("blocked", NOW - timedelta(seconds=40), "pay", 8, 1, None, "/app/b.py:4 in pay")
DEGRADED = Trouble("degraded", NOW - timedelta(seconds=40), None, None, None, "SQLITE_BUSY", "")
ELSEWHERE = OwnRunner("cd", Phase.RUNNING, None, 0, 0)
KEEPS = "keeps its slot until it ends by itself, or its process is restarted"
BEGAN = "job 7 of email.welcome runs: attempt 2 of 5 began 0.0 s ago in the runner ab (pid 9 on web1)"


async def a_job(**changes: object) -> Job:
    async with JobRunner(":memory:", jobs=[welcome]) as runner:
        found = await (await runner.enqueue(welcome.using(delay="1h"), 1)).job()
    return replace(found, id=7, scheduled_at=NOW, created_at=NOW, **changes)  # type: ignore[arg-type]  # of a job


async def test_a_job_that_runs_says_what_is_wrong_in_its_process() -> None:
    job = await a_job(status=Status.PROCESSING, attempts=2, started_at=NOW, owner="ab")
    for changes, text in (
        ({}, ""),
        (
            {"troubles": (STUCK,)},
            f"; it was stopped (timeout) 1 min 30 s ago and goes on at /app/a.py:3 in send: it {KEEPS}",
        ),
        ({"troubles": (replace(STUCK, attempt=1),)}, ""),
        (
            {"troubles": (BLOCKED,)},
            "; the event loop of that runner has been blocked for 40 s by job 8 of pay at /app/b.py:4 in pay",
        ),
        ({"troubles": (DEGRADED,)}, "; that runner has not been able to write the database for 40 s (SQLITE_BUSY)"),
        (
            {"silent": 40.0},
            "; that runner has not reported for 40 s: its event loop is blocked, or its process was stopped",
        ),
    ):
        runner = replace(FINE, **changes)
        assert sentence(Situation(job, NOW, None, 0, [runner], False, ELSEWHERE)) == f"{BEGAN}{text}."


async def test_a_job_whose_runner_is_dead_says_whether_another_one_lives() -> None:
    job = await a_job(status=Status.PROCESSING, attempts=2, started_at=NOW, owner="ab")
    gone = replace(FINE, is_alive=False)
    for runners, text in (
        ([gone], "no other one lives, and the job runs again when one starts"),
        ([gone, replace(FINE, id="ef")], "and a live one gives the job back within seconds"),
    ):
        said = sentence(Situation(job, NOW, None, 0, runners, True, ELSEWHERE))
        assert said == f"{BEGAN}; that runner is dead, {text}."
    assert "waits: no runner lives." in sentence(Situation(await a_job(), NOW, None, 0, [gone], False, ELSEWHERE))


async def test_a_job_that_waits_says_that_no_runner_moves() -> None:
    blocked, silent = replace(FINE, troubles=(BLOCKED,)), replace(FINE, id="ef", silent=40.0)
    found = Situation(await a_job(), NOW, None, 0, [blocked, silent], False, ELSEWHERE)
    assert sentence(found) == (
        "job 7 of email.welcome waits: the event loop of the runner ab (pid 9 on web1) has been blocked for 40 s by "
        "job 8 of pay at /app/b.py:4 in pay; and the runner ef (pid 9 on web1) has not reported for 40 s: its event "
        "loop is blocked, or its process was stopped."
    )
    assert "it starts after the jobs" in sentence(replace(found, runners=[blocked, FINE]))


def test_that_no_runner_lives_is_said_with_its_end_and_what_it_left() -> None:
    counts = {"a": {status: int(status is Status.PROCESSING) * 3 for status in Status}}
    now = DatabaseFigures(
        at=NOW, counts=counts, due=BoundedCount(0, is_more=False), oldest_due_at=None, oldest_due_by_type={},
        oldest_waiting={}, held={}, paused={}, runners=(), unclaimed={},
    )  # fmt: skip
    kept = "start the application; what was stored is kept"
    left = f"{kept}, and 3 jobs that it left running will run again"
    gone = replace(FINE, is_alive=False, last_sign_at=NOW - timedelta(minutes=2))
    noted = replace(gone, ended_at=NOW - timedelta(hours=1))
    looking = replace(FINE, max_running=0)
    last = "no runner lives that runs jobs; the last was ab (pid 9 on web1), "
    for changes, what, advice in (
        ({}, "no runner lives that runs jobs", left),
        ({"runners": (looking,)}, "no runner lives that runs jobs", kept),
        ({"last_runner": replace(gone, last_sign_at=None)}, "no runner lives that runs jobs", left),
        ({"last_runner": gone}, f"{last}it gave its last sign 2 min ago", left),
        ({"last_runner": noted}, f"{last}its end was noted 1 h ago", left),
    ):
        found = no_runner(replace(now, **changes))
        assert found is not None
        assert (found.what, found.advice) == (what, advice)
    assert no_runner(replace(now, runners=(FINE,))) is None


def test_what_is_wrong_is_said_with_what_to_do() -> None:
    left = replace(BLOCKED, type=None, job_id=None, attempt=None, place="")
    runner = replace(FINE, troubles=(left, replace(STUCK, why=None, place="")), silent=40.0)
    assert [(one.what, one.advice, one.job_id) for one in troubles_of([runner, FINE], NOW)] == [
        (
            "the event loop of the runner ab (pid 9 on web1) has been blocked for 40 s by code that is no handler's "
            "own",
            "nothing else runs in that process meanwhile; a restart ends it; make the handler a plain def",
            None,
        ),
        (
            "job 7 of email.welcome, attempt 2, is stuck: stopped 1 min 30 s ago, it goes on in the runner ab (pid 9 "
            "on web1)",
            f"it {KEEPS}",
            7,
        ),
    ]
    assert [one.advice for one in troubles_of([replace(FINE, silent=40.0)], NOW)] == [
        "look at process 9 on web1; a restart gives its jobs back"
    ]


def test_what_is_stuck_alike_is_one_line_and_what_is_left_out_another() -> None:
    alike = tuple(replace(STUCK, job_id=7 + number, since=NOW - timedelta(seconds=90 - number)) for number in range(24))
    other = replace(STUCK, job_id=50, place="/app/b.py:9 in wait")
    many = troubles_of([replace(FINE, troubles=(*alike, other), troubles_left_out=1_300)], NOW)
    each = f"each of them {KEEPS}"
    assert [(one.what, one.advice, one.job_id) for one in many] == [
        (
            "24 attempts of email.welcome are stuck at /app/a.py:3 in send: stopped (timeout), the first 1 min 30 s "
            "ago, they go on in the runner ab (pid 9 on web1); for example job 7",
            each,
            7,
        ),
        (
            "job 50 of email.welcome, attempt 2, is stuck: stopped (timeout) 1 min 30 s ago, it goes on at "
            "/app/b.py:9 in wait in the runner ab (pid 9 on web1)",
            f"it {KEEPS}",
            50,
        ),
        (
            "1,300 more attempts that go on after they were stopped in the runner ab (pid 9 on web1)",
            each,
            None,
        ),
    ]


def test_a_database_that_cannot_be_written_is_said_with_what_to_do() -> None:
    kept = (
        "new jobs are refused meanwhile, and what was stored is kept; the runner goes on by itself when it can write: "
    )
    full = replace(DEGRADED, why="SQLITE_FULL")
    runners = [replace(FINE, troubles=(DEGRADED,)), replace(FINE, id="ef", troubles=(full,))]
    assert [tuple(one) for one in troubles_of(runners, NOW)] == [
        (
            "the runner ab (pid 9 on web1) has not been able to write the database for 40 s (SQLITE_BUSY)",
            f"{kept}end the transaction of the program that has the lock, which `aiojobs-lite db doctor` names",
            None,
            "degraded",
        ),
        (
            "the runner ef (pid 9 on web1) has not been able to write the database for 40 s (SQLITE_FULL)",
            f"{kept}free the disk, or make the file writable",
            None,
            "degraded",
        ),
    ]


async def test_a_stuck_thread_is_known_to_all_who_look_until_it_ends(database: Path) -> None:
    async with JobRunner(database, cancel_grace=0) as runner, JobRunner(database, max_running=0) as other:
        async with stuck(runner) as handle:
            while not (found := [one for one in await other.runners() if one.troubles]):
                await pause(0.01)
            ((trouble,),) = [one.troubles for one in found]
            assert (trouble.type, trouble.job_id, trouble.why) == ("deaf", handle.id, "cancel")
            assert trouble.place.endswith(" in deaf")
            assert f"goes on at {trouble.place}: it keeps its slot" in await other.jobs.explain(handle.id)
            said = f"job {handle.id} of deaf, attempt 1, is stuck: stopped (cancel)"
            status = await asyncio.to_thread(command, "status", "--db", database)
            assert status.out.startswith(said)
            listed = await asyncio.to_thread(command, "list", "--db", database)
            assert "stuck: stopped (cancel) " in listed.out
            check = await asyncio.to_thread(command, "check", "--db", database, "--json")
            assert (check.code, check.json["problems"][0]["name"]) == (7, "stuck")
            assert check.json["problems"][0]["text"].startswith(said)
        while any(one.troubles for one in await other.runners()):
            await pause(0.01)


async def test_a_runner_that_shows_nothing_is_silent_after_half_a_minute(database: Path) -> None:
    async with JobRunner(database) as runner:
        (fine,) = await runner.runners()
        file = f"{database}-owner-{fine.id}"
        for age, is_silent in ((25, False), (35, True)):
            os.utime(file, (time.time() - age, time.time() - age))
            (found,) = await runner.runners()
            assert (found.silent is not None, found.troubles) == (is_silent, ())


async def test_marks_are_of_jobs(database: Path) -> None:
    async with JobRunner(database) as runner:
        assert await runner.jobs.marks([]) == {}
        with pytest.raises(InvalidOption) as caught:
            await runner.jobs.marks([7])  # type: ignore[list-item]  # what is tested
    assert str(caught.value) == "jobs=[7]: expected jobs, as runner.jobs.list gives them."
