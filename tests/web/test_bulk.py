"""What is done to many jobs: the number is named first."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import JobRunner, Snooze
from aiojobs_lite.runner import walks
from aiojobs_lite.stores.sqlite import lists
from aiojobs_lite.web import bulk
from tests.helpers.dashboard import dashboard, press, tags_of, text_of
from tests.helpers.waiting import PATIENCE


def runner_of_orders() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def order(number: int) -> None:
        raise LookupError(f"no order {number}")

    return runner


async def die(runner: JobRunner, jobs: int) -> None:
    for number in range(jobs):
        await runner.enqueue_named("order", number=number)
    await runner.run_until_idle()


def hidden_of(page: str) -> dict[str, Any]:
    """The hidden fields of a page's form."""
    return {str(given["name"]): given["value"] for _, given in tags_of(page) if given.get("type") == "hidden"}


async def test_all_that_match_are_counted_then_moved_and_those_that_come_later_are_not() -> None:
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await die(runner, 7)
        asked = await press(client, "/jobs/many", action="delete", all="1", status="dead", type="order")
        assert "Delete 7 jobs?" in text_of(asked.text)
        assert "This cannot be undone." in asked.text
        assert "and 2 more" in text_of(asked.text)
        await die(runner, 1)
        done = await press(client, "/jobs/many", **hidden_of(asked.text))
        assert "7 jobs deleted." in text_of(done.text)
        assert [job.id for job in await runner.jobs.list()] == [8]


async def test_of_a_text_in_the_reason_only_the_jobs_that_have_it_are_cancelled() -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def snoozes(reason: str) -> None:
        raise Snooze("1h", reason)

    async with dashboard(runner) as client:
        for reason in ("no stock", "no courier", "no stock"):
            await runner.enqueue(snoozes, reason)
        await runner.run_until_idle()
        asked = await press(client, "/jobs/many", action="cancel", all="1", reason="no stock")
        assert "Cancel 2 jobs?" in text_of(asked.text)
        done = await press(client, "/jobs/many", **hidden_of(asked.text))
        assert "2 jobs cancelled, or asked to stop." in text_of(done.text)
        assert {job.id: (job.status, job.reason) for job in await runner.jobs.list()} == {
            1: ("cancelled", None), 2: ("pending", "no courier"), 3: ("cancelled", None),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "status", "asks", "says"),
    [
        ("retry", "", "Retry 3 jobs?", "3 jobs sent back to pending."),
        ("delete", "", "Delete 5 jobs?", "5 jobs deleted."), ("delete", "pending", "Delete 2 jobs?", "2 jobs deleted."),
        ("cancel", "", "Cancel 2 jobs?", "2 jobs cancelled, or asked to stop."),
        ("retry", "pending", "Retry 0 jobs?", None), ("cancel", "dead", "Cancel 0 jobs?", None),
    ],
)  # fmt: skip
async def test_of_all_that_match_those_are_counted_that_can_be_moved(
    action: str, status: str, asks: str, says: str | None
) -> None:
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await die(runner, 3)
        await runner.types.pause("order")
        for _ in range(2):
            await runner.enqueue_named("order", number=1)
        asked = await press(client, "/jobs/many", action=action, all="1", type="order", status=status)
        assert asks in text_of(asked.text)
        assert ("confirmed" in hidden_of(asked.text)) == (says is not None)
        if says is not None:
            done = await press(client, "/jobs/many", **hidden_of(asked.text))
            assert says in text_of(done.text)


async def test_those_that_are_selected_are_moved_and_those_that_have_moved_on_are_left_out() -> None:
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await die(runner, 3)
        await runner.jobs.delete(2)
        asked = await press(client, "/jobs/many", action="retry", id=["1", "2", "1"])
        assert "Retry 1 job?" in text_of(asked.text)
        assert "1 of the selected jobs are left out" in text_of(asked.text)
        await runner.types.pause("order")
        done = await press(client, "/jobs/many", action="retry", id=["1", "2"], confirmed="1")
        assert "1 job sent back to pending." in text_of(done.text)
        assert [(await runner.jobs.get(number)).status for number in (1, 3)] == ["pending", "dead"]


async def test_more_than_can_be_moved_at_once_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_MOVED_AT_ONCE", 2)
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await die(runner, 3)
        asked = await press(client, "/jobs/many", action="delete", all="1", status="dead")
        assert "Delete the first 2 jobs?" in text_of(asked.text)
        done = await press(client, "/jobs/many", action="delete", all="1", status="dead", confirmed="1")
        assert "2 jobs deleted." in text_of(done.text)
        assert len(await runner.jobs.list()) == 1


async def test_a_count_that_goes_through_many_jobs_is_made_when_the_page_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "COUNTED_AT_ONCE", 1e-9)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 1)  # a question looks at one job
    monkeypatch.setattr(lists, "FEW", 0)  # and sorts none
    monkeypatch.setattr(walks, "PAGE_S", PATIENCE)  # and the list asks until it has them all
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await die(runner, 4)
        asked = await press(client, "/jobs/many", action="delete", all="1", error="no order 0")
        assert "Delete all that match? 0 found so far." in text_of(asked.text)
        assert "Delete 0 jobs" not in text_of(asked.text)
        counted = await press(client, "/jobs/many", **hidden_of(asked.text))
        assert "Delete 1 job?" in text_of(counted.text)
        done = await press(client, "/jobs/many", **hidden_of(counted.text))
        assert "1 job deleted." in text_of(done.text)
        assert sorted(job.id for job in await runner.jobs.list()) == [2, 3, 4]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"action": "explode", "id": "1"}, "the form does not say what is to be done"),
        ({"action": "delete", "all": "1", "batch": "x"}, "the form does not say what is to be done"),
        ({"action": "delete"}, "no job is selected: select some, or all that match"),
        ({"action": "delete", "id": "x"}, "the form names a job by what is no id"),
        ({"action": "delete", "id": "9" * 20}, "the form names a job by what is no id"),
        ({"action": "delete", "all": "1", "confirmed": "1"}, "expected the ids of jobs, or a filter"),
    ],
)
async def test_a_form_that_means_nothing_moves_nothing(fields: dict[str, str], problem: str) -> None:
    runner = runner_of_orders()
    async with dashboard(runner) as client:
        await die(runner, 1)
        found = await press(client, "/jobs/many", **fields)
        assert found.status_code == 400
        assert problem in text_of(found.text)
        assert len(await runner.jobs.list()) == 1


async def test_a_cancel_of_jobs_that_run_cannot_be_undone() -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def wait() -> None:
        await runner.jobs.wait(99)

    async with dashboard(runner) as client:
        await runner.types.pause("wait")
        await runner.enqueue(wait)
        done = await press(client, "/jobs/many", action="cancel", id=["1", "99"], confirmed="1")
        assert "Undo" in done.text
        done = await press(client, "/jobs/many", action="cancel", id="1", confirmed="1")
        assert "Undo" not in done.text
