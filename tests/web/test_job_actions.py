"""What is done to one job."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import JobRunner
from tests.helpers.dashboard import dashboard, press, tags_of, text_of


def runner_of_mails() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def mail(to: str) -> None:
        raise LookupError(to)

    return runner


def token_of(page: str) -> str:
    (token,) = [given["value"] for _, given in tags_of(page) if given.get("name") == "token"]
    return str(token)


async def test_a_job_runs_now_and_that_is_undone() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.types.pause("mail")
        await runner.enqueue_named("mail", to="ann")
        await runner.jobs.reschedule(1, at="1h")
        before = await runner.jobs.get(1)
        done = await press(client, "/jobs/1/run")
        assert "Job 1 is due now." in text_of(done.text)
        assert (await runner.jobs.get(1)).scheduled_at < before.scheduled_at
        undone = await press(client, "/undo", token=token_of(done.text))
        assert "The job waits for its time again." in text_of(undone.text)
        assert (await runner.jobs.get(1)).scheduled_at == before.scheduled_at
        again = await press(client, "/undo", token=token_of(done.text))
        assert (again.status_code, "this was undone already, or is too long ago" in again.text) == (409, True)


async def test_a_dead_job_is_retried() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.enqueue_named("mail", to="ann")
        await runner.run_until_idle()
        await runner.types.pause("mail")
        done = await press(client, "/jobs/1/retry")
        assert "Job 1 is pending again, with all its attempts." in text_of(done.text)
        assert (await press(client, "/jobs/1/retry")).status_code == 409


async def test_a_pending_job_is_cancelled_and_comes_back_to_its_time() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.types.pause("mail")
        await runner.enqueue_named("mail", to="ann")
        await runner.jobs.reschedule(1, at="1h")
        before = (await runner.jobs.get(1)).scheduled_at
        done = await press(client, "/jobs/1/cancel")
        assert "Job 1 is cancelled." in text_of(done.text)
        assert (await runner.jobs.get(1)).reason == "cancelled by the dashboard"
        await press(client, "/undo", token=token_of(done.text))
        job = await runner.jobs.get(1)
        assert (job.status, job.scheduled_at) == ("pending", before)


async def test_a_job_that_runs_is_asked_to_stop_after_a_question() -> None:
    runner, begun = JobRunner(":memory:"), asyncio.Event()

    @runner.job
    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    async with dashboard(runner) as client:
        handle = await runner.enqueue(wait)
        await begun.wait()
        asked = await press(client, "/jobs/1/cancel")
        assert "Cancel job 1?" in text_of(asked.text)
        assert (await handle.job()).cancel_requested is False
        done = await press(client, "/jobs/1/cancel", confirmed="1")
        assert "Job 1 was asked to stop." in text_of(done.text)
        await runner.jobs.wait(1)


async def test_a_job_is_deleted_after_a_question() -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        await runner.enqueue_named("mail", to="ann")
        await runner.run_until_idle()
        asked = await press(client, "/jobs/1/delete")
        assert "Delete job 1?" in text_of(asked.text)
        assert "This cannot be undone." in asked.text
        assert "Job 1 is deleted." in text_of((await press(client, "/jobs/1/delete", confirmed="1")).text)
        assert await runner.jobs.list() == []


@pytest.mark.parametrize("token", ["", "x", "x" * 41, "ü", "a b\n"])
async def test_a_token_that_no_notice_has_shows_and_undoes_nothing(token: str) -> None:
    runner = runner_of_mails()
    async with dashboard(runner) as client:
        assert 'class="notice"' not in (await client.get("/jobs", params={"notice": token})).text
        assert (await press(client, "/undo", token=token)).status_code == 409
