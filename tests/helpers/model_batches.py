"""The machine beside which a store is compared with the model, with batches and jobs that run after others."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.after import After, InsertAfter, ListAfter
from aiojobs_lite.model.batches import (
    AbandonBatches,
    Callback,
    CancelBatch,
    CloseBatch,
    FindBatchOf,
    GetBatch,
    InsertInBatch,
    OpenBatch,
)
from aiojobs_lite.model.queries import FindJobs
from tests.helpers.instants import SECOND
from tests.helpers.model_draws import Step, insert_of, rows, some, steps, which_view
from tests.helpers.model_machine import StoreBesideModel
from tests.helpers.stores import alone, new

few = st.integers(0, 2)
rarely = st.sampled_from([False, False, False, True])


class BatchesBesideModel(StoreBesideModel):
    """The same with batches, in batches perhaps, whose blocks end or fail."""

    def a_batch(self, which: int) -> int:
        """The id of a batch, of a young one rather; or of one that is not there any more."""
        return max(1, self.twins.model.database.rows.batches.last_id - which)

    @rule(owner=st.integers(0, 2), parent=st.none() | few, by_member=st.booleans(), step=steps)
    def open_batch(self, owner: int, parent: int | None, by_member: bool, step: Step) -> None:
        within = None if parent is None else self.a_batch(parent)
        self.put(OpenBatch(self.owners[owner], within, by_member), step)

    @rule(which=few, by_member=st.booleans(), drawn=st.lists(rows, max_size=4), step=steps)
    def insert_in_batch(self, which: int, by_member: bool, drawn: list[Any], step: Step) -> None:
        made = insert_of([(kind, priority, 0, most, None, by) for kind, priority, _, most, _, by in drawn], self.now)
        self.put(InsertInBatch(self.a_batch(which), by_member, made.rows), step)

    @rule(which=few, events=st.sets(st.sampled_from(["complete", "success", "dead"])), fails=rarely, step=steps)
    def close_batch(self, which: int, events: set[Any], fails: bool, step: Step) -> None:
        made = [Callback(event, new("b", due=len(event) - 6)) for event in sorted(events)]
        self.put(CloseBatch(self.a_batch(which), tuple(made), fails), step)

    @rule(owner=st.integers(0, 2), step=steps)
    def abandon_batches(self, owner: int, step: Step) -> None:
        self.put(AbandonBatches((self.owners[owner],)), step)

    @rule(which=few, limit=st.integers(1, 3), after=st.none() | some, step=steps)
    def cancel_batch(self, which: int, limit: int, after: int | None, step: Step) -> None:
        behind = None if after is None else self.a_job(after)
        self.put(CancelBatch(self.a_batch(which), "not needed", limit, behind), step)

    @rule(view=which_view, which=few, job=some, before=st.none() | some, limit=some)
    def look_at_batch(self, view: int, which: int, job: int, before: int | None, limit: int) -> None:
        batch, store = self.a_batch(which), self.twins.views[view]
        self.twins.ask(GetBatch(batch), store)
        self.twins.ask(FindBatchOf(self.a_job(job)), store)
        below = None if before is None else self.a_job(before)
        self.twins.ask(FindJobs(batch=batch, before=below, limit=limit), store)

    @rule(
        drawn=st.lists(rows, min_size=1, max_size=2), which=st.lists(some, max_size=3), anyway=st.booleans(),
        delay=st.sampled_from([0, 0, SECOND]), by_time=st.booleans(), batch=st.none() | few,
        expires=st.sampled_from([None, None, 0, SECOND]), step=steps,
    )  # fmt: skip
    def insert_after(
        self, drawn: list[Any], which: list[int], anyway: bool, delay: int, by_time: bool, batch: int | None,
        expires: int | None, step: Step,
    ) -> None:  # fmt: skip
        made = insert_of(drawn, self.now).rows
        ids = tuple(self.a_job(one) for one in which)
        after = [After(ids, anyway, delay, self.now + SECOND if by_time else None), After()][: len(made)]
        within = None if batch is None else self.a_batch(batch)
        conditions = () if expires is None else tuple([Candidate(row, expires=expires) for row in made])
        self.put(InsertAfter(made, tuple(after), within, False, conditions), step)

    @rule(view=which_view, which=some)
    def look_at_after(self, view: int, which: int) -> None:
        self.twins.ask(ListAfter(self.a_job(which), 2), self.twins.views[view])

    def everything_ends(self, view: int = 0) -> None:
        """When all blocks and all jobs have ended, every batch is complete."""
        batches = self.twins.model.database.rows.batches.rows
        self.commit(alone([CloseBatch(batch, (), False) for batch in batches]), view)
        super().everything_ends(view)
        rows_now = self.twins.model.database.rows.batches.rows.values()
        assert all(batch.completed_at is not None and not batch.unfinished for batch in rows_now)
