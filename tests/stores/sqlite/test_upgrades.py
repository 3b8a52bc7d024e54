"""From each schema to that of today: the released scripts stay as they are, all rows stay, and jobs run."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, injected
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.job import Status
from aiojobs_lite.stores import named_sql
from tests.helpers import new_file
from tests.helpers.rings import first_of
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import connected

SCRIPTS = named_sql.migrations(new_file.PACKAGE)
NEWEST = len(SCRIPTS)
OLD_ROWS = Path(__file__).with_name("old_rows.sql").read_text(encoding="utf-8")
SECTIONS = re.split(r"^-- schema \d+$", OLD_ROWS, flags=re.MULTILINE)[1:]
COUNTED = ("pending", "retrying", "held", "processing", "completed", "dead", "cancelled")
OTHER_COUNTS = """
    sum(status = 'pending' AND attempts > 0), sum(held IS NOT NULL), sum(status = 'processing'),
    sum(status = 'completed'), sum(status = 'dead'), sum(status = 'cancelled')
"""
COUNTS = f"SELECT type, sum(status = 'pending'), {OTHER_COUNTS} FROM aiojobs_jobs GROUP BY type ORDER BY type"
ADD_COUNTS = f"""
    INSERT INTO aiojobs_counts
    SELECT
        type, sum(status = 'pending'), sum(status = 'pending' AND attempts = 0 AND scheduled_at > 1700000000000000),
        {OTHER_COUNTS}, max(id), 1700000000000000, -62135596800000000, -62135596800000000, -62135596800000000
    FROM aiojobs_jobs
    GROUP BY type
"""
PINS = new_file.pins()
AFTER, LIMITS, STEPS = 7, 8, 9  # the schemas with which these came
Rows = dict[str, list[dict[str, Any]]]


# The scripts.


@pytest.mark.parametrize("name", sorted(new_file.digests()))
def test_a_released_script_is_what_was_released(name: str) -> None:
    assert name in PINS, f"{name} is new: run `python -m tests.helpers.new_file`, which adds its line to released.txt"
    advice = "take the change back, and make it in a script with the next number; files out there have run this one"
    assert new_file.digests()[name] == PINS[name], f"{name} was changed after its release: {advice}"


def test_no_released_script_is_gone() -> None:
    gone = PINS.keys() - new_file.digests().keys()
    assert not gone, f"bring back {sorted(gone)}: a file of an older schema needs each script up to the newest"


def test_a_script_has_one_line_only_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed, *others = new_file.digests()
    lines = tmp_path / "released.txt"
    lines.write_text(f"{'0' * 64}  {changed}\n")
    monkeypatch.setattr(new_file, "RELEASED", lines)
    new_file.add_pins()
    added = new_file.pins()
    new_file.add_pins()
    assert new_file.pins() == added == {changed: "0" * 64, **{name: new_file.digests()[name] for name in others}}


# The files.


def old_file(path: Path, version: int) -> None:
    """Makes a file as the releases of one schema left it, with the rows that it may hold."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA foreign_keys = ON")
        for script, rows in zip(SCRIPTS[:version], SECTIONS[:version], strict=True):
            connection.executescript(script + rows)
        connection.execute(ADD_COUNTS)
        connection.execute("UPDATE aiojobs_meta SET value = ? WHERE key = 'schema'", (version,))


def rows_of(path: Path, like: Rows | None = None) -> Rows:
    """The rows of each table; of the tables and columns that are in others, if these are given."""
    with connected(path) as connection:
        connection.row_factory = sqlite3.Row
        names = like or [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")] for name in names}
    if like:
        columns = {name: like[name][0].keys() for name in like}
        found = {name: [{key: row[key] for key in columns[name]} for row in rows] for name, rows in found.items()}
    return found


@pytest.fixture(params=first_of(6, range(1, NEWEST + 1)))
def version(request: pytest.FixtureRequest, database: Path) -> int:
    """Each schema, and the database is a file of it."""
    old_file(database, request.param)
    return int(request.param)


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_a_file_of_each_schema_has_a_row_in_each_table_and_a_job_of_each_status(version: int, tmp_path: Path) -> None:
    assert len(SECTIONS) == NEWEST, "old_rows.sql: add a section with rows for the tables and columns of the new script"
    old_file(tmp_path / "jobs.db", version)
    before = rows_of(tmp_path / "jobs.db")
    assert {name for name, rows in before.items() if not rows} == set()
    assert {row["status"] for row in before["aiojobs_jobs"]} == {*Status}


def test_the_newest_file_has_a_value_in_each_column(tmp_path: Path) -> None:
    old_file(tmp_path / "jobs.db", NEWEST)
    empty = {
        f"{name}.{column}"
        for name, rows in rows_of(tmp_path / "jobs.db").items()
        for column in rows[0]
        if all(row[column] is None for row in rows)
    }
    passing = {"aiojobs_after.at", "aiojobs_batches.owner", "aiojobs_batches.parent", "aiojobs_events.reaches"}
    assert empty == passing | {"aiojobs_meters.free_at", "aiojobs_steps.error"}


async def test_every_row_is_kept_and_the_schema_is_that_of_today(version: int, database: Path) -> None:
    before = rows_of(database)
    async with opened(database):
        pass
    after = rows_of(database, before)
    assert [row for row in after["aiojobs_meta"] if row["key"] == "schema"] == [{"key": "schema", "value": NEWEST}]
    for rows in (before, after):
        rows["aiojobs_meta"] = [row for row in rows["aiojobs_meta"] if row["key"] != "schema"]
    assert after == before
    with connected(database) as connection:
        assert new_file.schema_of(connection) == new_file.GOLDEN.read_text(encoding="utf-8")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_the_jobs_run_and_those_of_other_types_stay(version: int, database: Path) -> None:
    before = rows_of(database)
    ran: list[int] = []
    runner = JobRunner(database, keep_completed="36500d", keep_dead="36500d")

    @runner.job
    async def runs(n: int) -> int:
        ran.append(n)
        return n

    @runner.job(limits=[Limit(1, key="n"), Rate(5, per="1m", key="n")])
    async def limited(n: int) -> None:
        ran.append(n)

    @runner.job
    async def durable(n: int, ctx: JobContext = injected) -> int:
        found = await ctx.step("one", never_again, n)
        await ctx.sleep("nap", "1h")
        ran.append(n)
        return found

    async def never_again(n: int) -> int:
        raise AssertionError(f"the step is done, and ran for {n}")

    await runner.run_until_idle()
    expected = [1, 3] + [9] * (version >= AFTER) + [10] * (version >= LIMITS) + [11] * (version >= STEPS)
    assert sorted(ran) == expected
    async with runner:
        jobs = {number: await runner.jobs.get(number) for number in expected}
    assert {job.status for job in jobs.values()} == {Status.COMPLETED}
    assert jobs[1].result == 1
    assert version < STEPS or jobs[11].result == 42
    assert (jobs[3].crashes, [attempt.outcome for attempt in jobs[3].history]) == (2, ["lost", "lost"])
    _check_what_stays(before, rows_of(database, before))
    with connected(database) as connection:
        counts = connection.execute(f"SELECT type, {', '.join(COUNTED)} FROM aiojobs_counts ORDER BY type").fetchall()
        assert counts == connection.execute(COUNTS).fetchall()


def _check_what_stays(before: Rows, after: Rows) -> None:
    stay = [[row for row in rows["aiojobs_jobs"] if row["type"] == "stays"] for rows in (before, after)]
    assert stay[0] == stay[1]
    changing = {"meta", "jobs", "attempts", "counts", "runners", "lanes", "meters", "limits", "after", "steps"}
    changing |= {"batches", "listeners", "ticks", "events", "ends", "durations"}  # old ones are pruned of the last four
    kept = [name for name in before if name.removeprefix("aiojobs_") not in changing]
    for row in (*before.get("aiojobs_schedules", ()), *after["aiojobs_schedules"]):
        if row.get("revision") is None:
            row["updated_at"] = None  # this runner does not declare it, which is noted
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    batches = [row["outcome"] for row in after.get("aiojobs_batches", ())]
    assert batches in ([], ["succeeded", "succeeded"])
