"""The group commit: all units that arrived while the last transaction was in flight become the next one.

That is the reason for the speed (one fsync, one way to the connection's thread for many jobs) and for the safety (a
cancelled await can never leave half a transaction). The claim goes with the same transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, overload

from aiojobs_lite.clock import Alarm, Clock, sleep
from aiojobs_lite.engine.entries import (
    Cohort,
    Entry,
    Reply,
    apart,
    fail,
    hand_out,
    leave_in_doubt,
    log_failed_listener,
    notify,
    rejected,
)
from aiojobs_lite.engine.health import Health
from aiojobs_lite.engine.inline_turn import InlineTurn
from aiojobs_lite.engine.ports import CascadeListener, ClaimSource, Done
from aiojobs_lite.engine.unit_queue import UNITS_TOGETHER, UnitQueue
from aiojobs_lite.errors import AttemptNotOwned, RunnerClosed, StoreError, StoreUnavailable
from aiojobs_lite.errors.store import CLOSED
from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.batches import INSERTS
from aiojobs_lite.model.ends import ENDS
from aiojobs_lite.model.steps import NewRan
from aiojobs_lite.model.writes import Claim, Unit, Write
from aiojobs_lite.origin import Origin
from aiojobs_lite.stores.base import Applied, Store
from aiojobs_lite.telemetry.meters import CommitMeter

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
_ADDS: Final = INSERTS | {Admit}  # the writes that add jobs


class Committer:
    """Applies units in groups, one transaction at a time.

    A caller that is cancelled leaves its unit to be carried out whole, or not at all. Each caller gets an error object
    of its own.

    Args:
        store: Where the units are applied.
        clock: Gives each transaction its instant.
        health: Knows whether the store can be written.
        claims: Gives the claim that goes with a transaction, and takes what the transaction did.
        meter: Measures how long they take that are carried out.

    Attributes:
        is_busy: Whether a transaction is in flight.
        transactions: How many were begun.
        instant: The instant of the latest of them, in microseconds.
        went_idle: Set whenever nothing is left to write; cleared by what waits for it.
        when_committed: Is called after each transaction; None: nothing wants to know.
    """

    def __init__(self, *, store: Store, clock: Clock, health: Health, claims: ClaimSource, meter: CommitMeter) -> None:
        self._store = store
        self._inline = store.inline
        self._clock = clock
        self._health = health
        self._claims = claims
        self._meter = meter
        self._cascades: CascadeListener | None = None
        self._alarm = Alarm(clock)
        self._queue = UnitQueue(self._alarm)
        self.went_idle = asyncio.Event()
        self._turn = InlineTurn()
        self.is_busy = False
        self._in_flight: Sequence[Entry] = ()
        self.transactions = 0
        self.instant = 0
        self._is_closed = False
        self._origin = Origin()
        self.when_committed: Callable[[], None] | None = None

    def connect(self, *, cascades: CascadeListener) -> None:
        """Sets what is notified of jobs that a transaction has cancelled or enqueued by itself."""
        self._cascades = cascades

    @property
    def is_idle(self) -> bool:
        """Whether no unit waits or is in flight."""
        return not (self._queue.kept or self._queue.waiting or self.is_busy)

    @property
    def is_waiting(self) -> bool:
        """Whether units wait although no transaction is in flight."""
        return bool(self._queue.kept or self._queue.waiting) and not self.is_busy

    def jobs_kept(self) -> set[int]:
        """The jobs whose ends are kept until they are saved."""
        units = [unit for unit, _, done in (*self._queue.kept, *self._in_flight) if done is not None]
        return {write.id for unit in units for write in unit if isinstance(write, ENDS)}

    def wake(self) -> None:
        """Asks for a claim in the next turn of the event loop."""
        self._alarm.ring()

    async def write(self, write: Write[A]) -> A:
        """Makes a caller's write durable.

        Returns:
            The store's answer to it.

        Raises:
            StoreUnavailable: If the store cannot be written now.
            StoreRejected: If the write cannot be stored.
            RunnerClosed: If the runner was closed before.
        """
        unit = (write,)
        answers = self._apply_inline(unit)
        answer: A = await self._queue.add(unit) if answers is None else answers[0]
        return answer

    def save_ran(self, step: NewRan) -> Reply:
        """Makes a step durable that ran, with those that wait already; returns the answer to come, as `Cohort` says.

        Raises:
            StoreUnavailable: If the store cannot be written now.
            RunnerClosed: If the runner was closed before.
        """
        cohort = self._queue.cohort
        if cohort is not None and len(cohort.steps) < UNITS_TOGETHER:
            self._origin.check()
            return cohort.add(step)
        made = Cohort()
        reply = made.add(step)
        answers = self._apply_inline(made.entry[0])
        if answers is None:
            self._queue.add_steps(made)
        else:
            made.answer(answers[0])
        return reply

    @overload
    async def write_all(self, first: Write[A], second: Write[B], /) -> tuple[A, B]: ...
    @overload
    async def write_all(self, first: Write[A], second: Write[B], third: Write[C], /) -> tuple[A, B, C]: ...
    @overload
    async def write_all(
        self, first: Write[A], second: Write[B], third: Write[C], fourth: Write[D], /
    ) -> tuple[A, B, C, D]: ...
    async def write_all(self, *writes: Write[Any]) -> tuple[Any, ...]:
        """Makes several writes of a caller durable together: all of them, or none.

        Returns:
            The store's answer to each.

        Raises:
            AttemptNotOwned: If one of them ends an attempt that is not owned any more; then nothing was written.
            StoreUnavailable: If the store cannot be written now.
            StoreRejected: If one of them cannot be stored.
            RunnerClosed: If the runner was closed before.
        """
        answers = self._apply_inline(writes)
        if answers is None:
            answer = await self._queue.add(writes)
            answers = [answer] if len(writes) == 1 else answer
        for write, answer in zip(writes, answers, strict=False):  # a claim's answer may be one more
            if answer is None and isinstance(write, ENDS):
                raise AttemptNotOwned(write.id, write.attempt)
        return tuple(answers[: len(writes)])

    def keep(self, unit: Unit, done: Done) -> None:
        """Takes a unit of the engine's own, which is repeated until it is saved; then calls `done`.

        Only a unit that the store rejects as it stands is given up: then `done` gets the error.
        """
        if not self._queue.kept:  # else it was rung, and what is kept is not taken yet
            self._alarm.ring()
        self._queue.kept.append((unit, None, done))

    async def settle(self) -> None:
        """Returns when every transaction that is in flight now has been answered.

        Raises:
            StoreUnavailable: If the store cannot be written now.
            RunnerClosed: If the runner was closed before.
        """
        self._check_usable()
        await self._queue.add(())

    async def run(self) -> None:
        """Commits, until it is cancelled."""
        while True:
            self._origin.check()
            claim = self._next_claim()
            if claim or self._queue.kept or self._queue.waiting or self._health.is_degraded:
                await self._commit_group(self._queue.take(), claim)
                await asyncio.sleep(0)  # the host's turn, and that of the jobs: what they write goes together
            else:
                self.went_idle.set()
                await self._alarm.wait()

    def close(self) -> None:
        """Refuses all that still waits and all that comes; what is in flight is answered when it has ended."""
        self._is_closed = True
        self._queue.refuse(RunnerClosed)

    # Before a transaction.

    def _check_usable(self) -> None:
        if self._is_closed:
            raise RunnerClosed
        self._origin.check()
        if self._health.is_degraded:
            raise self._health.refusal()

    def _next_claim(self) -> Claim | None:
        if not self._health.is_claimable:
            return None
        inserting = any(not _ADDS.isdisjoint(map(type, unit)) for unit, _, _ in self._queue.next_of_callers())
        claim = self._claims.next_claim(inserting=inserting)
        if claim is None and self._health.is_degraded:
            self._health.recover()
        return claim

    # The transaction.

    def _apply_inline(self, unit: Unit) -> list[Any] | None:
        """Applies a caller's unit without a turn of the event loop, if nothing else is to be written.

        Returns:
            The answers; or None: the unit has to wait.
        """
        self._check_usable()
        if self._inline is None or not self._turn.admit() or not self.is_idle:
            return None
        is_inserting = not _ADDS.isdisjoint(map(type, unit))
        claim = self._claims.next_claim(inserting=is_inserting)
        self.instant = now = self._clock.now()
        started = time.perf_counter()
        try:
            applied = self._inline.apply([unit] if claim is None else [unit, (claim,)], now)
        except StoreUnavailable as error:
            self._found_unavailable(error, (), claim)
            self._alarm.ring()
            raise  # not tried again: it may be there
        except StoreError:
            return None  # it will fail again, and is dealt with then
        if applied is None:
            return None
        self._meter.record(time.perf_counter() - started)
        self._committed(applied, claim)
        if claim is None and not is_inserting:  # what is inserted without one waits for a slot
            self._alarm.ring()
        return applied.answers

    async def _commit_group(self, entries: Sequence[Entry], claim: Claim | None) -> None:
        self._in_flight = entries
        try:
            await self._commit(entries, claim)
        except Exception:  # the part is started again; what was kept and is not saved is found by the monitor
            leave_in_doubt(entries, "IN_DOUBT", "it failed while it was being written")
            raise
        finally:
            self._in_flight = ()

    async def _commit(self, entries: Sequence[Entry], claim: Claim | None) -> None:
        """One transaction; if it is rejected, one for each of its units, and the claim is left for the next."""
        try:
            applied = await self._apply(entries, claim)
        except StoreUnavailable as error:
            await self._pause(error, entries, claim)
        except Exception as error:
            if not entries:  # the claim alone: no caller waits for it, and the part is started again after a pause
                raise
            each = apart(entries)
            if len(each) == 1 and claim is None:
                fail(each[0], rejected(error))
            else:
                await self._commit_each(each)
        else:
            self._committed(applied, claim, hand_out(entries, applied.answers))

    async def _commit_each(self, entries: Sequence[Entry]) -> None:
        """One unit poisons its transaction: each is tried alone, so that only its own caller gets the error."""
        for index, entry in enumerate(entries):
            try:
                applied = await self._apply([entry], None)
            except StoreUnavailable as error:
                await self._pause(error, entries[index:], None)
                return
            except Exception as error:  # noqa: BLE001  # whatever it is: the unit's own caller gets it
                fail(entry, rejected(error))
            else:
                self._committed(applied, None, hand_out([entry], applied.answers))

    async def _apply(self, entries: Sequence[Entry], claim: Claim | None) -> Applied:
        units: list[Unit] = [unit for unit, _, _ in entries]
        if claim:
            units.append((claim,))
        self.is_busy = True
        self.transactions += 1
        self.instant = now = self._clock.now()
        started = time.perf_counter()
        try:
            applied = await self._store.apply(units, now)
        except asyncio.CancelledError:
            leave_in_doubt(entries, CLOSED, "the runner was left while it was being written")
            raise
        finally:
            self.is_busy = False
        self._meter.record(time.perf_counter() - started)
        return applied

    # After a transaction.

    def _committed(self, applied: Applied, claim: Claim | None, saved: Sequence[tuple[Done, Unit, Any]] = ()) -> None:
        """Notifies the parts of the runner of a transaction, and the engine's own units of their answers."""
        if self._health.is_degraded:
            self._health.succeeded(with_claim=claim is not None)
        try:
            self._claims.committed(applied, applied.answers[-1] if claim else None)
        except Exception:  # noqa: BLE001  # logged
            log_failed_listener()
        if (applied.cancelled or applied.enqueued or applied.has_sent) and self._cascades is not None:
            notify(self._cascades.followed, applied)
        for done, unit, answer in saved:
            try:  # as `notify`, without its call for each job
                done(unit, answer, None)
            except Exception:  # noqa: BLE001  # logged
                log_failed_listener()
        if self.when_committed is not None:
            notify(self.when_committed)

    async def _pause(self, error: StoreUnavailable, entries: Sequence[Entry], claim: Claim | None) -> None:
        self._found_unavailable(error, entries, claim)
        await sleep(self._clock, self._health.lengthen_pause())

    def _found_unavailable(self, error: StoreUnavailable, entries: Sequence[Entry], claim: Claim | None) -> None:
        """The store cannot be written: callers get the error, and the engine's units are kept.

        Those who wait for the next transaction are refused as those who come now: they would wait for a lock as long
        once more.
        """
        self._health.failed(error, with_claim=claim is not None)
        self._queue.put_back(entries, error)
        self._queue.refuse(self._health.refusal)
