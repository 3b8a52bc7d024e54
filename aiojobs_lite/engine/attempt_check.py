"""Looks for attempts that cannot end any more, for ends that are not written, and for slots without an attempt."""

from __future__ import annotations

import time
from collections import Counter
from typing import Protocol

from aiojobs_lite.engine.evidence import Loss, loss_of
from aiojobs_lite.engine.ports import CountedSlots, KeptEnds, LostEnds
from aiojobs_lite.engine.running import AttemptRegister, Running
from aiojobs_lite.engine.suspects import SURE, Defect, Suspects


class AttemptEnder(Protocol):
    """Ends attempts from outside: the executor."""

    def give_up(self, run: Running, why: str) -> bool:
        """Ends an attempt that can never end by itself; returns False if its end may still come."""


class AttemptCheck:
    """Finds what holds a job or a slot for ever, and gives it back.

    Args:
        attempts: What runs, and which ends are to be saved.
        ender: Ends an attempt that cannot end by itself.
        slots: Counts the slots.
        kept: Knows the ends that are on their way to the store.
        recorder: Has callers that wait for the ends of lost attempts.
    """

    def __init__(
        self, *, attempts: AttemptRegister, ender: AttemptEnder, slots: CountedSlots, kept: KeptEnds, recorder: LostEnds
    ) -> None:
        self._attempts = attempts
        self._ender = ender
        self._slots = slots
        self._kept = kept
        self._recorder = recorder
        self._lost = Suspects()
        self._unwritten = Suspects()
        self._miscounted = Suspects()

    async def look(self) -> list[Defect]:
        """Looks once; returns what was found and given back."""
        return [*self._lost_attempts(), *self._unwritten_ends(), *self._wrong_slots()]

    def _lost_attempts(self) -> list[Defect]:
        losses = {run: loss for run in self._attempts.with_slots if (loss := loss_of(run)) is not None}
        confirmed = self._lost.confirm({run: loss.looks for run, loss in losses.items()})
        found = []
        for run in confirmed:
            defect = _defect_of(run, losses[run])
            if self._ender.give_up(run, losses[run].why):
                found.append(defect)
        return found

    def _unwritten_ends(self) -> list[Defect]:
        """Ends that are to be saved, and are not with the committer: their attempts are left to the rescue."""
        unsaved: dict[tuple[object, ...], int] = {
            ("own", job_id, took): job_id for job_id, took in self._attempts.unsaved_ends.items()
        }
        unsaved |= {("lost", *key): key[0] for key in self._recorder.awaited_ends}
        if unsaved:
            kept = self._kept.jobs_kept()
            unsaved = {key: job_id for key, job_id in unsaved.items() if job_id not in kept}
        found = []
        for key in self._unwritten.confirm(dict.fromkeys(unsaved, SURE)):
            if key[0] == "own":
                self._attempts.saved(unsaved[key])
            else:
                self._recorder.give_up(unsaved[key])
            found.append(Defect("an end that was to be saved is nowhere; the job is left to the rescue", unsaved[key]))
        return found

    def _wrong_slots(self) -> list[Defect]:
        running = Counter(run.job_type.name for run in self._attempts.with_slots)
        difference = self._slots.difference(running)
        if not self._miscounted.confirm({difference: SURE} if difference else {}):
            return []
        self._slots.recount(running)
        return [Defect(f"slots are counted that no attempt holds, or the reverse ({difference}); they are recounted")]


def _defect_of(run: Running, loss: Loss) -> Defect:
    claimed = run.claimed
    parts = (
        f"entered={run.is_entered} stopped={run.stopped} mode={run.job_type.mode} timers={len(run.timers or ())} "
        f"task={_text(run.task)} thread={_text(run.thread)}"
    )
    what = f"{loss.why}; it was ended"
    return Defect(what, claimed.id, claimed.type, claimed.attempt, time.perf_counter() - run.started, parts)


def _text(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001  # it may be of the application's making
        return type(error).__name__
