"""One transaction's phases: which function of which feature carries out which write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.ahead import MoveBack
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
    ageing,
    ahead,
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
    Admit: unique.admit,
    CancelJob: moves.cancel_job,
    ChangeLimit: limits.change_limit,
    PauseLimit: limits.change_limit,
    DeleteJob: moves.delete_job,
    FireTick: schedules.fire_tick,
    MoveBack: ahead.move_back,
    MoveTickBack: schedules.move_tick_back,
    MarkInterrupted: ends.mark_interrupted,
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
