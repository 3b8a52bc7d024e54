"""One transaction's phases: which function of which feature carries out which write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.after import InsertAfter
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import MoveBack
from aiojobs_lite.model.batches import AbandonBatches, CancelBatch, CloseBatch, InsertInBatch, OpenBatch
from aiojobs_lite.model.documents import DeleteDocument, PruneDocuments, PutDocument
from aiojobs_lite.model.edits import EditJob
from aiojobs_lite.model.ends import End
from aiojobs_lite.model.events import DeliverEvents, PlaceHeld, PruneEvents, SendEvents, SetListeners
from aiojobs_lite.model.figures import AddFigures, PruneFigures
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, RestartRate, SetLimits
from aiojobs_lite.model.progress import Report
from aiojobs_lite.model.runners import EndRunners, MarkDraining, SetRunner, SetRunnerTypes
from aiojobs_lite.model.schedules import (
    DeleteSchedule,
    FireTick,
    MoveTickBack,
    PauseSchedule,
    PutSchedule,
    RunSchedule,
    SetSchedule,
    StopSchedules,
)
from aiojobs_lite.model.steps import SaveRan, SaveSteps, StartChild, StepRow
from aiojobs_lite.model.writes import (
    CancelJob,
    Claim,
    ClaimAnswer,
    DeleteJob,
    Inserted,
    MarkInterrupted,
    PauseType,
    Prune,
    RedriveAsNew,
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
    children,
    documents,
    edits,
    ends,
    events,
    figures,
    held,
    insert,
    job_events,
    limits,
    moves,
    pauses,
    progress,
    prune,
    runners,
    schedules,
    steps,
    unique,
)
from aiojobs_lite.stores.sqlite.claim import Claiming
from aiojobs_lite.stores.sqlite.transaction import Transaction

WRITES: Final[Mapping[type, Callable[[Transaction, Any], Any]]] = {
    AbandonBatches: batches.abandon_batches,
    AddFigures: figures.add_figures,
    Admit: unique.admit,
    CancelBatch: batches.cancel_batch,
    CancelJob: moves.cancel_job,
    ChangeLimit: limits.change_limit,
    PauseLimit: limits.change_limit,
    CloseBatch: batches.close_batch,
    DeleteDocument: documents.delete_document,
    DeleteJob: moves.delete_job,
    DeliverEvents: events.deliver_events,
    DeleteSchedule: schedules.delete_schedule,
    FireTick: schedules.fire_tick,
    MoveBack: ahead.move_back,
    MoveTickBack: schedules.move_tick_back,
    InsertAfter: after.place_after,
    MarkInterrupted: ends.mark_interrupted,
    OpenBatch: batches.open_batch,
    PauseType: pauses.pause_type,
    PlaceHeld: events.place_held,
    Prune: prune.prune,
    PruneDocuments: documents.prune_documents,
    PruneEvents: events.prune_events,
    PruneFigures: figures.prune_figures,
    PutDocument: documents.put_document,
    RaisePriorities: ageing.raise_priorities,
    EditJob: edits.edit_job,
    RedriveAsNew: moves.redrive_as_new,
    RedriveDead: moves.redrive_dead,
    RedriveJob: moves.redrive_job,
    Release: held.release,
    Report: progress.report,
    Reschedule: moves.reschedule,
    RestartRate: limits.restart_rate,
    EndRunners: runners.end_runners,
    MarkDraining: runners.mark_draining,
    SaveRan: steps.save_ran,
    SendEvents: events.send_events,
    SetLimits: limits.set_limits,
    SetListeners: events.set_listeners,
    SetRunner: runners.set_runner,
    SetRunnerTypes: runners.set_runner_types,
    PauseSchedule: schedules.pause_schedule,
    PutSchedule: schedules.put_schedule,
    RunSchedule: schedules.run_schedule,
    SetSchedule: schedules.set_schedule,
    StartChild: children.start_child,
    StopSchedules: schedules.stop_schedules,
}
"""Every write that is neither an end, an insert, a claim nor a save of steps."""


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
        answers = ends.end(self._transaction, given)
        if self._transaction.moved:
            job_events.note_ends(self._transaction)
        return answers

    def write(self, write: Write[Any]) -> Any:
        """See `Phases`."""
        answer = WRITES[type(write)](self._transaction, write)
        if self._transaction.moved:
            job_events.note_ends(self._transaction)
        return answer

    def save_steps(self, writes: Sequence[SaveSteps]) -> list[tuple[StepRow, ...] | None]:
        """See `Phases`."""
        return steps.save_steps(self._transaction, writes)

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
        if transaction.moved or transaction.batches is not None or transaction.has_fewer_waits:
            is_any_released = False
            while len(transaction.moved) > transaction.moves_settled:
                is_any_released |= after.settle_after(transaction)
                job_events.note_ends(transaction)
            if batches.settle_batches(transaction) or is_any_released or transaction.has_fewer_waits:
                transaction.look_for_awaited()
