"""The durable operations of one runner: those of each attempt that asks for any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from aiojobs_lite.clock import Clock
from aiojobs_lite.current import AttemptOfJob
from aiojobs_lite.durable.attempt import AroundStep, DurableAttempt
from aiojobs_lite.durable.checkpoint import RunFence, ledger_elsewhere, record_checkpoint
from aiojobs_lite.durable.driver import Driver
from aiojobs_lite.durable.ledger import StepLedger
from aiojobs_lite.durable.limits import RunLimits, RunSize
from aiojobs_lite.durable.memos import Memos, StepStore
from aiojobs_lite.durable.notes import NO_END, LastEnd
from aiojobs_lite.durable.operations import Recorded, RunReturned
from aiojobs_lite.durable.own_resources import OwningAttempt
from aiojobs_lite.durable.results import StepResults
from aiojobs_lite.durable.rounds import Refusal, Rounds
from aiojobs_lite.durable.waits import Waits
from aiojobs_lite.engine.running import Running
from aiojobs_lite.errors import AttemptNotOwned, StoreError
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.policy.settle import Ending, Stop, Suspension
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import RepeatedOutsideSteps, StepsSkipped, SuspensionSwallowed

_log = get_log("engine")
_MOST_SUSPENDED: Final = 10_000  # runs


class Attempts(Protocol):
    """Knows what runs: the register of attempts."""

    def find(self, job_id: int) -> Running | None:
        """The running attempt of a job, or None."""


class Durable:
    """Makes the operations of an attempt when its handler asks for the first, and ends them with it.

    Args:
        store: Keeps the operations.
        clock: Says how long it is to an instant.
        bus: Gets the facts about them.
        attempts: Knows what runs.
        suspend: Ends an attempt that waits.
        around: Gives what is around the steps of a job type, by its name; None: nothing.

    Attributes:
        store: As given.
        clock: As given.
        suspend: As given; this is the `Host` of all waits.
    """

    def __init__(
        self,
        *,
        store: StepStore,
        clock: Clock,
        bus: Bus,
        attempts: Attempts,
        suspend: Callable[[Running, Suspension], None],
        around: Callable[[str], AroundStep | None],
    ) -> None:
        self.store = store
        self.clock = clock
        self._bus = bus
        self._attempts = attempts
        self.suspend = suspend
        self._around = around
        self._results = StepResults()
        self._known: dict[Running, DurableAttempt] = {}  # two of a job that its owner lost and has claimed again
        self._driven: dict[Running, Rounds] = {}
        self._last_ends: dict[int, LastEnd] = {}  # of runs that are suspended
        self._repeating: set[str] = set()  # the types of which it was published
        self._find, self._when_ended = attempts.find, self._ended  # one object for all
        self._reloads: set[asyncio.Task[None]] = set()

    def of(self, claimed: Claimed, own: Mapping[str, object] | None = None) -> DurableAttempt:
        """The operations of an attempt that its handler asks for.

        Args:
            claimed: The attempt.
            own: Its `PerAttempt` resources by parameter, or None.

        Raises:
            AttemptNotOwned: If it does not run any more.
        """
        run = self._running(claimed)
        found = self._known.get(run)
        if found is None:
            ledger, waits = self._open(run)
            kind = OwningAttempt if own else DurableAttempt
            found = self._known[run] = kind(run, self._find, ledger, waits, self._results, self.clock)
            if own and isinstance(found, OwningAttempt):
                found.own = own
            around = self._around(claimed.type)
            if around is not None:
                found.surround(around)
        return found

    def note_outside(self, job: AttemptOfJob, call: str, instead: str) -> None:
        """A handler calls what each further attempt calls again, unless a step does so. Published once for each type.

        Args:
            job: The attempt that calls it.
            call: What is called.
            instead: What to write in its place.
        """
        run = self._attempts.find(job.id)
        attempt = None if run is None else self._known.get(run)
        if attempt is not None and not attempt.waits.steps and job.type not in self._repeating:
            self._repeating.add(job.type)
            self._bus.publish(RepeatedOutsideSteps(job.id, job.type, call, instead))

    async def drive(self, claimed: Claimed, driver: Driver, refusal: Refusal, limits: RunLimits) -> Ending:
        """Has a driver run an attempt by calls; returns how that ended.

        Args:
            claimed: The attempt.
            driver: Runs it.
            refusal: Makes the error of a child that its options refuse.
            limits: How much the run may store.

        Raises:
            AttemptNotOwned: If it does not run any more.
        """
        run = self._running(claimed)
        ledger, waits = self._open(run)
        rounds = self._driven[run] = Rounds(
            claimed=claimed, driver=driver, ledger=ledger, waits=waits, refusal=refusal,
            size=RunSize(claimed.id, limits), last_end=self._last_ends.pop(claimed.id, NO_END),
        )  # fmt: skip
        end = await rounds.run()
        if isinstance(end, RunReturned):
            return Ending(result=None if run.job_type.result is None else end.result)
        return Ending(error=RuntimeError(end.failure.error_type), failure=end.failure, verdict=end.verdict)

    async def checkpoint(
        self, fence: RunFence, operations: Sequence[Recorded], end: RunReturned | None, limits: RunLimits
    ) -> tuple[StepRow, ...] | None:
        """Makes operations durable while a driver is called, here or in another process; see `record_checkpoint`.

        Args:
            fence: The attempt.
            operations: What was done, or planned.
            end: What the run returned, or None.
            limits: How much a run may store that another process drives.
        """
        run = self._attempts.find(fence.job_id)
        if run is not None and (run.claimed.attempt, run.claimed.owner) == fence[1:]:
            driven = self._driven.get(run)
            if driven is None:
                return None  # no driver runs it
            return await record_checkpoint(driven.waits.ledger, driven.size, operations, end)
        ledger = await ledger_elsewhere(fence, self.store, self.clock, self._bus)
        size = RunSize(fence.job_id, limits)
        return None if ledger is None else await record_checkpoint(ledger, size, operations, end)

    def _running(self, claimed: Claimed) -> Running:
        run = self._attempts.find(claimed.id)
        if run is None or run.claimed is not claimed:
            raise AttemptNotOwned(claimed.id, claimed.attempt)
        return run

    def _open(self, run: Running) -> tuple[StepLedger, Waits]:
        """What each attempt has of its own; arguments by name would cost as much as the objects."""
        memos = Memos(run.claimed, self.store)
        ledger = StepLedger(run, run.job_type.policy, memos, self.clock, self._bus)
        run.when_ended = self._when_ended
        return ledger, Waits(self.clock, run, ledger, self)

    def reload(self, waits: Waits) -> None:
        """See `Host`."""
        task = asyncio.get_running_loop().create_task(_end_what_came(waits))
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def _ended(self, run: Running, ending: Ending) -> None:
        run.task = None  # its context holds the operations, and they hold the attempt: nothing is left to the collector
        attempt = self._known.pop(run, None)
        waits = self._left(run) if attempt is None else attempt.waits
        waits.close()
        claimed = run.claimed
        if run.stopped is Stop.SUSPEND:
            problem = _swallowed(ending)
            if problem:
                self._bus.publish(SuspensionSwallowed(claimed.id, claimed.type, problem))
        elif (skipped := waits.ledger.skipped) and ending.succeeded:
            self._bus.publish(StepsSkipped(claimed.id, claimed.type, ", ".join(skipped)))

    def _left(self, run: Running) -> Waits:
        """Forgets a driver that has come to the end of an attempt, but for what the next attempt is to know."""
        rounds = self._driven.pop(run)
        if run.stopped is Stop.SUSPEND and rounds.last_end != NO_END:
            self._last_ends[run.claimed.id] = rounds.last_end
            if len(self._last_ends) > _MOST_SUSPENDED:  # a run that is called once too often has lost nothing
                del self._last_ends[next(iter(self._last_ends))]
        return rounds.waits


async def _end_what_came(waits: Waits) -> None:
    try:
        for name in await waits.ledger.reload():
            waits.end(name)
    except StoreError as error:  # it is tried again
        _log.debug("the operations of a job could not be read: %s", error)


def _swallowed(ending: Ending) -> str:
    """What a handler did in place of ending, when its attempt was suspended; empty if it ended."""
    if ending.error is None:
        return "returned"
    return "" if isinstance(ending.error, asyncio.CancelledError) else f"raised {type(ending.error).__name__}"
