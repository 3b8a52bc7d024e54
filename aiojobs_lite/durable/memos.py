"""What a job has done already: the operations of its attempts before, and those of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence, Set
from functools import partial
from operator import attrgetter
from typing import Final, Protocol, TypeVar

from aiojobs_lite.durable.step import repeated
from aiojobs_lite.errors import AttemptNotOwned, StepMismatch, TooManySteps
from aiojobs_lite.model.admission import Candidate, Refused
from aiojobs_lite.model.events import StepFence
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.steps import (
    ListChildren,
    ListSteps,
    NewRan,
    NewStep,
    SaveSteps,
    StartChild,
    StepKind,
    StepRow,
    StepState,
)
from aiojobs_lite.model.writes import Write

A = TypeVar("A")
_NAME: Final = attrgetter("name")
_new_ran: Final = partial(tuple.__new__, NewRan)  # its own way is a call of Python more, for each step
MOST_STEPS: Final = 1_000
"""Operations of a job."""


class StepStore(Protocol):
    """Writes and reads: of the engine, the committer and the store."""

    async def write(self, write: Write[A]) -> A:
        """Makes a write durable; returns its answer."""

    async def ask(self, query: Query[A]) -> A:
        """Answers a query."""

    def save_ran(self, step: NewRan) -> Awaitable[StepRow | None]:
        """Makes a step durable; None: it is stored as it was given, else as this says.

        The await raises `AttemptNotOwned` if the attempt is another runner's by now.
        """


class Memos:
    """The operations of one attempt by name. They are read once, and not at all in a job's first attempt.

    Args:
        claimed: The attempt.
        store: Has the operations.

    Attributes:
        store: As given.
        is_read: Whether all that was stored before is known.
        is_first: Whether nothing is stored of the job but steps of `save_ran`.
    """

    _count = 0  # operations that are stored, or have begun
    _ran = 0  # steps of `save_ran` that are not among the rows
    _refused: Set[str] = frozenset()
    _are_all_asked = False
    _reading: asyncio.Lock | None = None

    def __init__(self, claimed: Claimed, store: StepStore) -> None:
        self._fence = (claimed.id, claimed.attempt, claimed.owner)
        self.store = store
        self._uses: dict[str, int] = {}
        self._rows: dict[str, StepRow] = {}
        self.is_read = self.is_first = _is_first(claimed)

    def next_new(self, name: str) -> str:
        """The same as `next_name`, while `is_first`.

        Raises:
            TooManySteps: If the job may have no more.
        """
        uses = self._uses
        if name not in uses:
            uses[name] = 1
        else:
            uses[name] += 1
            name = repeated(name, uses[name])
        if self._count >= MOST_STEPS:
            raise TooManySteps(self._fence[0], name, MOST_STEPS)
        self._count += 1
        return name

    def save_ran(self, name: str, memo: str) -> Awaitable[StepRow | None] | None:
        """Makes a step durable that ran; see `StepStore.save_ran`. None: it is to be saved as any operation."""
        if not self.is_first:
            return None
        self._ran = place = self._ran + 1
        return self.store.save_ran(_new_ran(self._fence + (name, memo, place)))  # noqa: RUF005  # no list between

    def next_name(self, name: str) -> str:
        """The name of the next operation of a name: `fetch`, then `fetch#2`."""
        before = self._uses.get(name, 0)
        for earlier in range(1, before + 1) if self._refused else ():
            unique = repeated(name, earlier)
            if unique in self._refused:
                self._refused -= {unique}
                return unique
        self._uses[name] = before + 1
        return repeated(name, before + 1) if before else name

    def give_back(self, name: str) -> None:
        """An operation was refused, and nothing of it is stored: the next one of its name has its name."""
        self._refused |= {name}
        self._count -= 1

    async def find(self, name: str, kind: StepKind) -> StepRow | None:
        """What is known of an operation; None: nothing, and now it counts as begun.

        Raises:
            StepMismatch: If the name stands for another kind of operation.
            TooManySteps: If it is new, and the job may have no more.
        """
        if not self.is_read:
            async with self._lock:
                if not self.is_read:  # all branches of a handler come at once
                    await self._read()
        return self.known(name, kind)

    def known(self, name: str, kind: StepKind) -> StepRow | None:
        """The same as `find`, of what was read."""
        row = self._rows.get(name)
        if row is None:
            if self._count >= MOST_STEPS:
                raise TooManySteps(self._fence[0], name, MOST_STEPS)
            self._count += 1
        elif row.kind.bound is not kind.bound:
            raise StepMismatch(self._fence[0], name, row.kind.bound.value, row.state.value, kind.bound.value)
        return row

    def latest(self, name: str) -> StepRow | None:
        """What is known of an operation, of what was read."""
        return self._rows.get(name)

    async def all(self) -> list[StepRow]:
        """All operations, in the order in which they were stored first. They count as asked for."""
        if not self.is_read:
            await self.reload()
        self._are_all_asked = True
        return list(self._rows.values())

    async def save(self, steps: Sequence[NewStep]) -> tuple[StepRow, ...]:
        """Makes operations durable, all or none; returns them as they stand then, which another attempt may have ended
        before.

        Raises:
            AttemptNotOwned: If the attempt is another runner's by now.
        """
        return self.saved(await self.store.write(self.write_of(steps)))

    def write_of(self, steps: Sequence[NewStep]) -> SaveSteps:
        """The write that makes operations durable, of which `saved` takes the answer."""
        are_new = not self._rows or self._rows.keys().isdisjoint(map(_NAME, steps))
        are_first, self.is_first = self.is_first and not self._ran, False
        return SaveSteps(*self._fence, tuple(steps), are_new, are_first)

    def saved(self, answer: tuple[StepRow, ...] | None) -> tuple[StepRow, ...]:
        """Notes the answer to a write of `write_of`, and returns it.

        Raises:
            AttemptNotOwned: If the attempt is another runner's by now.
        """
        if answer is None:
            raise AttemptNotOwned(*self._fence[:2])
        for row in answer:
            self._rows[row.name] = row
        return answer

    async def start_child(
        self, name: str, child: Candidate, *, is_awaited: bool, until: int | None
    ) -> StepRow | Refused:
        """Starts a job for an operation, once.

        Raises:
            AttemptNotOwned: If the attempt is another runner's by now.
        """
        self.is_first = False
        answer = await self.store.write(StartChild(*self._fence, name, child, is_awaited, until))
        if answer is None:
            raise AttemptNotOwned(*self._fence[:2])
        if isinstance(answer, Refused):
            self.give_back(name)
            return answer
        row, _ = answer
        self._rows[name] = row
        return row

    async def children(self) -> dict[str, int]:
        """The jobs that operations of the job have started, by the names of these."""
        return dict(await self.store.ask(ListChildren(self._fence[0])))

    def fence(self, name: str) -> StepFence:
        """What a write is fenced by that is done for an operation."""
        self.is_first = False
        return StepFence(*self._fence, name)

    async def reload(self) -> list[str]:
        """Reads all operations; returns the names of those that have ended since."""
        async with self._lock:
            return await self._read()

    @property
    def _lock(self) -> asyncio.Lock:
        """Is held by the branch that reads."""
        if self._reading is None:
            self._reading = asyncio.Lock()
        return self._reading

    async def _read(self) -> list[str]:
        rows = {row.name: row for row in await self.store.ask(ListSteps(self._fence[0]))}
        open_before = {name for name in rows if self._is_open(name)} if self.is_read else ()
        self._rows |= rows
        if not self.is_read:
            self._count = len(rows)
        self._ran = 0
        self.is_read = True
        return [name for name in open_before if rows[name].state is not StepState.WAITING]

    def _is_open(self, name: str) -> bool:
        """Whether an operation has not ended, as far as is known."""
        row = self._rows.get(name)
        return row is None or row.state is StepState.WAITING

    @property
    def skipped(self) -> list[str]:
        """The names of the operations that have ended and that this attempt has not asked for."""
        if self._are_all_asked or not self._rows:
            return []
        asked = {repeated(name, use) for name, uses in self._uses.items() for use in range(1, uses + 1)}
        return [row.name for row in self._rows.values() if row.ended_at is not None and row.name not in asked]


def _is_first(claimed: Claimed) -> bool:
    """Whether no attempt was before that can have done anything."""
    return claimed.attempt == 1 and not (claimed.snoozes or claimed.interruptions or claimed.crashes)
