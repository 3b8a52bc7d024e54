"""Events: what they start, which operations they end, which jobs they cancel, and what is kept of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.event_match import EventMark
from aiojobs_lite.model.events import (
    DELIVERED_AT_ONCE,
    SAME_ID_US,
    Delivered,
    DeliverEvents,
    EventRow,
    FindCancelled,
    FindEvents,
    FindStarted,
    Listener,
    PlaceHeld,
    PruneEvents,
    Sent,
    SetListeners,
    StepFence,
    memo_of,
)
from aiojobs_lite.model.job import Claimed, Held, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.steps import StepKind, StepState
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Inserted, RedriveJob
from aiojobs_lite.stores.base import Store
from tests.helpers.steps import done, event, match, memo, save, send, start, steps_of, suspend, wait
from tests.helpers.stores import (
    again,
    answers,
    applied,
    at,
    claim,
    claimed,
    complete,
    counted,
    everything,
    found,
    inserted,
    new,
    one,
    running,
    shown,
    stored,
)

DAY = SAME_ID_US / 1_000_000


async def waiting(store: Store, count: int, job_type: str = "a") -> list[Claimed]:
    """Jobs that are suspended for an event."""
    jobs: list[Claimed] = []
    while len(jobs) < count:
        jobs += await running(store, *([new(job_type)] * min(count - len(jobs), 600)))
    await answers(store, *(write for job in jobs for write in (save(job, wait("w")), suspend(job, "w"))))
    return jobs


def starting(job_type: str = "a", cancel_on: Any = (), **fields: Any) -> Candidate:
    """A job that an event starts."""
    return Candidate(new(job_type, **fields), cancel_on=cancel_on)


async def sent_one(store: Store, *given: Any, now: float = 0, **fields: Any) -> Sent:
    """Sends an event; returns what became of it."""
    (sent,) = await one(store, send(event(*given, **fields)), now)
    assert isinstance(sent, Sent)
    return sent


async def found_behind(store: Store, job: Claimed, after: EventMark, of: Any = None) -> str | None:
    """What ends a new wait of a job at once that is behind an event; None: it waits."""
    name = f"wait {len(await steps_of(store, job.id))}"
    await one(store, save(job, wait(name, of, after=after)))
    return (await steps_of(store, job.id))[name].memo


class SendingEvents:
    async def test_events_are_numbered_and_kept(self, store: Store) -> None:
        first, second = event("a", n=1), event("b", sent=5, key="k")
        assert await one(store, send(first, second), 1) == (Sent(1, is_new=True), Sent(2, is_new=True))
        kept = await store.ask(FindEvents())
        assert [tuple(row) for row in kept] == [(2, "b", "{}", at(5), "k"), (1, "a", '{"n":1}', at(0), None)]
        assert await one(store, send()) == ()

    async def test_events_are_found(self, store: Store) -> None:
        given = [event("ab"[number % 2], sent=number // 2) for number in range(8)]
        await one(store, send(*given))

        async def ids(query: FindEvents) -> list[int]:
            return [row.id for row in await store.ask(query)]

        assert await ids(FindEvents()) == [8, 7, 6, 5, 4, 3, 2, 1]
        assert await ids(FindEvents(name="a", limit=2)) == [7, 5]
        assert await ids(FindEvents(name="a", before=(at(2), 5))) == [3, 1]
        assert await ids(FindEvents(before=(at(2), 6), limit=2)) == [5, 4]
        assert await ids(FindEvents(ids=[2, 3, 99])) == [3, 2]
        assert await ids(FindEvents(ids=[2, 3], name="b", before=(at(9), 1))) == [2]
        assert await ids(FindEvents(ids=[])) == []
        assert await ids(FindEvents(name="c")) == []

    async def test_the_jobs_that_an_event_has_started_are_found(self, store: Store) -> None:
        payloads = [memo_of(EventRow(number, "e", "{}", at(0), key)) for number, key in ((1, "k"), (2, None))]
        before, first, second = (new("a")._replace(payload=payloads[which]) for which in (0, 0, 1))
        await one(store, SetListeners((Listener("l", ("e",), 1, 3),)))
        await inserted(store, before)
        await sent_one(store, "e", Candidate(first), starting("b"), key="k")
        await sent_one(store, "e", Candidate(second))
        assert await store.ask(FindStarted(1)) == ((2, "a"), (4, "l"))
        assert await store.ask(FindStarted(2)) == ((5, "a"), (6, "l"))
        await one(store, DeleteJob(2))
        assert await store.ask(FindStarted(1)) == ((4, "l"),)
        assert await store.ask(FindStarted(3)) == ()

    async def test_the_same_id_starts_and_wakes_nothing_for_a_day(self, store: Store) -> None:
        first = await sent_one(store, "e", starting(), key="k")
        (job,) = await claimed(store)
        await answers(store, save(job, wait("w", match("f"))), suspend(job, "w"))
        for seconds in (0, 1, -1, DAY - 0.000001, 0.000001 - DAY):
            again = await sent_one(store, "f", starting(), sent=seconds, key="k")
            assert again == Sent(first.id, is_new=False)
        assert len(await everything(store)) == 1
        assert (await stored(store, job.id)).held is Held.EVENT
        later = await sent_one(store, "f", starting(), sent=DAY, key="k")
        assert (later.is_new, later.woken, len(later.started)) == (True, (job.id,), 1)
        assert (await sent_one(store, "e", sent=DAY + 1, key="k")).id == later.id
        assert (await sent_one(store, "e", sent=-DAY, key="k")).is_new
        assert (await sent_one(store, "e", sent=1, key="l")).is_new

    async def test_the_same_id_in_one_write(self, store: Store) -> None:
        events = [event("e", starting(), key="k"), event("e", starting(), key="k"), event("e", starting(), key="l")]
        first, second, third = await one(store, send(*events))
        assert (first.id, second, third.id) == (1, Sent(1, is_new=False), 2)
        assert [one.started[0].id for one in (first, third)] == await found_in_order(store)

    async def test_events_start_jobs_under_conditions(self, store: Store) -> None:
        unique = {"unique_key": "[1]", "unique_scope": "unfinished"}
        given = event("e", starting("a", **unique), starting("b", due=5)), event("f", starting("a", **unique))
        first, second = await one(store, send(*given))
        assert first.started == (Inserted(1, is_new=True), Inserted(2, is_new=True))
        assert second.started == (Inserted(1, is_new=False),)
        assert shown(store) == await counted(store)

    async def test_a_job_that_is_refused_has_nothing_stored(self, store: Store) -> None:
        (job,) = await waiting(store, 1)
        await sent_one(store, "x", key="known")
        refused = starting()._replace(max_pending=0)
        events = (
            event("x", starting(), starting(), key="known"),
            event("e", starting()),
            event("f", starting(), refused),
        )
        assert await one(store, send(*events)) == Refused(4, "full", None, None, 3, wanted=3, left=1)
        assert len(await store.ask(FindEvents())) == 1
        assert await found(store, FindJobs()) == [job.id]
        assert (await stored(store, job.id)).held is Held.EVENT


async def found_in_order(store: Store) -> list[int]:
    """The ids of all jobs."""
    return [job.id for job in await everything(store)]


class WaitingForEvents:
    async def test_an_event_reaches_those_whose_fields_match(self, store: Store) -> None:
        first, second, third = await running(store, new(), new(), new())
        waits = (
            (first, wait("w", match(user__id=7))),
            (second, wait("w", match(user__id=8))),
            (third, wait("w", match(user__id=7, plan="x"))),
            (third, wait("v", match("other"))),
            (third, wait("u", match())),
        )
        await answers(store, *(save(job, step) for job, step in waits))
        await answers(store, *(suspend(job, "u", "v", "w") for job in (first, second, third)))
        sent = await sent_one(store, user={"id": 7.0, "name": "é"}, plan="y")
        assert set(sent.woken) == {first.id, third.id}
        assert (await steps_of(store, third.id))["u"].place == 1
        assert (await steps_of(store, third.id))["w"].state is StepState.WAITING
        assert (await sent_one(store, user=7)).woken == ()
        assert (await sent_one(store, user={"id": [7]})).woken == ()
        assert (await sent_one(store, user={"id": 7}, plan="x")).woken == (third.id,)
        assert {one.id for one in await claimed(store)} == {first.id, third.id}

    async def test_each_wait_takes_one_event(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, save(job, wait("w"), wait("v")))
        sent = await sent_one(store, n=1)
        assert sent == Sent(1, is_new=True, woken=(job.id,))
        assert (await sent_one(store, n=2)).woken == ()
        steps = await steps_of(store, job.id)
        assert [(step.memo, step.place) for step in steps.values()] == [
            (memo(1, event(n=1)), 1),
            (memo(1, event(n=1)), 2),
        ]

    async def test_what_was_sent_since_the_job_was_enqueued_counts_whatever_the_clocks_say(self, store: Store) -> None:
        await sent_one(store, sent=9, n=0)
        (job,) = await running(store, new())
        for number, seconds in enumerate((3, -1, 5)):
            await sent_one(store, sent=seconds, n=number % 2)
        steps = await one(store, save(job, wait("w"), wait("v", match(n=1)), wait("u", match(n=5))), 10) or ()
        assert [step.state for step in steps] == [StepState.DONE, StepState.DONE, StepState.WAITING]
        assert [step.memo for step in steps] == [
            memo(2, event(sent=3, n=0)), memo(3, event(sent=-1, n=1)), None,
        ]  # fmt: skip
        assert [(step.place, step.ended_at) for step in steps[:2]] == [(1, at(10)), (2, at(10))]
        assert (await sent_one(store, sent=11, n=5)).woken == (job.id,)

    async def test_a_job_gets_what_comes_behind_the_event_that_started_it(self, store: Store) -> None:
        await one(store, SetListeners((Listener("l", ("f",), 1, 3),)))
        events = event("e", starting(), n=1), event("e", starting(), n=2), event("f", n=3), event("e", n=4)
        await one(store, send(*events, knows={"a"}))
        first, second = await claimed(store, claim(limit=2))
        for job, number in ((first, 2), (second, 4)):
            steps = await one(store, save(job, wait("w"), wait("v", match("f")))) or ()
            assert [step.memo for step in steps] == [memo(number, events[number - 1]), memo(3, events[2])]

    async def test_a_job_that_was_held_for_its_listener_gets_what_was_sent_since_then(self, store: Store) -> None:
        await one(store, SetListeners((Listener("l", ("e",), 1, 3),)))
        (held,) = (await sent_one(store, n=1)).held
        await sent_one(store, "f", n=2)
        placed = await one(store, PlaceHeld(held, Candidate(new("l"))))
        assert isinstance(placed, Inserted)
        await sent_one(store, "f", n=3)
        (job,) = await claimed(store, claim(types=["l"]))
        steps = await one(store, save(job, wait("w", match("f")), wait("v"))) or ()
        assert [step.memo for step in steps] == [memo(2, event("f", n=2)), None]
        await answers(store, complete(job), DeleteJob(placed.id))
        (other,) = await running(store, new())
        assert (await one(store, save(other, wait("w", match("f")))) or ())[0].memo is None

    async def test_a_job_that_was_there_before_does_not_get_what_came_before_it(self, store: Store) -> None:
        await one(store, SetListeners((Listener("l", ("e",), 1, 3),)))
        (held,) = (await sent_one(store)).held
        await sent_one(store, "f", n=1)
        place = Candidate(new("l", unique_key="[1]", unique_scope="unfinished"))
        ((there, _),) = await one(store, Admit((place,)))  # type: ignore[misc]  # it is not refused
        assert await one(store, PlaceHeld(held, place)) == Inserted(there, is_new=False)
        (job,) = await claimed(store, claim(types=["l"]))
        assert (await one(store, save(job, wait("w", match("f")))) or ())[0].memo is None

    async def test_an_event_is_found_among_many(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, send(*(event(n=number) for number in range(350))))
        steps = await one(store, save(job, wait("w", match(n=340)), wait("v", match(n=350)))) or ()
        assert [step.memo for step in steps] == [memo(341, event(n=340)), None]

    @pytest.mark.parametrize(
        ("data", "values"),
        [
            ('{"n":7.0}', {"n": 7}), ('{"n":7e0}', {"n": 7}), ('{"n":0.1}', {"n": 0.1}), ('{"n":1e3}', {"n": 1000.0}),
            ('{"n":9007199254740993}', {"n": 2**53 + 1}), ('{"n":123456789012345678901}', {"n": 123456789012345678901}),
            ('{"n":true}', {"n": True}), ('{"n":null,"m":""}', {"n": None, "m": ""}), ('{"n":-0}', {"n": 0}),
            ('{"t":"\\u00e9\\ud83d\\ude00"}', {"t": "é😀"}), ('{"t":"a\\nb"}', {"t": "a\nb"}),
            ('{"\\u006e":{"b":2}}', {"n__b": 2}), ('{"é":3}', {"é": 3}), ('{"\\u00e9":3}', {"é": 3}),
            ('{"a b":{"c-d":"x"}, "n": NaN}', {"a b__c-d": "x"}), ('{"a\\"b":1}', {'a"b': 1}),
            ('{"a":1,"b":2,"c":3}', {"a": 1, "b": 2, "c": 3}),
        ],
    )  # fmt: skip
    async def test_an_event_of_before_is_found_however_its_data_are_written(
        self, store: Store, data: str, values: dict[str, Any]
    ) -> None:
        others = [event()._replace(data=json.dumps({path.partition("__")[0]: 77})) for path in values]
        (job,) = await running(store, new())
        await one(store, send(*others, event()._replace(data=data), event()._replace(data="{}")))
        steps = await one(store, save(job, wait("w", match(**values)), wait("v", match(**values, more=1)))) or ()
        assert [step.memo for step in steps] == [memo(len(others) + 1, event()._replace(data=data)), None]

    async def test_a_wait_behind_an_event_ends_with_the_first_one_after_it(self, store: Store) -> None:
        (job,) = await running(store, new())
        sent = [event(sent=5, n=number % 2, key=key) for number, key in enumerate(("k", None, "l", None))]
        await one(store, send(*sent, event("f", sent=5, key="k")))  # all at one instant
        for key, number in (("k", 2), ("2", 3), ("l", 4)):
            assert await found_behind(store, job, EventMark(key, at(5))) == memo(number, sent[number - 1])
        assert await found_behind(store, job, EventMark("2", at(5)), match(n=1)) == memo(4, sent[3])
        assert await found_behind(store, job, EventMark("4", at(5))) is None
        assert (await sent_one(store, sent=5, n=9)).woken == (job.id,)

    async def test_behind_an_event_that_is_not_there_what_was_sent_later_ends_a_wait(self, store: Store) -> None:
        (job,) = await running(store, new())
        sent = [event(sent=5, n=1), event(sent=6, n=2)]
        await one(store, send(*sent))
        for key in ("77", "k", "9" * 40, "²"):
            assert await found_behind(store, job, EventMark(key, at(5))) == memo(2, sent[1])
        assert await found_behind(store, job, EventMark("1", at(6))) is None

    async def test_an_event_of_before_the_job_does_not_end_a_wait_behind_an_older_one(self, store: Store) -> None:
        await one(store, send(event(n=1), event(n=2)))
        (job,) = await running(store, new())
        await sent_one(store, n=3)
        assert await found_behind(store, job, EventMark("1", at(0))) == memo(3, event(n=3))

    async def test_one_that_is_stored_again_waits_for_what_it_says_then(self, store: Store) -> None:
        (job,) = await running(store, new())
        await one(store, save(job, wait("w"), wait("v", match(n=1)), wait("u")))
        over = wait("u")._replace(state=StepState.DONE, memo="null")
        await one(store, save(job, wait("w"), wait("v", match(n=2)), over))
        assert (await sent_one(store, n=1)).woken == (job.id,)
        steps = await steps_of(store, job.id)
        assert [step.state for step in steps.values()] == [StepState.DONE, StepState.WAITING, StepState.DONE]
        assert steps["u"].memo == "null"
        assert (await sent_one(store, n=2)).woken == (job.id,)

    async def test_an_event_of_another_process_reaches_it(self, two: tuple[Store, Store]) -> None:
        (job,) = await waiting(two[0], 1)
        assert (await sent_one(two[1])).woken == (job.id,)
        assert [one.id for one in await claimed(two[0])] == [job.id]
        assert shown(two[0]) == await counted(two[0])

    async def test_very_many_are_reached_in_several_transactions(self, store: Store) -> None:
        most = DELIVERED_AT_ONCE
        jobs = await waiting(store, most + 5)
        sent = await sent_one(store, n=1)
        assert (sent.has_more, sent.woken) == (True, tuple(job.id for job in jobs[:most]))
        late = (await running(store, new("b")))[0]
        assert (await one(store, save(late, wait("w", match(n=2)), wait("v", match("z")))))[0].memo is None  # type: ignore[index]
        second = await sent_one(store, n=2)
        assert (second.has_more, second.woken) == (True, ())
        other = await sent_one(store, "z")
        assert (other.has_more, other.woken) == (False, (late.id,))
        await one(store, CancelJob(jobs[most].id, "x"))
        assert await one(store, PruneEvents(at(9), 9)) == 0  # but for the latest, they have not reached all
        rest = tuple(job.id for job in jobs[most + 1 :])
        unreached = await store.ask(FindEvents(is_unreached=True))
        assert [one.data for one in unreached] == ['{"n":2}', '{"n":1}']
        assert await store.ask(FindEvents(ids=(unreached[1].id, 3), name="e", is_unreached=True)) == unreached[1:]
        assert await one(store, DeliverEvents()) == Delivered((*rest, late.id))
        assert (await steps_of(store, rest[0]))["w"].memo == memo(1, event(n=1))
        assert (await steps_of(store, late.id))["w"].memo == memo(2, event(n=2))
        assert await store.ask(FindEvents(is_unreached=True)) == ()
        assert await one(store, DeliverEvents()) == Delivered()
        assert len(await claimed(store, claim(limit=9999))) == most + 4
        assert shown(store) == await counted(store)

    async def test_an_event_does_not_reach_what_waits_later(self, store: Store) -> None:
        most = DELIVERED_AT_ONCE
        jobs = await waiting(store, most + 1)
        await sent_one(store, sent=-5)
        await one(store, DeleteJob(jobs[-1].id))  # the last one that was to be reached
        (late,) = await waiting(store, 1, "b")
        assert (await stored(store, late.id)).held is Held.EVENT
        assert await one(store, DeliverEvents()) == Delivered()
        assert (await stored(store, late.id)).held is Held.EVENT


class CancellingByEvents:
    async def test_the_jobs_that_an_event_would_cancel_are_found_by_what_they_match(self, store: Store) -> None:
        matches = [(match("gone", n=1),), (match("gone", n=2), match("gone")), (match("other"),), (match("gone", n=1),)]
        await one(store, Admit(tuple([starting(cancel_on=one) for one in matches])))
        assert await store.ask(FindCancelled("gone", '{"n":1}')) == (1, 2, 4)
        assert await store.ask(FindCancelled("gone", '{"n":1}', after=1, limit=1)) == (2,)
        assert await store.ask(FindCancelled("gone", "{}")) == (2,)
        assert await store.ask(FindCancelled("none", '{"n":1}')) == ()
        await one(store, CancelJob(1, None))
        assert await store.ask(FindCancelled("gone", '{"n":1}')) == (2, 4)
        job, *_ = await claimed(store)
        await answers(store, save(job, wait("w", match("gone"))), suspend(job, "w"))
        assert await store.ask(FindCancelled("gone", '{"n":1}')) == (2, 4), "the wait of an operation cancels nothing"

    async def test_an_event_cancels_jobs(self, store: Store) -> None:
        rows = [starting(cancel_on=(match("gone", n=n % 2),)) for n in range(4)]
        made = await one(store, Admit((*rows, starting())))
        assert isinstance(made, list)
        ids = [job.id for job in made]
        (first,) = await claimed(store, claim(limit=1))
        assert first.id == ids[0]
        sent = await sent_one(store, "gone", n=0)
        assert sent.cancelled == (ids[0], ids[2])
        asked, cancelled = [await stored(store, job_id) for job_id in sent.cancelled]
        assert (asked.status, asked.cancel_requested, asked.reason) == (Status.PROCESSING, True, "event gone")
        assert (cancelled.status, cancelled.reason) == (Status.CANCELLED, "event gone")
        assert (await sent_one(store, "gone", n=0)).cancelled == ()
        await one(store, again(first))
        assert (await stored(store, first.id)).status is Status.CANCELLED
        assert shown(store) == await counted(store)

    async def test_what_is_cancelled_at_once_is_in_the_answer_of_the_transaction(self, store: Store) -> None:
        rows = Admit(tuple([starting(job_type, cancel_on=(match(),)) for job_type in "ab"]))
        first, second = (await applied(store, rows)).answers[0]
        await claimed(store)
        sent = await applied(store, send(event()))
        assert sent.answers[0][0].cancelled == (first.id, second.id)
        assert list(sent.cancelled) == [Cancellation(second.id, "b", "event e")]

    async def test_events_cancel_a_job_that_was_held_when_they_came(self, store: Store) -> None:
        await one(store, SetListeners((Listener("l", ("e",), 1, 3),)))
        place = Candidate(new("l"), cancel_on=(match("gone", n=1), match("e")))
        await one(store, send(event("gone", n=1, sent=-1)))
        held = [(await sent_one(store, sent=seconds, now=seconds)).held[0] for seconds in (1, 2, 3)]
        await one(store, send(event("gone", n=2, sent=9), event("other", sent=9)))
        causes = [(await applied(store, PlaceHeld(job_id, place))).cancelled for job_id in held]
        assert [[(one.type, one.reason) for one in cause] for cause in causes] == [[("l", "event e")]] * 2 + [[]]
        (late,) = (await sent_one(store, sent=10, now=10)).held
        await one(store, send(event("gone", n=1, sent=11)))
        unique = place._replace(row=new("l", unique_key="[1]", unique_scope="unfinished"))
        assert len((await applied(store, PlaceHeld(late, unique))).cancelled) == 1
        assert len(await found(store, FindJobs(status=Status.CANCELLED))) == 4  # the third one by the fourth event
        assert shown(store) == await counted(store)

    async def test_what_an_event_cancels_at_its_placing_has_its_own_type(self, store: Store) -> None:
        await one(store, SetListeners((Listener("l", ("e",), 1, 3),)))
        (held,) = (await sent_one(store)).held
        await sent_one(store, "gone", sent=1)
        placed = await applied(store, PlaceHeld(held, Candidate(new("b"), cancel_on=(match("gone"),))))
        assert list(placed.cancelled) == [Cancellation(placed.answers[0].id, "b", "event gone")]
        assert shown(store) == await counted(store)

    async def test_a_job_that_has_ended_or_was_redriven_is_not_cancelled(self, store: Store) -> None:
        rows = [starting(cancel_on=(match(),)) for _ in range(2)]
        await one(store, Admit(tuple(rows)))
        (first,) = await claimed(store, claim(limit=1))
        await answers(store, complete(first), CancelJob(first.id + 1, "x"), RedriveJob(first.id + 1))
        assert (await sent_one(store)).cancelled == ()

    async def test_the_payload_of_a_row_brings_what_cancels(self, store: Store) -> None:
        unique = {"unique_key": "[1]", "unique_scope": "unfinished"}
        row = starting(cancel_on=(match("x"),), **unique)
        other = row._replace(on_conflict="replace", cancel_on=(match("y"),))
        ((job_id, _),) = await one(store, Admit((row,)))  # type: ignore[misc]
        await answers(store, Admit((other,)), Admit((row._replace(cancel_on=(match("z"),)),)))
        assert [(await sent_one(store, name)).cancelled for name in "xzy"] == [(), (), (job_id,)]
        ((job_id, _), _) = await one(store, Admit((row, other)))  # type: ignore[misc]
        assert [(await sent_one(store, name)).cancelled for name in "xy"] == [(), (job_id,)]

    async def test_an_event_cancels_what_those_before_it_started_and_none_of_its_own(self, store: Store) -> None:
        row = starting(cancel_on=(match("e"), match("f")))
        events = [event("e", row), event("f", row, starting()), event("e")]
        first, second, third = await one(store, send(*events))
        assert [sent.cancelled for sent in (first, second, third)] == [
            (), (first.started[0].id,), (second.started[0].id,),
        ]  # fmt: skip
        assert await found(store, FindJobs(status=Status.PENDING)) == [second.started[1].id]

    async def test_a_child_of_a_job_that_is_cancelled_goes_on(self, store: Store) -> None:
        await one(store, Admit((starting(cancel_on=(match(),)),)))
        (job,) = await claimed(store)
        await answers(store, start(job), save(job, wait("w")), suspend(job, "w", "child"))
        sent = await sent_one(store)
        assert (sent.woken, sent.cancelled) == ((job.id,), (job.id,))
        assert (await stored(store, job.id)).status is Status.CANCELLED
        assert (await steps_of(store, job.id))["w"].state is StepState.DONE
        assert len(await claimed(store, claim(types=["child"]))) == 1


class SendingInSteps:
    async def test_an_operation_sends_once(self, store: Store) -> None:
        (job,) = await running(store, new())
        fence = StepFence(job.id, job.attempt, job.owner, "s")
        first, second = await one(store, send(event("e"), event("f"), step=fence), 1)
        assert (first.id, second.id) == (1, 2)
        step = (await steps_of(store, job.id))["s"]
        assert step == ("s", StepKind.RUN, StepState.DONE, '{"ids":[1,2]}', None, 1, None, at(1), at(1), 1)
        assert await one(store, send(event("e"), step=fence)) == ()
        assert len(await store.ask(FindEvents())) == 2
        stale = fence._replace(owner="two", name="t")
        assert await one(store, send(event("e"), step=stale)) is None
        refused = event("e", starting()._replace(max_pending=0))
        assert isinstance(await one(store, send(refused, step=fence._replace(name="t"))), Refused)
        assert (list(await steps_of(store, job.id)), len(await store.ask(FindEvents()))) == (["s"], 2)

    async def test_it_comes_before_the_end_and_may_end_its_own_operations(self, store: Store) -> None:
        (job,) = await running(store, new())
        fence = StepFence(job.id, job.attempt, job.owner, "s")
        unit = (complete(job), save(job, wait("w")), send(event(), step=fence))
        _, _, sent = (await store.apply([unit], at(0))).answers
        assert sent[0].woken == (job.id,)
        steps = await steps_of(store, job.id)
        assert [(step.state, step.place) for step in steps.values()] == [(StepState.DONE, 1), (StepState.DONE, 2)]


class Listening:
    async def test_jobs_of_types_that_the_sender_does_not_know_are_held(self, store: Store) -> None:
        await one(
            store,
            SetListeners(
                (
                    Listener("all", ("*",), 0, 3),
                    Listener("user", ("user/*", "user/new"), 1, 4),
                    Listener("new", ("user/new",), 2, 5),
                    Listener("other", ("users/*", "use"), 1, 1),
                )
            ),
        )
        sent = await sent_one_knowing(store, event("user/new", n=1, key="k"), knows=["new"])
        jobs = [await stored(store, job_id) for job_id in sent.held]
        assert [(job.type, job.priority, job.max_attempts, job.held) for job in jobs] == [
            ("all", "high", 3, Held.LISTENER),
            ("user", "medium", 4, Held.LISTENER),
        ]
        assert {job.payload_json for job in jobs} == {memo(1, event("user/new", n=1, key="k"))}
        assert json.loads(jobs[0].payload_json)["id"] == "k"
        assert await claimed(store, claim(types=["all", "user"])) == []
        assert shown(store) == await counted(store)
        await one(store, SetListeners((Listener("all", (), 0, 3), Listener("user", ("x",), 1, 4))))
        assert (await sent_one(store, "user/new")).held == (sent.held[-1] + 1,)  # of the type "new"

    async def test_a_held_job_gives_its_place_to_that_of_the_listener(self, store: Store) -> None:
        await one(store, SetListeners((Listener("l", ("*",), 1, 3),)))
        held = [(await sent_one(store)).held[0] for _ in range(3)]
        place = Candidate(new("l", unique_key="[1]", unique_scope="pending"), max_pending=1)  # it was pending already
        placed = await one(store, PlaceHeld(held[0], place))
        assert isinstance(placed, Inserted)
        assert placed.is_new
        refused = await one(store, PlaceHeld(held[1], place._replace(on_conflict="raise")))
        assert refused == Refused(0, "unique", placed.id, Status.PENDING)
        assert await one(store, PlaceHeld(held[1], place)) == Inserted(placed.id, is_new=False)
        assert await one(store, PlaceHeld(held[2], None)) is None
        assert await one(store, PlaceHeld(held[2], place)) is None
        assert await one(store, PlaceHeld(placed.id, None)) is None
        assert await found(store, FindJobs()) == [placed.id]
        assert shown(store) == await counted(store)


async def sent_one_knowing(store: Store, given: Any, knows: list[str]) -> Sent:
    (sent,) = await one(store, send(given, knows=knows))
    assert isinstance(sent, Sent)
    return sent


class PruningEvents:
    async def test_old_events_are_deleted_but_for_the_latest(self, store: Store) -> None:
        await one(store, send(*(event(sent=seconds) for seconds in (5, 1, 3, 9, 2))))
        assert await one(store, PruneEvents(at(6), 2)) == 2
        assert [row.id for row in await store.ask(FindEvents())] == [4, 1, 5]
        assert await one(store, PruneEvents(at(6), 9)) == 1
        assert await one(store, PruneEvents(at(9), 9)) == 0  # it was sent at that instant
        assert [row.id for row in await store.ask(FindEvents())] == [4, 5]
        assert await one(store, PruneEvents(at(99), -1)) == 0
        assert (await sent_one(store)).id == 6

    async def test_an_operation_keeps_an_event_that_is_deleted(self, store: Store) -> None:
        (job,) = await waiting(store, 1)
        await answers(store, send(event(), event()), save(job, done("x")))
        await one(store, PruneEvents(at(1), 9))
        assert (await steps_of(store, job.id))["w"].memo == memo(1, event())
        assert await inserted(store, new()) == [job.id + 1]
