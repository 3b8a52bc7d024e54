"""One transaction's phases: which function of which feature carries out which write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.after import InsertAfter
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import MoveBack
from aiojobs_lite.model.batches import AbandonBatches, CancelBatch, CloseBatch, InsertInBatch, OpenBatch
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, SetLimits
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.runners import EndRunners, MarkDraining, SetRunner
from aiojobs_lite.model.schedules import FireTick, MoveTickBack, SetSchedule
from aiojobs_lite.model.writes import (
    CancelJob,
    Claim,
    ClaimAnswer,
    DeleteJob,
    Inserted,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveDead,
    RedriveJob,
    Release,
    Reschedule,
    Write,
)
from aiojobs_lite.stores.sqlite import (
    after,
    ageing,
    ahead,
    batches,
    ends,
    held,
    insert,
    limits,
    moves,
    pauses,
    progress,
    prune,
    runners,
    schedules,
    unique,
)
from aiojobs_lite.stores.sqlite.claim import Claiming
from aiojobs_lite.stores.sqlite.transaction import Transaction

WRITES: Final[Mapping[type, Callable[[Transaction, Any], Any]]] = {
    AbandonBatches: batches.abandon_batches,
    Admit: unique.admit,
    CancelBatch: batches.cancel_batch,
    CancelJob: moves.cancel_job,
    ChangeLimit: limits.change_limit,
    PauseLimit: limits.change_limit,
    CloseBatch: batches.close_batch,
    DeleteJob: moves.delete_job,
    FireTick: schedules.fire_tick,
    MoveBack: ahead.move_back,
    MoveTickBack: schedules.move_tick_back,
    InsertAfter: after.place_after,
    MarkInterrupted: ends.mark_interrupted,
    OpenBatch: batches.open_batch,
    PauseType: pauses.pause_type,
    Prune: prune.prune,
    RaisePriorities: ageing.raise_priorities,
    RedriveDead: moves.redrive_dead,
    RedriveJob: moves.redrive_job,
    Release: held.release,
    Report: progress.report,
    Reschedule: moves.reschedule,
    EndRunners: runners.end_runners,
    MarkDraining: runners.mark_draining,
    SetLimits: limits.set_limits,
    SetRunner: runners.set_runner,
    SetSchedule: schedules.set_schedule,
}
"""Every write that is neither an end, an insert nor a claim."""


class SqlitePhases:
    """The phases of one transaction, for `stores.grouping`.

    Args:
        transaction: The open transaction.

    Attributes:
        claiming: The claim that was carried out, or None.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.claiming: Claiming | None = None

    def end(self, given: Sequence[End]) -> list[Status | None]:
        """See `Phases`."""
        return ends.end(self._transaction, given)

    def write(self, write: Write[Any]) -> Any:
        """See `Phases`."""
        return WRITES[type(write)](self._transaction, write)

    def insert_and_claim(
        self, rows: Sequence[NewJob], claim: Claim | None
    ) -> tuple[list[Inserted], ClaimAnswer | None]:
        """See `Phases`."""
        if claim is None:
            return insert.insert(self._transaction, rows, None), None
        self.claiming = Claiming(self._transaction, claim)
        inserted: list[Inserted] = []
        if rows:  # some of them may be claimed as they are inserted
            inserted = insert.insert(self._transaction, rows, self.claiming)
        else:
            self.claiming.choose(())
        return inserted, self.claiming.answer()

    def admit(self, writes: Sequence[InsertInBatch]) -> Sequence[bool]:
        """See `Phases`."""
        return batches.admit_to_batches(self._transaction, writes)

    def add_to_batch(self, batch: int, inserted: Sequence[Inserted]) -> None:
        """See `Phases`."""
        batches.add_jobs(self._transaction, batch, inserted)

    def settle(self) -> None:
        """See `Phases`."""
        transaction = self._transaction
        if transaction.moved or transaction.batches is not None:
            is_any_released = after.settle_after(transaction)
            if batches.settle_batches(transaction) or is_any_released:
                transaction.look_for_awaited()
