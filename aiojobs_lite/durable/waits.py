"""The waits of one attempt: over while it runs, or the reason to suspend it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple, Protocol

from aiojobs_lite.clock import MICROSECONDS, Clock, Timer
from aiojobs_lite.durable.ledger import StepLedger, suspension_of
from aiojobs_lite.durable.quiet import find_ends
from aiojobs_lite.model.steps import StepRow, StepState
from aiojobs_lite.policy.settle import Suspension

_TURNS: Final = 8  # of the event loop in which new branches come to what they wait for
_FIRST_PAUSE_S: Final = 0.001  # between two looks after these
_LONGEST_PAUSE_S: Final = 0.5


class PendingWait(NamedTuple):
    """One operation that is waited for.

    Attributes:
        name: Its name.
        until: As in `StepRow`.
        join: Those of one join are waited for together: their branches go on when all of them are over; None: it is in
            none.
    """

    name: str
    until: int | None
    join: object = None


class WaitingRun(Protocol):
    """An attempt, as far as its waits know it.

    Attributes:
        task: Its task, or None.
    """

    task: asyncio.Task[Any] | None


class Host(Protocol):
    """Does what the waits of an attempt lead to. One for all attempts: each would need objects of its own."""

    def suspend(self, run: Any, suspension: Suspension, /) -> None:
        """Ends an attempt all of whose branches wait; called once."""

    def reload(self, waits: Waits, /) -> None:
        """Looks for what has come; called now and then while an attempt waits and is not suspended."""


class Waits:
    """What the branches of one attempt wait for. When all of them wait, and no step runs, the attempt is suspended.

    A branch may also be busy with something else for long. Then the attempt goes on, and its waits are over in it: by
    the clock, or when `reload` finds that what they wait for has come. `with waits:` is about a step: nothing is
    suspended while it runs.

    Args:
        clock: Says when a wait is over.
        run: The attempt.
        ledger: Has its operations.
        host: Suspends it.

    Attributes:
        ledger: As given.
        is_closed: Whether the attempt was suspended, or has ended: then nothing begins any more.
        waiting: The waits that are not over.
        steps: How many steps run.
    """

    _turns = 0
    _ends: Collection[asyncio.Future[Any]] | None = None  # as the look of the turn before found it
    _pause = _FIRST_PAUSE_S
    _next: asyncio.Handle | Timer | None = None
    is_closed = False
    steps = 0

    def __init__(self, clock: Clock, run: WaitingRun, ledger: StepLedger, host: Host) -> None:
        self._clock = clock
        self._run = run
        self._host = host
        self.ledger = ledger
        self.waiting: dict[asyncio.Future[None], PendingWait] = {}

    def __enter__(self) -> None:
        self.steps += 1

    def __exit__(self, *_: object) -> None:
        self.steps -= 1
        self.look_soon()

    async def wait(self, wait: PendingWait) -> None:
        """Returns when an operation may be over; never, if the attempt is suspended before.

        Raises:
            CancelledError: If the attempt was suspended already.
        """
        await self.check()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting[future] = wait
        timer = None
        if wait.until is not None:
            delay = max(0.0, (wait.until - self._clock.now()) / MICROSECONDS)
            timer = self._clock.call_later(delay, lambda: _end(future))
        self.look_soon()
        try:
            await future
        finally:
            del self.waiting[future]
            if timer is not None:
                timer.cancel()

    async def check(self) -> None:
        """Keeps an attempt that was suspended from beginning anything, such as in its `finally` blocks. A handler that
        swallows that, and asks again and again, leaves the event loop to others.

        Raises:
            CancelledError: If it was.
        """
        if self.is_closed:
            await asyncio.sleep(0)
            raise asyncio.CancelledError("aiojobs_lite: the attempt is suspended")

    def end(self, name: str) -> None:
        """What is waited for has come."""
        for future, wait in self.waiting.items():
            if wait.name == name:
                _end(future)

    def look_soon(self) -> None:
        """Looks whether all branches wait when they have come so far, if any does."""
        if not self.waiting:
            return
        self._turns, self._ends, self._pause = 0, None, _FIRST_PAUSE_S
        if self._next is not None:
            self._next.cancel()
        self._next = asyncio.get_running_loop().call_soon(self._look)

    def close(self) -> None:
        """The attempt has ended. A branch that it has left, such as beside one that failed, ends as well."""
        self.is_closed = True
        for future in self.waiting:
            future.cancel()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        self._next = None
        task = self._run.task
        if self.is_closed or not self.waiting or self.steps or task is None:
            return
        before, self._ends = self._ends, find_ends(task, self.waiting.keys())
        if self._ends is not None and self._ends == before:
            self.is_closed = True
            self._host.suspend(self._run, suspension_of(_one_of_each_join(self.waiting.values())))
        elif self._ends is not None or self._turns < _TURNS:
            self._turns += 1
            self._next = asyncio.get_running_loop().call_soon(self._look)
        else:
            if self._pause >= _LONGEST_PAUSE_S:
                self._host.reload(self)
            self._next = asyncio.get_running_loop().call_later(self._pause, self._look)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_S)


async def until_due(waits: Waits, ledger: StepLedger, row: StepRow) -> None:
    """Waits for the instant of an operation, if it is to come."""
    if not ledger.is_due(row):
        await waits.wait(PendingWait(row.name, row.until))


async def until_ended(waits: Waits, ledger: StepLedger, row: StepRow, join: object = None) -> StepRow:
    """Waits until an operation has ended from outside, or ends it as one that is late; returns it."""
    while row.state is StepState.WAITING:
        if ledger.is_due(row):
            row = await ledger.end_late(row)
            continue
        await waits.wait(PendingWait(row.name, row.until, join))
        row = await ledger.find(row.name, row.kind) or row
    return row


def _one_of_each_join(waits: Iterable[PendingWait]) -> list[tuple[str, int | None]]:
    """For what an attempt is suspended: of each join for one wait, so that it is not attempted at the end of each. Any
    of them may be the last to end: by chance, the attempts are as many as the logarithm of the waits.
    """
    of: dict[object, list[tuple[str, int | None]]] = {}
    for name, until, join in waits:
        of.setdefault(name if join is None or until is not None else (join,), []).append((name, until))
    return [random.choice(joined) for joined in of.values()]  # noqa: S311  # no secret


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
