"""A store that does one thing wrong: at the n-th call of one of its methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, TypeVar

from aiojobs_lite.clock import Clock, sleep
from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.writes import Write
from aiojobs_lite.stores.base import Applied, JobFilter, Store, TypeCounts

T = TypeVar("T")
LATE = 5.0  # seconds of the clock that a call takes: longer than everything that is done by the way


class Kind(Enum):
    """What goes wrong with a call."""

    BEFORE = "it fails, and nothing was done"
    AFTER = "it is done, and said to have failed: a commit in doubt"
    REJECTED = "it is refused as it stands"
    LATE = "it is done after a while"
    TOLD_LATE = "it is done, and answered after a while"
    GONE_BEFORE = "the user who waits is cancelled, then it is done"
    GONE_AFTER = "it is done, and the user who waits is cancelled before the answer"


class Fault(NamedTuple):
    """One thing that goes wrong."""

    kind: Kind
    method: str
    at: int  # the number of the call, from 1


class FaultyStore:
    """Wraps a store; one of its calls goes wrong.

    Args:
        store: What does the work.
        clock: By which a call can take long.
        fault: What goes wrong; None: nothing.

    Attributes:
        calls: How often each method was called.
        lose_user: Cancels what the user awaits at this moment.
    """

    def __init__(self, store: Store, clock: Clock, fault: Fault | None = None) -> None:
        self._store = store
        self._clock = clock
        self._fault = fault
        self.calls: Counter[str] = Counter()
        self.lose_user: Callable[[], object] = lambda: None

    @property
    def was_met(self) -> bool:
        """Whether the fault has come to pass."""
        return self._fault is not None and self.calls[self._fault.method] >= self._fault.at

    @property
    def shared_path(self) -> str | None:
        """That of the store."""
        return self._store.shared_path

    def counts(self) -> Mapping[str, TypeCounts]:
        """Those of the store: no I/O, so nothing goes wrong."""
        return self._store.counts()

    async def open(self) -> None:
        """Opens; one that fails late leaves nothing open."""
        try:
            await self._called("open", self._store.open)
        except StoreUnavailable:
            await self._store.close()
            raise

    async def close(self) -> None:
        """Closes."""
        await self._called("close", self._store.close)

    async def apply(self, writes: Sequence[Write], now: int) -> Applied:
        """Applies."""
        return await self._called("apply", lambda: self._store.apply(writes, now))

    def apply_at_once(self, writes: Sequence[Write], now: int) -> Applied | None:
        """Applies at once; what would take long cannot be done so."""
        kind = self._kind_of("apply_at_once")
        if kind in {Kind.LATE, Kind.TOLD_LATE}:
            return None
        self._fail(kind, Kind.BEFORE, Kind.REJECTED)
        self._lose_user(kind, Kind.GONE_BEFORE)
        applied = self._store.apply_at_once(writes, now)
        self._lose_user(kind, Kind.GONE_AFTER)
        self._fail(kind, Kind.AFTER)
        return applied

    async def get(self, job_id: int) -> Job | None:
        """Reads."""
        return await self._called("get", lambda: self._store.get(job_id))

    async def find(self, which: JobFilter) -> list[Job]:
        """Reads."""
        return await self._called("find", lambda: self._store.find(which))

    async def recount(self, now: int) -> None:
        """Counts."""
        await self._called("recount", lambda: self._store.recount(now))

    async def changed(self) -> bool:
        """Looks."""
        return await self._called("changed", self._store.changed)

    async def _called(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        kind = self._kind_of(method)
        self._fail(kind, Kind.BEFORE, Kind.REJECTED)
        self._lose_user(kind, Kind.GONE_BEFORE)
        if kind is Kind.LATE:
            await sleep(self._clock, LATE)
        answer = await call()
        if kind is Kind.TOLD_LATE:
            await sleep(self._clock, LATE)
        self._lose_user(kind, Kind.GONE_AFTER)
        self._fail(kind, Kind.AFTER)
        return answer

    def _kind_of(self, method: str) -> Kind | None:
        self.calls[method] += 1
        if self._fault is None or (method, self.calls[method]) != self._fault[1:]:
            return None
        return self._fault.kind

    def _lose_user(self, kind: Kind | None, when: Kind) -> None:
        if kind is when:
            self.lose_user()

    @staticmethod
    def _fail(kind: Kind | None, *when: Kind) -> None:
        if kind not in when:
            return
        if kind is Kind.REJECTED:
            raise StoreRejected("as the test says")
        raise StoreUnavailable("SQLITE_IOERR_WRITE", "as the test says")


class NeverAtOnce(FaultyStore):
    """The same of a store that does nothing at once."""

    def apply_at_once(self, writes: Sequence[Write], now: int) -> None:
        """Never."""
