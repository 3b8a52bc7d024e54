"""The sources of lists: each finds the same jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite.model.batches import InsertInBatch, OpenBatch
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindIds, FindJobs, IdPage
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.runner.walks import behind
from aiojobs_lite.stores.sqlite import lists
from aiojobs_lite.stores.sqlite.rows import load_sql
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import at, connected, finished, inserted, new, one, running

SQL = load_sql()


async def test_a_walk_finds_what_an_index_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path / "jobs.db") as store:
        for n, status in enumerate([Status.DEAD, Status.COMPLETED, Status.CANCELLED] * 2):
            await finished(store, new("ab"[n % 2], label="eu"), status, n)
        await running(store, new("b"))
        lane = "a\n1\norg\n7"
        await inserted(store, new("b"), new(), new(lane=lane), new(lane=lane), new("b", due=5), new("ab"))
    questions = [
        FindJobs(status=status, type=job_type, completed_from=since, completed_to=until, label=label)
        for status in (None, *Status)
        for job_type in (None, "a", "b")
        for since, until in ((None, None), (at(1), at(3)), (None, at(2)))
        for label in (None, "eu")
    ] + [FindJobs(in_lanes=True, type=job_type) for job_type in (None, "a", "b")]
    with connected(tmp_path / "jobs.db") as connection:
        answers = {}
        for few in (100, 0):
            monkeypatch.setattr(lists, "FEW", few)
            answers[few] = [lists.find_ids(connection, SQL, FindIds(one, 100)) for one in questions]
            assert lists.source_of(connection, SQL, questions[0]).name == "jobs_of_all"
        assert answers[0] == answers[100]
        assert sum(bool(page.ids) for page in answers[0]) > 40
        monkeypatch.setattr(lists, "FEW", 100)
        names = {lists.source_of(connection, SQL, one).name for one in questions}
        assert names == {
            "jobs_of_all", "jobs_of_label", "jobs_finished", "jobs_ended", "jobs_pending", "jobs_pending_of_any_type",
            "jobs_processing", "jobs_in_lanes",
        }  # fmt: skip


async def test_the_source_is_the_same_on_every_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "FEW", 2)
    async with opened(tmp_path / "jobs.db") as store:
        dead = [await finished(store, new(), Status.DEAD, n) for n in range(3)]
        await finished(store, new(), Status.CANCELLED, 3)
    with connected(tmp_path / "jobs.db") as connection:
        for status, name in ((Status.DEAD, "jobs_of_all"), (Status.CANCELLED, "jobs_finished")):
            for before in (None, dead[1], 0):
                page = FindJobs(status=status, before=before)
                assert lists.source_of(connection, SQL, page).name == name


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_ids_that_lie_far_apart_cost_a_question_for_each_group(tmp_path: Path, *, oldest_first: bool) -> None:
    async with opened(tmp_path / "jobs.db") as store:
        await inserted(store, *[new()] * 6)
    with connected(tmp_path / "jobs.db") as connection:
        for job_id, far in ((4, 2**20), (5, 2**40), (6, 2**40 + 1)):
            connection.execute("UPDATE aiojobs_jobs SET id = ? WHERE id = ?", (far, job_id))
        statements, questions = list[str](), [FindJobs(oldest_first=oldest_first)]
        connection.set_trace_callback(statements.append)
        ids = list[int]()
        for jobs in questions:
            page = lists.find_ids(connection, SQL, FindIds(jobs, looks=3))
            ids += page.ids
            questions += [] if page.next is None or len(questions) > 9 else [behind(jobs, page.next)]
    assert ids == sorted([1, 2, 3, 2**20, 2**40, 2**40 + 1], reverse=not oldest_first)
    assert (len(questions), len(statements)) == (3, 6)


async def test_a_short_list_that_must_be_sorted_is_looked_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "jobs.db") as store:
        dead = [await finished(store, new(kind), Status.DEAD, n) for n, kind in enumerate("aabba")]
    with connected(tmp_path / "jobs.db") as connection:
        of_b = FindJobs(status=Status.DEAD, type="b", limit=3)
        assert lists.find_ids(connection, SQL, FindIds(of_b, 1)) == IdPage(dead[3:1:-1], None)
        full = lists.find_ids(connection, SQL, FindIds(of_b._replace(limit=2), 1))
        assert full == IdPage(dead[3:1:-1], dead[2])


async def test_a_list_of_a_batch_looks_at_no_jobs_of_others(tmp_path: Path) -> None:
    """All jobs of other batches, and of none, lie between those of the first one."""
    async with opened(tmp_path / "jobs.db") as store:
        batch = await one(store, OpenBatch("owner", None, is_member=False))
        other = await one(store, OpenBatch("owner", None, is_member=False))
        assert batch
        assert other
        ids = []
        for _ in range(2):
            ids += [row.id for row in await one(store, InsertInBatch(batch, is_member=False, rows=(new(),))) or ()]
            await one(store, InsertInBatch(other, is_member=False, rows=(new(),) * 2_000))
            await one(store, Insert((new(),) * 2_000))
    with connected(tmp_path / "jobs.db") as connection:
        steps = 0

        def step() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.set_progress_handler(step, 100)
        for way in (-1, 1):
            wanted = FindJobs(batch=batch, error="nowhere", oldest_first=way == 1)
            assert lists.find_ids(connection, SQL, FindIds(wanted, 100)) == IdPage([], None)
            found = lists.find_ids(connection, SQL, FindIds(wanted._replace(error=None), 100))
            assert found == IdPage(ids[::way], None)
        connection.set_progress_handler(None, 0)
    assert steps < 50
