"""A unique key is unique over racing processes: one job, and one caller that is said to have made it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner
from tests.helpers.apps.admitting import jobs
from tests.helpers.programs import program
from tests.helpers.rings import slow

PROCESSES, EACH = 4, 250


@slow
@pytest.mark.parametrize("name", ["unfinished", "hourly", "replaced", "debounced", "throttled"])
async def test_a_thousand_enqueues_of_one_key_from_four_processes_make_one_job(database: Path, name: str) -> None:
    async with AsyncExitStack() as stack:
        arguments = ("-m", "tests.helpers.apps.admitting", database)
        children = [await stack.enter_async_context(program(*arguments)) for _ in range(PROCESSES)]
        for child in children:
            await child.line("ready")
        for child in children:
            child.order(f"admit {name} {EACH}")
        said = [await child.line("admitted") for child in children]
        for child in children:
            child.order("leave")
            assert await child.ended() == 0
    assert sum(int(new) for _, new, *_ in said) == 1
    assert len({job_id for _, _, *ids in said for job_id in ids}) == 1
    async with JobRunner(database, jobs=[jobs], max_running=0) as runner:
        assert len(await runner.jobs.list()) == 1
