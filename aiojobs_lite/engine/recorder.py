"""Saves how attempts ended, and then notifies: the attempts of this runner and lost ones go the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.end_facts import publish_end
from aiojobs_lite.engine.ports import (
    ChangeListener,
    Commits,
    DeathReactions,
    EndCounter,
    EndListener,
    OpenReports,
    UnsavedEnds,
)
from aiojobs_lite.errors import StoreError
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.writes import Insert, Unit
from aiojobs_lite.policy.simplified import is_bare, simplified
from aiojobs_lite.sizes import MOST_EXCEPTIONS_KEPT
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import EndRefused, JobCompleted, JobEnqueued
from aiojobs_lite.telemetry.meters import Metrics
from aiojobs_lite.telemetry.tracebacks import Raised

_log = get_log("engine")


class Recorder:
    """Saves ends. Listeners, telemetry and metrics learn of an end when it is durable, never before.

    Args:
        commits: Makes the ends durable.
        clock: Says how far the next attempt is away.
        attempts: Knows the ends that are still to be saved.
        bus: Gets a fact for each end.
        metrics: Counts ends.
        listeners: Notified of each end.
        refusals: Looks again when an end was refused: another owner has changed something.
        deaths: Reacts to dead jobs.
        reports: What the attempts reported last goes with their ends.
    """

    def __init__(
        self,
        *,
        commits: Commits,
        clock: Clock,
        attempts: UnsavedEnds,
        bus: Bus,
        metrics: Metrics,
        listeners: Sequence[EndListener],
        refusals: ChangeListener,
        deaths: DeathReactions,
        reports: OpenReports,
    ) -> None:
        self._commits = commits
        self._clock = clock
        self._attempts = attempts
        self._bus = bus
        self._metrics = metrics
        self._listeners = tuple(listeners)
        self._refusals = refusals
        self._deaths = deaths
        self._reports = reports
        self._lost: dict[tuple[int, int, str], asyncio.Future[bool]] = {}  # by (id, attempt, owner)
        self._raised: dict[tuple[int, int, str], Raised] = {}  # the same, until the end is saved
        self._when_saved = self._saved  # one object for all
        self._figures: EndCounter | None = None

    def connect(self, *, figures: EndCounter) -> None:
        """Sets what counts ends for the figures of all processes."""
        self._figures = figures

    def add_listener(self, listener: EndListener) -> None:
        """Notifies one more of each end from now on."""
        self._listeners = (*self._listeners, listener)

    def record(self, end: End, raised: Raised | None = None) -> None:
        """Saves the end of an attempt of this runner, which is on the list of those to be saved."""
        if raised is not None:
            self._raised[end.id, end.attempt, end.owner] = self._limited(raised)
            self._keep(end)
        elif self._reports.open:
            self._keep(end)
        else:
            self._commits.keep((end,), self._when_saved)

    async def record_lost(self, end: End, raised: Raised | None = None) -> bool:
        """Saves the end of an attempt that no runner runs any more, once.

        A rescue that was given up leaves the end on its way, and the next one awaits it.

        Returns:
            Whether it was still owned. One that cannot be saved at all is logged, and was not.
        """
        key = end.id, end.attempt, end.owner
        answer = self._lost.get(key)
        if answer is None:
            answer = self._lost[key] = asyncio.get_running_loop().create_future()
            if raised is not None:
                self._raised[key] = raised
            self._keep(end)
        return await asyncio.shield(answer)

    @property
    def awaited_ends(self) -> Collection[tuple[int, int, str]]:
        """The ends of lost attempts that a caller awaits: job, attempt, owner."""
        return self._lost.keys()

    def give_up(self, job_id: int) -> None:
        """Answers the callers that await an end which nothing will save: it was not saved."""
        for key in [key for key in self._lost if key[0] == job_id]:
            answer = self._lost.pop(key)
            if not answer.done():
                answer.set_result(False)

    def _keep(self, end: End, reports: Unit = ()) -> None:
        """Saves an end, with the jobs that it enqueues if it is a death, and with what its attempt reported last."""
        unit = (*self._of_end(end), *reports, *(self._reports.last_of(end) if self._reports.open else ()))
        self._commits.keep(unit, self._when_saved if len(unit) == 1 else self._saved_with_more)

    def _of_end(self, end: End) -> Unit:
        return self._deaths.unit(end, self._raised.get((end.id, end.attempt, end.owner)))

    def _keep_simpler(self, end: End, others: Unit, error: StoreError) -> bool:
        """Saves what is left of an end that the store rejects; returns whether anything is.

        What goes with it is dropped before the job is made dead for it: the end matters more.
        """
        if others and is_bare(end):
            text = "the end of %s job %s attempt %s is saved without what goes with it (%s): %s"
            dropped = ", ".join(_words_of(write) for write in others)
            _log.error(text, end.type, end.id, end.attempt, dropped, error)
            self._commits.keep((end,), self._when_saved)
            return True
        simpler = simplified(end, error)
        if simpler is None:
            return False
        self._keep(simpler, others[len(self._of_end(end)) - 1 :])
        return True

    def _saved_with_more(self, unit: Unit, answers: Sequence[Any] | None, error: StoreError | None) -> None:
        status, *others = answers or (None,)
        self._saved(unit, status, error)
        if self._bus.is_watched(JobEnqueued):
            for write, inserted in zip(unit[1:], others, strict=False):
                for row, one in zip(_rows(write), inserted if isinstance(inserted, list) else (), strict=False):
                    if one.is_new:
                        self._bus.publish(JobEnqueued(one.id, row.type))

    def _saved(self, unit: Unit, status: Status | None, error: StoreError | None) -> None:
        end: End = unit[0]  # type: ignore[assignment]  # as it was kept
        if type(end) is Complete and status is not None and end.note is None and not self._lost:  # nearly always
            self._completed(end)
            return
        if status is Status.CANCELLED and isinstance(end, Again):  # a cancel was committed before it
            end = end.cancelled()
        if error is not None:
            if self._keep_simpler(end, unit[1:], error):
                return
            text = "the end of %s job %s attempt %s cannot be saved, and the attempt is given back: %s"
            _log.error(text, end.type, end.id, end.attempt, error)
        is_owned = status is not None
        raised = self._raised.pop((end.id, end.attempt, end.owner), None) if self._raised else None
        if self._lost and (lost := self._lost.pop((end.id, end.attempt, end.owner), None)):
            if is_owned:
                self._count(end, None)
                self._notify(end, 0.0, raised)
            if not lost.done():
                lost.set_result(is_owned)
            return
        duration = self._attempts.saved(end.id)
        if is_owned:
            self._metrics.ended(end.type, duration, succeeded=type(end) is Complete)
            self._count(end, duration)
            self._notify(end, duration, raised)
        elif error is None:
            self._metrics.refused_ends += 1
            self._refusals.look_again()
            self._bus.publish(EndRefused(end.id, end.type, end.attempt))

    def _completed(self, end: Complete) -> None:
        """Notifies of the end of nearly every attempt, in fewer calls than `_notify`."""
        duration = self._attempts.saved(end.id)
        self._metrics.ended(end.type, duration, succeeded=True)
        if self._figures is not None:
            self._figures.completed(end.type, duration)
        for listener in self._listeners:
            listener.attempt_ended(end)
        if self._bus.is_watched(JobCompleted):
            self._bus.publish(JobCompleted(end.id, end.type, end.attempt, duration))

    def _count(self, end: End, duration: float | None) -> None:
        if self._figures is not None:
            self._figures.ended(end, duration)

    def _limited(self, raised: Raised) -> Raised:
        """Without the exception, which keeps all that its handler had, if many wait while the database fails."""
        return raised if len(self._raised) < MOST_EXCEPTIONS_KEPT else raised._replace(error=None)

    def _notify(self, end: End, duration: float, raised: Raised | None) -> None:
        for listener in self._listeners:
            listener.attempt_ended(end)
        publish_end(self._bus, end, duration, self._clock, raised)
        if raised is not None and isinstance(end, Close) and end.status is Status.DEAD:
            self._deaths.died(end, raised)


def _rows(write: object) -> Sequence[NewJob]:
    """The jobs that a write adds."""
    if isinstance(write, Admit):
        return [candidate.row for candidate in write.rows]
    return write.rows if isinstance(write, Insert) else ()


def _words_of(write: object) -> str:
    """What a write that goes with an end is, for the log."""
    types = ", ".join(repr(row.type) for row in _rows(write))
    return f"the jobs that it enqueues: {types}" if types else "what the attempt reported last"
