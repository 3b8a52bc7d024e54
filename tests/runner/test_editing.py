"""Edits of jobs: validated, with new keys, and what a job had before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    InvalidPayload,
    JobContext,
    JobNotAllowed,
    JobNotFound,
    JobRunner,
    UnknownJobType,
    injected,
    job,
)
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.flow import Batch, Unique
from aiojobs_lite.limits import Limit
from aiojobs_lite.runner import editing
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.mail import dies, other, welcome
from tests.helpers.waiting import PATIENCE

given: list[Any] = []


@job(secret=["token"])
async def deliver(url: str, token: str) -> None:
    given.append((url, token))


@job(unique=Unique("user_id"), limits=[Limit(1, key="user_id", name="user")])
async def sync(user_id: int) -> None: ...


@job(batch=Batch(10, max_wait="1h"))
async def gathers(items: list[int]) -> None: ...


@pytest.fixture
def runner() -> JobRunner:
    given.clear()
    return JobRunner(":memory:", jobs=[dies, welcome, deliver, sync, gathers], clock=FakeClock())


async def test_a_dead_job_runs_with_other_arguments_once_it_is_redriven(runner: JobRunner) -> None:
    async with asyncio.timeout(PATIENCE), runner:
        handle = await runner.enqueue(dies, n=1)
        await runner.run_until_idle()
        await runner.jobs.edit(handle.id, n=2)
        found = await handle.job()
        assert (found.status, found.payload, found.error) == ("dead", {"n": 2}, "ValueError: number 1")
        assert [edit.payload for edit in await runner.jobs.edits(handle.id)] == [{"n": 1}]
        await runner.jobs.redrive(handle.id)
        await runner.run_until_idle()
        assert (await handle.job()).error == "ValueError: number 2"


async def test_arguments_that_are_not_given_stay(runner: JobRunner) -> None:
    async with runner:
        handle = await runner.enqueue(welcome.using(delay="1h"), 1, "a@b.c")
        await runner.jobs.edit(handle.id, email="d@e.f")
        (edit,) = await runner.jobs.edits(handle.id)
        assert (await handle.job()).payload == {"user_id": 1, "email": "d@e.f"}
        assert (edit.at, edit.payload) == (to_datetime(FakeClock().now()), {"user_id": 1, "email": "a@b.c"})


async def test_a_secret_argument_stays_and_is_not_shown(runner: JobRunner) -> None:
    async with runner:
        handle = await runner.enqueue(deliver.using(delay="1h"), "https://a", "s3cret")
        await runner.jobs.edit(handle.id, url="https://b")
        await runner.jobs.edit(handle.id, token="n3w")
        edits = await runner.jobs.edits(handle.id)
        assert [edit.payload for edit in edits] == [
            {"url": "https://a", "token": "REDACTED"}, {"url": "https://b", "token": "REDACTED"},
        ]  # fmt: skip
        assert "s3cret" not in repr(edits)
        await runner.jobs.run_now(handle.id)
        await runner.run_until_idle()
    assert given == [("https://b", "n3w")]


async def test_the_keys_of_a_job_are_made_anew(runner: JobRunner) -> None:
    async with runner:
        first, second = [await runner.enqueue(sync.using(delay="1h"), n) for n in (1, 2)]
        with pytest.raises(
            JobNotAllowed, match=r"and cannot be edited: that takes that no other job has its unique key"
        ):
            await runner.jobs.edit(first.id, user_id=2)
        await runner.jobs.edit(first.id, user_id=3)
        found = await first.job()
        assert (found.unique_key, found.lane) == ("[3]", "sync\n1\nuser\n3")
        assert (await runner.enqueue(sync, 1)).is_new
        assert (await runner.enqueue(sync, 3)).id == first.id
        assert [one.id for one in await runner.jobs.list(key={"user": 3})] == [first.id]
        assert (await second.job()).payload == {"user_id": 2}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"user_id": "x"}, InvalidPayload), ({"unknown": 1}, InvalidPayload), ({"user_id": None}, InvalidPayload),
        ({"email": object()}, InvalidOption), ({"email": "x" * 300_000}, InvalidPayload),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(runner: JobRunner, arguments: Any, error: type[Exception]) -> None:
    async with runner:
        handle = await runner.enqueue(welcome.using(delay="1h"), 1)
        with pytest.raises(error) as caught:
            await runner.jobs.edit(handle.id, **arguments)
        assert isinstance(caught.value, InvalidOption) or "The job stays as it is: fix the call." in str(caught.value)
        assert (await handle.job()).payload == {"user_id": 1}
        assert await runner.jobs.edits(handle.id) == []


async def test_jobs_that_cannot_be_edited_are_named(runner: JobRunner) -> None:
    async with runner:
        done = await runner.enqueue(welcome, 1)
        await runner.run_until_idle()
        with pytest.raises(JobNotAllowed, match="is completed and cannot be edited: that takes a pending or dead job"):
            await runner.jobs.edit(done.id, user_id=2)
        gathering = await runner.enqueue(gathers, [1])
        with pytest.raises(JobNotAllowed, match="that takes a job that gathers no items"):
            await runner.jobs.edit(gathering.id, items=[2])
        with pytest.raises(JobNotFound):
            await runner.jobs.edit(999, user_id=2)
        with pytest.raises(JobNotFound):
            await runner.jobs.edits(999)


async def test_a_type_that_is_not_known_here_is_named(tmp_path: Path) -> None:
    async with JobRunner(tmp_path / "jobs.db", jobs=[welcome], max_running=0) as knows:
        handle = await knows.enqueue(welcome, 1)
    async with JobRunner(tmp_path / "jobs.db", jobs=[other], max_running=0) as stranger:
        with pytest.raises(UnknownJobType, match=r"email\.welcome"):
            await stranger.jobs.edit(handle.id, user_id=2)


async def test_a_job_that_changes_at_each_try_is_left_alone(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    async with runner:
        handle = await runner.enqueue(welcome.using(delay="1h"), 1)
        monkeypatch.setattr(editing, "stored_payload", lambda _payload: "{}")  # as of a reader that was too early
        with pytest.raises(JobNotAllowed, match="that takes that nothing else changes it: repeat the call"):
            await runner.jobs.edit(handle.id, user_id=2)
        assert (await handle.job()).payload == {"user_id": 1}


async def test_a_durable_handler_that_has_begun_keeps_its_arguments(runner: JobRunner) -> None:
    @runner.job
    async def durable(n: int, *, ctx: JobContext = injected) -> None:
        await ctx.sleep("wait", "1h")

    async with asyncio.timeout(PATIENCE), runner:
        handle = await runner.enqueue(durable, 1)
        await runner.run_until_idle()
        with pytest.raises(JobNotAllowed, match="that takes a job without stored operations: a durable handler did"):
            await runner.jobs.edit(handle.id, n=2)
        assert (await handle.job()).payload == {"n": 1}


async def test_a_job_that_is_held_for_its_payload_runs_once_it_is_edited(tmp_path: Path) -> None:
    @job(name="grows")
    async def old(n: int) -> None: ...

    @job(name="grows")
    async def grown(n: int, more: str) -> str:
        return f"{n} {more}"

    async with JobRunner(tmp_path / "jobs.db", jobs=[old], max_running=0) as before:
        job_id = (await before.enqueue(old, 1)).id
    async with asyncio.timeout(PATIENCE), JobRunner(tmp_path / "jobs.db", jobs=[grown]) as runner:
        await runner.run_until_idle()
        assert [one.id for one in await runner.jobs.list(held="payload")] == [job_id]
        with pytest.raises(InvalidPayload):
            await runner.jobs.edit(job_id, n=2)
        await runner.jobs.edit(job_id, more="b")
        assert (await runner.jobs.wait(job_id)).result == "1 b"
