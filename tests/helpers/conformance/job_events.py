"""The events that a store sends itself, of jobs that have died, completed or were cancelled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.after import After, InsertAfter
from aiojobs_lite.model.batches import CancelBatch, InsertInBatch, OpenBatch
from aiojobs_lite.model.events import CANCELLED_BY, FindEvents, Listener, PlaceHeld, SetListeners
from aiojobs_lite.model.expiries import EXPIRED
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.job_events import JOB_CANCELLED, JOB_COMPLETED, JOB_DEAD, LARGEST_COPY_CHARS
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.steps import StepState
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Prune, RedriveJob
from aiojobs_lite.stores.base import Store
from tests.helpers.steps import event, match, save, send, steps_of, suspend, wait
from tests.helpers.stores import (
    again,
    alone,
    answers,
    applied,
    at,
    claim,
    claimed,
    close,
    complete,
    counted,
    inserted,
    new,
    one,
    running,
    shown,
)


async def data_of(store: Store, name: str | None = None) -> list[dict[str, Any]]:
    """What the events say, the first one first."""
    return [json.loads(row.data) for row in reversed(await store.ask(FindEvents(name=name)))]


async def listen(store: Store, *patterns: str, job_type: str = "l") -> None:
    await one(store, SetListeners((Listener(job_type, patterns, 1, 3),)))


class EventsOfEnds:
    async def test_none_is_sent_while_none_is_awaited(self, store: Store) -> None:
        await listen(store, "*", "job.*")
        first, second = await running(store, new(), new())
        ended = await applied(store, close(first), complete(second))
        assert (ended.has_sent, await store.ask(FindEvents())) == (False, ())

    async def test_a_death_is_sent_with_its_end_and_held_for_its_listeners(self, store: Store) -> None:
        await listen(store, JOB_DEAD)
        job, other, cancelled = await running(store, new()._replace(payload='{"x": 1.0}'), new("b"), new())
        ended = await applied(
            store, close(job, reason="all"), complete(other, "1"), close(cancelled, Status.CANCELLED), now=3
        )
        assert ended.has_sent
        (event,) = await store.ask(FindEvents())
        assert (event.name, event.sent_at, event.key) == (JOB_DEAD, at(3), None)
        assert event.data == (
            f'{{"id":{job.id},"type":"a","attempts":1,"reason":"all","error":"ValueError: no",'
            '"payload":{"x": 1.0},"result":null}'
        )
        (held,) = await store.ask(FindJobs(held=Held.LISTENER))
        assert json.loads(held.payload_json)["data"]["id"] == job.id
        assert shown(store) == await counted(store, 3)

    async def test_completed_jobs_are_sent_where_a_type_listens_to_them(self, two: tuple[Store, Store]) -> None:
        await listen(two[1], JOB_COMPLETED)
        jobs = await running(two[0], new(), new(), new())
        await answers(two[0], complete(jobs[2]), close(jobs[1]), complete(jobs[0], "[1]"))
        assert [(one["id"], one["result"]) for one in await data_of(two[0])] == [(jobs[0].id, [1]), (jobs[2].id, None)]
        await listen(two[1])
        more = await running(two[0], new())
        assert not (await applied(two[0], complete(more[0]))).has_sent

    async def test_what_begins_to_listen_with_the_end_is_sent_none(self, store: Store) -> None:
        await answers(store, save((await running(store, new("w")))[0], wait("w", match("x"))))  # ends are awaited
        job, other = await running(store, new(), new())
        unit = (SetListeners((Listener("l", (JOB_DEAD,), 1, 3),)), close(job))
        assert not (await store.apply([unit], at(0))).has_sent
        await one(store, close(other))
        assert [data["id"] for data in await data_of(store)] == [other.id]

    async def test_an_attempt_that_is_not_the_last_one_or_not_owned_sends_nothing(self, store: Store) -> None:
        await listen(store, JOB_DEAD)
        (job,) = await running(store, new())
        await answers(store, again(job), close(job))
        assert await data_of(store) == []

    async def test_a_job_that_such_an_event_has_started_sends_none(self, store: Store) -> None:
        await listen(store, JOB_DEAD)
        await answers(store, *map(close, await running(store, new())))
        (held,) = await store.ask(FindJobs(held=Held.LISTENER))
        await one(store, PlaceHeld(held.id, Candidate(new("l")._replace(payload=f'{{"event":{held.payload_json}}}'))))
        (listener,) = await claimed(store, claim(types=["l"]))
        assert not (await applied(store, close(listener))).has_sent
        assert len(await data_of(store)) == 1

    async def test_what_waits_for_the_end_of_a_job_is_reached(self, store: Store) -> None:
        waiter, job = await running(store, new(), new())
        dead = match(JOB_DEAD, id=job.id)
        await answers(store, save(waiter, wait("w", dead)), suspend(waiter, "w"))
        ((cancelled, _),) = await one(store, Admit((Candidate(new("b"), cancel_on=(dead,)),)))  # type: ignore[misc]
        ended = await applied(store, close(job))
        assert [one.id for one in ended.cancelled] == [cancelled]
        assert (await steps_of(store, waiter.id))["w"].state is StepState.DONE
        assert [one.id for one in await claimed(store)] == [waiter.id]
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize("size", [LARGEST_COPY_CHARS, LARGEST_COPY_CHARS + 1])
    async def test_what_is_too_large_is_left_out(self, store: Store, size: int) -> None:
        await listen(store, JOB_COMPLETED)
        (job,) = await running(store, new()._replace(payload=f'{{"a":"{"x" * (size - 8)}"}}'))
        await one(store, complete(job, f'"{"x" * (size - 2)}"'))
        (data,) = await data_of(store)
        is_kept = size == LARGEST_COPY_CHARS
        assert ((data["payload"] is None), (data["result"] is not None)) == (not is_kept, is_kept)

    async def test_a_prune_takes_the_jobs_and_leaves_the_events(self, store: Store) -> None:
        await listen(store, JOB_DEAD)
        await answers(store, *map(close, await running(store, new())))
        await one(store, Prune(at(9), at(9), at(9), 9))
        assert len(await data_of(store)) == 1
        assert await inserted(store, new())


class EventsOfCancels:
    """`job.cancelled`, whatever has cancelled a job."""

    async def test_a_pending_job_is_sent_with_its_cancel_and_its_reason(self, two: tuple[Store, Store]) -> None:
        await listen(two[1], JOB_CANCELLED)
        (job,) = await inserted(two[0], new()._replace(payload='{"x": 1.0}'))
        ended = await applied(two[0], CancelJob(job, "gone"), now=3)
        assert ended.has_sent
        (sent,) = await two[0].ask(FindEvents())
        assert (sent.name, sent.sent_at) == (JOB_CANCELLED, at(3))
        assert sent.data == (
            f'{{"id":{job},"type":"a","attempts":0,"reason":"gone","error":null,"payload":{{"x": 1.0}},"result":null}}'
        )
        assert [one.type for one in await two[0].ask(FindJobs(held=Held.LISTENER))] == ["l"]
        assert shown(two[0]) == await counted(two[0], 3)

    async def test_a_cancel_sends_none_while_none_is_awaited(self, store: Store) -> None:
        await listen(store, "*", "job.*", JOB_DEAD, JOB_COMPLETED)
        (job,) = await inserted(store, new())
        assert not (await applied(store, CancelJob(job, "gone"))).has_sent
        assert await data_of(store) == []

    async def test_a_processing_job_is_sent_with_its_end(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        stops, raises, wins = await running(store, new(), new(), new())
        asked = await applied(store, *[CancelJob(job.id, "asked") for job in (stops, wins)])
        assert not asked.has_sent
        await answers(store, complete(wins), again(stops), close(raises, Status.CANCELLED, reason="raised"))
        assert [(one["id"], one["reason"]) for one in await data_of(store)] == [
            (stops.id, "asked"),
            (raises.id, "raised"),
        ]

    async def test_a_job_is_sent_that_expires(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        row = new(unique_key="[1]", unique_scope="unfinished")
        (first,) = await added(store, Candidate(row, expires=10_000_000))
        (second,) = await added(store, Candidate(new("b"), expires=10_000_000))
        (third,) = await added(store, Candidate(row, expires=10_000_000), now=11)  # the holder of its key has expired
        assert [one["id"] for one in await data_of(store)] == [first]
        expired = await applied(store, claim(limit=0), now=30)
        assert expired.has_sent
        assert [(one["id"], one["reason"]) for one in await data_of(store)][1:] == [
            (second, EXPIRED), (third, EXPIRED),
        ]  # fmt: skip
        assert shown(store) == await counted(store, 30)

    async def test_a_job_is_sent_that_expires_when_a_refused_one_has_its_key(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        row = new(unique_key="[1]", unique_scope="unfinished")
        (first,) = await added(store, Candidate(row, expires=10_000_000))
        refused = await one(store, Admit((Candidate(row), Candidate(new("b"), max_pending=0))), now=11)
        assert isinstance(refused, Refused)
        assert [one["id"] for one in await data_of(store)] == [first]

    async def test_a_job_is_sent_that_an_event_cancels(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        (job,) = await added(store, Candidate(new(), cancel_on=(match("stop"),)))
        await one(store, send(event("stop")))
        (data,) = await data_of(store, JOB_CANCELLED)
        assert (data["id"], data["reason"]) == (job, CANCELLED_BY.format(event="stop"))

    async def test_jobs_are_sent_that_were_to_run_after_one(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        (first,) = await inserted(store, new())
        ids = [first]
        for _ in range(2):
            write = InsertAfter((new("later"),), (After((ids[-1],)),), None, False)
            ids += [made.id for made in (await one(store, write)).inserted]
        await one(store, CancelJob(first, "gone"))
        assert [one["id"] for one in await data_of(store)] == ids
        late = (await one(store, InsertAfter((new("later"),), (After((first,)),), None, False))).inserted[0].id
        assert [one["id"] for one in await data_of(store)] == [*ids, late]
        assert shown(store) == await counted(store)

    async def test_jobs_are_sent_that_are_cancelled_with_their_batch(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        batch = await one(store, OpenBatch("owner", None, False))
        assert batch is not None
        rows = (new(), new("b"), new())
        await one(store, InsertInBatch(batch, False, rows))
        await one(store, CancelBatch(batch, "not needed", 2))
        assert [(one["id"], one["reason"]) for one in await data_of(store)] == [(1, "not needed"), (2, "not needed")]

    async def test_a_cancelled_job_is_sent_that_the_same_transaction_changes_again(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        redriven, deleted = await inserted(store, new(), new())
        writes = CancelJob(redriven, "a"), RedriveJob(redriven), CancelJob(deleted, "b"), DeleteJob(deleted)
        await store.apply(alone(writes), at(0))
        assert [(one["id"], one["reason"]) for one in await data_of(store)] == [(redriven, "a"), (deleted, "b")]

    async def test_a_job_that_such_an_event_has_started_or_is_held_for_sends_none(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        jobs = await inserted(store, new(), new())
        await answers(store, *[CancelJob(job, None) for job in jobs])
        first, second = await store.ask(FindJobs(held=Held.LISTENER))
        await one(store, PlaceHeld(first.id, Candidate(new("l")._replace(payload=f'{{"event":{first.payload_json}}}'))))
        (placed,) = await store.ask(FindJobs(type="l", held=None, before=None, status=Status.PENDING, limit=1))
        await answers(store, CancelJob(placed.id, None), CancelJob(second.id, None))
        assert len(await data_of(store)) == 2

    async def test_cancels_follow_upon_cancels(self, store: Store) -> None:
        ids = await inserted(store, new())
        for _ in range(3):
            ids += await added(store, Candidate(new("b"), cancel_on=(match(JOB_CANCELLED, id=ids[-1]),)))
        ended = await applied(store, CancelJob(ids[0], "gone"))
        assert [one.id for one in ended.cancelled] == ids[1:]
        assert [one["id"] for one in await data_of(store)] == ids[:-1]  # nothing waits for the last one
        assert shown(store) == await counted(store)

    async def test_a_job_that_another_cancel_has_cancelled_is_sent_before_it_is_changed(self, store: Store) -> None:
        await listen(store, JOB_CANCELLED)
        (first,) = await inserted(store, new())
        (second,) = await added(store, Candidate(new("b"), cancel_on=(match(JOB_CANCELLED, id=first),)))
        await store.apply(alone([CancelJob(first, "gone"), DeleteJob(second)]), at(0))
        assert [one["id"] for one in await data_of(store)] == [first, second]

    async def test_what_runs_after_a_job_that_such_an_event_cancels_is_cancelled_with_it(self, store: Store) -> None:
        (first,) = await added(store, Candidate(new(), expires=10_000_000))
        (second,) = await added(store, Candidate(new("b"), cancel_on=(match(JOB_CANCELLED, id=first),)))
        write = InsertAfter((new("later"),), (After((second,)),), None, False)
        (third,) = [made.id for made in (await one(store, write)).inserted]
        ended = await applied(store, claim(limit=0), now=30)
        assert [one.id for one in ended.expired] == [first]
        assert [one.id for one in ended.cancelled] == [second, third]
        assert shown(store) == await counted(store, 30)

    async def test_what_waits_for_a_cancel_goes_on_but_for_what_is_cancelled_itself(self, store: Store) -> None:
        waiter, itself = await running(store, new(), new())
        (job,) = await inserted(store, new("b"))
        for one_of_them, awaited in ((waiter, job), (itself, itself.id)):
            found = match(JOB_CANCELLED, id=awaited)
            await answers(store, save(one_of_them, wait("w", found)), suspend(one_of_them, "w"))
        await answers(store, CancelJob(job, None), CancelJob(itself.id, None))
        assert (await steps_of(store, waiter.id))["w"].state is StepState.DONE
        assert (await steps_of(store, itself.id))["w"].state is StepState.WAITING
        assert [one.id for one in await claimed(store)] == [waiter.id]
        assert shown(store) == await counted(store)


async def added(store: Store, *candidates: Candidate, now: float = 0) -> list[int]:
    """Adds jobs; returns their ids."""
    answer = await one(store, Admit(candidates), now)
    assert not isinstance(answer, Refused)
    return [made.id for made in answer]
