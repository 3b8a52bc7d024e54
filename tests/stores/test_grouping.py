"""From units to phases and back to answers: ends, then other writes, then inserts with the claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.batches import InsertInBatch
from aiojobs_lite.model.ends import Complete, End
from aiojobs_lite.model.events import SendEvents, StepFence
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.steps import NewRan, SaveRan, SaveSteps, StartChild, StepRow
from aiojobs_lite.model.writes import Claim, ClaimAnswer, DeleteJob, Insert, Inserted, RedriveJob, Unit
from aiojobs_lite.stores.grouping import apply_units
from tests.helpers.stores import claim, new


class Noted:
    """Phases that note what they are given. An attempt of owner `two` is not owned, batch 2 takes no jobs."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self._ids = 0

    def end(self, ends: Sequence[End]) -> list[Status | None]:
        self.calls.append(("end", [ended.id for ended in ends]))
        return [None if ended.owner == "two" else Status.COMPLETED for ended in ends]

    def write(self, write: Any) -> Any:
        self.calls.append(("write", write))
        return f"answer to {getattr(write, 'id', type(write).__name__)}"

    def save_steps(self, writes: Sequence[SaveSteps]) -> list[tuple[StepRow, ...] | None]:
        self.calls.append(("save", [write.id for write in writes]))
        return [() if write.owner == "one" else None for write in writes]

    def insert_and_claim(
        self, rows: Sequence[NewJob], claim: Claim | None
    ) -> tuple[list[Inserted], ClaimAnswer | None]:
        self.calls.append(("insert", [row.type for row in rows], claim))
        first, self._ids = self._ids, self._ids + len(rows)
        inserted = [Inserted(first + n + 1, is_new=True) for n in range(len(rows))]
        return inserted, None if claim is None else ClaimAnswer([], frozenset({"limited"}))

    def admit(self, writes: Sequence[InsertInBatch]) -> list[bool]:
        return [write.batch != 2 for write in writes]

    def add_to_batch(self, batch: int, inserted: Sequence[Inserted]) -> None:
        self.calls.append(("add", batch, [job.id for job in inserted]))

    def settle(self) -> None:
        self.calls.append("settle")


def complete(job_id: int, owner: str = "one") -> Complete:
    return Complete(job_id, 1, owner, "a")


def inserts(*types: str) -> Insert:
    return Insert(tuple(new(name) for name in types))


def in_batch(batch: int, *types: str) -> InsertInBatch:
    return InsertInBatch(batch, False, tuple(new(name) for name in types))


def ids(*numbers: int) -> list[Inserted]:
    return [Inserted(number, is_new=True) for number in numbers]


def test_nothing_to_do_calls_no_phase_but_the_last() -> None:
    phases = Noted()
    assert apply_units([], phases) == []
    assert apply_units([()], phases) == []
    assert phases.calls == ["settle"] * 2


def test_phases_come_in_one_order_and_answers_in_that_of_the_writes() -> None:
    phases, wanted = Noted(), claim()
    units: list[Unit] = [
        (wanted,),
        (inserts("b", "c"),),
        (DeleteJob(5),),
        (complete(7),),
        (inserts("d"),),
        (RedriveJob(6),),
    ]
    answers = apply_units(units, phases)
    assert phases.calls == [
        ("end", [7]),
        ("write", DeleteJob(5)),
        ("write", RedriveJob(6)),
        ("insert", ["b", "c", "d"], wanted),
        "settle",
    ]
    assert answers == [
        ClaimAnswer([], frozenset({"limited"})),
        ids(1, 2),
        "answer to 5",
        Status.COMPLETED,
        ids(3),
        "answer to 6",
    ]


def test_a_claim_alone_and_an_insert_alone_are_carried_out() -> None:
    phases, wanted = Noted(), claim()
    assert apply_units([(wanted,)], phases) == [ClaimAnswer([], frozenset({"limited"}))]
    assert apply_units([(inserts("a", "b"),)], phases) == [ids(1, 2)]
    assert phases.calls == [("insert", [], wanted), "settle", ("insert", ["a", "b"], None), "settle"]


def test_inserts_without_rows_have_answers_of_their_own() -> None:
    assert apply_units([(inserts(),), (inserts("a"),), (inserts(),)], Noted()) == [[], ids(1), []]


def test_all_of_a_unit_whose_end_was_refused_is_left_out_and_nothing_else() -> None:
    phases, wanted = Noted(), claim()
    units: list[Unit] = [
        (complete(1), DeleteJob(10), inserts("kept")),
        (inserts("dropped"), complete(2, "two"), DeleteJob(20), wanted),
        (DeleteJob(30),),
    ]
    answers = apply_units(units, phases)
    assert phases.calls == [
        ("end", [1, 2]),
        ("write", DeleteJob(10)),
        ("write", DeleteJob(30)),
        ("insert", ["kept"], None),
        "settle",
    ]
    assert answers == [Status.COMPLETED, "answer to 10", ids(1), None, None, None, None, "answer to 30"]


def test_a_refused_end_alone_in_its_unit_refuses_nothing_else() -> None:
    phases = Noted()
    assert apply_units([(complete(1, "two"),), (complete(2),), (DeleteJob(3),)], phases) == [
        None, Status.COMPLETED, "answer to 3",
    ]  # fmt: skip


def test_ends_keep_their_order_over_all_units() -> None:
    phases = Noted()
    failed = complete(2)._replace(owner="two")
    assert apply_units([(complete(3),), (failed, complete(1))], phases) == [
        Status.COMPLETED, None, Status.COMPLETED,
    ]  # fmt: skip
    assert phases.calls == [("end", [3, 2, 1]), "settle"]


def test_jobs_of_each_batch_are_inserted_together_behind_the_others_if_it_takes_them() -> None:
    phases, wanted = Noted(), claim()
    units: list[Unit] = [
        (in_batch(1, "a", "b"),), (in_batch(2, "refused"), DeleteJob(5)), (inserts("c"), wanted), (in_batch(3, "d"),),
        (in_batch(1, "e"),), (in_batch(1, "dropped"), complete(2, "two")),
    ]  # fmt: skip
    answers = apply_units(units, phases)
    assert phases.calls == [
        ("end", [2]), ("write", DeleteJob(5)), ("insert", ["c", "a", "b", "e", "d"], wanted),
        ("add", 1, [2, 3, 4]), ("add", 3, [5]), "settle",
    ]  # fmt: skip
    assert answers == [
        ids(2, 3), None, "answer to 5", ids(1), ClaimAnswer([], frozenset({"limited"})), ids(5), ids(4), None, None,
    ]  # fmt: skip


def test_what_attempts_do_for_their_operations_comes_before_all_ends_and_saves_go_together() -> None:
    phases = Noted()
    report = Report(9, 1, "one", 1, None, None, None)
    child = StartChild(3, 1, "one", "s", Candidate(new("c")), True)
    sends, of_step = SendEvents(()), SendEvents((), step=StepFence(4, 1, "one", "s"))
    saves = [SaveSteps(number, 1, owner, ()) for number, owner in ((1, "one"), (2, "two"), (5, "one"))]
    ran = SaveRan([NewRan(6, 1, "one", "s", "1", 1)])
    units: list[Unit] = [
        (complete(7),), (sends,), (saves[0],), (saves[1],), (child, report), (saves[2],), (of_step,), (ran,),
    ]  # fmt: skip
    answers = apply_units(units, phases)
    assert phases.calls == [
        ("write", report),
        ("write", ran),
        ("save", [1, 2]),
        ("write", child),
        ("save", [5]),
        ("write", of_step),
        ("end", [7]),
        ("write", sends),
        "settle",
    ]
    assert answers == [
        Status.COMPLETED, "answer to SendEvents", (), None, "answer to 3", "answer to 9", (), "answer to SendEvents",
        "answer to SaveRan",
    ]  # fmt: skip
