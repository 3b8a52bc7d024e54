"""The jobs that operations start: each once, and its end noted once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_lite.model.admission import Refused
from aiojobs_lite.model.after import After, InsertAfter
from aiojobs_lite.model.job import Claimed, Held, Outcome, Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.steps import GetParent, ListChildren, NewStep, StepKind, StepState
from aiojobs_lite.model.writes import CancelJob, DeleteJob, Inserted, Prune, RedriveJob, Reschedule
from aiojobs_lite.stores.base import Store
from tests.helpers.instants import SECOND
from tests.helpers.steps import done, event, save, send, start, steps_of, suspend, wait
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
    new,
    one,
    running,
    shown,
    stored,
)


async def parent_and_child(store: Store, **fields: Any) -> tuple[Claimed, Claimed]:
    """A parent that is suspended for its child, which is running."""
    (parent,) = await running(store, new())
    await answers(store, start(parent, **fields), suspend(parent, "child"))
    (child,) = await claimed(store, claim("two", types=["child"]))
    return parent, child


async def end_of(store: Store, parent: Claimed) -> tuple[StepState, Any]:
    """How the operation of a parent ended, and what it is given."""
    step = (await steps_of(store, parent.id))["child"]
    return step.state, None if step.memo is None else json.loads(step.memo)


class StartingChildren:
    async def test_an_awaited_child_is_added_once(self, store: Store) -> None:
        (parent,) = await running(store, new())
        step, made = await one(store, start(parent, until=60), 1)
        assert step == (
            "child", StepKind.CHILD, StepState.WAITING, None, None, 0, at(60), at(1), None, None,
        )  # fmt: skip
        assert made.is_new
        assert await one(store, start(parent), 2) == (step, Inserted(made.id, is_new=False))
        assert await found(store, FindJobs(type="child")) == [made.id]
        assert await store.ask(ListChildren(parent.id)) == (("child", made.id),)
        assert await store.ask(GetParent(made.id)) == (parent.id, "child")
        assert await store.ask(GetParent(parent.id)) is None
        assert await store.ask(ListChildren(10**30)) == ()
        assert await store.ask(GetParent(10**30)) is None
        assert shown(store) == await counted(store, 2)

    async def test_one_that_is_not_awaited_is_a_step_that_ran(self, store: Store) -> None:
        (parent,) = await running(store, new())
        step, made = await one(store, start(parent, "s", is_awaited=False), 1)
        memo = f'{{"id":{made.id},"is_new":true}}'
        assert step == ("s", StepKind.RUN, StepState.DONE, memo, None, 1, None, at(1), at(1), 1)
        (child,) = await claimed(store, claim(types=["child"]), 1)
        await one(store, complete(child, "5"), 2)
        assert (await steps_of(store, parent.id))["s"] == step
        assert await store.ask(ListChildren(parent.id)) == (("s", made.id),)

    async def test_a_name_that_is_taken_starts_nothing(self, store: Store) -> None:
        parent, other = await running(store, new(), new())
        (step,) = await one(store, save(parent, done("child"))) or ()
        assert await one(store, start(parent)) == (step, None)
        assert await found(store, FindJobs(type="child")) == []
        assert (await one(store, start(other)))[1].is_new
        assert await one(store, start(parent)) == (step, None)  # the job is that of another parent

    async def test_of_one_that_is_deleted_the_operation_stays_and_starts_no_other(self, store: Store) -> None:
        (parent,) = await running(store, new())
        _, made = await one(store, start(parent))
        await one(store, DeleteJob(made.id))
        step = (await steps_of(store, parent.id))["child"]
        assert step.state is StepState.FAILED
        assert await one(store, start(parent)) == (step, None)
        assert await found(store, FindJobs(type="child")) == []

    async def test_one_is_added_before_the_end_of_its_attempt(self, store: Store) -> None:
        (parent,) = await running(store, new())
        ended, (step, made) = await answers(store, complete(parent), start(parent))
        assert (ended, step.state, made.is_new) == (Status.COMPLETED, StepState.WAITING, True)
        assert await store.ask(ListChildren(parent.id)) == (("child", made.id),)

    async def test_an_attempt_that_is_not_owned_starts_nothing(self, store: Store) -> None:
        (parent,) = await running(store, new())
        for stale in (parent._replace(owner="two"), parent._replace(attempt=2)):
            assert await one(store, start(stale)) is None
        assert len(await everything(store)) == 1

    async def test_a_refused_child_stores_nothing_of_the_operation(self, store: Store) -> None:
        (parent,) = await running(store, new())
        write = start(parent)
        full = write._replace(child=write.child._replace(max_pending=0))
        assert await one(store, full) == Refused(0, "full", None, None, 0, wanted=1, left=1)
        assert await steps_of(store, parent.id) == {}
        assert (await one(store, write))[1].is_new

    async def test_a_job_that_is_there_is_awaited_too(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        _, made = await one(store, start(first, idempotency_key="k"))
        step, same = await one(store, start(second, idempotency_key="k"))
        assert (same, step.state) == (Inserted(made.id, is_new=False), StepState.WAITING)
        assert await store.ask(GetParent(made.id)) == (first.id, "child")
        (child,) = await claimed(store, claim(types=["child"]))
        await one(store, complete(child, '"x"'))
        assert [await end_of(store, parent) for parent in (first, second)] == [(StepState.DONE, {"data": "x"})] * 2

    @pytest.mark.parametrize(
        ("status", "state", "memo"),
        [
            (Status.COMPLETED, StepState.DONE, {"data": None}),
            (Status.DEAD, StepState.FAILED, {"error": {"status": "dead", "reason": None, "error": "ValueError: no"}}),
        ],
    )
    async def test_one_that_has_ended_before_ends_it_at_once(
        self, store: Store, status: Status, state: StepState, memo: Any
    ) -> None:
        child = await finished(store, new("child", idempotency_key="k"), status)
        (parent,) = await running(store, new())
        step, known = await one(store, start(parent, idempotency_key="k"))
        assert (step.state, step.place, known) == (state, 1, Inserted(child, is_new=False))
        assert await end_of(store, parent) == (state, memo)

    async def test_one_that_was_deleted_before_its_window_was_over_ends_it_at_once(self, store: Store) -> None:
        first, second = await running(store, new(), new())
        write = start(second)
        throttled = write._replace(child=write.child._replace(window_key="[0]", window=60 * SECOND))
        _, made = await one(store, throttled._replace(id=first.id))
        await one(store, DeleteJob(made.id))
        step, known = await one(store, throttled)
        assert (step.state, known) == (StepState.FAILED, Inserted(made.id, is_new=False))
        memo = {"error": {"status": "deleted", "reason": None, "error": None}}
        assert await end_of(store, second) == (step.state, memo)
        run, _ = await one(store, throttled._replace(name="s", is_awaited=False))
        assert (run.state, run.memo) == (StepState.DONE, f'{{"id":{made.id},"is_new":false}}')
        assert await store.ask(ListChildren(second.id)) == ()
        assert await one(store, throttled) == (step, None)


class EndsOfChildren:
    async def test_an_operation_that_waits_for_an_event_since_is_not_ended_by_its_child(self, store: Store) -> None:
        (parent,) = await running(store, new())
        await one(store, start(parent))
        await answers(store, save(parent, wait("child")), suspend(parent, "child"))
        (child,) = await claimed(store, claim("two", types=["child"]))
        await one(store, complete(child), 1)
        assert await end_of(store, parent) == (StepState.WAITING, None)
        await one(store, send(event()), 2)
        assert (await end_of(store, parent))[0] is StepState.DONE
        assert [job.id for job in await claimed(store, now=2)] == [parent.id]

    async def test_a_parent_is_woken_with_what_its_child_returned(self, store: Store) -> None:
        parent, child = await parent_and_child(store)
        applied = await store.apply([(complete(child, '{"n":1.50}'),)], at(7))
        assert applied.due is not None
        assert applied.due <= at(7)
        assert (await steps_of(store, parent.id))["child"].memo == '{"data":{"n":1.50}}'
        (resumed,) = await claimed(store, now=7)
        assert resumed.id == parent.id
        assert shown(store) == await counted(store, 7)

    @pytest.mark.parametrize("status", [Status.DEAD, Status.CANCELLED])
    async def test_a_parent_is_given_how_its_child_failed(self, store: Store, status: Status) -> None:
        parent, child = await parent_and_child(store)
        await one(store, close(child, status, reason="why"))
        error = "ValueError: no" if status is Status.DEAD else None
        given = {"error": {"status": str(status), "reason": "why", "error": error}}
        assert await end_of(store, parent) == (StepState.FAILED, given)
        assert (await stored(store, parent.id)).held is None

    @pytest.mark.parametrize("deletes", [False, True])
    async def test_a_child_that_is_cancelled_or_deleted_before_it_ran_has_failed(
        self, store: Store, deletes: bool
    ) -> None:
        (parent,) = await running(store, new())
        (_, made), _ = await answers(store, start(parent), suspend(parent, "child"))
        await one(store, DeleteJob(made.id) if deletes else CancelJob(made.id, "x"))
        status = "deleted" if deletes else "cancelled"
        given = {"error": {"status": status, "reason": None if deletes else "x", "error": None}}
        assert await end_of(store, parent) == (StepState.FAILED, given)
        assert [one.id for one in await claimed(store)] == [parent.id]
        assert await store.ask(ListChildren(parent.id)) == (() if deletes else (("child", made.id),))
        assert shown(store) == await counted(store)

    @pytest.mark.parametrize(("is_suspended", "counted"), [(True, (0, 0)), (False, (1, 1))])
    async def test_a_parent_has_all_its_attempts_again_and_its_crashes_count_anew(
        self, store: Store, is_suspended: bool, counted: tuple[int, int]
    ) -> None:
        (parent,) = await running(store, new())
        for _ in range(3):
            await one(store, again(parent, Outcome.LOST))
            (parent,) = await claimed(store)
        assert (parent.attempt, parent.crashes) == (4, 3)
        ended = suspend(parent, "child") if is_suspended else again(parent, scheduled_at=at(60))
        await answers(store, start(parent), ended)
        (child,) = await claimed(store, claim("two", types=["child"]))
        await one(store, complete(child), 1)
        pending = await stored(store, parent.id)
        assert (pending.attempts, pending.crashes) == counted
        assert [job.id for job in await claimed(store, now=1)] == [parent.id] * is_suspended

    @pytest.mark.parametrize("then", [DeleteJob, RedriveJob])
    async def test_what_happens_to_a_child_afterwards_changes_nothing(self, store: Store, then: Any) -> None:
        parent, child = await parent_and_child(store)
        await answers(store, close(child, reason="why"), then(child.id))
        given = {"error": {"status": "dead", "reason": "why", "error": "ValueError: no"}}
        assert await end_of(store, parent) == (StepState.FAILED, given)
        for redriven in await claimed(store, claim(types=["child"])):
            await one(store, complete(redriven, "1"))
        assert await end_of(store, parent) == (StepState.FAILED, given)

    async def test_a_parent_that_stopped_waiting_is_given_nothing(self, store: Store) -> None:
        (parent,) = await running(store, new())
        await one(store, start(parent, until=5))
        over = NewStep("child", StepKind.CHILD, StepState.FAILED, None, '"too late"', 0)
        await answers(store, save(parent, over), suspend(parent, "other"))
        (child,) = await claimed(store, claim(types=["child"]))
        await one(store, complete(child))
        step = (await steps_of(store, parent.id))["child"]
        assert (step.state, step.memo, step.error) == (StepState.FAILED, None, '"too late"')
        assert (await stored(store, parent.id)).held is Held.EVENT

    async def test_a_parent_that_has_ended_waits_no_more_also_when_it_is_redriven(self, store: Store) -> None:
        (parent,) = await running(store, new())
        await answers(store, start(parent), close(parent))
        (old,) = await claimed(store, claim(types=["child"]))
        await one(store, RedriveJob(parent.id))
        assert await steps_of(store, parent.id) == {}
        (parent,) = await claimed(store)
        (_, made), _ = await answers(store, start(parent), suspend(parent, "child"))
        assert made.is_new
        await one(store, complete(old))
        assert (await stored(store, parent.id)).held is Held.EVENT
        (child,) = await claimed(store, claim(types=["child"]))
        await one(store, complete(child, "2"))
        assert await end_of(store, parent) == (StepState.DONE, {"data": 2})
        assert await store.ask(ListChildren(parent.id)) == (("child", old.id), ("child", child.id))

    async def test_parent_and_child_that_end_together(self, store: Store) -> None:
        (parent,) = await running(store, new())
        await one(store, start(parent))
        (child,) = await claimed(store, claim(types=["child"]))
        await answers(store, complete(child, "1"), complete(parent))
        assert (await stored(store, parent.id)).status is Status.COMPLETED
        assert await end_of(store, parent) == (StepState.WAITING, None)

    async def test_many_children_end_in_their_order(self, store: Store) -> None:
        (parent,) = await running(store, new())
        names = [f"c{number}" for number in range(200)]
        await answers(store, *(start(parent, name) for name in names), suspend(parent, *names))
        children = await claimed(store, claim("two", types=["child"]))
        await answers(store, *map(complete, reversed(children)))
        steps = await steps_of(store, parent.id)
        assert [step.place for step in steps.values()] == list(range(1, 201))
        assert [job.id for job in await claimed(store)] == [parent.id]

    async def test_the_end_in_another_process_counts(self, two: tuple[Store, Store]) -> None:
        (parent,) = await running(two[0], new())
        await answers(two[0], start(parent), suspend(parent, "child"))
        (child,) = await claimed(two[1], claim("two", types=["child"]))
        await one(two[1], complete(child, "1"))
        assert await end_of(two[0], parent) == (StepState.DONE, {"data": 1})
        assert [job.id for job in await claimed(two[0])] == [parent.id]

    async def test_a_child_that_is_cancelled_with_what_it_ran_after_is_noted(self, store: Store) -> None:
        (first, parent) = await running(store, new("first"), new())
        after = InsertAfter((new("child", idempotency_key="k"),), (After((first.id,)),), None, False)
        await one(store, after)
        await answers(store, start(parent, idempotency_key="k"), suspend(parent, "child"))
        await one(store, close(first))
        reason = f"job {first.id}, which it was to run after, is dead"
        given = {"error": {"status": "cancelled", "reason": reason, "error": None}}
        assert await end_of(store, parent) == (StepState.FAILED, given)
        assert (await stored(store, parent.id)).held is None

    async def test_links_go_with_their_jobs(self, store: Store) -> None:
        (parent,) = await running(store, new())
        (_, made) = await one(store, start(parent, is_awaited=False))
        await one(store, complete(parent))
        assert await one(store, Prune(at(9), at(9), at(9), 9)) == 2
        assert await store.ask(GetParent(made.id)) is None
        assert await store.ask(ListChildren(parent.id)) == ()

    async def test_a_woken_parent_may_wait_again(self, store: Store) -> None:
        parent, child = await parent_and_child(store)
        await one(store, complete(child))
        (parent,) = await claimed(store)
        await answers(store, save(parent, wait("w")), suspend(parent, "w"))
        assert not await one(store, Reschedule(parent.id, None))
        await one(store, send(event()))
        assert [step.place for step in (await steps_of(store, parent.id)).values()] == [1, 2]
