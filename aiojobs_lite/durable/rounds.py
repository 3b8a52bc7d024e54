"""A run whose driver answers calls: what it answers is stored, waited for and tried again, and then it is called on.

A *round* is one answer that is not the end: a set of operations, side by side. The next call comes when all of them
have ended, once: so nothing of a set is found twice, and what the set had in it is all known then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiojobs_lite.durable.driver import Answer, Driver, DriverCall
from aiojobs_lite.durable.ledger import StepLedger
from aiojobs_lite.durable.operations import InvokeJob, Operation, RunEnd, RunRaised, RunReturned, StepRaised, StepRan
from aiojobs_lite.durable.waits import Waits, until_due, until_ended
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.model.steps import StepKind, StepRow, StepState
from aiojobs_lite.policy.verdict import Verdict, Wish

_NOTHING_NEW: Final = "its driver answered neither an end nor an operation that is new"
_NOT_RUN: Final = "its driver was called for step {!r}, and did not answer what came of it"
Refusal = Callable[[Refused, Candidate], Exception]


class Rounds:
    """The calls of one attempt.

    Args:
        claimed: The attempt.
        driver: Answers them.
        ledger: Knows and stores the operations.
        waits: What the attempt waits for.
        refusal: Makes the error of a child that its options refuse.
    """

    def __init__(self, *, claimed: Claimed, driver: Driver, ledger: StepLedger, waits: Waits, refusal: Refusal) -> None:
        self._claimed = claimed
        self._driver = driver
        self._ledger = ledger
        self._waits = waits
        self._refusal = refusal

    async def run(self) -> RunEnd:
        """Calls until the run is at its end; it never returns if all that is open waits: then it is suspended."""
        end = None
        while end is None:
            waiting = [row for row in await self._ledger.all() if row.state is StepState.WAITING]
            going = [row for row in waiting if row.kind is not StepKind.RUN or not self._ledger.is_due(row)]
            end = await (self._side_by_side(going) if going else self._discover(waiting))
        return end

    async def _discover(self, failing: Iterable[StepRow]) -> RunEnd | None:
        """Asks what is next; a step that was found so, and failed, is tried again by that."""
        last = max((row.ended_at or 0 for row in await self._ledger.all()), default=0)
        latest = [row.attempts for row in failing if (row.until or 0) > last]  # the code may have none of the others
        attempt = max(latest, default=self._ledger.attempt - 1)
        answer = await self._call(None, attempt)
        if isinstance(answer, RunEnd):
            return answer
        if not await self._take(answer):
            return RunRaised(Failure("InvalidAnswer", _NOTHING_NEW, None), Verdict(Wish.AGAIN))
        return None

    async def _side_by_side(self, rows: Iterable[StepRow]) -> RunEnd | None:
        """Waits for all of these; returns the end of the run, if one of them comes to it before."""
        async with asyncio.TaskGroup() as group:
            going = {group.create_task(self._branch(row)) for row in rows}
            while going:
                ended, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                for end in [task.result() for task in ended if not task.cancelled() and task.exception() is None]:
                    if end is not None:
                        for task in going:
                            task.cancel()
                        return end
        return None

    async def _branch(self, row: StepRow) -> RunEnd | None:
        """Returns when an operation has ended, or what was found and failed is to be asked for again."""
        if row.kind is StepKind.RUN:
            await until_due(self._waits, self._ledger, row)
        elif row.kind is not StepKind.PLANNED:
            await until_ended(self._waits, self._ledger, row)
        while row.kind is StepKind.PLANNED:  # it is of the kind `run` when it has ended
            await until_due(self._waits, self._ledger, row)
            answer = await self._call(row.name, row.attempts)
            if isinstance(answer, RunReturned):
                return answer
            await self._take(_about(row.name, answer))
            row = await self._ledger.find(row.name, row.kind) or row
        return None

    async def _call(self, target: str | None, attempt: int) -> Answer:
        await self._waits.check()
        ended = [row for row in await self._ledger.all() if row.place is not None]
        ended.sort(key=lambda row: row.place or 0)
        with self._waits:
            return await self._driver.call(DriverCall(self._claimed, tuple(ended), target, attempt))

    async def _take(self, answer: Iterable[Operation]) -> bool:
        """Makes durable what is new in an answer; returns whether anything was."""
        new: dict[str, Operation] = {}
        for operation in answer:
            if operation.name not in new and _is_news(
                await self._ledger.find(operation.name, operation.kind), operation
            ):
                new[operation.name] = operation
        recorded = [operation for operation in new.values() if not isinstance(operation, InvokeJob)]
        if recorded:
            await self._ledger.record_all(recorded)
        for operation in new.values():
            if isinstance(operation, InvokeJob):
                started = await self._ledger.start(operation)
                if isinstance(started, Refused):
                    raise self._refusal(started, operation.child)
        return bool(new)


def _is_news(known: StepRow | None, operation: Operation) -> bool:
    """Whether an operation of an answer says more of a step than is known; what has ended never changes."""
    if known is None:
        return True
    is_open = known.state is StepState.WAITING and known.kind.bound is StepKind.RUN
    return is_open and StepKind.RUN in {known.kind, operation.kind}


def _about(name: str, answer: RunRaised | Sequence[Operation]) -> Sequence[Operation]:
    """The operations of an answer to a call with a target; what came of that step is among them."""
    if isinstance(answer, RunRaised):
        return [StepRaised(name, answer.failure, answer.verdict)]
    if any(isinstance(operation, StepRan | StepRaised) and operation.name == name for operation in answer):
        return answer
    return [*answer, StepRaised(name, Failure("InvalidAnswer", _NOT_RUN.format(name), None), Verdict(Wish.AGAIN))]
