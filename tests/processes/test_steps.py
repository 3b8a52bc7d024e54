"""SIGKILL between the operations of a durable handler and inside them: only what was not stored runs again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from signal import SIGKILL

import pytest

from aiojobs_lite import JobRunner, Outcome, Status
from tests.helpers.apps.stepping import NAMES, child, stepping
from tests.helpers.programs import Child, program
from tests.helpers.rings import slow

pytestmark = slow

FUNCTIONS = ("first", "second", "child", "third")  # those of the operations that call one of this program
RESULT = ["result", "result_of_first", "result_of_second", "result_of_child", "result_of_third"]


def begun(process: Child) -> list[str]:
    """The functions that it has called."""
    return [name for _, name in process.said("begins")]


async def second_life(database: Path) -> list[str]:
    """Another process works on, to the end; returns the functions that it has called."""
    async with program("-m", "tests.helpers.apps.stepping", database, "nowhere") as process:
        assert await process.line("result") == RESULT
        assert await process.ended() == 0
    return begun(process)


async def assert_ended_once(database: Path, lost: str = "stepping") -> None:
    """Both jobs are completed, with one event; one attempt of a type was lost."""
    async with JobRunner(database, jobs=[stepping, child], max_running=0) as runner:
        found = [await runner.jobs.get(job.id) for job in await runner.jobs.list()]
        assert {job.status for job in found} == {Status.COMPLETED}
        assert len(await runner.events.list()) == 1
    outcomes = {job.type: [one.outcome for one in job.history] for job in found}
    assert len(outcomes) == len(found) == 2
    assert outcomes.pop(lost) == [Outcome.LOST]
    (others,) = outcomes.values()
    assert others in ([], [Outcome.LOST] if lost == "child" else [])  # the parent was perhaps not suspended yet


@pytest.mark.parametrize("name", NAMES)
async def test_a_kill_before_an_operation_leaves_what_was_done_before_it(database: Path, name: str) -> None:
    async with program("-m", "tests.helpers.apps.stepping", database, f"before {name}") as process:
        await process.line(f"at before {name}")
        assert await process.kill() == -SIGKILL
    done = [one for one in FUNCTIONS if one in NAMES[: NAMES.index(name)]]
    assert begun(process) == done
    assert await second_life(database) == [one for one in FUNCTIONS if one not in done]
    await assert_ended_once(database)


@pytest.mark.parametrize("name", NAMES)
async def test_a_kill_after_an_operation_has_none_of_them_run_again(database: Path, name: str) -> None:
    async with program("-m", "tests.helpers.apps.stepping", database, f"after {name}") as process:
        await process.line(f"at after {name}")
        assert await process.kill() == -SIGKILL
    done = [one for one in FUNCTIONS if one in NAMES[: NAMES.index(name) + 1]]
    assert begun(process) == done
    assert await second_life(database) == [one for one in FUNCTIONS if one not in done]
    await assert_ended_once(database)


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_a_kill_inside_a_function_has_this_one_run_again(database: Path, name: str) -> None:
    async with program("-m", "tests.helpers.apps.stepping", database, f"inside {name}") as process:
        await process.line(f"at inside {name}")
        assert await process.kill() == -SIGKILL
    at = FUNCTIONS.index(name)
    assert begun(process) == list(FUNCTIONS[: at + 1])
    assert await second_life(database) == list(FUNCTIONS[at:])
    await assert_ended_once(database, "child" if name == "child" else "stepping")


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_a_kill_between_the_return_of_a_function_and_its_commit_has_this_one_run_again(
    database: Path, name: str
) -> None:
    async with program("-m", "tests.helpers.apps.stepping", database, f"inside {name}") as process:
        await process.line(f"at inside {name}")
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # nothing can be committed until the process is dead
            process.order("free" if name == "second" else "go")
            await process.line(f"returns {name}")
            assert await process.kill() == -SIGKILL
    at = FUNCTIONS.index(name)
    assert begun(process) == list(FUNCTIONS[: at + 1])
    assert await second_life(database) == list(FUNCTIONS[at:])
    await assert_ended_once(database, "child" if name == "child" else "stepping")
