"""A store of plain Python over the whole contract of `stores/base.py`: the executable specification, and the proof that
a second store can be written from the contract.

`MemoryStore()` is a database of its own; `MemoryStore(database)` one of several owners that share a `MemoryDatabase`.
A commit replaces the rows as a whole, so a transaction that is rejected leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import TypeVar

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.counts import Counts, TypeCounts
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Claim, Unit
from aiojobs_lite.stores.base import Applied, Change, OwnerReport
from aiojobs_lite.stores.grouping import apply_units
from tests.helpers import memory_limits
from tests.helpers.memory_checks import check
from tests.helpers.memory_expiries import pending
from tests.helpers.memory_joining import MemoryJoining
from tests.helpers.memory_reads import READS
from tests.helpers.memory_rows import MemoryPhases, Rows, is_claimable
from tests.helpers.stores import counts_of, micros

A = TypeVar("A")
Notice = Callable[[], None]


class MemoryDatabase:
    """What the stores of several owners share.

    Attributes:
        rows: What was committed last.
        stores: The stores that are open.
        living: The owners that live, each with what is called when it may be taken for dead, and when no more.
        lost: Those of them that may soon be taken for dead.
        interrupted: The owners that noted that their attempts were interrupted.
        reports: What owners report that live.
    """

    def __init__(self) -> None:
        self.rows = Rows()
        self.stores: list[MemoryStore] = []
        self.living: dict[str, tuple[Notice, Notice]] = {}
        self.lost: set[str] = set()
        self.interrupted: set[str] = set()
        self.reports: dict[str, str] = {}

    def kill(self, owner: str) -> None:
        """Ends what shows that an owner lives, as the end of its process does."""
        del self.living[owner]
        self.lost.discard(owner)

    def lose(self, owner: str) -> None:
        """Others may soon take an owner for dead: it is notified, and cannot claim. `kill` may follow, or `regain`."""
        self.lost.add(owner)
        self.living[owner][0]()

    def regain(self, owner: str) -> None:
        """An owner is safe again, and is notified."""
        self.lost.discard(owner)
        self.living[owner][1]()


class MemoryOwners:
    """Implements `stores.base.Owners`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._owner: str | None = None

    async def acquire(self, owner: str, *, lost: Notice, regained: Notice) -> None:
        """See `Owners.acquire`."""
        self._owner = owner
        self._database.living[owner] = lost, regained

    async def dead(self, owners: Collection[str]) -> set[str]:
        """See `Owners.dead`."""
        return set(owners) - self._database.living.keys()

    def note_interrupted(self) -> None:
        """See `Owners.note_interrupted`."""
        if self._owner is not None:
            self._database.interrupted.add(self._owner)

    def beat(self) -> None:
        """See `Owners.beat`."""

    def report(self, text: str) -> None:
        """See `Owners.report`."""
        if self._owner is not None:
            self._database.reports[self._owner] = text

    async def reports(self, owners: Collection[str]) -> Mapping[str, OwnerReport]:
        """See `Owners.reports`."""
        return {owner: OwnerReport(self._database.reports.get(owner, "")) for owner in owners}

    def was_interrupted(self, owner: str) -> bool:
        """See `Owners.was_interrupted`."""
        return owner in self._database.interrupted

    def release(self) -> None:
        """See `Owners.release`."""
        owner, self._owner = self._owner, None
        if owner is not None:
            self._database.living.pop(owner, None)
            self._database.reports.pop(owner, None)
            self._database.lost.discard(owner)

    def others(self) -> Collection[str]:
        """All others that live."""
        return self._database.living.keys() - {self._owner}


class MemoryInline:
    """Implements `stores.base.Inline`."""

    def __init__(self, apply: Callable[[Sequence[Unit], int], Applied]) -> None:
        self._apply = apply

    def apply(self, units: Sequence[Unit], now: int) -> Applied | None:
        """See `Inline.apply`."""
        return self._apply(units, now)


class MemoryStore:
    """Implements `stores.base.Store`.

    Args:
        database: What is shared with other owners; None: with none.
        has_inline: Whether it offers transactions inline.

    Attributes:
        loses_answer: Whether the next commit is in doubt: it is done, and said to have failed.
        latest: The latest transaction that was committed.
    """

    def __init__(self, database: MemoryDatabase | None = None, *, has_inline: bool = True) -> None:
        self.database = database or MemoryDatabase()
        self.owners = MemoryOwners(self.database)
        self.inline = MemoryInline(self._apply) if has_inline else None
        self.joining = MemoryJoining(self.database)
        self.loses_answer = False
        self.latest = MemoryPhases(self.database.rows, 0)
        self._changed: set[str] = set()
        self._has_changes = asyncio.Event()

    async def open(self) -> None:
        """See `Store.open`."""
        self._has_changes = asyncio.Event()
        self.database.stores.append(self)

    async def close(self) -> None:
        """See `Store.close`."""
        if self in self.database.stores:
            self.database.stores.remove(self)
        self._has_changes.set()

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """See `Store.apply`. A caller that is cancelled meanwhile does not know that it was done."""
        applied = self._apply(units, now)
        await asyncio.sleep(0)
        return applied

    async def ask(self, query: Query[A]) -> A:
        """See `Store.ask`."""
        await asyncio.sleep(0)
        self._check_open()
        answer: A = READS[type(query)](self.database.rows, query)
        return answer

    def counts(self) -> Counts:
        """See `Store.counts`."""
        rows = self.database.rows
        by_type: dict[str, TypeCounts] = {}
        due: dict[str, int] = {}
        for job_type, mark in rows.marks.items():
            jobs = [job for job in rows.jobs.values() if job.type == job_type]
            by_type[job_type] = counts_of(jobs, mark).get(job_type, TypeCounts())
            if instants := [micros(job.scheduled_at) for job in jobs if is_claimable(job)]:
                due[job_type] = min(instants)
        total = TypeCounts(*map(sum, zip(TypeCounts(), *by_type.values(), strict=True)))
        return Counts(total, by_type, due, dict(rows.paused))

    async def changes(self) -> AsyncIterator[Change]:
        """See `Store.changes`."""
        while True:
            self._check_open()
            await self._has_changes.wait()
            self._check_open()
            self._has_changes.clear()
            types, self._changed = frozenset(self._changed), set()
            yield Change(types)

    async def maintain(self, now: int) -> None:
        """See `Store.maintain`."""
        self._check_open()

    def _apply(self, units: Sequence[Unit], now: int) -> Applied:
        self._check_open()
        check(tuple(units))
        if any(isinstance(write, Claim) and write.owner in self.database.lost for unit in units for write in unit):
            raise StoreUnavailable("LOST", "this owner may be taken for dead")
        rows = self.database.rows.copy()
        phases = MemoryPhases(rows, now, self.owners.others())
        answers = apply_units(units, phases)
        memory_limits.end_pauses(rows, now)
        self.database.rows, self.latest = rows, phases
        for store in self.database.stores:
            if store is not self:
                store.notice(phases.types)
        if self.loses_answer:
            self.loses_answer = False
            raise StoreUnavailable("DOUBT", "the connection was lost before the answer came")
        expires_at = min([at for at, _ in pending(rows)], default=None)
        return Applied(
            answers, phases.due(), expires_at, phases.expired, phases.cancelled, phases.enqueued, phases.has_sent
        )

    def notice(self, types: Collection[str]) -> None:
        """Takes in which types another owner's commit was about."""
        self._changed.update(types)
        self._has_changes.set()

    def _check_open(self) -> None:
        if self not in self.database.stores:
            raise StoreUnavailable("CLOSED", "the store is closed")
