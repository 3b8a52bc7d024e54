"""The SQLite store beside the model, through two views of one file; a failure brings the story of what was written."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import run_state_machine_as_test

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.writes import CancelJob, Insert, Unit
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.sqlite import events, limits
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers import memory_events
from tests.helpers.callers import Caller, SqliteCaller
from tests.helpers.databases import sound
from tests.helpers.instants import SECOND
from tests.helpers.model_draws import Step
from tests.helpers.model_machine import length
from tests.helpers.model_steps import StepsBesideModel
from tests.helpers.model_twins import Twins, View
from tests.helpers.rings import deep, depth
from tests.helpers.sqlite_store import notices_change, policy_of, set_policy
from tests.helpers.stores import claim, complete, new


class ChosenPolicy(InlinePolicy):
    """Transactions are done where the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.is_wanted = True

    def admit(self, units: Sequence[Unit], pending: int) -> bool:
        return super().admit(units, pending) and self.is_wanted


class SqliteView:
    """A store on the file."""

    def __init__(self, name: str, path: Path, durability: Durability) -> None:
        self.name = name
        self.store = SqliteStore(path, durability)
        self._path = path

    def set_inline(self, *, inline: bool) -> None:
        policy = policy_of(self.store)
        if not isinstance(policy, ChosenPolicy):  # each time that it is opened it has a new one
            policy = ChosenPolicy()
            set_policy(self.store, policy)
        policy.is_wanted = inline

    async def take_change(self) -> bool:
        return await notices_change(self.store)

    def caller(self) -> Caller | None:
        return SqliteCaller(self._path)


class SqliteBesideModel(StepsBesideModel):
    """Two stores of one file, of which one waits for the disk.

    Attributes:
        compared: How many transactions were compared so far, in all runs.
    """

    compared: ClassVar = 0

    def open_views(self) -> tuple[View, View]:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "jobs.db"
        views = SqliteView("first", self.path, "normal"), SqliteView("second", self.path, "full")
        for view in views:
            self.loop.run_until_complete(view.store.open())
        return views

    def commit(self, units: list[Unit], view: int, *, inline: bool = True, at_once: bool = False) -> list[Any]:
        answers = super().commit(units, view, inline=inline, at_once=at_once)
        SqliteBesideModel.compared += 1
        return answers

    def close_views(self) -> None:
        with self.folder:
            for view in self.twins.views:
                self.loop.run_until_complete(view.store.close())
            assert self.twins.story.has_failed or sound(self.path)  # what has failed is to be shown, not what follows


@pytest.fixture(autouse=True)
def delivered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event reaches two in a transaction, which are as good as a thousand."""
    for module in (events, memory_events):
        monkeypatch.setattr(module, "DELIVERED_AT_ONCE", 2)


@pytest.fixture(autouse=True)
def passed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs over a limit are passed by from the first on."""
    monkeypatch.setattr(limits, "MANY_ASIDE", 1)


RUNS, RULES = depth((10, 25), (60, 50))
LEAST = 10 * RUNS  # transactions: a machine that does next to nothing shows nothing


def transactions_beside_model(machine: type[StepsBesideModel]) -> int:
    """Checks that the store and the model say the same of all that a machine does, and that everything ends then.

    Returns:
        How many transactions were compared.
    """
    before = SqliteBesideModel.compared
    run_state_machine_as_test(machine, settings=length(RUNS, RULES))
    return SqliteBesideModel.compared - before


@deep
def test_the_store_does_what_the_model_does() -> None:
    assert transactions_beside_model(SqliteBesideModel) > LEAST


@deep
def test_the_store_does_what_the_model_does_about_steps_and_events() -> None:
    assert transactions_beside_model(SqliteBesideModel.on_steps_alone()) > LEAST


def test_everything_ends_though_a_callback_is_due_only_some_time_after_its_batch() -> None:
    now = Step(joins=False, then={"view": 0, "inline": True, "at_once": False})
    state = SqliteBesideModel()
    state.open_batch(owner=0, parent=None, by_member=False, step=now)
    state.insert_in_batch(which=0, by_member=False, drawn=[("a", 1, 0, 1, None, ())], step=now)
    state.close_batch(which=0, events={"complete"}, fails=False, step=now)  # due 2 s after the batch is complete
    state.everything_ends()
    assert [job.status for job in state.jobs.values()] == [Status.COMPLETED, Status.COMPLETED]
    state.teardown()


@contextmanager
def twins(path: Path) -> Iterator[Twins]:
    """Two views of a file and the model."""
    with closing(asyncio.new_event_loop()) as loop:
        views = SqliteView("first", path, "normal"), SqliteView("second", path, "normal")
        for view in views:
            loop.run_until_complete(view.store.open())
        yield Twins(views, loop)
        for view in views:
            loop.run_until_complete(view.store.close())


def test_an_instant_that_had_come_is_not_too_late_once_the_clock_is_set_back(database: Path) -> None:
    lanes = [lane_text("a", priority, [("one", 1)], is_ordered=False) for priority in (0, 1)]
    waiting = new(priority=0, lane=lanes[0]), new(due=-2, lane=lanes[1])
    with twins(database) as both:
        view = both.views[0]
        both.commit([(SetLimits((StoredLimit("one", 1),)), Insert((new(lane=lanes[1]),)))], view)
        ((job,),) = [answer.jobs for answer in both.commit([(claim("one"),)], view)]
        both.commit([(Insert(waiting),), (claim("one"),)], view)
        both.commit([(complete(job),)], view)  # the job of high priority goes on, which is due later than the other
        both.now -= 3 * SECOND
        both.check({})
        assert view.store.counts().due == {"a": both.now + SECOND}  # the instant of the other job, which comes again


def test_a_failure_tells_what_was_written(database: Path) -> None:
    with twins(database) as both:
        both.commit([(Insert((new(), new("b", priority=0, due=2, idempotency_key="k"))),)], both.views[0])
        both.commit([(claim("owner 1"),), (CancelJob(2, "no"), CancelJob(9, "no"))], both.views[1], inline=False)
        del both.model.database.rows.jobs[1]  # as if the store had kept a job that it was to delete
        with pytest.raises(AssertionError) as caught:
            both.check({})
    assert caught.value.__notes__ == [
        "What was written:\n"
        "  1. +0 s, first inline: insert (a, medium, +0 s, 5 attempts) (b, high, +2 s, 5 attempts, key k)  ->  1 2\n"
        "  2. +0 s, second: claim 1000 of a by owner 1 | cancel 2 + cancel 9  ->  1/1, pending, None"
    ]
