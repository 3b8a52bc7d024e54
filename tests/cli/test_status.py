"""`aiojobs-lite status` and `dead`."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite.cli.views.status import died_in_words
from aiojobs_lite.clock import SystemClock
from aiojobs_lite.model.figures import AddFigures, EndFigures, hour_of
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.runner.figures import ErrorFigures
from tests.helpers.command import Ran, beside_a_runner, command, two_behind_a_limit
from tests.helpers.pauses import pause
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import one

STANDING = {
    "at", "counts", "by_type", "due", "oldest_due_at", "oldest_due_age", "oldest_waiting", "held", "paused",
    "unclaimed", "runners", "types", "died", "fullest_lane", "is_locked", "long_attempts",
}  # fmt: skip


@pytest.mark.usefixtures("database")
def test_the_status_is_what_the_rows_say(database: Path) -> None:
    found = command("status", "--json").json
    assert found.keys() == STANDING
    with closing(sqlite3.connect(database)) as connection:
        rows = dict(connection.execute("SELECT status, count(*) FROM aiojobs_jobs GROUP BY status").fetchall())
    assert {status: count for status, count in found["counts"].items() if count} == rows
    assert found["by_type"]["pay"] == {"pending": 0, "processing": 0, "completed": 1, "dead": 2, "cancelled": 0}
    assert {one["type"]: one["dead"] for one in found["types"]} == {"pay": 2, "welcome": 0}
    text = command("status").out
    assert re.match(
        r"no runner lives that runs jobs: start the application; what was stored is kept\n"
        r"dead in the last 1h: 2 pay, ConnectionError, since [-\d: ]+ UTC\n",
        text,
    )
    assert "dead        2" in text


def test_living_runners_are_shown(database: Path) -> None:
    found = beside_a_runner(database, "status", "--json").json
    (runner,) = found["runners"]
    assert runner.keys() == {
        "id", "pid", "host", "max_running", "running", "is_draining", "started_at", "types", "silent", "troubles",
        "troubles_left_out",
    }  # fmt: skip
    assert runner["types"] == {"pay": None, "mail": None, "digest": None, "welcome": None}
    assert "living runners" in beside_a_runner(database, "status").out


def test_of_what_jobs_died_the_largest_groups_are_said() -> None:
    at = datetime(2026, 3, 1, 20, 43, 10, tzinfo=UTC)
    sizes = [174, 9, 3, 2, 1]
    died = [ErrorFigures("charge", f"Error{size}", 2 * size, size, at, at) for size in sizes]
    assert died_in_words(died, at) == (
        "174 charge, Error174, since 20:43:10 UTC; 9 charge, Error9, since 20:43:10 UTC; "
        "3 charge, Error3, since 20:43:10 UTC; and 3 more: `aiojobs-lite dead --group`"
    )
    for later, said in ((timedelta(hours=3), "20:43:10 UTC"), (timedelta(hours=4), "2026-03-01 20:43:10 UTC")):
        assert died_in_words(died[:1], at + later) == f"174 charge, Error174, since {said}"


def test_the_jobs_that_died_are_said_beside_many_errors_of_which_none_did(database: Path) -> None:
    async def fail_often() -> None:
        now = SystemClock().now()
        ends = [EndFigures(f"t{n}", Outcome.FAILED, "KeyError", 99, 0, 0, 0, now, now) for n in range(100)]
        async with opened(database) as store:
            await one(store, AddFigures(hour_of(now), tuple(ends), ()))

    asyncio.run(fail_often())
    found = command("status", "--json").json
    assert len(found["types"]) == 102
    assert [(group["type"], group["error_type"], group["dead"]) for group in found["died"]] == [
        ("pay", "ConnectionError", 2)
    ]


def test_a_pause_is_said_before_the_counts(database: Path) -> None:
    assert command("pause", "pay", "--by", "ops").code == 0
    died, first = beside_a_runner(database, "status").out.splitlines()[:2]
    assert died.startswith("dead in the last 1h: 2 pay")
    assert first.startswith("paused: pay since")
    assert first.endswith(", by ops; 0 jobs pending")
    assert command("status", "--json").json["paused"]["pay"]["by"] == "ops"


def test_the_status_begins_with_a_lock(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.cli.status.LOCK_PATIENCE_S", 0.0)
    assert command("status", "--json").json["is_locked"] is False
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert command("status", "--json").json["is_locked"] is True
        text = command("status").out
    assert re.match(r"(another program|pid \d+ \(.*\)) keeps the database locked: `aiojobs-lite db doctor`\n", text)


def test_the_status_says_what_a_full_limit_holds_back(database: Path) -> None:
    async def run() -> list[Ran]:
        async with two_behind_a_limit(database) as (runner, release):
            asked = (["status"], ["list", "--type", "report"], ["list", "--held", "lane"], ["status", "--json"])
            found = [await asyncio.to_thread(command, *one) for one in asked]
            release.set()
            await runner.run_until_idle()
            await runner.limits.pause("orgs")
            await runner.enqueue_named("report", org="blue")
            while "lane" not in (await runner.figures.now()).held:
                await pause(0.01)
            found.append(await asyncio.to_thread(command, "status"))
        return found

    status, jobs, held, as_json, paused = asyncio.run(run())
    first = (
        "behind a full limit: 2, the first due for SPAN; most behind 'orgs' for the key \"acme\", 1 of 1, the oldest,"
    )
    expected = f"{first} job 7, for SPAN: `aiojobs-lite list --held lane`"
    assert expected in re.sub(r"[\d.]+ s\b", "SPAN", status.out)
    assert as_json.json["fullest_lane"].startswith("'orgs' for the key \"acme\", 1 of 1, the oldest, job 7, for ")
    assert "most behind 'orgs' for the key \"blue\", paused: " in paused.out
    assert re.findall(r"^\d+", held.out, re.MULTILINE) == ["9", "8"]  # 4 has a key as well, but is due later
    assert len(re.findall(r"report +processing .* runs for ", jobs.out)) == 1
    behind = re.findall(r"report +pending .* behind a limit: 'orgs' for the key \"acme\", 1 of 1", jobs.out)
    assert len(behind) == 2


@pytest.mark.usefixtures("database")
def test_the_dead_are_listed_and_grouped() -> None:
    assert [job["id"] for job in command("dead", "--json").json["jobs"]] == [3, 2]
    assert command("dead", "--type", "welcome").out == "no jobs\n"
    (group,) = command("dead", "--group", "--json").json["groups"]
    assert group.keys() == {"type", "error_type", "dead", "failed_attempts", "first_at", "last_at"}
    assert (group["type"], group["error_type"], group["dead"]) == ("pay", "ConnectionError", 2)
    assert "ConnectionError" in command("dead", "--group").out
    assert command("dead", "--group", "--type", "welcome").out == "no attempt failed\n"
