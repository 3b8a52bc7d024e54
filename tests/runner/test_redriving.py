"""`runner.jobs.redrive_as_new`: what goes over to the new job, and what may be changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_lite import InvalidPayload, JobNotFound, JobRunner, Status, job
from aiojobs_lite.errors import InvalidOption, JobNotAllowed, UnknownJobType
from aiojobs_lite.flow import Unique
from aiojobs_lite.limits import Limit
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.stores import connected


@job(
    max_attempts=1, secret=["token"], unique=Unique("n", scope="unfinished"), priority="high", version=2,
    limits=[Limit(5, key="n", name="numbers"), Limit(3, key="host", name="hosts")],
)  # fmt: skip
async def call(n: int, host: str = "a", token: str = "") -> None:
    if token != "right":
        raise ValueError(f"number {n}")


async def died(runner: JobRunner, n: int = 1, **options: Any) -> int:
    handle = await runner.enqueue(call.using(**options), n, token="wrong")
    await runner.run_until_idle()
    return handle.id


@pytest.fixture
def runner() -> JobRunner:
    return JobRunner(":memory:", jobs=[call], clock=FakeClock())


async def test_all_goes_over_the_secret_too(runner: JobRunner) -> None:
    async with runner:
        metadata = {"host": "a"}
        old = await runner.jobs.get(
            await died(runner, label="eu", metadata=metadata, idempotency_key="k", max_attempts=1)
        )
        await runner.types.pause("call")
        new = await runner.jobs.get(await runner.jobs.redrive_as_new(old.id))
        assert new.id != old.id
        assert (new.status, new.attempts, new.history) == (Status.PENDING, 0, ())
        assert new.payload == {"n": 1, "token": "REDACTED"}
        assert json.loads(stored_payload(new.payload_json))["token"] == "wrong"
        for name in (
            "type",
            "priority",
            "max_attempts",
            "idempotency_key",
            "label",
            "metadata",
            "lane",
            "unique_key",
            "version",
        ):
            assert getattr(new, name) == getattr(old, name), name
        with pytest.raises(JobNotFound):
            await runner.jobs.get(old.id)


async def test_what_is_given_is_changed_and_the_rest_stays(runner: JobRunner) -> None:
    async with runner:
        old = await runner.jobs.get(await died(runner, label="eu", metadata={"host": "a"}))
        await runner.types.pause("call")
        made = await runner.jobs.redrive_as_new(
            old.id, arguments={"host": "b"}, delay="1m", priority="low", max_attempts=7, label="us", metadata={"x": 1}
        )
        new = await runner.jobs.get(made)
        assert (new.max_attempts, new.priority, new.label, new.metadata) == (7, "low", "us", {"x": 1})
        assert (new.scheduled_at - new.created_at).total_seconds() == 60
        assert json.loads(stored_payload(new.payload_json)) == {
            "@version": 2, "@secret": ["token"], "n": 1, "host": "b", "token": "wrong"
        }  # fmt: skip
        assert new.lane == 'call\n2\nnumbers\n1\nhosts\n"b"'


async def test_limits_of_the_enqueue_stay_unless_they_are_given(runner: JobRunner) -> None:
    async with runner:
        flow = Limit(2, key=lambda _: "acme", name="flow")
        old = await died(runner, limits=[flow, Limit(5, key="n", name="numbers")])
        await runner.types.pause("call")
        new = await runner.jobs.redrive_as_new(old, arguments={"n": 9})
        assert (await runner.jobs.get(new)).lane == 'call\n0\nflow\n"acme"\nnumbers\n9'
        await runner.jobs.cancel(new)
        newer = await runner.jobs.redrive_as_new(new, limits=[Limit(4, key="host", name="others")])
        assert (await runner.jobs.get(newer)).lane == 'call\n0\nothers\n"a"'
        assert [one.most for one in await runner.limits.list() if one.name == "others"] == [4]


async def test_it_runs_with_the_arguments_that_were_changed(runner: JobRunner) -> None:
    async with runner:
        new = await runner.jobs.redrive_as_new(await died(runner), arguments={"token": "right"})
        await runner.run_until_idle()
        assert (await runner.jobs.get(new)).status is Status.COMPLETED


async def test_what_cannot_be_is_refused_and_changes_nothing(runner: JobRunner) -> None:
    async with runner:
        old = await died(runner)
        before = await runner.jobs.get(old)
        for changes, error in (
            ({"arguments": ["n"]}, "a dict of arguments by name"),
            ({"arguments": {1: 2}}, "a dict of arguments by name"),
            ({"arguments": {"n": object()}}, "arguments that can be stored as JSON"),
            ({"delay": "1m", "at": before.created_at}, "either delay= or at="),
            ({"max_attempts": 0}, "max_attempts"),
            ({"idempotency_key": "k"}, "idempotency_key"),
        ):
            with pytest.raises(InvalidOption, match=error):
                await runner.jobs.redrive_as_new(old, **changes)
        with pytest.raises(InvalidPayload, match="n: "):
            await runner.jobs.redrive_as_new(old, arguments={"n": "no number"})
        with pytest.raises(InvalidPayload, match="other"):
            await runner.jobs.redrive_as_new(old, arguments={"other": 1})
        with pytest.raises(JobNotFound):
            await runner.jobs.redrive_as_new(999)
        assert await runner.jobs.get(old) == before


async def test_only_a_dead_or_cancelled_job_with_a_free_key_is_redriven(runner: JobRunner) -> None:
    async with runner:
        old = await died(runner)
        other = await runner.enqueue(call.using(delay="1h"), 1, token="right")
        with pytest.raises(JobNotAllowed, match="that no other job has its unique key"):
            await runner.jobs.redrive_as_new(old)
        assert await runner.jobs.redrive_many_as_new([old]) == {}
        with pytest.raises(JobNotAllowed, match="a dead or cancelled job"):
            await runner.jobs.redrive_as_new(other.id)
        await other.cancel()
        assert await runner.jobs.redrive_as_new(old) > other.id


async def test_a_type_that_is_not_registered_goes_over_as_it_is_and_is_not_changed(database: Any) -> None:
    async with JobRunner(database, jobs=[call]) as runner:
        old = await died(runner)
    with connected(database) as connection:
        ((payload,),) = connection.execute("SELECT payload FROM aiojobs_jobs").fetchall()
    async with JobRunner(database) as stranger:
        with pytest.raises(UnknownJobType):
            await stranger.jobs.redrive_as_new(old, max_attempts=2)
        new = await stranger.jobs.redrive_as_new(old)
    with connected(database) as connection:
        assert connection.execute("SELECT id, payload, status FROM aiojobs_jobs").fetchall() == [
            (new, payload, "pending")
        ]
