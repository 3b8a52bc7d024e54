"""`aiojobs-lite check`: what it says to a monitor, and what it leaves out when asked."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.cli.check import Ignorable
from aiojobs_lite.model.overview import IN_LANES, PAUSED, WITHOUT_HANDLER
from aiojobs_lite.model.troubles import Trouble, TroubleReport, report_text
from aiojobs_lite.stores.sqlite.owner_report import write_report
from aiojobs_lite.testing import FakeClock
from tests.helpers.command import Ran, beside_a_runner, command, two_behind_a_limit
from tests.helpers.stores import connected
from tests.helpers.waiting import until

OLD = ("check", "--max-dead", "9", "--max-age", "0s")


@pytest.mark.usefixtures("database")
def test_a_check_says_what_is_wrong_the_worst_first() -> None:
    found = command("check", "--json")
    assert found.code == 5
    document = found.json
    assert document.keys() == {"is_fine", "at", "oldest_due_age", "dead", "problems"}
    assert [(one["code"], one["name"]) for one in document["problems"]] == [(5, "no_runner"), (4, "dead")]
    assert document["dead"] == 2


def test_a_check_of_a_service_that_works_is_fine(database: Path) -> None:
    assert beside_a_runner(database, "check", "--max-dead", "2") == (0, "ok\n", "")
    dead = beside_a_runner(database, "check")
    assert dead.code == 4
    said = (
        r"dead: 2 jobs died lately, of them 2 pay, ConnectionError, since [-\d: ]+ UTC: `aiojobs-lite dead --group`\n"
    )
    assert re.fullmatch(said, dead.out)


def test_a_check_finds_jobs_that_are_due_for_too_long_and_types_without_a_runner(database: Path) -> None:
    async def beside_another() -> Ran:
        runner = JobRunner(database)
        runner.job(name="other")(_idle)
        async with runner:
            return await asyncio.to_thread(command, "check", "--max-dead", "9", "--max-age", "0s")

    assert command("redrive", 2).code == 0
    lonely = asyncio.run(beside_another())
    assert lonely.code == 5
    assert "no living runner has registered the type of jobs: mail (1), pay (1)" in lonely.out
    assert "late: a job has been due for" in lonely.out


def test_a_check_finds_a_locked_file(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.cli.status.LOCK_PATIENCE_S", 0.0)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        found = command("check")
    assert found.code == 6
    said = r"locked: (another program|pid \d+ \(.*\)) keeps the database locked: `aiojobs-lite db doctor`\n"
    assert re.match(said, found.out)


def test_a_check_finds_a_runner_that_cannot_write(database: Path) -> None:
    degraded = Trouble("degraded", datetime.now(UTC), None, None, None, "SQLITE_FULL", "")

    async def beside_it() -> Ran:
        async with JobRunner(database) as runner:
            (runner_id,) = [one.id for one in await runner.runners() if one.is_alive]
            write_report(Path(f"{database}-owner-{runner_id}"), report_text(TroubleReport((degraded,))))
            return await asyncio.to_thread(command, "check", "--json")

    found = asyncio.run(beside_it())
    first = found.json["problems"][0]
    assert (found.code, first["code"], first["name"]) == (6, 6, "locked")
    assert "has not been able to write the database for" in first["text"]
    assert "stuck" not in {one["name"] for one in found.json["problems"]}


def test_a_handler_that_hangs_without_a_timeout_is_found_but_not_on_purpose(database: Path) -> None:
    async def beside_it() -> list[Ran]:
        runner = JobRunner(database, clock=FakeClock(datetime.now(UTC) - timedelta(minutes=10)), drain_timeout=0.0)

        @runner.job(name="sync")
        async def sync(*, hangs: bool) -> None:
            if hangs:
                await asyncio.Event().wait()

        async with runner:
            await runner.enqueue_many([sync.bind(hangs=False) for _ in range(20)])
            await runner.run_until_idle()
            await runner.enqueue(sync, hangs=True)
            await until(lambda: runner.stats().running == 1)
            await runner.figures.types()  # its ends are written now
            asked = (["check"], ["check", "--ignore", "long"], ["status"], ["status", "--json"], ["top"])
            return [await asyncio.to_thread(command, *one) for one in asked]

    found, ignored, status, as_json, top = asyncio.run(beside_it())
    assert found.code == 5  # there is no runner of the other types
    said = re.search(
        r"^long: job \d+ of sync runs far longer than usual, for 10 min.*, in the runner ", found.out, re.MULTILINE
    )
    assert said is not None
    assert "long: " not in ignored.out
    assert "of sync runs far longer than usual, for 10 min" in status.out
    (long,) = as_json.json["long_attempts"]
    assert (long["type"], long["attempts"], long["known"]) == ("sync", 1, 20)
    assert "of sync runs far longer than usual" in re.sub(r"\s+", " ", top.out)


async def _idle() -> None: ...


def test_old_jobs_of_a_paused_type_are_not_hidden_but_on_purpose(database: Path) -> None:
    assert beside_a_runner(database, *OLD).code == 0
    assert command("pause", "pay", "--by", "ops").code == 0
    assert command("redrive", 2).code == 0
    found = beside_a_runner(database, *OLD)
    assert found.code == 3
    assert found.out.startswith("late: a job has been due for ")
    assert found.out.endswith(", of pay, and its type is paused: `aiojobs-lite resume pay`\n")
    assert beside_a_runner(database, *OLD, "--ignore", "lane").code == 3
    assert beside_a_runner(database, *OLD, "--ignore", "lane", "--ignore", "paused") == (0, "ok\n", "")
    assert beside_a_runner(database, "check", "--max-dead", "9", "--max-age", "1h").code == 0
    status = beside_a_runner(database, "status").out.splitlines()[1]
    assert status.startswith("paused: pay since ")
    assert status.endswith(" ago")
    assert ", by ops; 1 job pending, the first due " in status
    assert beside_a_runner(database, "check", "--ignore", "x").code == 2


def test_old_jobs_behind_a_full_limit_are_not_hidden_but_on_purpose(database: Path) -> None:
    async def run() -> list[Ran]:
        async with two_behind_a_limit(database) as (runner, release):
            found = [await asyncio.to_thread(command, *OLD, *more) for more in ((), ("--ignore", "lane"), ("--json",))]
            release.set()
            await runner.run_until_idle()
        return found

    late, ignored, document = asyncio.run(run())
    assert late.code == 3
    assert ", of report, and it is behind a full or paused limit, or others of its key" in late.out
    assert ignored == (0, "ok\n", "")
    assert [(one["code"], one["name"]) for one in document.json["problems"]] == [(3, "late")]


@pytest.mark.parametrize(
    ("held", "text"), [("payload", "its payload fits no handler"), ("listener", "it waits for a runner of its type")]
)
def test_old_jobs_without_a_handler_are_not_hidden_but_on_purpose(database: Path, held: str, text: str) -> None:
    assert command("redrive", 2).code == 0
    with connected(database) as rows:
        rows.execute("UPDATE aiojobs_jobs SET held = ? WHERE id = 2", (held,))
    found = command(*OLD)
    assert found.code == 5  # no runner is here
    assert f", of pay, and {text}" in found.out
    assert text not in command(*OLD, "--ignore", held).out


def test_each_reason_of_the_figures_can_be_ignored() -> None:
    assert {*Ignorable} - {Ignorable.LONG} == {PAUSED, IN_LANES, *(held.value for held in WITHOUT_HANDLER)}
