"""Lists by metadata and time: jobs, and what happened to them."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.moments import GetJobs, ListMoments, Moment, MomentKind
from aiojobs_lite.model.overview import IN_LANES, BoundedCount, GetOverview
from aiojobs_lite.model.queries import FindIds, FindJobs, IdPage
from aiojobs_lite.model.writes import CancelJob, DeleteJob, RedriveAsNew, RedriveJob, Redriven, RedrivenAsNew
from aiojobs_lite.stores.base import Store
from tests.helpers.conformance.limits import ONE, keyed, set_limits
from tests.helpers.stores import (
    again,
    answers,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    everything,
    finished,
    found,
    held,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

ALL = frozenset(MomentKind)
MANY = 1000


async def listed(store: Store, query: ListMoments) -> list[Moment]:
    """The moments of all pages."""
    moments: list[Moment] = []
    while True:
        page = await store.ask(query)
        moments += page.moments
        if page.next is None:
            return moments
        query = query._replace(after=page.next)


async def listed_ids(store: Store, query: FindJobs, looks: int) -> list[int]:
    """The ids of all pages; none has more than its limit."""
    ids: list[int] = []
    while True:
        page = await store.ask(FindIds(query, looks))
        assert len(page.ids) <= query.limit
        ids += page.ids
        if page.next is None:
            return ids
        query = query._replace(after=page.next) if query.oldest_first else query._replace(before=page.next)


class Listing:
    async def test_jobs_are_found_by_what_their_metadata_have(self, store: Store) -> None:
        rows = (
            None, '{"host": "a", "n": 1}',
            '{"host": "b", "labels": ["x", "y"]}', '{"host": ["a", "c"], "n": "1"}',
                        '{"n": true, "labels": []}', '{"host": {"a": "a"}, "na\\u00efve \\"name\\"": "\\u00e9"}',
            '{"n": [null, false, 1.0, 2]}',
        )  # fmt: skip
        ids = await inserted(store, *(new(metadata=row) for row in rows))
        cases: list[tuple[dict[str, Any], list[int]]] = [
            ({}, [0, 1, 2, 3, 4, 5, 6]),
            ({"host": ["a"]}, [1, 3]),
            ({"host": ["b", "c"]}, [2, 3]),
            ({"host": ["a"], "n": [1]}, [1]),
            ({"host": ["a"], "n": [1, "1"]}, [1, 3]),
            ({"labels": ["y", "z"]}, [2]),
            ({"n": [True]}, [4]),
            ({"n": [False, 2]}, [6]),
            ({"host": []}, []),
            ({'na\u00efve "name"': ["\u00e9"]}, [5]),
            ({"host": ['{"a":"a"}', '{"a": "a"}']}, []),
            ({"labels": ['["x","y"]', "[]", ""]}, []),
            ({"none": ["a"]}, []),
        ]
        for wanted, places in cases:
            expected = [ids[place] for place in reversed(places)]
            for query in (FindJobs(metadata=wanted), FindJobs(metadata=wanted, type="a", status=Status.PENDING)):
                assert await found(store, query) == expected, query
                assert await store.ask(FindIds(query, MANY)) == IdPage(expected, None), query
        assert await store.ask(FindIds(FindJobs(ids=[]), MANY)) == IdPage([], None)
        assert await store.ask(FindIds(FindJobs(ids=ids[:2], before=ids[1]), MANY)) == IdPage(ids[:1], None)

    async def test_jobs_are_found_by_when_they_were_enqueued(self, store: Store) -> None:
        ids = await inserted(store, *(new()._replace(created_at=at(n)) for n in range(4)))
        assert await found(store, FindJobs(created_from=at(1))) == ids[:0:-1]
        assert await found(store, FindJobs(created_to=at(1))) == ids[1::-1]
        assert await found(store, FindJobs(created_from=at(1), created_to=at(2))) == ids[2:0:-1]

    async def test_jobs_are_found_by_their_arguments_but_for_secret_ones(self, store: Store) -> None:
        rows = (
            '{"n": 1, "to": ["a", "b"]}', '{"n":"1","to":"\\u0061"}',
            '{"@version":2,"@secret":["token"],"token":"x","n":1}',
            '{"n": 10, "q": "say \\"a\\""}', '{"n": true, "t": "\u00e9"}', "{}",
        )  # fmt: skip
        ids = await inserted(store, *(new()._replace(payload=row) for row in rows))
        cases: list[tuple[dict[str, Any], list[int]]] = [
            ({"n": [1]}, [0, 2]),
            ({"n": ["1"]}, [1]),
            ({"n": [1, "1", 10]}, [0, 1, 2, 3]),
            ({"to": ["a"]}, [0, 1]),
            ({"to": ["a"], "n": [1]}, [0]),
            ({"n": [True]}, [4]),
            ({"t": ["\u00e9"]}, [4]),
            ({"q": ['say "a"']}, [3]),
            ({"token": ["x"]}, []),
            ({"token": ["REDACTED", "x"]}, []),
            ({"n": []}, []),
            ({}, [0, 1, 2, 3, 4, 5]),
        ]
        for wanted, places in cases:
            query = FindJobs(payload=wanted, metadata={} if wanted else None)
            expected = [ids[place] for place in reversed(places)]
            assert await store.ask(FindIds(query, MANY)) == IdPage(expected, None), wanted

    async def test_jobs_are_found_by_text_of_their_error_and_reason(self, store: Store) -> None:
        dead = await finished(store, new(), Status.DEAD, 3)
        error = (await stored(store, dead)).error or ""
        (other,) = await inserted(store, new())
        await one(store, CancelJob(other, "100% WRONG _price\u00c9"), now=4)
        for text in (error, error.upper(), error[2:5]):
            assert await found(store, FindJobs(error=text)) == [dead]
        assert await found(store, FindJobs(error=f"{error}!")) == []
        for text in ("wrong", "100% w", "_PRICE\u00c9"):
            assert await found(store, FindJobs(reason=text)) == [other]
        for text in ("wrong%", "_price\u00e9", "%", "wrong  _"):
            assert await found(store, FindJobs(reason=text)) == ([other] if text == "%" else [])

    async def test_jobs_are_found_by_the_key_of_a_limit(self, store: Store) -> None:
        lanes = ("a\n1\norg\n7", 'a\n1\norg\n"7"\nregion\n"eu"', "a\n1\norg\n70", None)
        ids = await inserted(store, *(new(lane=lane) for lane in lanes))
        for meter, places in (("org\n7", [0]), ('org\n"7"', [1]), ('region\n"eu"', [1]), ("region\n7", [])):
            assert await found(store, FindJobs(meter=meter)) == [ids[place] for place in places]
            of_type = FindJobs(meter=meter, type="a", status=Status.PENDING)
            assert await found(store, of_type) == [ids[place] for place in places]

    async def test_jobs_that_wait_in_lanes_are_found_and_are_those_that_are_counted(self, store: Store) -> None:
        await set_limits(store, ONE)
        await held(store, keyed((ONE, 6)))
        _, second, third, of_b = await inserted(store, *[keyed((ONE, 7), job_type=kind) for kind in "aaab"])
        await inserted(store, new(), keyed((ONE, 8)), keyed((ONE, 9), due=9))
        assert len(await claimed(store, claim(types="ab"))) == 3
        waiting = await found(store, FindJobs(in_lanes=True))
        assert waiting == [of_b, third, second]
        assert (await store.ask(GetOverview(at(0), 9))).held[IN_LANES] == BoundedCount(3, is_more=False)
        assert await found(store, FindJobs(in_lanes=True, oldest_first=True, limit=2)) == [second, third]
        assert await found(store, FindJobs(in_lanes=True, type="b", status=Status.PENDING)) == [of_b]
        assert await found(store, FindJobs(in_lanes=True, status=Status.DEAD)) == []
        assert await listed_ids(store, FindJobs(in_lanes=True, limit=2), MANY) == waiting

    async def test_jobs_are_found_by_when_they_ended_and_when_they_may_run(self, store: Store) -> None:
        dead = await finished(store, new(), Status.DEAD, 3)
        done = await finished(store, new(), Status.COMPLETED, 5)
        gone = await finished(store, new("b"), Status.CANCELLED, 7)
        later, held = await inserted(store, new("b", due=9), new(due=0))
        cases = [
            (FindJobs(completed_from=at(5)), [gone, done]),
            (FindJobs(completed_to=at(5)), [done, dead]),
            (FindJobs(completed_from=at(4), completed_to=at(6)), [done]),
            (FindJobs(completed_from=at(4), type="b"), [gone]),
            (FindJobs(completed_from=at(3), status=Status.DEAD), [dead]),
            (FindJobs(completed_from=at(4), status=Status.DEAD), []),
            (FindJobs(completed_from=at(0), status=Status.PENDING), []),
            (FindJobs(scheduled_from=at(1)), [later]),
            (FindJobs(scheduled_to=at(1), status=Status.PENDING), [held]),
        ]
        for query, expected in cases:
            assert await found(store, query) == expected, query
            assert await found(store, query._replace(oldest_first=True)) == expected[::-1], query

    async def test_the_oldest_come_first_where_that_is_asked(self, store: Store) -> None:
        ids = await inserted(store, *(new("ab"[n % 2], label="eu") for n in range(6)))
        for query in (FindJobs(), FindJobs(label="eu"), FindJobs(ids=ids), FindJobs(status=Status.PENDING)):
            oldest = query._replace(oldest_first=True, limit=2)
            assert await found(store, oldest) == ids[:2]
            assert await found(store, oldest._replace(after=ids[1])) == ids[2:4]
            assert await found(store, query._replace(after=ids[1], before=ids[4])) == [ids[3], ids[2]]
        assert await found(store, FindJobs(type="b", oldest_first=True)) == ids[1::2]

    @pytest.mark.parametrize("oldest_first", [False, True])
    async def test_a_page_of_ids_says_where_it_has_stopped(self, store: Store, oldest_first: bool) -> None:
        ids = await inserted(store, *(new("ab"[n % 5 == 0], label="eu", due=n) for n in range(11)))
        await one(store, DeleteJob(ids[4]))
        cases = [
            (FindJobs(), ids), (FindJobs(type="b"), ids[::5]), (FindJobs(label="eu", type="b"), ids[::5]),
            (FindJobs(status=Status.PENDING, scheduled_to=at(6)), ids[:7]), (FindJobs(status=Status.PROCESSING), []),
            (FindJobs(ids=ids[3:6]), ids[3:6]), (FindJobs(type="c"), []),
        ]  # fmt: skip
        for query, wanted in cases:
            expected = [job_id for job_id in wanted if job_id != ids[4]][:: 1 if oldest_first else -1]
            for looks in (1, 2, 3, 10, 11):
                for limit in (1, 2, 100):
                    asked = query._replace(oldest_first=oldest_first, limit=limit)
                    assert await listed_ids(store, asked, looks) == expected, (asked, looks)
            asked = query._replace(oldest_first=oldest_first)
            assert await store.ask(FindIds(asked, MANY)) == IdPage(expected, None)

    async def test_what_happened_is_listed_the_latest_first_page_by_page(self, store: Store) -> None:
        row = new(metadata='{"host": "a"}')
        dead = await finished(store, row, Status.DEAD, 3)
        gone = await finished(store, row, Status.CANCELLED, 4)
        (job,) = await running(store, row)
        await one(store, again(job, Outcome.TIMED_OUT, scheduled_at=at(5)), now=4)
        await claimed(store, now=5)
        await finished(store, new(), Status.DEAD, 6)
        await finished(store, new("b", metadata='{"host": "a"}'), Status.DEAD, 6)
        in_order = [
            Moment(at(5), MomentKind.STARTED, job.id, 2),
            Moment(at(4), MomentKind.CANCELLED, gone),
            Moment(at(4), MomentKind.FAILED, job.id, 1),
            Moment(at(4), MomentKind.FAILED, gone, 1),
            Moment(at(3), MomentKind.DEAD, dead),
            Moment(at(3), MomentKind.FAILED, dead, 1),
            *(Moment(at(0), MomentKind.STARTED, job_id, 1) for job_id in (job.id, gone, dead)),
            *(Moment(at(0), MomentKind.ENQUEUED, job_id) for job_id in (job.id, gone, dead)),
        ]
        for ids in (None, (gone, dead, job.id, 999)):
            for limit in range(1, 14):
                assert await listed(store, ListMoments("a", ALL, limit, ids=ids)) == in_order
            for kinds in ({MomentKind.DEAD}, {MomentKind.STARTED, MomentKind.FAILED}, set[MomentKind]()):
                wanted = [moment for moment in in_order if moment.kind in kinds]
                assert await listed(store, ListMoments("a", kinds, 2, ids=ids)) == wanted
            some = ListMoments("a", ALL, 3, since=at(3), until=at(4), ids=ids)
            assert await listed(store, some) == in_order[1:6]
            assert await listed(store, some._replace(metadata={"host": ["b"]})) == []
        assert await listed(store, ListMoments("a", ALL, 3, ids=(dead,))) == [one for one in in_order if one[2] == dead]
        assert await listed(store, ListMoments("a", ALL, 3, ids=())) == []

    async def test_a_job_that_completes_has_one_moment_each(self, store: Store) -> None:
        (job,) = await running(store, new(metadata='{"host": "a"}'))
        before = await listed(store, ListMoments("a", ALL, 9))
        await one(store, complete(job), now=1)
        after = await listed(store, ListMoments("a", ALL, 9))
        assert after == [Moment(at(1), MomentKind.COMPLETED, job.id), *before]
        assert [moment.kind for moment in before] == [MomentKind.STARTED, MomentKind.ENQUEUED]

    async def test_an_attempt_that_was_given_back_is_not_listed(self, store: Store) -> None:
        for outcome in (Outcome.SNOOZED, Outcome.INTERRUPTED):
            (job,) = await running(store, new(metadata='{"host": "a"}'))
            await one(store, again(job, outcome, refund=True, scheduled_at=at(9)), now=1)
        kinds = [moment.kind for moment in await listed(store, ListMoments("a", ALL, 9))]
        assert kinds == [MomentKind.ENQUEUED] * 2

    async def test_a_page_is_as_short_as_the_metadata_that_fit_are_rare(self, store: Store) -> None:
        ids = await inserted(store, *(new(metadata=f'{{"n": {n}}}') for n in range(7)))
        query = ListMoments("a", ALL, 3, metadata={"n": [0, 6]})
        page = await store.ask(query)
        assert [moment.job_id for moment in page.moments] == [ids[6]]
        assert page.next == Moment(at(0), MomentKind.ENQUEUED, ids[4])
        assert [moment.job_id for moment in await listed(store, query)] == [ids[6], ids[0]]

    async def test_jobs_come_with_their_history(self, store: Store) -> None:
        (job, other) = await running(store, new(), new("b"))
        await answers(store, again(job), close(other), now=1)
        assert await store.ask(GetJobs((job.id, other.id, 999))) == {
            job_id: await stored(store, job_id) for job_id in (job.id, other.id)
        }
        for job_id, found_one in (await store.ask(GetJobs((job.id, other.id)))).items():
            assert found_one.history == (await stored(store, job_id)).history
        assert await store.ask(GetJobs(())) == {}


class RedrivingAsNew:
    @pytest.mark.parametrize("status", [Status.DEAD, Status.CANCELLED])
    async def test_a_new_job_takes_the_place_of_the_old_one(self, store: Store, status: Status) -> None:
        row = new(idempotency_key="k", label="eu", metadata='{"n": 1}')
        old = await finished(store, row, status, 1)
        answer = await one(store, RedriveAsNew(old, row._replace(created_at=at(2), scheduled_at=at(2))), 2)
        assert answer.before == Redriven(status)
        (job,) = await everything(store)
        assert answer.id == job.id != old
        assert (job.status, job.attempts, job.history) == (Status.PENDING, 0, ())
        assert (job.idempotency_key, job.label, job.metadata_json) == ("k", "eu", '{"n": 1}')
        assert shown(store) == await counted(store, 2)
        assert [again.id for again in await claimed(store, now=2)] == [job.id]

    async def test_others_stay_as_they_are(self, store: Store) -> None:
        completed = await finished(store, new(), Status.COMPLETED)
        (processing,) = await running(store, new())
        (pending,) = await inserted(store, new("b"))
        before = await everything(store)
        for job_id in (completed, processing.id, pending):
            answer = await one(store, RedriveAsNew(job_id, new("b")))
            assert answer == RedrivenAsNew(Redriven((await stored(store, job_id)).status))
        assert await one(store, RedriveAsNew(999, new("b"))) == RedrivenAsNew(Redriven(None))
        assert await everything(store) == before
        assert shown(store) == await counted(store)

    async def test_another_job_with_its_unique_key_keeps_it_dead(self, store: Store) -> None:
        row = new(unique_key="[1]", unique_scope="unfinished")
        old = await finished(store, row, Status.DEAD)
        (other,) = await inserted(store, row)
        assert await one(store, RedriveAsNew(old, row)) == RedrivenAsNew(Redriven(Status.DEAD, "[1]"))
        await one(store, CancelJob(other, None))
        assert (await one(store, RedriveAsNew(old, row))).id is not None
        assert len(await found(store, FindJobs(status=Status.PENDING))) == 1

    async def test_one_that_brings_the_key_of_another_job_is_refused(self, store: Store) -> None:
        old = await finished(store, new(), Status.DEAD)
        (other,) = await inserted(store, new(unique_key="[2]", unique_scope="unfinished"))
        row = new(unique_key="[2]", unique_scope="unfinished")
        with pytest.raises(StoreRejected, match=rf"a job that is to stand for job {old} has the key of job {other}"):
            await one(store, RedriveAsNew(old, row))
        assert (await stored(store, old)).status is Status.DEAD

    async def test_a_job_is_deleted_only_while_it_has_a_status(self, store: Store) -> None:
        dead = await finished(store, new(), Status.DEAD)
        assert await one(store, DeleteJob(dead, Status.CANCELLED)) is Status.DEAD
        assert (await stored(store, dead)).status is Status.DEAD
        await one(store, RedriveJob(dead))
        assert await one(store, DeleteJob(dead, Status.DEAD)) is Status.PENDING
        assert (await stored(store, dead)).status is Status.PENDING
        assert await one(store, DeleteJob(dead, Status.PENDING)) is Status.PENDING
        assert await everything(store) == []
        assert shown(store) == {}
