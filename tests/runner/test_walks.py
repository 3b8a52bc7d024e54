"""Pages and counts: no longer than a moment, and whole in the end."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from aiojobs_lite import JobRunner, UnknownJobType
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.figures import BoundedCount
from aiojobs_lite.model.queries import FindIds
from aiojobs_lite.runner import walks
from aiojobs_lite.selection import JobPage, JobSelection
from aiojobs_lite.stores.open import open_store
from tests.helpers.fault_store import Fault, FaultStore
from tests.helpers.mail import dies, welcome

EVEN = JobSelection(payload={"user_id": [*range(0, 30, 2)]})


@pytest.fixture
def asked() -> list[FindIds]:
    """The questions for ids, as they come."""
    return []


@pytest.fixture
def store(asked: list[FindIds]) -> FaultStore:
    def note(query: object) -> bool:
        asked.extend([query] if isinstance(query, FindIds) else [])
        return False

    return FaultStore(open_store(":memory:", "normal"), Fault(method="ask", when=note))


async def filled(runner: JobRunner, count: int = 30) -> list[int]:
    return [handle.id for handle in await runner.enqueue_many([welcome.bind(n) for n in range(count)])]


@pytest.fixture
def runner(store: FaultStore) -> JobRunner:
    return JobRunner(store, jobs=[welcome, dies], max_running=0)


async def pages(runner: JobRunner, selection: JobSelection, limit: int) -> list[JobPage]:
    """All pages of a selection."""
    found = [await runner.jobs.list(selection, limit=limit)]
    while found[-1].next is not None:
        found.append(await runner.jobs.list(selection, limit=limit, after=found[-1].next))
    return found


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("limit", [1, 4, 5, 100])
async def test_a_list_is_whole_page_by_page(runner: JobRunner, order: str, limit: int) -> None:
    async with runner:
        ids = await filled(runner)
        expected = ids[::2] if order == "oldest" else ids[::-1][1::2]
        listed = await pages(runner, JobSelection(**{**EVEN.options, "order": order}), limit)
        assert [job.id for page in listed for job in page] == expected
        assert [len(page) for page in listed] == [min(limit, 15 - n) for n in range(0, 15, limit)]
        assert listed[0] == [*listed[0]]


async def test_a_page_ends_with_its_time_and_says_where(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 4)
    async with runner:
        ids = await filled(runner)
        page = await runner.jobs.list(EVEN)
        assert ([job.id for job in page], page.next) == ([ids[28], ids[26]], ids[26])
        empty = await runner.jobs.list(payload={"user_id": 1})
        assert (empty, empty.next) == ([], ids[26])
        assert sum(map(len, await pages(runner, EVEN, 100))) == 15


async def test_a_question_that_is_slow_looks_at_fewer_jobs(
    runner: JobRunner, asked: list[FindIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    for question_s, expected in ((10.0, [16, 64]), (-1.0, [16, 4, 1])):
        monkeypatch.setattr(walks, "QUESTION_S", question_s)
        monkeypatch.setattr(walks, "FIRST_LOOKS", 16)
        async with runner:
            await filled(runner, 100)
            asked.clear()
            await runner.jobs.count(payload={"user_id": -1})
            assert [query.looks for query in asked][: len(expected)] == expected


async def test_looks_follow_the_time_that_a_question_took(
    runner: JobRunner, asked: list[FindIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    for took, expected in ((0.005, [16, 32, 64]), (0.02, [16, 8, 4])):
        monkeypatch.setattr(walks, "FIRST_LOOKS", 16)
        async with runner:
            await filled(runner, 100)
            asked.clear()
            instants = count(step=took)
            monkeypatch.setattr(walks, "time", SimpleNamespace(monotonic=lambda instants=instants: next(instants)))
            await runner.jobs.count(payload={"user_id": -1})
            assert [query.looks for query in asked][:3] == expected


async def test_a_page_that_only_ran_out_of_time_calls_no_type_unknown(
    runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 4)
    async with runner:
        ids = await filled(runner)
        page = await runner.jobs.list(type="nonsense")
        assert (page, page.next) == ([], ids[26])
        assert await runner.jobs.count(EVEN, type="nonsense", within=0) == BoundedCount(0, is_more=True)
        with pytest.raises(UnknownJobType):
            await pages(runner, JobSelection(type="nonsense"), 100)


async def test_a_count_is_exact_or_says_that_there_are_more(runner: JobRunner) -> None:
    async with runner:
        ids = await filled(runner)
        counted = runner.jobs.count
        assert await counted(EVEN) == await counted(EVEN, most=15) == BoundedCount(15, is_more=False)
        assert await counted(EVEN, most=14) == BoundedCount(14, is_more=True)
        assert str(await counted(EVEN, most=14)) == "14+"
        assert await counted(ids=[*ids, 999]) == BoundedCount(30, is_more=False)
        assert await counted(ids=ids, most=3) == BoundedCount(3, is_more=True)
        assert str(BoundedCount(1_234_567, is_more=False)) == "1,234,567"


async def test_a_count_ends_with_its_time(runner: JobRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "FIRST_LOOKS", 4)
    async with runner:
        await filled(runner)
        assert await runner.jobs.count(EVEN, within=0) == BoundedCount(2, is_more=True)
        assert await runner.jobs.count(EVEN, within="1h") == BoundedCount(15, is_more=False)


async def test_a_count_of_statuses_and_types_looks_at_no_job(runner: JobRunner, asked: list[FindIds]) -> None:
    async with runner:
        ids = await filled(runner)
        await runner.jobs.cancel(ids[0])
        for selection, expected in (
            (JobSelection(), 30), (JobSelection(status="pending", order="oldest"), 29),
            (JobSelection(type=welcome), 30), (JobSelection(type="email.welcome", status="cancelled"), 1),
            (JobSelection(type=dies), 0),
        ):  # fmt: skip
            assert await runner.jobs.count(selection, most=1) == BoundedCount(expected, is_more=False)
        assert asked == []


async def test_what_cannot_be_counted_is_refused(runner: JobRunner) -> None:
    async with runner:
        for wrongly in (runner.jobs.count(type="nonsense"), runner.jobs.count(type="nonsense", label="x")):
            with pytest.raises(UnknownJobType):
                await wrongly
        for wrong in ({"most": 0}, {"most": True}, {"within": "soon"}, {"kind": "a"}):
            with pytest.raises(InvalidOption):
                await runner.jobs.count(**wrong)
