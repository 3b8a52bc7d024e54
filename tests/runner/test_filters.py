"""Lists of jobs by their metadata and their time, and the keys of jobs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.runner.filters import select
from aiojobs_lite.selection import JobFilters, JobSelection
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.mail import dies, welcome

NOW = to_datetime(FakeClock().now())


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({}, FindJobs()),
        ({"status": None, "metadata": None, "created_from": None}, FindJobs()),
        ({"status": "dead", "type": "a", "label": "x", "batch": 3},
         FindJobs(status=Status.DEAD, type="a", label="x", batch=3)),
        ({"metadata": {"a": "x", "b": ["y", 1], "c": True, "d": []}},
         FindJobs(metadata={"a": ["x"], "b": ["y", 1], "c": [True], "d": []})),
        ({"created_from": to_datetime(5), "created_to": to_datetime(7)}, FindJobs(created_from=5, created_to=7)),
        ({"completed_from": to_datetime(5), "scheduled_to": to_datetime(7)},
         FindJobs(completed_from=5, scheduled_to=7)),
        ({"ids": iter([3, 1, 3]), "order": "oldest"}, FindJobs(ids=[1, 3], oldest_first=True)),
        ({"key": {"org": "7"}, "error": "no user", "order": "newest"}, FindJobs(meter='org\n"7"', error="no user")),
        ({"held": "event"}, FindJobs(held=Held.EVENT)),
        ({"held": "lane"}, FindJobs(in_lanes=True, status=Status.PENDING)),
        ({"held": "lane", "status": "dead"}, FindJobs(in_lanes=True, status=Status.DEAD)),
        ({"payload": {"user_id": 1}, "reason": "slip"}, FindJobs(payload={"user_id": [1]}, reason="slip")),
    ],
)  # fmt: skip
def test_a_filter_is_a_query(given: JobFilters, query: FindJobs) -> None:
    assert JobSelection(**given).query == query


@pytest.mark.parametrize(
    ("given", "option", "expected"),
    [
        ({"metadata": ["a"]}, "metadata", "a dict of at most 20 names, each with a value or a list of at most 1,000"),
        ({"metadata": {1: "a"}}, "metadata", "a dict of at most 20 names"),
        ({"metadata": {"\ud800": "a"}}, "metadata", "a dict of at most 20 names"),
        ({"metadata": dict.fromkeys(map(str, range(21)), "a")}, "metadata", "a dict of at most 20 names"),
        ({"metadata": {"a": None}}, "metadata", "text, whole numbers or booleans"),
        ({"metadata": {"a": 1.5}}, "metadata", "text, whole numbers or booleans"),
        ({"metadata": {"a": {"b": 1}}}, "metadata", "text, whole numbers or booleans"),
        ({"metadata": {"a": ["\ud800"]}}, "metadata", "text, whole numbers or booleans"),
        ({"metadata": {"a": 2**63}}, "metadata", "text, whole numbers or booleans"),
        ({"metadata": {"a": ["x"] * 1001}}, "metadata", "at most 1,000: text"),
        ({"created_from": NOW.replace(tzinfo=None)}, "created_from", "aware"),
        ({"created_to": 5}, "created_to", "aware"),
        ({"batch": "1"}, "batch", "the id of a batch"),
        ({"payload": {"a": None}}, "payload", "text, whole numbers or booleans"),
        ({"completed_to": 5}, "completed_to", "aware"),
        ({"order": "old"}, "order", "'newest' or 'oldest'"),
        ({"key": 7}, "key", "a dict with the name of a limit and its key, such as"),
        ({"key": {"a": 1, "b": 2}}, "key", "a dict with the name of a limit and its key, such as"),
        ({"key": {"a": 1.5}}, "key", "the key of a limit, as its jobs have it; this one"),
        ({"error": ""}, "error", "text that is not empty"),
        ({"ids": "12"}, "ids", "ids of jobs"),
        ({"host": "a"}, "host", "one of"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(given: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption, match=expected) as caught:
        JobSelection(**given)
    assert caught.value.option == option


def test_a_selection_is_a_value() -> None:
    one = JobSelection(status="dead", type=welcome, label=None)
    assert one == JobSelection(status="dead", type=welcome) != JobSelection(status="dead")
    assert dict(one.options) == {"status": "dead", "type": welcome}
    assert repr(JobSelection(ids=[2, 1], status="dead")) == "JobSelection(ids=(2, 1), status='dead')"
    with pytest.raises(FrozenInstanceError):
        one.query = FindJobs()  # type: ignore[misc]  # what cannot be done
    with pytest.raises(TypeError):
        one.options["type"] = "a"  # type: ignore[index]  # what cannot be done
    assert JobSelection(order="oldest").is_of_all
    assert not JobSelection(ids=[]).is_of_all


def test_a_keyword_replaces_what_a_selection_says() -> None:
    selection = JobSelection(status="dead", type="a")
    assert select(selection, {}) is selection
    assert select(selection, {"type": "b"}) == JobSelection(status="dead", type="b")
    assert select(selection, {"type": None}) == JobSelection(status="dead")
    assert select([3], {"type": "b"}) == JobSelection(ids=[3], type="b")
    assert select(None, {"type": "b"}) == JobSelection(type="b")


async def test_jobs_are_listed_by_metadata_and_time() -> None:
    clock = FakeClock()
    runner = JobRunner(":memory:", jobs=[welcome], clock=clock, max_running=0)
    async with runner:
        ids = []
        for n in range(4):
            metadata = {"host": "ab"[n % 2], "labels": ["x", str(n)]}
            ids.append((await runner.enqueue(welcome.using(metadata=metadata), n)).id)
            clock.advance(60)
        listed = runner.jobs.list

        async def found(**wanted: Any) -> list[int]:
            return [job.id for job in await listed(**wanted)]

        assert await found(metadata={"host": "a"}) == [ids[2], ids[0]]
        assert await found(metadata={"host": ["a", "b"], "labels": ["3", "0"]}) == [ids[3], ids[0]]
        assert await found(metadata={"labels": "x"}, limit=2, after=ids[3]) == [ids[2], ids[1]]
        minute = timedelta(minutes=1)
        assert await found(created_from=NOW + minute, created_to=NOW + 2 * minute) == [ids[2], ids[1]]


async def test_a_key_leads_back_to_its_job_and_other_text_to_none(working: JobRunner) -> None:
    async with working:
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        assert working.jobs.id_of(handle.key) == handle.id
        database = handle.key.rpartition("-")[0]
        assert working.jobs.id_of(f"{database}-999") == 999
        for text in (
            "", "-", "1", "-1", database, f"{database}-", f"{database}-0", f"{database}-01", f"{database}-+1",
            f"{database}- 1", f"{database}-1_0", f"{database}-\u0661", f"{database}-{2**63}", f"{database}-1\n",
            f"x{handle.key}",
            f"{database}-" + "9" * 5000, f"{database}--1",
        ):  # fmt: skip
            assert working.jobs.id_of(text) is None, text
        with pytest.raises(InvalidOption, match="the key of a job, as text"):
            working.jobs.id_of(1)  # type: ignore[arg-type]  # what is refused
        assert working.jobs.id_of(f"{database}-{2**63 - 1}") == 2**63 - 1


async def test_what_happened_to_jobs_is_read_page_by_page_with_their_history() -> None:
    runner = JobRunner(":memory:", jobs=[dies, welcome])
    async with runner:
        dead = await runner.enqueue(dies.using(metadata={"host": "a"}))
        plain = await runner.enqueue(dies)
        await runner.run_until_idle()
        (first,) = (page := await runner.jobs.moments("dies", limit=1)).moments
        rest = await runner.jobs.moments("dies", limit=100, after=page.next)
        assert [moment.kind for moment in (first, *rest.moments)] == ["dead", "failed", "started", "enqueued"]
        assert {moment.job_id for moment in (first, *rest.moments)} == {dead.id}
        assert rest.next is None
        assert (
            await runner.jobs.moments("dies", kinds=["dead"], ids=[dead.id, 999], metadata={"host": "a"})
        ).moments == (first,)
        assert (await runner.jobs.moments("dies", until=to_datetime(first.at - 1), kinds=["dead"])).moments == ()
        assert (await runner.jobs.moments("dies", since=to_datetime(first.at), kinds=["dead"])).moments == (first,)
        found = await runner.jobs.get_many([dead.id, plain.id, 999])
        assert found == {job.id: await runner.jobs.get(job.id) for job in (dead, plain)}
        assert len(found[dead.id].history) == 1
        assert await runner.jobs.get_many([]) == {}
        with pytest.raises(InvalidOption, match="at most 1,000"):
            await runner.jobs.get_many(range(1001))
        with pytest.raises(InvalidOption, match="at most 1,000"):
            await runner.jobs.moments("dies", ids=range(1001))
        with pytest.raises(InvalidOption, match="the name of a job type"):
            await runner.jobs.moments(None)  # type: ignore[arg-type]  # what is refused
        with pytest.raises(InvalidOption, match="the `next` of the page before"):
            await runner.jobs.moments("dies", after=3)  # type: ignore[arg-type]  # what is refused
