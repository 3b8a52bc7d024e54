"""A store over another one, in which calls go wrong as the test says: which call, and how, is data.

`FaultStore(store, Fault(error=FULL, at=2))` fails the second transaction; `store.faults` may be changed at any time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any, TypeVar

from aiojobs_lite.clock import Clock, SystemClock, sleep
from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.counts import Counts
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Unit, Write
from aiojobs_lite.stores.base import Applied, Change, Inline, Joining, OwnerReport, Owners, Store

A = TypeVar("A")
FULL = StoreUnavailable("SQLITE_FULL", "database or disk is full")
IOERR = StoreUnavailable("SQLITE_IOERR_WRITE", "disk I/O error")
REJECTED = StoreRejected("no such thing")
LATE_S = 5.0  # seconds of the clock that a late call takes: longer than all that the engine waits for on its way


class Kind(Enum):
    """How a call goes wrong."""

    BEFORE = "it fails, and nothing was done"
    AFTER = "it is done, and said to have failed: a commit in doubt"
    REJECTED = "it is refused as it stands"
    LATE = "it is done after a while"
    ANSWERED_LATE = "it is done, and answered after a while"
    GONE_BEFORE = "the caller is cancelled, then it is done"
    GONE_AFTER = "it is done, and the caller is cancelled before the answer"


def always(_subject: Any) -> bool:
    """Holds for every call."""
    return True


@dataclass(frozen=True, eq=False)
class Fault:
    """Calls that go wrong.

    Attributes:
        kind: How.
        method: Of the store: `open`, `close`, `apply`, `ask`, `changes`, `maintain`; of its parts: `inline`, `acquire`,
            `dead`.
        at: Only the call with this number, from 1, among those that match; None: all of them.
        when: Which calls match, by their subject: the units of `apply` and `inline`, the query of `ask`, else None.
        error: What is raised in place of the usual error.
    """

    kind: Kind = Kind.BEFORE
    method: str = "apply"
    at: int | None = None
    when: Callable[[Any], bool] = always
    error: Exception | None = None

    def raised(self) -> Exception:
        """The error of one call: each has an object of its own."""
        if self.error is not None:
            return copy(self.error)
        return copy(REJECTED if self.kind is Kind.REJECTED else IOERR)


def holding(*wanted: Write[Any] | type[Any], **fields: object) -> Callable[[Sequence[Unit]], bool]:
    """Matches transactions with one of these writes, or with a write of one of these types and these fields."""
    types = tuple(one for one in wanted if isinstance(one, type))

    def is_wanted(write: Any) -> bool:
        if isinstance(write, types):
            return all(getattr(write, name) == value for name, value in fields.items())
        return write in wanted

    return lambda units: any(is_wanted(write) for unit in units for write in unit)


class FaultStore:
    """A store whose calls go wrong where its faults say, and which keeps a record of transactions.

    Args:
        store: Does the work.
        faults: What goes wrong.
        clock: By which a call is late.
        has_inline: Whether transactions inline are offered, if the store has them.

    Attributes:
        faults: What goes wrong from now on.
        calls: How often each method was called.
        tried: The writes of each transaction that was begun, those done inline left out.
        saved: The writes of each such transaction that was committed and answered.
        inlined: The writes of each transaction that was done inline.
        gate: Transactions wait until it is set, as it is at first.
        lose_caller: Cancels the caller that waits at this moment.
    """

    def __init__(self, store: Store, *faults: Fault, clock: Clock | None = None, has_inline: bool = False) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        self._matched: Counter[Fault] = Counter()
        self.faults = list(faults)
        self.calls: Counter[str] = Counter()
        self.tried: list[list[Write[Any]]] = []
        self.saved: list[list[Write[Any]]] = []
        self.inlined: list[list[Write[Any]]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.lose_caller: Callable[[], object] = lambda: None
        self.inline: Inline | None = _FaultInline(self, store.inline) if has_inline and store.inline else None
        self.joining: Joining | None = store.joining  # nothing goes wrong there: the connection is a caller's
        self.owners: Owners = _FaultOwners(self, store)

    def fail_next(self, *errors: Exception) -> None:
        """Fails the transactions that come next with these errors, one each."""
        begun = self.calls["apply"]
        self.faults += [Fault(error=error, when=_Nth(self, begun + nth)) for nth, error in enumerate(errors, 1)]

    def was_met(self, fault: Fault) -> bool:
        """Whether a fault has come to pass."""
        return self._matched[fault] >= (fault.at or 1)

    def counts(self) -> Counts:
        """Those of the store: no I/O, so nothing goes wrong."""
        return self._store.counts()

    async def open(self) -> None:
        """Opens; an open that fails when all was done leaves nothing open."""
        try:
            await self.called("open", None, self._store.open)
        except StoreUnavailable:
            await self._store.close()
            raise

    async def close(self) -> None:
        """Closes; a close that fails leaves nothing open either, and is in no contract."""
        try:
            await self.called("close", None, self._store.close)
        except (StoreRejected, StoreUnavailable):
            await self._store.close()
            raise

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """Applies."""
        self.tried.append([*chain.from_iterable(units)])
        applied = await self.called("apply", units, lambda: self._store.apply(units, now))
        self.saved.append([*chain.from_iterable(units)])
        return applied

    async def ask(self, query: Query[A]) -> A:
        """Reads."""
        return await self.called("ask", query, lambda: self._store.ask(query))

    async def changes(self) -> AsyncIterator[Change]:
        """Waits for changes."""
        changes = self._store.changes()
        try:
            while True:
                yield await self.called("changes", None, changes.__anext__)
        except StopAsyncIteration:
            return
        finally:
            close = getattr(changes, "aclose", None)
            if close is not None:
                await close()

    async def maintain(self, now: int) -> None:
        """Counts."""
        await self.called("maintain", None, lambda: self._store.maintain(now))

    async def called(self, method: str, subject: Any, call: Callable[[], Awaitable[A]]) -> A:
        """Makes a call of the store, which may go wrong."""
        fault = self.fault_of(method, subject)
        await asyncio.sleep(0)  # a store hops to a thread
        if method == "apply":
            await self.gate.wait()
        self.before(fault)
        if fault is not None and fault.kind is Kind.LATE:
            await sleep(self._clock, LATE_S)
        answer = await call()
        if fault is not None and fault.kind is Kind.ANSWERED_LATE:
            await sleep(self._clock, LATE_S)
        self.after(fault)
        return answer

    def fault_of(self, method: str, subject: Any) -> Fault | None:
        """Counts a call; returns what goes wrong with it."""
        self.calls[method] += 1
        found = None
        for fault in self.faults:
            if fault.method == method and fault.when(subject):
                self._matched[fault] += 1
                if fault.at in {None, self._matched[fault]}:
                    found = found or fault
        return found

    def before(self, fault: Fault | None) -> None:
        """What goes wrong before a call is carried out."""
        if fault is None:
            return
        if fault.kind in {Kind.BEFORE, Kind.REJECTED}:
            raise fault.raised()
        if fault.kind is Kind.GONE_BEFORE:
            self.lose_caller()

    def after(self, fault: Fault | None) -> None:
        """What goes wrong when a call was carried out."""
        if fault is None:
            return
        if fault.kind is Kind.GONE_AFTER:
            self.lose_caller()
        if fault.kind is Kind.AFTER:
            raise fault.raised()


class _Nth:
    """Matches the transaction with a number, counted from the store's first."""

    def __init__(self, store: FaultStore, number: int) -> None:
        self._store, self._number = store, number

    def __call__(self, _units: Sequence[Unit]) -> bool:
        return self._store.calls["apply"] == self._number


class _FaultInline:
    """Transactions inline, of which some go wrong; what would take long cannot be done so."""

    def __init__(self, store: FaultStore, inline: Inline) -> None:
        self._store, self._inline = store, inline

    def apply(self, units: Sequence[Unit], now: int) -> Applied | None:
        fault = self._store.fault_of("inline", units)
        if fault is not None and fault.kind in {Kind.LATE, Kind.ANSWERED_LATE}:
            return None
        self._store.before(fault)
        applied = self._inline.apply(units, now)
        if applied is not None:
            self._store.inlined.append([*chain.from_iterable(units)])
            self._store.after(fault)
        return applied


class _FaultOwners:
    """The owners of a store, of whose calls some go wrong."""

    def __init__(self, faulty: FaultStore, store: Store) -> None:
        self._faulty, self._store = faulty, store

    async def acquire(self, owner: str, *, lost: Callable[[], None], regained: Callable[[], None]) -> None:
        owners = self._store.owners
        await self._faulty.called("acquire", None, lambda: owners.acquire(owner, lost=lost, regained=regained))

    async def dead(self, owners: Collection[str]) -> set[str]:
        return await self._faulty.called("dead", None, lambda: self._store.owners.dead(owners))

    def note_interrupted(self) -> None:
        self._store.owners.note_interrupted()

    def beat(self) -> None:
        self._store.owners.beat()

    def report(self, text: str) -> None:
        self._store.owners.report(text)

    async def reports(self, owners: Collection[str]) -> Mapping[str, OwnerReport]:
        return await self._store.owners.reports(owners)

    def was_interrupted(self, owner: str) -> bool:
        return self._store.owners.was_interrupted(owner)

    def release(self) -> None:
        self._store.owners.release()


class EchoStore:
    """In place of a store: names each write in its answer, and keeps nothing."""

    def __init__(self) -> None:
        self.inline: Inline | None = _EchoInline()
        self.joining: Joining | None = None

    @property
    def owners(self) -> Owners:
        """It has none."""
        raise NotImplementedError

    async def open(self) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """Answers `saved` and the write."""
        return Applied([f"saved {write}" for unit in units for write in unit], None)

    async def ask(self, query: Query[A]) -> A:
        """It has nothing to tell."""
        raise NotImplementedError

    def counts(self) -> Counts:
        """It has none."""
        raise NotImplementedError

    async def changes(self) -> AsyncIterator[Change]:
        """Never yields."""
        return
        yield

    async def maintain(self, now: int) -> None:
        """Does nothing."""


class _EchoInline:
    """Does everything inline."""

    def apply(self, units: Sequence[Unit], now: int) -> Applied | None:
        return Applied([f"inline {write}" for unit in units for write in unit], None)
