"""Figures beside a count of the rows, while four processes work."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.figures import TypeFigures
from aiojobs_lite.model.job import Outcome
from tests.helpers.apps.figures import JOBS, ends, fails, hangs
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.stores import connected
from tests.helpers.waiting import until

PROCESSES, EACH = 4, 300


@slow
async def test_they_are_right_while_four_processes_work_and_exact_after_their_drains(database: Path) -> None:
    async with JobRunner(database, jobs=JOBS, max_running=0) as runner, AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(program("-m", "tests.helpers.apps.figures", database))
            for _ in range(PROCESSES)
        ]
        for child in children:
            await child.line("ready")
        await runner.enqueue_many([kind.bind(n) for n in range(EACH) for kind in (ends, fails)])
        counted = 0
        while runner.stats().pending + runner.stats().processing:
            before, counted = counted, _ended(await runner.figures.types())
            now = await runner.figures.now()
            stand = sum(now.total(status) for status in (Status.COMPLETED, Status.DEAD, Status.CANCELLED))
            assert before <= counted <= stand  # an end is counted once, when it is stored, and not before
            assert now.total(Status.PENDING) + now.processing + stand == 2 * EACH
            await until(lambda: _are_more(runner, counted))  # noqa: B023  # awaited at once
        for child in children:
            child.order("leave")
        assert [await child.ended() for child in children] == [0] * PROCESSES
        await _compare(runner, database)
        assert (await runner.figures.now()).oldest_due_at is None


@slow
async def test_a_lost_attempt_is_counted_by_the_runner_that_gives_the_job_back(
    database: Path,
) -> None:
    async with program("-m", "tests.helpers.apps.figures", database) as child:
        await child.line("ready")
        async with JobRunner(database, jobs=JOBS, max_running=0) as runner:
            await runner.enqueue(hangs)
            await child.line("hangs")
            await child.kill()
            await until(lambda: runner.stats().dead == 1)
            (found,) = await runner.figures.types()
            (error,) = await runner.figures.errors()
    assert (found.outcomes, found.dead, found.durations.count) == ({Outcome.LOST: 1}, 1, 0)
    assert (error.type, error.error_type, error.attempts, error.dead) == ("hangs", "lost", 1, 1)


def _ended(figures: tuple[TypeFigures, ...]) -> int:
    """How many jobs have ended."""
    return sum(one.completed + one.dead + one.cancelled for one in figures)


def _are_more(runner: JobRunner, counted: int) -> bool:
    stats = runner.stats()
    return stats.completed + stats.dead + stats.cancelled > counted or not stats.pending + stats.processing


async def _compare(runner: JobRunner, database: Path) -> None:
    """The figures say what the rows do."""
    with connected(database) as rows:
        jobs = Counter(dict(_pairs(rows.execute("SELECT type, status, count(*) FROM aiojobs_jobs GROUP BY 1, 2"))))
        sql = (
            "SELECT job.type, outcome, error_type, count(*) FROM aiojobs_attempts AS one JOIN aiojobs_jobs AS job"
            " ON job.id = job_id GROUP BY 1, 2, 3"
        )
        attempts = rows.execute(sql).fetchall()
    for figures in (await runner.figures.types(), await runner.figures.totals()):
        for one in figures:
            assert one.completed == jobs[one.type, "completed"]
            assert one.dead == jobs[one.type, "dead"]
            assert one.cancelled == jobs[one.type, "cancelled"]
            failed = sum(count for kind, outcome, _, count in attempts if (kind, outcome) == (one.type, "failed"))
            assert one.failed == failed
            assert one.durations.count == one.completed + failed
            assert one.outcomes.get(Outcome.CANCELLED, 0) == one.cancelled
        assert {one.type for one in figures} == {kind for kind, _ in jobs}
    of_errors = {(kind, error): count for kind, outcome, error, count in attempts if outcome == "failed"}
    assert {(one.type, one.error_type): one.attempts for one in await runner.figures.errors()} == of_errors
    hours = await runner.figures.hours()
    assert sum(one.completed + one.dead + one.cancelled for one in hours) == 2 * EACH


def _pairs(found: object) -> list[tuple[tuple[str, str], int]]:
    return [((kind, status), count) for kind, status, count in found]  # type: ignore[attr-defined]  # rows
