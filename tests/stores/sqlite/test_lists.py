"""The sources of lists: each finds the same jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindIds, FindJobs
from aiojobs_lite.runner.walks import behind
from aiojobs_lite.stores.sqlite import lists
from aiojobs_lite.stores.sqlite.rows import load_sql
from tests.helpers.sqlite_store import opened
from tests.helpers.stores import at, connected, finished, inserted, new, running

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
    ]
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
            "jobs_processing",
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
