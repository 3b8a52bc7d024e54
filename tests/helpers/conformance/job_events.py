"""The events that a store sends itself, of jobs that have died or completed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate
from aiojobs_lite.model.events import FindEvents, Listener, PlaceHeld, SetListeners
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.job_events import JOB_COMPLETED, JOB_DEAD, LARGEST_COPY_CHARS
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.steps import StepState
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.stores.base import Store
from tests.helpers.steps import match, save, steps_of, suspend, wait
from tests.helpers.stores import (
    again,
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
