"""A store beside the model of what it must do: every transaction goes to both, and what both say is compared."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from itertools import chain
from typing import Any, Protocol, TypeVar

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.batches import GetBatch
from aiojobs_lite.model.counts import Counts, TypeCounts
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.figures import PruneFigures
from aiojobs_lite.model.job import Claimed, Outcome, Status
from aiojobs_lite.model.progress import GetLog, GetStandings
from aiojobs_lite.model.queries import FindJobs, GetJob, Query
from aiojobs_lite.model.schedule_rows import DueSchedules, FindLeft, ListSchedules, LookAtTicks
from aiojobs_lite.model.steps import GetParent, ListAwaited, ListChildren, ListSteps
from aiojobs_lite.model.writes import ClaimAnswer, Unit
from aiojobs_lite.policy.settle import MOST_CRASHES
from aiojobs_lite.stores.base import Applied, Store
from tests.helpers import memory_limits
from tests.helpers.callers import Caller
from tests.helpers.memory_rows import MemoryPhases, Rows, is_claimable
from tests.helpers.memory_store import MemoryStore
from tests.helpers.stores import NOW, counts_of, micros, shown
from tests.helpers.write_story import Story

A = TypeVar("A")
ALL = FindJobs(limit=10_000)


class View(Protocol):
    """One owner's view of the database: a store, and how the test steers it."""

    @property
    def name(self) -> str:
        """Which it is, for the story."""

    @property
    def store(self) -> Store:
        """Its store."""

    def set_inline(self, *, inline: bool) -> None:
        """Has the next transactions done inline, or not, where the store knows the difference."""

    async def take_change(self) -> bool:
        """Whether a commit of another owner was noticed since the last call."""

    def caller(self) -> Caller | None:
        """A new connection of a program to its database, if it can be joined."""


class Promises:
    """What the answers alone must keep to, whatever the model says.

    Attributes:
        held: The attempts that are held, by job.
        past: The attempts that ended, and how.
    """

    def __init__(self) -> None:
        self.held: dict[int, Claimed] = {}
        self.past: list[End | Claimed] = []
        self._spent: set[tuple[int, int]] = set()
        self._crashes: Counter[int] = Counter()

    def check(self, units: Sequence[Unit], answers: Sequence[Any], latest: MemoryPhases) -> None:
        """Takes in the answers of a transaction."""
        writes = list(chain.from_iterable(units))
        for write, answer in zip(writes, answers, strict=True):
            if isinstance(write, Complete | Again | Close) and answer:
                self._end(write)
        for job_id in latest.redriven:
            self._crashes[job_id] = 0
            self._count_from(job_id, 0)
        for job_id, attempts in latest.restarted.items():
            self._count_from(job_id, attempts)
            self._crashes[job_id] = min(self._crashes[job_id], attempts, 1)
        for job in (job for answer in answers if isinstance(answer, ClaimAnswer) for job in answer.jobs):
            assert job.id not in self.held, "one job, two owners"
            assert (job.id, job.attempt) not in self._spent, "one attempt, given out twice"
            self.held[job.id] = job
            self._spent.add((job.id, job.attempt))

    def _end(self, end: End) -> None:
        held = self.held.pop(end.id, None)
        assert held is not None, "one attempt, ended twice"
        assert (held.attempt, held.owner) == (end.attempt, end.owner)
        self.past += [held, end]
        if isinstance(end, Again | Close) and end.refund:
            self._spent.remove((end.id, end.attempt))  # given back
        if isinstance(end, Again) and end.restarts:
            self._count_from(end.id, end.counted)
            self._crashes[end.id] = 0
        if not isinstance(end, Complete) and end.outcome is Outcome.LOST:
            self._crashes[end.id] += 1
            assert isinstance(end, Close) or self._crashes[end.id] < MOST_CRASHES

    def _count_from(self, job_id: int, attempts: int) -> None:
        """So many attempts of a job count; the numbers behind are given out again."""
        self._spent = {spent for spent in self._spent if spent[0] != job_id or spent[1] <= attempts}


class Twins:
    """Two views of one database, and the model.

    Args:
        views: Open.

    Attributes:
        now: The instant of the next transaction.
        model: What the database must hold.
        promises: What the answers promised.
        story: What was done.
    """

    def __init__(self, views: tuple[View, View], loop: asyncio.AbstractEventLoop) -> None:
        self.views = views
        self._loop = loop
        self.now = NOW
        self.model = MemoryStore()
        self.promises = Promises()
        self.story = Story()
        self._highest = NOW  # of all transactions
        self._known: dict[View, list[Rows]] = {}  # the counts of each view are of one of these
        self._known_at: dict[View, int] = {}  # when it learned the first of them
        self._has_news: dict[View, bool | None] = {}  # whether it must notice a commit; None: it may
        self.run(self.model.open())
        for view in views:
            self.reopened(view)

    def run(self, work: Coroutine[Any, Any, A]) -> A:
        """Runs what a store does."""
        return self._loop.run_until_complete(work)

    # Transactions.

    def commit(self, units: Sequence[Unit], view: View, *, inline: bool = True, at_once: bool = False) -> list[Any]:
        """Applies units through a view and to the model, and compares; returns the answers.

        Args:
            units: What to do.
            view: By which view.
            inline: Whether it is done inline.
            at_once: Whether by `Store.inline`, if that can be.
        """
        self.story.add(self.now, f"{view.name}{' inline' if inline else ''}{' at once' if at_once else ''}", units)
        with self.story.telling():
            view.set_inline(inline=inline)
            known = dict(view.store.counts().due)
            applied = view.store.inline.apply(units, self.now) if at_once and view.store.inline else None
            if applied is None:
                applied = self.run(view.store.apply(units, self.now))
            self.story.answered(applied.answers)
            before = self.model.database.rows
            self._highest = max(self._highest, self.now)
            expected = self.run(self.model.apply(units, self.now))
            self._compare(units, applied, expected._replace(due=self.model.latest.due(known)))
            self._compare_rows(before, view)
            self.promises.check(units, applied.answers, self.model.latest)
        return applied.answers

    def join(self, unit: Unit, view: View, how: str) -> None:
        """Applies a unit in the transaction of a caller, and to the model if that is committed.

        Args:
            unit: What to do.
            view: By whose way into the transaction.
            how: `commit`, `rollback`, or `savepoint`: it is done, undone and done once more.
        """
        caller, joining = view.caller(), view.store.joining
        if caller is None or joining is None:
            return
        self.story.add(self.now, f"{view.name}, joined to a {how}", [unit])
        with self.story.telling():
            caller.begin()
            caller.set_savepoint()
            answers = self.run(joining.apply(caller.connection, [unit], self.now))
            if how == "savepoint":
                caller.roll_back_to_savepoint()
                answers = self.run(joining.apply(caller.connection, [unit], self.now))
            self.story.answered(answers)
            if how == "rollback":
                caller.roll_back()
            else:
                caller.commit()
                before = self.model.database.rows
                self._highest = max(self._highest, self.now)
                expected = self.run(self.model.apply([unit], self.now)).answers
                assert _known([unit], answers) == _known([unit], expected)
                self._compare_rows(before, None)
            caller.close()

    def reject(self, units: Sequence[Unit], view: View, *, inline: bool) -> None:
        """A transaction that cannot be stored changes nothing, whatever else is in it."""
        self.story.add(self.now, f"{view.name}, refused", units)
        view.set_inline(inline=inline)
        for store in (view.store, self.model):
            try:
                self.run(store.apply(units, self.now))
            except StoreRejected:
                continue
            raise AssertionError("it was not refused")

    def _compare(self, units: Sequence[Unit], applied: Applied, expected: Applied) -> None:
        for answer, wanted in zip(_known(units, applied.answers), _known(units, expected.answers), strict=True):
            if isinstance(wanted, ClaimAnswer):
                assert answer.jobs == wanted.jobs
                assert wanted.limited_types <= answer.limited_types <= self.model.latest.may_be_held_back
            else:
                assert answer == wanted
        assert applied[4:] == expected[4:]
        if expected.due is not None:
            assert applied.due is not None
            assert applied.due <= max(expected.due, self.now), "it is too late to claim then"
        assert list(applied.expired) == list(expected.expired)
        if expected.expires_at is not None:
            assert applied.expires_at is not None
            assert applied.expires_at <= expected.expires_at, "it is too late to look then"

    def _compare_rows(self, before: Rows, view: View | None) -> None:
        """The jobs that were moved by a view, or by a caller, with their history; and what each view knows now."""
        now = self.model.database.rows
        changed = {job_id for job_id, job in now.jobs.items() if before.jobs.get(job_id) != job}
        changed |= before.jobs.keys() - now.jobs.keys()
        for job_id in changed:
            job, wanted = self.run((view or self.views[0]).store.ask(GetJob(job_id))), now.jobs.get(job_id)
            assert job == wanted
            assert job is None or wanted is None or job.history == wanted.history
            assert job is None or wanted is None or job.progress == wanted.progress
            self._ask(GetLog(job_id), view or self.views[0])
        about = {key[0] for key, step in now.durable.steps.items() if before.durable.steps.get(key) != step}
        for job_id in changed | about:
            for query in (ListSteps(job_id), ListAwaited(job_id), ListChildren(job_id), GetParent(job_id)):
                self._ask(query, view or self.views[0])
        self._ask(GetStandings(now.jobs.keys()), view or self.views[0])
        if view is not None:
            self._learns(view)
        for other in self.views:
            if other is not view:
                self._known[other].append(now)
                self._has_news[other] = True if changed or self._has_news[other] else None

    # What happens around.

    def look(self, view: View) -> None:
        """A view notices what other owners have committed; then it knows the counts again."""
        self.story.note(self.now, f"{view.name} looks")
        with self.story.telling():
            has_changed = self.run(view.take_change())
            assert self._has_news[view] in {None, has_changed}
            self._has_news[view] = False
            if has_changed:
                self._learns(view)

    def reopened(self, view: View) -> None:
        """A view was opened, and knows all."""
        self._has_news[view] = False
        self._learns(view)

    def _learns(self, view: View) -> None:
        """A view knows all as it is now."""
        self._known[view], self._known_at[view] = [self.model.database.rows], self.now

    def ask(self, query: Query[A], view: View) -> A:
        """A view and the model answer alike."""
        with self.story.telling():
            return self._ask(query, view)

    def _ask(self, query: Query[A], view: View) -> A:
        answer = self.run(view.store.ask(query))
        assert answer == self.run(self.model.ask(query)), query
        return answer

    # What holds at all times.

    def check(self, concurrency: dict[str, int]) -> None:
        """The rows are those of the model, the counts of each view are those of rows that it knows."""
        with self.story.telling():
            for view in self.views:
                self._ask(ALL, view)
                self._ask(ListSchedules(), view)
                self._ask(DueSchedules(("c",), self.now, 9), view)
                self._ask(FindLeft(("s",)), view)
                self._ask(LookAtTicks(("c",), self.now, ("s", "t")), view)
                for batch in self.model.database.rows.batches.rows:
                    self._ask(GetBatch(batch), view)
                self._check_counts(view)
            processing = [job for job in self.model.database.rows.jobs.values() if job.status is Status.PROCESSING]
            held = {(job.id, job.attempt, job.owner) for job in self.promises.held.values()}
            assert {(job.id, job.attempts, job.owner) for job in processing} == held
            for job_type, limit in concurrency.items():
                assert sum(job.type == job_type for job in processing) <= limit

    def _check_counts(self, view: View) -> None:
        """What other owners did may be in them, and must be when the view has noticed it."""
        counts = view.store.counts()
        assert counts.total == TypeCounts(*map(sum, zip(TypeCounts(), *counts.by_type.values(), strict=True)))
        matching = [rows for rows in self._known[view] if self._are_of(rows, counts)]
        assert matching, f"{view.name} counts {shown(view.store)}"
        latest = max(self.now, self._known_at[view])  # any instant that had come may be said, and the clock is set back
        assert any(_are_due(rows, counts, latest) for rows in matching), f"{view.name} has a job due too late"

    def _are_of(self, rows: Rows, counts: Counts) -> bool:
        """Whether these are the counts of these rows. How many are scheduled depends on when the store looked last: at
        its latest transaction about the type, or later.
        """
        found = {name: of_type for name, of_type in counts.by_type.items() if of_type != TypeCounts()}
        least, most = counts_of(list(rows.jobs.values()), self._highest), _counts_by_marks(rows)
        return (
            counts.paused.keys() == rows.paused.keys()
            and found.keys() == least.keys()
            and all(
                least[name].scheduled <= of_type.scheduled <= most[name].scheduled
                and of_type == least[name]._replace(scheduled=of_type.scheduled)
                for name, of_type in found.items()
            )
        )


def _counts_by_marks(rows: Rows) -> dict[str, TypeCounts]:
    found: dict[str, TypeCounts] = {}
    for name, mark in rows.marks.items():
        found |= counts_of([job for job in rows.jobs.values() if job.type == name], mark)
    return found


def _are_due(rows: Rows, counts: Counts, now: int) -> bool:
    """Whether no claimable job of these rows is due before the instant that the counts have for its type, unless both
    are over.
    """
    claimable = [job for job in rows.jobs.values() if is_claimable(job) and memory_limits.is_free(rows, job)]
    return all(counts.due[job.type] <= max(micros(job.scheduled_at), now) for job in claimable)


def _known(units: Sequence[Unit], answers: Sequence[Any]) -> list[Any]:
    """The answers, as far as they do not depend on the rows that a store has besides: those for days, say. None is that
    of a write whose unit had no effect.
    """
    return [
        0 <= answer <= write.limit if isinstance(write, PruneFigures) and answer is not None else answer
        for write, answer in zip(chain.from_iterable(units), answers, strict=True)
    ]
