"""Keys over racing processes: one job, and one caller that is said to have made it; each item in one job."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aiojobs_lite import Job, JobRunner
from tests.helpers.apps.admitting import MOST, jobs
from tests.helpers.programs import program
from tests.helpers.rings import slow

PROCESSES, EACH = 4, 250


async def admitted(database: Path, name: str, processes: int, each: int) -> tuple[list[list[str]], list[Job]]:
    """What processes say that enqueue jobs at once, and the jobs that are there then."""
    async with AsyncExitStack() as stack:
        arguments = ("-m", "tests.helpers.apps.admitting", database)
        children = [await stack.enter_async_context(program(*arguments)) for _ in range(processes)]
        for child in children:
            await child.line("ready")
        for child in children:
            child.order(f"admit {name} {each}")
        said = [await child.line("admitted") for child in children]
        for child in children:
            child.order("leave")
            assert await child.ended() == 0
    async with JobRunner(database, jobs=[jobs], max_running=0) as runner:
        return said, await runner.jobs.list(limit=1000)


@slow
@pytest.mark.parametrize("name", ["unfinished", "hourly", "replaced", "debounced", "throttled"])
async def test_a_thousand_enqueues_of_one_key_from_four_processes_make_one_job(database: Path, name: str) -> None:
    said, stored = await admitted(database, name, PROCESSES, EACH)
    assert sum(int(new) for _, new, *_ in said) == 1
    assert len({job_id for _, _, *ids in said for job_id in ids}) == 1
    assert len(stored) == 1


@slow
async def test_a_thousand_items_from_two_processes_are_each_in_one_job(database: Path) -> None:
    said, stored = await admitted(database, "gathered", 2, 500)
    lists = [job.payload["items"] for job in stored]
    assert all(len({item["org"] for item in items}) == 1 for items in lists)
    counts = Counter((item["by"], item["n"]) for items in lists for item in items)
    assert (len(counts), set(counts.values())) == (1000, {1})
    sizes = Counter(len(items) for items in lists)
    assert (max(sizes), sizes[MOST]) == (MOST, 334 // MOST + 2 * (333 // MOST))
    assert sum(int(new) for _, new, *_ in said) == len(stored) == sizes[MOST] + 3
    assert {job_id for _, _, *ids in said for job_id in ids} == {str(job.id) for job in stored}
