"""The store beside a model of what it must do: any writes, of any owners, through two views of one file, whatever the
clock does. Owners die, their jobs are rescued as the janitor does it, and the dead come back with what they had to say.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from aiojobs_lite.engine.janitor import claimed as as_claimed
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.job import Claimed, Job, Outcome, Status
from aiojobs_lite.model.writes import (
    Cancel,
    Claim,
    ClaimAnswer,
    Delete,
    Finish,
    Insert,
    MarkInterrupted,
    NewJob,
    Pause,
    Prune,
    Redrive,
    SetSchedule,
    Tick,
    Unpark,
    Write,
)
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Retry, Snooze
from aiojobs_lite.policy.outcomes import Cancel as CancelRaised
from aiojobs_lite.policy.settle import MOST_CRASHES, Ended, Policy, Stop, settle
from aiojobs_lite.stores.base import Applied, JobFilter, TypeCounts
from aiojobs_lite.stores.sqlite.inline import Place
from aiojobs_lite.stores.sqlite.store import Durability, SqliteStore
from tests.helpers.databases import sound
from tests.helpers.stores import FAILURE, NOW, at, new, shown
from tests.stores.model import Model

SECOND = 1_000_000
TYPES = ("a", "b", "c")
CONCURRENCY = {"a": 2, "b": 3}  # all claims agree on it; `c` has none
POLICY = Policy(Backoff(2.0, 60.0))
SCHEDULE = SetSchedule("s", "* * * * *", "UTC", at(60))
SUCCESS = Ended(result='"done"')
ENDS = (
    SUCCESS,
    SUCCESS,
    Ended(note="its result was not kept"),
    Ended(error=ValueError("no"), failure=FAILURE),
    Ended(error=Retry(after=0), failure=FAILURE),
    Ended(error=Abandon("no"), failure=FAILURE),
    Ended(error=CancelRaised("gone"), failure=FAILURE),
    Ended(error=Snooze(3)),
    Ended(failure=FAILURE, stopped=Stop.TIMEOUT),
    Ended(failure=FAILURE, stopped=Stop.SHUTDOWN),
    Ended(failure=FAILURE, stopped=Stop.CANCEL),
    Ended(unreadable="it does not fit"),
)
ALL = JobFilter(limit=10_000)

Then = Mapping[str, Any] | None
some = st.integers(0, 7)
kinds = st.sampled_from(TYPES)
views = st.sampled_from([0, 1])
then = st.none() | st.fixed_dictionaries({"view": views, "here": st.booleans(), "at_once": st.booleans()})
keys = st.sampled_from([None, None, None, "k", "l"])
rows = st.tuples(kinds, st.integers(0, 2), st.integers(-3, 4), st.integers(1, 5), keys)


class Chosen(Place):
    """Transactions are done where the test says."""

    here = True

    def allows(self, writes: Sequence[Write]) -> bool:
        return self.here


class View:
    """One process's view of the file: its store, and what it must show.

    Attributes:
        least, most: Its counts are between these: how many are scheduled depends on when a type was last looked at.
        news: Whether it must tell that somebody else has committed; None: it may.
    """

    def __init__(self, path: Path, durability: Durability) -> None:
        self.store = SqliteStore(path, durability)
        self.least: dict[str, TypeCounts] = {}
        self.most: dict[str, TypeCounts] = {}
        self.news: bool | None = False

    def place(self, here: bool) -> None:
        """Where its next transactions are done."""
        if not isinstance(self.store._place, Chosen):  # each time that it is opened it has a new one
            self.store._place = Chosen()
        self.store._place.here = here

    def told(self, changed: bool) -> None:
        """It said whether somebody else has committed."""
        assert self.news is None or changed is self.news
        self.news = False


class Beside(RuleBasedStateMachine):
    """Two views of one file, a model, and three owners."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "jobs.db"
        self.views = View(self.path, "normal"), View(self.path, "full")
        self.model = Model()
        self.now = NOW
        self.latest: dict[str, int] = {}  # when each type was touched last, by the clock of then
        self.highest: dict[str, int] = {}  # the highest instant at which it ever was
        self.batch: list[Write] = []
        self.numbers = count(4)
        self.owners = ["owner 1", "owner 2", "owner 3"]
        self.held: dict[int, Claimed] = {}
        self.past: list[Finish | Claimed] = []
        self.spent: set[tuple[int, int]] = set()
        self.crashes: Counter[int] = Counter()
        for view in self.views:
            self.run(view.store.open())
        self.commit([SCHEDULE], 0)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        for view in self.views:
            self.run(view.store.close())
        self.loop.close()
        assert sound(self.path)
        self.folder.cleanup()

    # Transactions.

    def put(self, write: Write, then: Then) -> None:
        """Adds a write to the transaction; carries it out if no more are to come."""
        self.batch.append(write)
        if then is not None:
            writes, self.batch = self.batch, []
            self.commit(writes, **then)

    def commit(self, writes: list[Write], view: int, *, here: bool = True, at_once: bool = False) -> list[Any]:
        """Applies writes to a view and to the model, and compares; returns the answers."""
        used = self.views[view]
        used.place(here)
        applied = used.store.apply_at_once(writes, self.now) if at_once else None
        if applied is None:
            applied = self.run(used.store.apply(writes, self.now))
        before, self.model = self.model, self.followed(writes, applied)
        self.compare(before, applied, writes, used, self.views[1 - view])
        self.learn(writes, applied.answers)
        return applied.answers

    def followed(self, writes: list[Write], applied: Applied) -> Model:
        """The model after the same writes. A claim may look at more types than it must: those that were touched."""
        first: list[Any] | None = None
        for also in (also for size in range(len(TYPES) + 1) for also in combinations(sorted(applied.due), size)):
            model = self.model.copy()
            answers = model.apply(writes, self.now, also)
            if all(agree(*both, model) for both in zip(applied.answers, answers, strict=True)):
                return model
            first = first or answers
        assert applied.answers == first
        raise AssertionError("it is held back what must not, or not what must")

    def compare(self, before: Model, applied: Applied, writes: list[Write], view: View, other: View) -> None:
        """What a transaction told beside its answers, and what it recorded."""
        now = self.model.jobs
        changed = {(job.id, job.type) for job in before.jobs.values() if now.get(job.id) != job}
        changed |= {(job.id, job.type) for job in now.values() if before.jobs.get(job.id) != job}
        touched = {kind for job_id, kind in changed if standing(before, job_id) != standing(self.model, job_id)}
        touched |= {name for write in writes if isinstance(write, Claim) for name in write.look_at}
        assert touched <= applied.due.keys() <= set(TYPES)
        assert applied.due == {name: self.model.due(name) for name in applied.due}
        for name in applied.due:
            self.latest[name], self.highest[name] = self.now, max(self.now, self.highest.get(name, 0))
        view.told(applied.changed)
        other.news = True if changed or other.news else None
        self.counted(view)
        for job_id, _ in changed:
            job, expected = self.run(view.store.get(job_id)), now.get(job_id)
            assert job == expected
            assert job is None or job.history == expected.history  # type: ignore[union-attr]  # both are there

    def counted(self, view: View) -> None:
        """A view knows the counts as of now."""
        view.least, view.most = self.model.counts(self.highest), self.model.counts(self.latest)

    def learn(self, writes: list[Write], answers: list[Any]) -> None:
        """Holds the promises against the answers alone, whatever the model says."""
        for write, answer in zip(writes, answers, strict=True):
            if isinstance(write, Finish) and answer:
                self.ended(write)
        for job_id in self.model.redriven:
            self.crashes[job_id] = 0
            self.spent = {spent for spent in self.spent if spent[0] != job_id}
        for job in (job for answer in answers if isinstance(answer, ClaimAnswer) for job in answer.jobs):
            assert job.id not in self.held, "one job, two owners"
            assert (job.id, job.attempt) not in self.spent, "one attempt, given out twice"
            self.held[job.id] = job
            self.spent.add((job.id, job.attempt))

    def ended(self, end: Finish) -> None:
        held = self.held.pop(end.id, None)
        assert held is not None, "one attempt, ended twice"
        assert (held.attempt, held.owner) == (end.attempt, end.owner)
        self.past += [held, end]
        if end.attempts < end.attempt:
            self.spent.remove((end.id, end.attempt))  # given back
        if end.outcome is Outcome.LOST:
            self.crashes[end.id] += 1
            assert (end.status is Status.DEAD) or self.crashes[end.id] < MOST_CRASHES

    @rule(view=views, here=st.booleans())
    def reject(self, view: int, here: bool) -> None:
        """A transaction that cannot be stored changes nothing, whatever else is in it."""
        bad = Insert((new("b"), new("a")._replace(priority=9)))
        self.views[view].place(here)
        with pytest.raises(StoreRejected):
            self.run(self.views[view].store.apply([*self.batch, bad], self.now))

    # The writes.

    def a_job(self, which: int) -> int:
        """The id of a job, of a young one rather; or of one that is not there any more."""
        return max(1, max(self.model.jobs, default=1) - which)

    def one_held(self, which: int) -> Claimed:
        return list(self.held.values())[which % len(self.held)]

    @initialize(drawn=st.lists(rows, min_size=4, max_size=8), then=then)
    def begin(self, drawn: list[Any], then: Then) -> None:
        self.insert(drawn, then)

    @rule(drawn=st.lists(rows, min_size=1, max_size=4), then=then)
    def insert(self, drawn: list[Any], then: Then) -> None:
        made = [
            NewJob(kind, '{"x": 1}', priority, self.now + due * SECOND, most, self.now, key)
            for kind, priority, due, most, key in drawn
        ]
        self.put(Insert(tuple(made)), then)

    @precondition(lambda self: not any(isinstance(write, Claim) for write in self.batch))
    @rule(
        owner=st.integers(0, 2),
        limit=some,
        slots=st.sampled_from([0, 1, 2, 5, 9]),
        look_at=st.sets(kinds) | st.just(set(TYPES)),
        then=then,
    )
    def claim(self, owner: int, limit: int, slots: int, look_at: set[str], then: Then) -> None:
        self.put(self.claim_of(owner, limit, slots, look_at), then)

    def claim_of(self, owner: int, limit: int, slots: int, look_at: set[str]) -> Claim:
        offered = {name: slots for name, slots in (("a", slots), ("b", slots // 2), ("c", slots)) if slots}
        return Claim(self.owners[owner], limit, offered, CONCURRENCY, sorted(look_at))

    @precondition(lambda self: self.held)
    @rule(which=some, how=st.sampled_from(ENDS), chance=st.floats(0, 1), asked=st.booleans(), then=then)
    def finish(self, which: int, how: Ended, chance: float, asked: bool, then: Then) -> None:
        held = self.one_held(which)
        self.put(settle(held, how, POLICY, self.now, cancel_requested=asked, chance=lambda: chance), then)

    @precondition(lambda self: self.past)
    @rule(which=st.integers(1, 20), how=st.just(SUCCESS) | st.sampled_from(ENDS), then=then)
    def finish_late(self, which: int, how: Ended, then: Then) -> None:
        """Somebody comes back with the end of an attempt that was ended since, or with the one that was saved."""
        again = [past for past in self.past if past.id in self.held and past.owner != self.held[past.id].owner]
        known = again or self.past
        past = known[-min(which, len(known))]
        late = past if isinstance(past, Finish) else settle(past, how, POLICY, self.now, chance=lambda: 0.5)
        held = self.held.get(late.id)
        if held is None or (held.attempt, held.owner) != (late.attempt, late.owner):  # else it was given out again
            self.put(late, then)

    @rule(which=some, of_held=st.booleans(), then=then)
    def cancel(self, which: int, of_held: bool, then: Then) -> None:
        job_id = self.one_held(which).id if of_held and self.held else self.a_job(which)
        self.put(Cancel(job_id, "not needed"), then)

    @precondition(lambda self: self.held)
    @rule(which=some, wrong=st.booleans(), then=then)
    def mark(self, which: int, wrong: bool, then: Then) -> None:
        held = self.one_held(which)
        self.put(MarkInterrupted(held.id, held.attempt + wrong, held.owner), then)

    @rule(which=some | st.sampled_from([None, *TYPES]), then=then)
    def redrive(self, which: int | str | None, then: Then) -> None:
        self.put(Redrive(self.a_job(which), None) if isinstance(which, int) else Redrive(None, which), then)

    @rule(which=some, then=then)
    def delete(self, which: int, then: Then) -> None:
        self.put(Delete(self.a_job(which)), then)

    @rule(kind=kinds, paused=st.booleans(), then=then)
    def pause(self, kind: str, paused: bool, then: Then) -> None:
        self.put(Pause(kind, paused), then)

    @rule(which=st.sets(kinds), then=then)
    def unpark(self, which: set[str], then: Then) -> None:
        self.put(Unpark(tuple(which)), then)

    @rule(completed=some, dead=some, ticks=some, limit=some, then=then)
    def prune(self, completed: int, dead: int, ticks: int, limit: int, then: Then) -> None:
        completed_before, dead_before = (self.now - ago * SECOND for ago in (completed, dead))
        self.put(Prune(completed_before, dead_before, at(ticks), limit), then)

    @rule(expression=st.sampled_from(["* * * * *", "0 * * * *"]), later=some, then=then)
    def set_schedule(self, expression: str, later: int, then: Then) -> None:
        self.put(SCHEDULE._replace(expression=expression, next_tick=self.now + later), then)

    @rule(tick=some, skip_overlap=st.booleans(), runs=st.booleans(), then=then)
    def tick(self, tick: int, skip_overlap: bool, runs: bool, then: Then) -> None:
        row = new("c", schedule="s", tick=at(tick))._replace(scheduled_at=self.now) if runs else None
        self.put(Tick("s", at(tick), at(tick + 1), row, skip_overlap), then)

    # What happens around.

    @rule(seconds=st.integers(-4, 8))
    def clock(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(owner=st.integers(0, 2), view=views, here=st.booleans(), times=st.integers(1, 4), drained=st.booleans())
    def crash(self, owner: int, view: int, here: bool, times: int, drained: bool) -> None:
        """An owner dies, perhaps after a drain, and perhaps those that come after it, of what they claim; each time
        the janitor of some process finds its jobs and gives them back.
        """
        for _ in range(times):
            of_owner = [held for held in self.held.values() if held.owner == self.owners[owner] and drained]
            self.commit([MarkInterrupted(held.id, held.attempt, held.owner) for held in of_owner], view, here=here)
            dead, self.owners[owner] = self.owners[owner], f"owner {next(self.numbers)}"
            self.batch = [write for write in self.batch if not (isinstance(write, Claim) and write.owner == dead)]
            jobs = self.run(self.views[view].store.find(JobFilter(status=Status.PROCESSING, limit=1000)))
            ends = [self.rescued(job) for job in jobs if job.owner == dead]
            assert {end.id for end in ends} == {held.id for held in self.held.values() if held.owner == dead}
            assert all(self.commit(list(ends), view, here=here))
            assert dead not in {held.owner for held in self.held.values()}
            self.commit([self.claim_of(owner, 9, 9, set(TYPES))], 1 - view, here=here)

    def rescued(self, job: Job) -> Finish:
        """What the janitor writes for a job of an owner that is dead."""
        ended = Ended(lost=True, interrupted=job.interrupted)
        return settle(as_claimed(job), ended, POLICY, self.now, cancel_requested=job.cancel_requested)

    @rule(view=views, here=st.booleans())
    def look(self, view: int, here: bool) -> None:
        """A view asks whether somebody else has committed; then it knows the counts again."""
        used = self.views[view]
        used.place(here)
        changed = self.run(used.store.changed())
        used.told(changed)
        if changed:
            self.counted(used)

    @rule(view=views)
    def open_again(self, view: int) -> None:
        used = self.views[view]
        self.run(used.store.close())
        self.run(used.store.open())
        used.news = False
        self.counted(used)

    @rule(
        view=views, ids=st.none() | st.lists(some), status=st.none() | st.sampled_from(Status), kind=st.none() | kinds,
        owner=st.none() | some, asked=st.none() | st.booleans(), before=st.none() | some, limit=some,
    )  # fmt: skip
    def find(
        self, view: int, ids: list[int] | None, status: Status | None, kind: str | None, owner: int | None,
        asked: bool | None, before: int | None, limit: int,
    ) -> None:  # fmt: skip
        which = JobFilter(
            ids=None if ids is None else [self.a_job(job_id) for job_id in ids],
            status=status,
            type=kind,
            owner=None if owner is None else f"owner {owner + 1}",
            cancel_requested=asked,
            before=None if before is None else self.a_job(before),
            limit=limit,
        )
        assert self.run(self.views[view].store.find(which)) == self.model.find(which)

    @rule(view=views)
    def everything_ends(self, view: int) -> None:
        """However things stand: if attempts succeed from now on and nothing is paused, every job comes to its end."""
        self.now = max([self.now, *self.highest.values()]) + 3600 * SECOND
        self.commit([*(Pause(kind, paused=False) for kind in TYPES), Unpark(TYPES)], view)
        while not all(job.finished for job in self.model.jobs.values()):
            ends = [settle(held, SUCCESS, POLICY, self.now) for held in self.held.values()]
            *ended, claimed = self.commit([*ends, self.claim_of(0, 9, 9, set(TYPES))], view)
            assert all(ended)
            assert ended or claimed.jobs
            view = 1 - view

    # What holds at all times.

    @invariant()
    def the_rows_are_those_of_the_model(self) -> None:
        for view in self.views:
            jobs = self.run(view.store.find(ALL))
            assert jobs == self.model.find(ALL)
        processing = {job.id: (job.attempts, job.owner) for job in jobs if job.status is Status.PROCESSING}
        assert processing == {held.id: (held.attempt, held.owner) for held in self.held.values()}
        for kind, limit in CONCURRENCY.items():
            assert sum(job.type == kind for job in jobs if job.id in processing) <= limit

    @invariant()
    def the_counts_are_those_of_the_rows(self) -> None:
        for view in self.views:
            found = shown(view.store)
            assert found.keys() == view.least.keys()
            for name, counts in found.items():
                least, most = view.least[name].scheduled, view.most[name].scheduled
                assert least <= counts.scheduled <= most
                assert counts == replace(view.least[name], scheduled=counts.scheduled)


def standing(model: Model, job_id: int) -> Any:
    """What the counts and the next claim depend on."""
    job = model.jobs.get(job_id)
    return job and (job.status, job.attempts, job.scheduled_at, job.parked)


def agree(answer: Any, expected: Any, model: Model) -> bool:
    """Whether the model's answer allows the store's: among the types held back may be some that need not be."""
    if not isinstance(answer, ClaimAnswer):
        return bool(answer == expected)
    held_back: frozenset[str] = answer.held_back
    return bool(answer.jobs == expected.jobs and expected.held_back <= held_back <= model.may_be_held_back)


def test_a_store_does_what_the_model_does() -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Beside, settings=settings(max_examples=150, stateful_step_count=50, suppress_health_check=slow)
    )
