"""SIGKILL in steps of one durable handler: what counts is how often since its latest operation ended."""

from __future__ import annotations

from itertools import cycle, pairwise
from pathlib import Path
from signal import SIGKILL

from aiojobs_lite import Job, JobRunner, Outcome, Status
from tests.helpers.apps.crashing import NAMES, crashing
from tests.helpers.programs import program
from tests.helpers.rings import slow

pytestmark = slow


async def life(database: Path, step: str) -> list[list[str]]:
    """A process that is killed in a step, or ends; returns the steps that it began, each with its attempt."""
    async with program("-m", "tests.helpers.apps.crashing", database, step) as process:
        assert await process.ended() == (0 if step == "none" else -SIGKILL)
    return [words[1:] for words in process.said("begins")]


async def the_job(database: Path) -> tuple[Job, str]:
    """The job, and why it does not run."""
    async with JobRunner(database, jobs=[crashing], max_running=0) as runner:
        return await runner.jobs.get(1), await runner.jobs.explain(1)


async def test_a_kill_in_each_of_five_steps_leaves_the_next_one_all_attempts(database: Path) -> None:
    begun = [await life(database, name) for name in NAMES]
    numbers = cycle("23")  # no lost attempt gives its number to the next one
    expected = [[[step, number] for step in steps] for steps, number in zip(pairwise(NAMES), numbers, strict=False)]
    assert begun == [[["one", "1"]], *expected]
    assert await life(database, "none") == [["five", "2"]]
    job, _ = await the_job(database)
    assert (job.status, job.attempts, job.crashes) == (Status.COMPLETED, 2, 1)
    assert [one.outcome for one in job.history] == [Outcome.LOST] * 5


async def test_three_kills_in_one_step_make_its_job_dead_however_many_steps_were_before(database: Path) -> None:
    begun = [await life(database, "five") for _ in range(3)]
    assert begun == [[[name, "1"] for name in NAMES], [["five", "2"]], [["five", "3"]]]
    assert await life(database, "none") == []
    job, why = await the_job(database)
    assert (job.status, job.attempts, job.crashes, job.reason) == (Status.DEAD, 3, 3, "crashed")
    assert "crashed" in why
    assert [one.outcome for one in job.history] == [Outcome.LOST] * 3
