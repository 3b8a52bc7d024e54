"""A run whose driver answers calls: what it answers is stored, waited for and tried again, and then it is called on.

A *round* is one answer that is not the end: a set of operations, side by side. The next call comes when all of them
have ended, once: so nothing of a set is found twice, and what the set had in it is all known then. Of a set in race
it comes when the first one has ended, and each further one: one at a time, while the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from aiojobs_lite.clock import after
from aiojobs_lite.durable.driver import Driver, DriverCall, Round
from aiojobs_lite.durable.ledger import StepLedger
from aiojobs_lite.durable.limits import RunSize
from aiojobs_lite.durable.notes import NO_END, RUN_DEADLINE, RUN_END, LastEnd, Sets, end_of, is_note, notes_of
from aiojobs_lite.durable.operations import InvokeJob, Operation, RunEnd, RunRaised, RunReturned, Sleep, StepRaised
from aiojobs_lite.durable.waits import Waits, until_due, until_ended
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.model.steps import StepKind, StepRow, StepState
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.text import show_duration

_DISCOVERY: Final = ""  # stands for the call without a target, among the names of operations
_FINAL: Final = frozenset({Wish.NEVER, Wish.ABANDON, Wish.CANCEL})
_NOTHING_NEW: Final = "its driver answered neither an end nor an operation that is new"
_NOT_RUN: Final = "its driver was called for step {!r}, and did not answer what came of it"
_LATE: Final = "it was not over {} after it had begun"
_USED_UP: Final = "{} of step {!r}, all of whose attempts are used up,"
Refusal = Callable[[Refused, Candidate], Exception]
Going = dict["asyncio.Task[RunEnd | None]", str]


class Rounds:
    """The calls of one attempt.

    Args:
        claimed: The attempt.
        driver: Answers them.
        ledger: Knows and stores the operations.
        waits: What the attempt waits for.
        refusal: Makes the error of a child that its options refuse.
        size: Knows how much the run may store.
        last_end: The last operation that had ended before the latest call without a target that was answered, if that
            is known, and the run has races.

    Attributes:
        waits: As given.
        size: As given.
        last_end: As given, and as it is now.
    """

    def __init__(
        self,
        *,
        claimed: Claimed,
        driver: Driver,
        ledger: StepLedger,
        waits: Waits,
        refusal: Refusal,
        size: RunSize,
        last_end: LastEnd = NO_END,
    ) -> None:
        self._claimed = claimed
        self._driver = driver
        self._ledger = ledger
        self.waits = waits
        self._refusal = refusal
        self.size = size
        self.last_end = last_end
        self._sets = Sets()
        self._begun: dict[str, StepRow] = {}  # what waits, as it stood when its branch began
        self._calling: set[str] = set()  # the steps that are called for, or whose answers are being stored
        self._is_asked = False  # whether an operation in race has ended since the last call without a target
        self._is_failing = False  # no call begins any more
        self._was_idle = False  # whether such a call brought nothing, and nothing was open

    async def run(self) -> RunEnd:
        """Calls until the run is at its end; it never returns if all that is open waits: then it is suspended."""
        going: Going = {}
        try:
            end = await self._begin()
            while end is None:
                await self._go_on(going)
                ended, _ = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                end = self._end_of(ended, going)
            if isinstance(end, RunRaised) and _is_tried_again(end):
                end = await self._answered(going) or self._in_time(end)
        finally:
            for task in going:
                task.cancel()
            await asyncio.gather(*going, return_exceptions=True)
        if isinstance(end, RunReturned):
            self.size.check_result("what it returned", end.result)
        return end

    async def _begin(self) -> RunEnd | None:
        """Ends what is late, and looks what was done before."""
        rows = await self._ledger.all()
        self._ledger.memos.is_first = False  # another task or process may store the first operation
        self._sets.read(rows)
        seconds = self.size.limits.seconds
        if seconds is not None and self._deadline is None:
            await self._ledger.record(Sleep(RUN_DEADLINE, after(self._claimed.started_at, seconds)))
        for row in sorted(_open(rows), key=lambda row: row.until or 0):  # as they have ended, so they are given
            if row.kind.bound is not StepKind.RUN and self._ledger.is_due(row):
                await self._ledger.end_late(row)
        ended = [row for row in await self._ledger.all() if row.ended_at and self.last_end.is_before(row)]
        self._is_asked = any(map(self._sets.is_raced, ended))
        is_late = self._deadline is not None and self._ledger.is_due(self._deadline)
        return self._stored_end or (self._late() if is_late else None)

    async def _go_on(self, going: Going) -> None:
        """Begins a branch for each operation that is open, and the next call without a target, if that is to come."""
        names = set(going.values())
        for row in _open(await self._ledger.all()):
            if row.name not in names and self._begun.get(row.name) != row:
                self._begun[row.name] = row
                going[asyncio.create_task(self._branch(row))] = row.name
        if self._deadline is not None and RUN_DEADLINE not in names:
            going[asyncio.create_task(self._until_deadline(self._deadline))] = RUN_DEADLINE
        if _DISCOVERY not in names and (self._is_asked or set(going.values()) <= {RUN_DEADLINE}):
            self._is_asked = False
            going[asyncio.create_task(self._discover())] = _DISCOVERY

    def _end_of(self, ended: Iterable[asyncio.Task[RunEnd | None]], going: Going) -> RunEnd | None:
        """Takes the branches that have come to their end; returns the end of the run, if it is that."""
        ends: list[RunEnd] = []
        for task in ended:
            name, end = going.pop(task), task.result()
            self._is_asked |= name in self._begun and self._sets.is_raced(self._begun[name])
            ends += [] if end is None else [end]
        return min(ends, key=_is_tried_again, default=None)

    async def _answered(self, going: Going) -> RunEnd | None:
        """An attempt that failed beside calls for steps in race: what these come to is stored before it ends."""
        self._is_failing, end = True, None
        while end is None and (calls := [task for task, name in going.items() if name in self._calling]):
            ended, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            end = self._end_of(ended, going)
        return end

    async def _until_deadline(self, row: StepRow) -> RunEnd:
        """Returns the end of a run that is not over in time."""
        await until_due(self.waits, self._ledger, row)
        return self._late()

    def _late(self) -> RunRaised:
        why = _LATE.format(show_duration(self.size.limits.seconds or 0.0))
        return RunRaised(Failure("TimeoutError", why, None), Verdict(Wish.CANCEL, why))

    def _in_time(self, end: RunRaised) -> RunRaised:
        """The same end of an attempt, but the next one begins at the deadline at the latest, which cancels the run."""
        if self._deadline is None or self._deadline.until is None:
            return end
        at = min(self._ledger.next_attempt(end.verdict), self._deadline.until)
        wish = Wish.RETRY if end.verdict.wish is Wish.AGAIN else end.verdict.wish
        return RunRaised(end.failure, end.verdict._replace(wish=wish, at=at, delay=None))

    async def _discover(self) -> RunEnd | None:
        """Asks what is next; a step that was found so, and failed, is tried again by that."""
        rows = await self._ledger.all()
        failing = self._failing(rows)
        attempt = max(0 if failing is None else failing.attempts, self._ledger.attempt - 1)
        done = _count_ended(rows)
        answer = await self._call(None, attempt)
        if isinstance(answer, RunReturned):
            return answer
        if not isinstance(answer, RunRaised):
            self.last_end = self._sets.find_last_end(rows)
            is_new = await self._take(answer, attempt)
            rows = await self._ledger.all()
            has_ended = _count_ended(rows) > done
            self._is_asked |= has_ended and self._sets.has_races  # the path of the code that was called for goes on
            if is_new or has_ended or self._is_asked:
                self._was_idle = False
                return None
            if any(row.kind is not StepKind.RUN or not self._ledger.is_due(row) for row in _open(rows)):
                return None  # its path ends, the others go on
            if self._sets.calls_each and not (attempt or self._was_idle):
                self._was_idle = True
                return None
            answer = RunRaised(Failure("InvalidAnswer", _NOTHING_NEW, None), Verdict(Wish.AGAIN))
        return answer if failing is None else await self._failed(failing.name, answer, attempt)

    def _failing(self, rows: Sequence[StepRow]) -> StepRow | None:
        """The step that a call without a target found, and that failed last and is due; it counts only while no other
        operation has ended since: the code may have none of the others.
        """
        last = max((row.ended_at or 0 for row in rows if not is_note(row.name)), default=0)
        failing = [
            row
            for row in _open(rows)
            if row.kind is StepKind.RUN and (row.until or 0) > last and self._ledger.is_due(row)
        ]
        return max(failing, key=lambda row: row.attempts, default=None)

    async def _branch(self, row: StepRow) -> RunEnd | None:
        """Returns when an operation has ended, or what was found and failed is to be asked for again."""
        if row.kind is StepKind.RUN:
            await until_due(self.waits, self._ledger, row)
        elif row.kind is not StepKind.PLANNED:
            await until_ended(self.waits, self._ledger, row)
        while row.kind is StepKind.PLANNED:  # it is of the kind `run` when it has ended
            await until_due(self.waits, self._ledger, row)
            if self._is_failing:
                return None
            self._calling.add(row.name)
            end = await self._ran(row, await self._call(row.name, row.attempts))
            self._calling.discard(row.name)
            if end is not None or self._is_failing:
                return end
            row = self._ledger.memos.latest(row.name) or row
        return None

    async def _ran(self, row: StepRow, answer: Round | RunEnd) -> RunEnd | None:
        """Takes the answer to a call for a planned step; returns the end of the run, if it is that."""
        if isinstance(answer, RunReturned):
            return answer
        if not isinstance(answer, RunRaised):
            await self._take(answer)
            if self._ledger.memos.latest(row.name) != row:
                return None
            why = Failure("InvalidAnswer", _NOT_RUN.format(row.name), None)
            answer = RunRaised(why, Verdict(Wish.AGAIN))
        return await self._failed(row.name, answer, row.attempts)

    async def _failed(self, name: str, raised: RunRaised, attempt: int) -> RunEnd | None:
        """What was called for a step failed: it is tried again, as that step is; or it is the end of the run."""
        if not self._ledger.is_last(raised, attempt):
            await self._ledger.record(StepRaised(name, raised.failure, raised.verdict, attempts=attempt))
            return None
        if not _is_tried_again(raised):
            return raised
        why = _USED_UP.format(raised.failure.error_type, name)
        return RunRaised(raised.failure, Verdict(Wish.NEVER, why))

    async def _call(self, target: str | None, attempt: int) -> Round | RunEnd:
        """Calls the driver; returns what it answers, or the end of the run that was stored meanwhile."""
        await self.waits.check()
        call = self._call_for(target, attempt, await self._ledger.all())
        try:
            with self.waits:
                answer = await self._driver.call(call)
        except Exception:
            await self._ledger.reload()
            if self._stored_end is None:
                raise
            answer = self._stored_end
        if not isinstance(answer, Round | RunReturned | RunRaised):
            answer = Round(answer)
        if isinstance(answer, RunRaised) or (isinstance(answer, Round) and answer.has_stored):
            await self._ledger.reload()
        return self._stored_end or answer

    def _call_for(self, target: str | None, attempt: int, rows: Sequence[StepRow]) -> DriverCall:
        own = [row for row in rows if not is_note(row.name)]
        ended = sorted((row for row in own if row.place is not None), key=lambda row: row.place or 0)
        waiting = tuple(row for row in own if row.place is None)
        going = [row for row in waiting if row.kind is not StepKind.RUN]
        last = ended[-1] if ended else None
        if target is not None:
            is_planning = len(going) > 1 or self._sets.has(target)
        else:  # a sleep is no answer of the code, which knows only by this call that the set is over
            is_slept = last is not None and last.kind is StepKind.SLEEP and self._sets.has(last.name)
            is_planning = bool(going) or self._sets.calls_each or is_slept
        return DriverCall(self._claimed, tuple(ended), target, attempt, waiting, is_planning, notes_of(rows))

    async def _take(self, answer: Round, attempt: int = 0) -> bool:
        """Makes durable what is new in an answer, notes with it; returns whether any operation was.

        Args:
            answer: The answer.
            attempt: How often the call without a target had failed that found what has failed now.
        """
        new: dict[str, Operation] = {}
        for operation in answer.operations:
            if operation.name not in new and self._ledger.is_news(operation):
                if isinstance(operation, StepRaised):
                    operation = replace(operation, attempts=attempt)  # noqa: PLW2901  # it has this one as well
                new[operation.name] = operation
        if all(map(is_note, new)):
            return False  # a note of nothing: its driver would have all attempts again for it
        self.size.check(await self._ledger.all(), new)
        recorded = [operation for operation in new.values() if not isinstance(operation, InvokeJob)]
        recorded += self._sets.note(
            [name for name, operation in new.items() if operation.kind is not StepKind.RUN],
            answer.raced,
            calls_each=answer.calls_each,
        )
        if recorded:
            await self._ledger.record_all(recorded)
        for operation in new.values():
            if isinstance(operation, InvokeJob):
                started = await self._ledger.start(operation)
                if isinstance(started, Refused):
                    raise self._refusal(started, operation.child)
        return True

    @property
    def _deadline(self) -> StepRow | None:
        return None if self.size.limits.seconds is None else self._ledger.memos.latest(RUN_DEADLINE)

    @property
    def _stored_end(self) -> RunReturned | None:
        return end_of(self._ledger.memos.latest(RUN_END))


def _is_tried_again(end: RunEnd) -> bool:
    """Whether an end is that of an attempt alone, of what is called for again."""
    return isinstance(end, RunRaised) and end.verdict.wish not in _FINAL


def _open(rows: Iterable[StepRow]) -> list[StepRow]:
    """The operations that have not ended."""
    return [row for row in rows if row.state is StepState.WAITING and not is_note(row.name)]


def _count_ended(rows: Iterable[StepRow]) -> int:
    return sum(row.place is not None and not is_note(row.name) for row in rows)
