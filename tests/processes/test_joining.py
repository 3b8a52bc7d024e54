"""Rows of an application and their jobs in one transaction, over several processes of which some are killed."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from signal import SIGKILL

import pytest

from aiojobs_lite import JobRunner, Status
from tests.helpers.apps.joining import runner_on, sign_up, welcomes
from tests.helpers.databases import sound
from tests.helpers.programs import Child, program, rescue
from tests.helpers.rings import slow
from tests.helpers.transactions import KINDS, make_users, users_in
from tests.helpers.waiting import PATIENCE

KILLS = 2


@asynccontextmanager
async def joining(database: Path, kind: str, life: int) -> AsyncIterator[Child]:
    """Starts `apps/joining.py`."""
    async with program("-m", "tests.helpers.apps.joining", database, kind, str(life)) as child:
        await child.line("ready")
        yield child


async def welcomed(runner: JobRunner) -> Counter[int]:
    """The users that have a job, each with how many; all of them come to their end."""
    await rescue(runner)
    await runner.run_until_idle()
    found: Counter[int] = Counter()
    after = None
    while page := await runner.jobs.list(limit=1000, after=after):
        assert {job.status for job in page} == {Status.COMPLETED}
        found.update(job.payload["number"] for job in page)
        after = page[-1].id
    return found


def users(path: Path) -> set[int]:
    """The users that were committed."""
    with closing(sqlite3.connect(path)) as connection:
        return {number for (number,) in connection.execute("SELECT id FROM users")}


@slow
async def test_a_runner_of_another_process_runs_what_is_committed(database: Path) -> None:
    make_users(database)
    async with (
        joining(database, "sqlite3", 1) as child,
        JobRunner(database, jobs=[welcomes], max_running=0) as front,
        KINDS["AsyncSession"](database) as mine,
    ):
        for number in range(7):
            handle = await sign_up(front, mine, number)
            await mine.commit()
            assert await handle.result(PATIENCE) == number
        child.order("leave")
        await child.line("left")


@slow
@pytest.mark.parametrize("kind", ["sqlite3", "AsyncSession"])
async def test_a_process_that_is_killed_before_its_commit_leaves_nothing_of_the_transaction(
    database: Path, kind: str
) -> None:
    make_users(database)
    async with joining(database, kind, 1) as child:
        child.order("hold")
        _, number = await child.line("open")
        assert await child.kill() == -SIGKILL
        acknowledged = {int(words[1]) for words in child.said("committed")}
    async with runner_on(database) as runner:
        found = await welcomed(runner)
    assert int(number) not in found
    assert set(found) == users(database)
    assert acknowledged <= set(found)
    assert set(found.values()) <= {1}
    assert sound(database)


@slow
async def test_users_and_their_jobs_are_the_same_whatever_is_rolled_back_and_killed(database: Path) -> None:
    make_users(database)
    acknowledged: set[int] = set()
    async with joining(database, "aiosqlite", 9) as lasting:
        for life, kind in enumerate(random.sample(sorted(KINDS), KILLS)):
            async with joining(database, kind, life) as child:
                for _ in range(random.randrange(3, 30)):
                    await child.line("committed")
                await child.kill()
                acknowledged |= {int(words[1]) for words in child.said("committed")}
        lasting.order("leave")
        await lasting.line("left")
        assert lasting.said("unavailable") == []
        acknowledged |= {int(words[1]) for words in lasting.said("committed")}
    async with runner_on(database) as runner:
        async with asyncio.timeout(PATIENCE):
            found = await welcomed(runner)
        stats = runner.stats()
    assert set(found) == users(database) >= acknowledged
    assert set(found.values()) == {1}
    assert stats.completed == len(found) == users_in(database)
    assert sound(database)
