"""From units to phases and back to answers: the order within a transaction, written once for all stores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby, islice
from typing import Any, Final, Protocol

from aiojobs_lite.model.batches import InsertInBatch
from aiojobs_lite.model.ends import ENDS, End
from aiojobs_lite.model.events import SendEvents
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.steps import SaveRan, SaveSteps, StartChild, StepRow
from aiojobs_lite.model.writes import Claim, ClaimAnswer, Insert, Inserted, Unit, Write


class Phases(Protocol):
    """What a store does within one open transaction."""

    def end(self, ends: Sequence[End]) -> list[Status | None]:
        """Ends attempts, those that succeeded first; the status of each job after it, None if it was not owned."""

    def write(self, write: Write[Any]) -> Any:
        """Carries out one write that is neither an end, an insert nor a claim; returns its answer."""

    def save_steps(self, writes: Sequence[SaveSteps]) -> list[tuple[StepRow, ...] | None]:
        """Stores operations of attempts, one write after the other; returns the answer to each."""

    def insert_and_claim(
        self, rows: Sequence[NewJob], claim: Claim | None
    ) -> tuple[list[Inserted], ClaimAnswer | None]:
        """Inserts jobs and carries out the claim, in which they take part."""

    def admit(self, writes: Sequence[InsertInBatch]) -> Sequence[bool]:
        """Whether the batch of each write takes its jobs, and so those of all writes with the same batch and
        `is_member`; all ends and other writes are done.
        """

    def add_to_batch(self, batch: int, inserted: Sequence[Inserted]) -> None:
        """Adds jobs that were inserted to their batch."""

    def settle(self) -> None:
        """Does what follows from all that was done: batches that are complete enqueue their callbacks."""


_OF_ATTEMPTS: Final = frozenset({Report, SaveRan, SendEvents})


def apply_units(units: Sequence[Unit], phases: Phases) -> list[Any]:
    """Applies units in the order that `Store.apply` sets.

    Returns:
        One answer a write, in the order of the units and of the writes in them.
    """
    if len(units) == 1 and len(units[0]) == 1 and type(units[0][0]) is Insert:  # of a lone caller
        inserted, _ = phases.insert_and_claim(units[0][0].rows, None)
        phases.settle()
        return [inserted]
    return _apply_all(units, phases)


def _apply_all(units: Sequence[Unit], phases: Phases) -> list[Any]:
    """Finds the writes of each kind, and carries them out in their order."""
    writes: list[Any] = list(chain.from_iterable(units))
    answers: list[Any] = [None] * len(writes)
    ends: list[int] = []
    early: list[int] = []
    operations: list[int] = []
    others: list[int] = []
    inserts: list[int] = []
    in_batches: list[int] = []
    claim = None
    by_kind = {Insert: inserts, InsertInBatch: in_batches, SaveSteps: operations, StartChild: operations}
    for index, write in enumerate(writes):
        kind = type(write)
        if kind in ENDS:
            ends.append(index)
        elif kind in by_kind:
            by_kind[kind].append(index)
        elif kind is Claim:
            claim = index
        elif kind in _OF_ATTEMPTS and _comes_first(write):
            (operations if kind is SendEvents else early).append(index)
        else:
            others.append(index)
    _carry_out_early(writes, early, operations, answers, phases)
    if ends:
        for index, status in zip(ends, phases.end([writes[index] for index in ends]), strict=True):
            answers[index] = status
        if len(writes) > len(units):
            skipped = _of_refused_units(units, {index for index in ends if answers[index] is None})
            others = [index for index in others if index not in skipped]
            inserts = [index for index in inserts if index not in skipped]
            in_batches = [index for index in in_batches if index not in skipped]
            claim = None if claim in skipped else claim
    for index in others:
        answers[index] = phases.write(writes[index])
    if inserts or in_batches or claim is not None:
        _insert(writes, inserts, in_batches, claim, answers, phases)
    phases.settle()
    return answers


def _comes_first(write: Any) -> bool:
    """Whether a report, or events, are of an attempt that has not ended for them; steps that ran are."""
    kind = type(write)
    return kind is SaveRan or (not write.goes_with_end if kind is Report else write.step is not None)


def _carry_out_early(
    writes: Sequence[Any], early: Sequence[int], operations: Sequence[int], answers: list[Any], phases: Phases
) -> None:
    """Carries out what attempts do before their ends: steps that ran and reports first; operations of one kind that
    follow each other together.
    """
    for index in early:
        answers[index] = phases.write(writes[index])
    for kind, run in groupby(operations, lambda index: type(writes[index])):
        indexes = list(run)
        given = [writes[index] for index in indexes]
        found = phases.save_steps(given) if kind is SaveSteps else list(map(phases.write, given))
        for index, answer in zip(indexes, found, strict=True):
            answers[index] = answer


def _of_refused_units(units: Sequence[Unit], refused: set[int]) -> set[int]:
    """All writes of each unit that has one of these."""
    found: set[int] = set()
    start = 0
    for unit in units:
        own = range(start, start + len(unit))
        if not refused.isdisjoint(own):
            found.update(own)
        start += len(unit)
    return found


def _insert(
    writes: Sequence[Any],
    inserts: Sequence[int],
    in_batches: Sequence[int],
    claim: int | None,
    answers: list[Any],
    phases: Phases,
) -> None:
    wanted = None if claim is None else writes[claim]
    added = _admitted(writes, in_batches, phases) if in_batches else []
    if added:
        inserts = [*inserts, *chain.from_iterable(added)]  # the ids of a batch follow each other
    rows = list(chain.from_iterable([writes[index].rows for index in inserts]))
    inserted, claimed = phases.insert_and_claim(rows, wanted)
    answered = iter(inserted)
    for index in inserts:
        answers[index] = list(islice(answered, len(writes[index].rows)))
    if claim is not None:
        answers[claim] = claimed
    for together in added:
        inserted = list(chain.from_iterable([answers[index] for index in together]))
        phases.add_to_batch(writes[together[0]].batch, inserted)


def _admitted(writes: Sequence[Any], in_batches: Sequence[int], phases: Phases) -> list[list[int]]:
    """The writes that a batch takes, those for one batch together."""
    found: dict[tuple[int, bool], list[int]] = {}
    for index in in_batches:
        write = writes[index]
        found.setdefault((write.batch, write.is_member), []).append(index)
    admitted = phases.admit([writes[together[0]] for together in found.values()])
    return [together for together, is_admitted in zip(found.values(), admitted, strict=True) if is_admitted]
