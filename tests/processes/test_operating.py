"""What a monitor reads, `status`, `check` and the metrics, beside a count of the rows while four processes work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families as parse

from aiojobs_lite import JobRunner
from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.observe import metrics_app
from tests.helpers.apps.figures import JOBS, ends, fails
from tests.helpers.command import command
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.stores import connected

PROCESSES, EACH, PARTS = 4, 200, 3
ENDED: Final = ("completed", "dead", "cancelled")
NO_AGE: Final = "1d"  # no job of this test is due for so long, however slow the machine is

Counts = Mapping[str, int]


@slow
async def test_a_monitor_reads_what_the_rows_say_while_four_processes_work(database: Path) -> None:
    async with JobRunner(database, jobs=JOBS, max_running=0) as runner, AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(program("-m", "tests.helpers.apps.figures", database))
            for _ in range(PROCESSES)
        ]
        for child in children:
            await child.line("ready")
        for part in range(1, PARTS + 1):
            await runner.enqueue_many([kind.bind(n) for n in range(EACH) for kind in (ends, fails)])
            await _look(runner, database, part * 2 * EACH)
        while runner.stats().pending + runner.stats().processing:
            await _look(runner, database, PARTS * 2 * EACH)
        for child in children:
            child.order("leave")
        assert [await child.ended() for child in children] == [0] * PROCESSES
        await _compare(runner, database)


async def _compare(runner: JobRunner, database: Path) -> None:
    """After the drains all figures are those of the rows."""
    rows = _rows(database)
    status = (await asyncio.to_thread(command, "status", "--db", database, "--json")).json
    check = await asyncio.to_thread(command, "check", "--db", database, "--json")
    metrics = await _scrape(runner)
    assert (status["counts"], check.json["dead"]) == (rows, rows["dead"])
    assert {name: metrics[name] for name in rows} == rows
    for name in ENDED:
        assert sum(one[name] for one in status["types"]) == metrics[f"ended {name}"] == rows[name]
    assert rows["completed"] == PARTS * len([n for n in range(EACH) if n % 7 and n % 11])
    assert rows["cancelled"] == PARTS * len([n for n in range(EACH) if not n % 7])
    codes = [ExitCode.NO_RUNNER, ExitCode.DEAD]
    assert (check.code, [one["code"] for one in check.json["problems"]]) == (ExitCode.NO_RUNNER, codes)


async def _look(runner: JobRunner, database: Path, jobs: int) -> Counts:
    """Each of the three lies between two counts of the rows; ends of the last moment may miss in the figures alone."""
    before = _rows(database)
    status = (await asyncio.to_thread(command, "status", "--db", database, "--json")).json
    check = await asyncio.to_thread(command, "check", "--db", database, "--json", "--max-age", NO_AGE)
    metrics = await _scrape(runner)
    after = _rows(database)
    counts = status["counts"]
    assert sum(before.values()) == sum(after.values()) == jobs
    assert sum(counts.values()) == sum(metrics[name] for name in counts) == jobs
    assert counts == {name: sum(one[name] for one in status["by_type"].values()) for name in counts}
    for name in ENDED:
        of_hours = sum(one[name] for one in status["types"])
        assert before[name] <= counts[name] <= metrics[name] <= after[name]
        assert of_hours <= metrics[f"ended {name}"] <= after[name]
    assert sum(one["dead"] for one in status["types"]) <= check.json["dead"] <= after["dead"]
    assert len(status["runners"]) == metrics["runners"]
    wrong = [ExitCode.DEAD] if check.json["dead"] else []
    assert [one["code"] for one in check.json["problems"]] == wrong
    assert (check.code, check.json["is_fine"]) == (sum(wrong), not wrong)
    return after


def _rows(database: Path) -> Counts:
    """How many jobs there are of each status, by a count of all rows."""
    with connected(database) as rows:
        found = dict(rows.execute("SELECT status, count(*) FROM aiojobs_jobs GROUP BY status").fetchall())
    return {**dict.fromkeys(("pending", "processing", *ENDED), 0), **found}


async def _scrape(runner: JobRunner) -> Counts:
    """The metrics that are compared, of all types together: by status, by status of the counters, and the runners."""
    app: Any = metrics_app(runner)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        answer = await client.get("/")
    found: Counter[str] = Counter()
    for family in parse(answer.text):
        for sample in family.samples:
            match sample.name:
                case "aiojobs_queue_jobs" | "aiojobs_kept_jobs":
                    found[sample.labels["status"]] += int(sample.value)
                case "aiojobs_jobs_ended_total":
                    found[f"ended {sample.labels['status']}"] += int(sample.value)
                case "aiojobs_runners":
                    found["runners"] += int(sample.value)
    return found
