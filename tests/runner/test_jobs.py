"""`runner.jobs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobDead, JobNotFound, JobRunner, Status, injected, job
from aiojobs_lite.errors import (
    InvalidOption,
    JobNotAllowed,
    UnknownJobType,
)
from aiojobs_lite.model.writes import RedriveJob, Redriven, Reschedule
from aiojobs_lite.telemetry.facts import (
    DeadRedriven,
    JobBecameCancelled,
    JobRedriven,
)
from tests.helpers.engine import engine_of
from tests.helpers.mail import dies, welcome
from tests.helpers.waiting import next_fact


async def test_a_wait_by_id_has_the_result_as_the_job_has_it(working: JobRunner) -> None:
    async with working:
        handle = await working.enqueue(welcome, 1)
        for _ in range(2):  # it waits for the commit; it reads what is stored
            finished = await working.jobs.wait(handle.id)
            assert (finished.status, finished.result) == (Status.COMPLETED, "1 unknown@example.org")
        assert (await handle.job()).result == finished.result
        assert (await working.jobs.wait(99)).result is None


async def test_jobs_are_read_in_pages_and_by_filter(working: JobRunner) -> None:
    async with working:
        await working.enqueue_many([welcome.using(delay="1h").bind(n) for n in range(25)])
        dead = await working.enqueue(dies, 1)
        await working.run_until_idle()
        pages: list[list[int]] = []
        after = None
        while page := await working.jobs.list(type="email.welcome", limit=10, after=after):
            pages.append([found.id for found in page])
            after = page[-1].id
        assert [len(page) for page in pages] == [10, 10, 5]
        assert [job_id for page in pages for job_id in page] == list(range(25, 0, -1))
        assert [found.id for found in await working.jobs.list(status="dead")] == [dead.id]
        assert await working.jobs.list(status=Status.PROCESSING) == []
        for wrong in (
            {"limit": 0},
            {"limit": True},
            {"after": True},
            {"status": "queued"},
            {"after": "x"},
            {"after": 2**70},
            {"type": "\ud800"},
        ):
            with pytest.raises(InvalidOption):
                await working.jobs.list(**wrong)  # what is refused
        for wrong_id in ("1", True, 1.5):
            with pytest.raises(InvalidOption, match="expected the id of a job, a whole number"):
                await working.jobs.get(wrong_id)  # type: ignore[arg-type]  # what is refused
        for missing in (0, -1, 999, 2**63, 2**200):
            with pytest.raises(JobNotFound):
                await working.jobs.get(missing)


async def test_a_label_goes_with_its_job_to_the_handler_and_into_lists() -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def labelled(ctx: JobContext = injected) -> str | None:
        return ctx.label

    async with runner:
        plain, *of_eu = await runner.enqueue_many(
            [labelled.bind(), labelled.using(label="eu").bind(), labelled.using(label="eu", delay="1h").bind()]
        )
        assert [await plain.result(), await of_eu[0].result()] == [None, "eu"]
        assert [job.id for job in await runner.jobs.list(label="eu")] == [of_eu[1].id, of_eu[0].id]
        assert [job.label for job in await runner.jobs.list()] == ["eu", "eu", None]
        assert await runner.jobs.list(label="us") == []
        with pytest.raises(InvalidOption, match="label"):
            labelled.using(label="two\nlines")


async def test_text_is_not_empty_and_a_type_is_given_as_itself_or_by_its_name(working: JobRunner) -> None:
    async with working:
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        with pytest.raises(InvalidOption, match="reason='': expected text that is not empty"):
            await handle.cancel("")
        assert [job.id for job in await working.jobs.list(type=welcome)] == [handle.id]
        assert [job.id for job in await working.jobs.list(type="email.welcome")] == [handle.id]
        with pytest.raises(UnknownJobType, match=r"Did you mean 'email\.welcome'"):
            await working.jobs.list(type="email.welcom")


async def test_a_job_is_cancelled_once_for_the_first_reason(working: JobRunner) -> None:
    async with working:
        facts = working.watch()
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        assert [await handle.cancel(reason) for reason in ("first", "second")] == [Status.CANCELLED] * 2
        assert [fact.reason for fact in facts.take() if isinstance(fact, JobBecameCancelled)] == ["first"]
        assert (await handle.job()).reason == "first"


@pytest.mark.parametrize(("refusals", "is_done"), [(1, True), (2, True), (3, False)])
async def test_a_job_that_changes_while_it_is_refused_is_moved_at_the_next_try(
    working: JobRunner, monkeypatch: pytest.MonkeyPatch, refusals: int, is_done: bool
) -> None:
    async with working:
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        tried: list[Reschedule] = []
        engine = engine_of(working)
        write: Any = engine.write

        async def refusing(one: Reschedule) -> bool:
            tried.append(one)
            return len(tried) > refusals and await write(one)

        monkeypatch.setattr(engine, "write", refusing)
        if is_done:
            await working.jobs.run_now(handle.id)
            assert len(tried) == refusals + 1
        else:
            with pytest.raises(JobNotAllowed, match="; it changed each time that it was refused: repeat the call"):
                await working.jobs.run_now(handle.id)
            assert tried == [Reschedule(handle.id, None)] * 3


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Redriven(Status.PROCESSING), "is processing and cannot be redriven: that takes a dead or cancelled job"),
        (
            Redriven(Status.DEAD, "[1]"),
            "is dead and cannot be redriven: that takes that no other job has its unique key",
        ),
    ],
)
async def test_a_refused_redrive_says_what_the_write_saw_whatever_the_job_is_by_now(
    working: JobRunner, monkeypatch: pytest.MonkeyPatch, seen: Redriven, words: str
) -> None:
    async with working:
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        await handle.cancel()
        engine = engine_of(working)

        async def refusing(one: RedriveJob) -> Redriven:
            assert one == RedriveJob(handle.id)
            return seen

        monkeypatch.setattr(engine, "write", refusing)
        with pytest.raises(JobNotAllowed, match=words) as caught:
            await working.jobs.redrive(handle.id)
        assert caught.value.status is seen.status


async def test_dead_jobs_are_redriven_cancelled_ones_too_and_listeners_are_notified(working: JobRunner) -> None:
    async with working:
        events = working.watch()
        handles = await working.enqueue_many([dies.bind(n) for n in range(3)])
        scheduled = await working.enqueue(welcome.using(delay="1h"), 1)
        await working.run_until_idle()
        with pytest.raises(JobNotAllowed, match="is pending and cannot be redriven: that takes a dead or cancelled"):
            await working.jobs.redrive(scheduled.id)
        with pytest.raises(JobNotFound):
            await working.jobs.redrive(99)
        await scheduled.cancel("later")
        assert (await next_fact(events, JobBecameCancelled)).reason == "later"
        await working.jobs.redrive(scheduled.id)
        assert (await next_fact(events, JobRedriven)).job_id == scheduled.id
        assert await scheduled.result() == "1 unknown@example.org"
        assert await working.jobs.redrive_all(type=welcome) == 0
        with pytest.raises(UnknownJobType, match=r"Did you mean 'email\.welcome'"):
            await working.jobs.redrive_all(type="email.welcom")
        assert await working.jobs.redrive_all() == 3
        assert (await next_fact(events, DeadRedriven)).types == "email.welcome"
        assert (await next_fact(events, DeadRedriven)).jobs == 3
        with pytest.raises(JobDead, match="number 2"):
            await handles[2].result()
        await working.jobs.delete(handles[0].id)
        with pytest.raises(JobNotFound):
            await handles[0].job()
        with pytest.raises(JobNotFound):
            await working.jobs.delete(handles[0].id)


async def test_a_type_of_another_runner_is_known_although_it_has_no_jobs(database: Path) -> None:
    @job
    async def elsewhere() -> None: ...

    async with JobRunner(database, jobs=[elsewhere]), JobRunner(database, max_running=0) as other:
        assert await other.jobs.list(type="elsewhere") == []
        assert await other.jobs.redrive_all(type="elsewhere") == 0
        await other.types.pause("elsewhere")
        assert list(await other.types.paused()) == ["elsewhere"]
        with pytest.raises(UnknownJobType, match="Did you mean 'elsewhere'"):
            await other.jobs.list(type="elsewhere2")
