"""Any writes, of any owners, through two views of one database, whatever the clock does. Owners die, their jobs are
rescued as the janitor does it, and the dead come back with what they had to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import MoveBack
from aiojobs_lite.model.ends import CANCEL_REQUESTED, Again, Close, Complete
from aiojobs_lite.model.job import Claimed, Held, Job, Status
from aiojobs_lite.model.limits import SetLimits
from aiojobs_lite.model.queries import FindJobs, ListDead
from aiojobs_lite.model.steps import ListRestarted
from aiojobs_lite.model.writes import (
    CancelJob,
    Claim,
    DeleteJob,
    Insert,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveDead,
    RedriveJob,
    Release,
    Reschedule,
    Unit,
    Write,
)
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Cancel, Retry, Snooze
from aiojobs_lite.policy.settle import Ending, Policy, Stop, settle
from tests.helpers.instants import SECOND
from tests.helpers.memory_rows import as_claimed
from tests.helpers.model_documents import DocumentRules
from tests.helpers.model_draws import (
    LIMITS,
    ORDERED,
    STARTS,
    TYPES,
    Kinds,
    Pool,
    Step,
    admit_of,
    candidates,
    commits,
    insert_of,
    kinds,
    pools,
    report_of,
    reported,
    rows,
    sets_of_kinds,
    slots_by_kind,
    some,
    steps,
    which_view,
)
from tests.helpers.model_figures import FigureRules
from tests.helpers.model_limits import RESUMED, LimitRules
from tests.helpers.model_lists import ListRules
from tests.helpers.model_schedules import SCHEDULE, ScheduleRules
from tests.helpers.model_twins import Twins, View
from tests.helpers.stores import FAILURE, alone, at, new

CONCURRENCY = {"a": 2, "b": 3}  # all claims agree on it; `c` has none
POLICY = Policy(Backoff(2.0, 60.0))
SUCCESS = Ending(result='"done"')
HELD = Ending(unreadable="it does not fit")
ENDINGS = (
    Ending(),
    SUCCESS,
    Ending(note="its result was not kept"),
    Ending(error=ValueError("no"), failure=FAILURE),
    Ending(error=Retry(after=0, details={"n": 1}), failure=FAILURE),
    Ending(error=Abandon("no", details={"n": 2}), failure=FAILURE),
    Ending(error=Cancel("gone"), failure=FAILURE),
    Ending(error=Snooze(3)),
    Ending(error=ValueError("no"), failure=FAILURE, unbegun=True),
    Ending(failure=FAILURE, stopped=Stop.TIMEOUT),
    Ending(failure=FAILURE, stopped=Stop.SHUTDOWN),
    Ending(failure=FAILURE, stopped=Stop.CANCEL),
    HELD,
)
END_TYPES = (Complete, Again, Close)


class StoreBesideModel(LimitRules, DocumentRules, FigureRules, ListRules, ScheduleRules):
    """Two views of one database, the model, and three owners. A subclass opens the views and closes them."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.twins = Twins(self.open_views(), self.loop)
        self.held = self.twins.promises.held
        self.units: list[list[Write[Any]]] = []
        self.numbers = count(4)
        self.owners = ["owner 1", "owner 2", "owner 3"]
        self.commit([(SCHEDULE, SetLimits((*LIMITS, ORDERED, STARTS)))], 0)

    def open_views(self) -> tuple[View, View]:
        """Two views of a new database, open."""
        raise NotImplementedError

    def close_views(self) -> None:
        """Closes the views, and looks at what they leave."""
        raise NotImplementedError

    def teardown(self) -> None:
        with closing(self.loop):
            try:
                if not self.twins.story.has_failed:
                    self.everything_ends()
            finally:
                with self.twins.story.telling():
                    self.close_views()

    # Transactions.

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction; carries it out if no more are to come.

        Left out is a second success of one attempt: which of the two counts is left open by the contract.
        """
        successes = {one[:3] for unit in self.units for one in unit if isinstance(one, Complete)}
        if isinstance(write, Complete) and write[:3] in successes:
            return
        has_end = isinstance(write, END_TYPES) and any(isinstance(one, END_TYPES) for one in self.last_unit)
        if step.joins and self.units and not has_end:
            self.units[-1].append(write)
        else:
            self.units.append([write])
        if step.then is not None:
            units, self.units = self.units, []
            self.commit([tuple(unit) for unit in units], **step.then)

    @property
    def last_unit(self) -> list[Write[Any]]:
        return self.units[-1] if self.units else []

    def commit(self, units: list[Unit], view: int, *, inline: bool = True, at_once: bool = False) -> list[Any]:
        return self.twins.commit(units, self.twins.views[view], inline=inline, at_once=at_once)

    @rule(view=which_view, inline=st.booleans())
    def reject(self, view: int, inline: bool) -> None:
        """A transaction that cannot be stored changes nothing, whatever else is in it."""
        bad = Insert((new("b"), new("a", max_attempts=0)))
        units = [*(tuple(unit) for unit in self.units), (bad,)]
        self.twins.reject(units, self.twins.views[view], inline=inline)

    # The writes.

    @property
    def now(self) -> int:
        return self.twins.now

    @property
    def jobs(self) -> dict[int, Job]:
        return self.twins.model.database.rows.jobs

    def limited(self, drawn: list[Any]) -> list[Any]:
        """What was drawn of jobs, with the limits that they have."""
        return drawn

    def a_job(self, which: int) -> int:
        """The id of a job, of a young one rather; or of one that is not there any more."""
        return max(1, max(self.jobs, default=1) - which)

    def one_held(self, which: int) -> Claimed:
        return list(self.held.values())[which % len(self.held)]

    @initialize(drawn=st.lists(rows, min_size=4, max_size=8), step=steps)
    def begin(self, drawn: list[Any], step: Step) -> None:
        self.insert(drawn, Step(joins=False, then=None))
        self.put(self.claim_of(0), step)

    @rule(drawn=st.lists(rows, min_size=1, max_size=4), step=steps)
    def insert(self, drawn: list[Any], step: Step) -> None:
        self.put(insert_of(self.limited(drawn), self.now), step)

    @rule(
        drawn=st.lists(rows, min_size=1, max_size=3), view=which_view,
        how=st.sampled_from(["commit", "rollback", "savepoint"]),
    )  # fmt: skip
    def join(self, drawn: list[Any], view: int, how: str) -> None:
        self.twins.join((insert_of(drawn, self.now),), self.twins.views[view], how)

    @rule(drawn=st.lists(candidates, min_size=1, max_size=3), step=steps)
    def admit(self, drawn: list[Any], step: Step) -> None:
        self.put(admit_of(drawn, self.now), step)

    @precondition(lambda self: not any(isinstance(write, Claim) for unit in self.units for write in unit))
    @rule(owner=st.integers(0, 2), limit=some, slots=slots_by_kind, types=sets_of_kinds, pool=pools, step=steps)
    def claim(self, owner: int, limit: int, slots: dict[str, int], types: Kinds, pool: Pool, step: Step) -> None:
        self.put(Claim(self.owners[owner], limit, types, slots, CONCURRENCY, *pool), step)

    @precondition(lambda self: not any(isinstance(write, Claim) for unit in self.units for write in unit))
    @rule(owner=st.integers(0, 2), then=commits)
    def claim_much(self, owner: int, then: Mapping[str, Any]) -> None:
        self.put(self.claim_of(owner), Step(joins=False, then=then))

    @precondition(lambda self: self.held)
    @rule(
        which=some, how=st.sampled_from(ENDINGS), chance=st.floats(0, 1), asked=st.booleans(),
        reports=st.none() | reported, step=steps,
    )  # fmt: skip
    def end(self, which: int, how: Ending, chance: float, asked: bool, reports: Any, step: Step) -> None:
        held = self.one_held(which)
        cancel = CANCEL_REQUESTED if asked else None
        end = settle(held, how, POLICY, self.now, cancel=cancel, chance=lambda: chance)
        self.put(end, step._replace(then=None) if reports else step)
        if reports and self.last_unit[-1] is end:
            report = report_of(held, reports, self.now, next(self.numbers))
            self.put(report._replace(goes_with_end=True), step._replace(joins=True))

    @precondition(lambda self: self.held)
    @rule(which=some, reports=reported, wrong=st.booleans(), twice=st.booleans(), step=steps)
    def report(self, which: int, reports: Any, wrong: bool, twice: bool, step: Step) -> None:
        write = report_of(self.one_held(which), reports, self.now, next(self.numbers))
        if any(isinstance(one, END_TYPES) for one in self.last_unit):
            step = step._replace(joins=False)
        if wrong:
            write = write._replace(owner="a stranger")
        if twice:  # in doubt, and repeated
            self.put(write, step._replace(then=None))
        self.put(write, step._replace(joins=step.joins or twice))

    @precondition(lambda self: self.held)
    @rule(which=some, how=st.sampled_from([Ending(), HELD]), step=steps)
    def end_simply(self, which: int, how: Ending, step: Step) -> None:
        self.put(settle(self.one_held(which), how, POLICY, self.now), step)

    @precondition(lambda self: self.twins.promises.past)
    @rule(which=st.integers(1, 20), how=st.sampled_from([Ending(), SUCCESS]) | st.sampled_from(ENDINGS), step=steps)
    def end_late(self, which: int, how: Ending, step: Step) -> None:
        """An owner comes back with the end of an attempt that was ended since, or with the end that was saved."""
        known = self.twins.promises.past
        again = [past for past in known if past.id in self.held and past.owner != self.held[past.id].owner]
        past = (again or known)[-min(which, len(again or known))]
        late = settle(past, how, POLICY, self.now, chance=lambda: 0.5) if isinstance(past, Claimed) else past
        held = self.held.get(late.id)
        if held is None or (held.attempt, held.owner) != (late.attempt, late.owner):  # else it was given out again
            self.put(late, step)

    @rule(which=some, of_held=st.booleans(), step=steps)
    def cancel(self, which: int, of_held: bool, step: Step) -> None:
        job_id = self.one_held(which).id if of_held and self.held else self.a_job(which)
        self.put(CancelJob(job_id, "not needed"), step)

    @precondition(lambda self: self.held)
    @rule(which=some, wrong=st.booleans(), step=steps)
    def mark(self, which: int, wrong: bool, step: Step) -> None:
        held = self.one_held(which)
        self.put(MarkInterrupted(held.id, held.attempt + wrong, held.owner), step)

    @rule(which=some | st.lists(some), step=steps)
    def redrive(self, which: int | list[int], step: Step) -> None:
        if isinstance(which, int):
            self.put(RedriveJob(self.a_job(which), which % 2 == 1), step)
        else:
            self.put(RedriveDead((*map(self.a_job, which),)), step)

    @rule(kind=st.none() | kinds, limit=st.integers(1, 9), view=which_view, step=steps)
    def redrive_all(self, kind: str | None, limit: int, view: int, step: Step) -> None:
        """Page by page, as `runner.jobs.redrive_all` finds them."""
        query = ListDead(kind, limit)
        while True:
            page = self.twins.ask(query, self.twins.views[view])
            self.put(RedriveDead(page.ids), step)
            if page.next is None:
                return
            query = query._replace(after=page.next)

    @rule(which=some, step=steps)
    def delete(self, which: int, step: Step) -> None:
        self.put(DeleteJob(self.a_job(which)), step)

    @rule(which=some, due=st.none() | st.integers(-3, 4), step=steps)
    def reschedule(self, which: int, due: int | None, step: Step) -> None:
        self.put(Reschedule(self.a_job(which), None if due is None else self.now + due * SECOND), step)

    @rule(which=st.lists(some), step=steps)
    def release(self, which: list[int], step: Step) -> None:
        self.put(Release(tuple(map(self.a_job, which)), Held.PAYLOAD), step)

    @rule(which=st.lists(some), step=steps)
    def move_back(self, which: list[int], step: Step) -> None:
        self.put(MoveBack(tuple(map(self.a_job, which))), step)

    @rule(medium=st.integers(-3, 6), high=st.integers(-3, 9), limit=some, step=steps)
    def raise_priorities(self, medium: int, high: int, limit: int, step: Step) -> None:
        self.put(RaisePriorities(self.now - medium * SECOND, self.now - high * SECOND, limit), step)

    @rule(back=st.integers(6, 60), then=commits)
    def set_back(self, back: int, then: Mapping[str, Any]) -> None:
        """The clock was ahead all the time, and what it has written is moved back."""
        self.twins.now -= back * SECOND
        self.put(MoveBack(tuple(self.jobs)), Step(joins=False, then=then))

    @rule(completed=some, dead=some, ticks=some, limit=some, step=steps)
    def prune(self, completed: int, dead: int, ticks: int, limit: int, step: Step) -> None:
        completed_before, dead_before = (self.now - ago * SECOND for ago in (completed, dead))
        self.put(Prune(completed_before, dead_before, at(ticks), limit), step)

    # What happens around.

    @rule(seconds=st.integers(-4, 8) | st.just(100))
    def clock(self, seconds: int) -> None:
        self.twins.now += seconds * SECOND

    @rule(
        owner=st.integers(0, 2), view=which_view, inline=st.booleans(), times=st.integers(1, 4), drained=st.booleans()
    )
    def crash(self, owner: int, view: int, inline: bool, times: int, drained: bool) -> None:
        """An owner dies, perhaps after a drain, and perhaps those that come after it, of what they claim; each time
        the janitor of some process finds its jobs and gives them back.
        """
        for _ in range(times):
            of_owner = [held for held in self.held.values() if held.owner == self.owners[owner] and drained]
            marks = [MarkInterrupted(held.id, held.attempt, held.owner) for held in of_owner]
            if marks:
                self.commit(alone(marks), view, inline=inline)
            dead, self.owners[owner] = self.owners[owner], f"owner {next(self.numbers)}"
            self.units = [unit for unit in self.units if not any(_is_claim_of(dead, write) for write in unit)]
            query = FindJobs(status=Status.PROCESSING, limit=1000)
            jobs = self.twins.run(self.twins.views[view].store.ask(query))
            lost = [job for job in jobs if job.owner == dead]
            asked = ListRestarted(tuple([job.id for job in lost]), self.now)
            restarted = self.twins.ask(asked, self.twins.views[view])
            ends = [_rescue(job, self.now, restarts=job.id in restarted) for job in lost]
            assert {end.id for end in ends} == {held.id for held in self.held.values() if held.owner == dead}
            if ends:
                assert all(self.commit(alone(ends), view, inline=inline))
            assert dead not in {held.owner for held in self.held.values()}
            self.commit([(self.claim_of(owner),)], 1 - view, inline=inline)

    def claim_of(self, owner: int) -> Claim:
        """A claim that takes much."""
        return Claim(self.owners[owner], 9, frozenset(TYPES), {"b": 4}, CONCURRENCY)

    @rule(view=which_view)
    def look(self, view: int) -> None:
        self.twins.look(self.twins.views[view])

    @rule(view=which_view)
    def open_again(self, view: int) -> None:
        opened = self.twins.views[view]
        self.twins.run(opened.store.close())
        self.twins.run(opened.store.open())
        self.twins.reopened(opened)

    @rule(
        view=which_view, ids=st.none() | st.lists(some), status=st.none() | st.sampled_from(Status),
        kind=st.none() | kinds, owner=st.none() | some, asked=st.none() | st.booleans(), before=st.none() | some,
        limit=some, held=st.sampled_from([None, None, Held.PAYLOAD]),
    )  # fmt: skip
    def find(
        self, view: int, ids: list[int] | None, status: Status | None, kind: str | None, owner: int | None,
        asked: bool | None, before: int | None, limit: int, held: Held | None,
    ) -> None:  # fmt: skip
        query = FindJobs(
            ids=None if ids is None else [self.a_job(job_id) for job_id in ids],
            status=status,
            type=kind,
            owner=None if owner is None else f"owner {owner + 1}",
            held=held,
            cancel_requested=asked,
            before=None if before is None else self.a_job(before),
            limit=limit,
        )
        self.twins.ask(query, self.twins.views[view])

    def everything_ends(self, view: int = 0) -> None:
        """However things stand: if attempts succeed from now on and nothing is paused, every job comes to its end."""
        self.twins.now += 24 * 3600 * SECOND
        resumed: list[Write[Any]] = [PauseType(kind, paused=False) for kind in TYPES]
        self.commit(alone([*resumed, *RESUMED, Release(tuple(self.jobs), Held.PAYLOAD)]), view)
        while not all(job.is_finished for job in self.jobs.values()):
            before = self.jobs
            ends = [settle(held, SUCCESS, POLICY, self.now) for held in self.held.values()]
            *ended, _ = self.commit(alone([*ends, self.claim_of(0)]), view)
            assert all(ended)
            assert self.jobs != before, "jobs are left that no claim takes"
            self.twins.now += 60 * SECOND  # an end may bring jobs that are due some seconds after it
            view = 1 - view

    @invariant()
    def all_agrees(self) -> None:
        self.twins.check(CONCURRENCY)


def _rescue(job: Job, now: int, *, restarts: bool) -> Complete | Again | Close:
    """What the janitor writes for a job of an owner that is dead."""
    lost = Ending(lost=True, interrupted=job.interrupted, restarts=restarts)
    cancel = job.reason or CANCEL_REQUESTED if job.cancel_requested else None
    return settle(as_claimed(job), lost, POLICY, now, cancel=cancel)


def _is_claim_of(owner: str, write: Write[Any]) -> bool:
    return isinstance(write, Claim) and write.owner == owner


def length(examples: int, steps_each: int) -> settings:
    """How long the machine runs."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=examples, stateful_step_count=steps_each, suppress_health_check=slow)
