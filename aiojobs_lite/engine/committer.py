"""The group commit: all writes that arrived while the last transaction was in flight become the next one.

That is the secret of speed (one fsync, one hop to the connection's thread for many jobs) and of safety (a cancelled
await can never leave half a transaction). Claims ride in the same transaction.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiojobs_lite.clock import Alarm, Clock, sleep
from aiojobs_lite.errors import RunnerClosed, StoreError, StoreRejected, StoreUnavailable
from aiojobs_lite.model.writes import Claim, ClaimAnswer, Insert, Write
from aiojobs_lite.stores.base import Applied, Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import StoreDegraded, StoreRecovered

_log = logging.getLogger("aiojobs_lite.engine")
_MOST_WRITES = 250  # a transaction; more would hold the event loop too long
_MOST_AT_ONCE = 16  # writes of one caller in one turn of the event loop
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5  # seconds between the tries of a store that cannot be written

_IN_DOUBT = StoreUnavailable("CLOSED", "the runner was left while it was being written: it may be there or not")
Done = Callable[[Any, Any, StoreError | None], None]  # the write, its answer, or why it cannot be saved


# One write that waits: for a caller (the future), or for the engine, which keeps it until it is saved (the callback).
# A plain tuple: two of them are made for each job.
_Entry = tuple[Write, "asyncio.Future[Any] | None", Done | None]


class Committer:
    """Applies writes in groups, one transaction at a time.

    Args:
        store: Where to.
        clock: Gives each transaction its instant.
        bus: Hears of faults.
        next_claim: Asked before each transaction for a claim to go with it; told whether it will insert jobs.
        committed: Told what each transaction did, and the answer to its claim.
        idle: Called whenever nothing is left to do.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        bus: Bus,
        *,
        next_claim: Callable[[bool], Claim | None],
        committed: Callable[[Applied, ClaimAnswer | None], None],
        idle: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._next_claim = next_claim
        self._committed = committed
        self._idle = idle
        self._kept: list[_Entry] = []  # the engine's own go first: who waits for a slot waits for them
        self._waiting: list[_Entry] = []
        self._alarm = Alarm(clock)
        self._callers: set[asyncio.Task[Any] | None] = set()  # of this turn of the event loop
        self._left_at_once = _MOST_AT_ONCE
        self._busy = False
        self._closed = False
        self._degraded: StoreUnavailable | None = None
        self._degraded_since = 0.0
        self._claim_failed = False  # since it is degraded; a damaged page, say, may fail the claim alone
        self._claims_again = False
        self._pause_length = _FIRST_PAUSE

    @property
    def degraded(self) -> str | None:
        """Why the store cannot be written, or None."""
        return None if self._degraded is None else self._degraded.code

    @property
    def is_idle(self) -> bool:
        """Whether no write waits or is in flight."""
        return not self._kept and not self._waiting and not self._busy

    def wake(self) -> None:
        """Something may be to be claimed."""
        self._alarm.ring()

    async def write(self, write: Write) -> Any:
        """Makes a caller's write durable; returns the store's answer.

        A caller that is cancelled leaves the write to be carried out whole, or not at all.

        Raises:
            StoreUnavailable: If the store cannot be written now.
            StoreRejected: If the write cannot be stored.
            RunnerClosed: If the runner ended before.
        """
        if self._closed:
            raise RunnerClosed
        if self._degraded is not None:
            raise StoreUnavailable(self._degraded.code, "it was found so before")
        if len(self._callers) < 2:  # else many want something in this turn, and are served together
            applied = self._at_once(write)
            if applied is not None:
                return applied.answers[0]
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future, None))
        self._alarm.ring()
        return await future

    def _at_once(self, write: Write) -> Applied | None:
        """Does a caller's write without a turn of the event loop, if nobody else wants anything.

        Many callers are better served together, in this turn and in the next; and the host must have its turn.
        """
        if not self._callers:
            asyncio.get_running_loop().call_soon(self._turned)
        self._callers.add(asyncio.current_task())
        if self._left_at_once == 0 or len(self._callers) > 1 or not self.is_idle:
            return None
        self._left_at_once -= 1
        claim = self._next_claim(type(write) is Insert)
        writes = [write] if claim is None else [write, claim]
        try:
            applied = self._store.apply_at_once(writes, self._clock.now())
        except StoreUnavailable as error:
            self._claim_failed |= claim is not None
            self._found_unavailable(error)
            self._alarm.ring()
            raise  # not tried again: it may be there
        except StoreError:
            return None  # it will fail again, where it is dealt with
        if applied is not None:
            _told(self._committed, applied, applied.answers[1] if claim else None)
            if claim is None and type(write) is not Insert:  # what is inserted without one waits for a slot
                self._alarm.ring()
        return applied

    def _turned(self) -> None:
        self._left_at_once = 0 if len(self._callers) > 1 else _MOST_AT_ONCE
        self._callers.clear()

    def keep(self, write: Write, done: Done) -> None:
        """Takes a write of the engine, which is repeated until it is saved; then calls `done(write, answer, None)`.

        Only a write that the store rejects as it stands ends with `done(write, None, error)`.
        """
        self._kept.append((write, None, done))
        self._alarm.ring()

    async def run(self) -> None:
        """Commits, for ever."""
        while True:
            claim = None
            if self._degraded is None or self._claims_again:
                claim = self._next_claim(self._inserts_wait())
                if claim is None:
                    self._recovered()
            if self._kept or self._waiting or claim or self._degraded:
                await self._commit(claim)
                await asyncio.sleep(0)  # the host's turn, and that of the jobs: what they write goes together
            else:
                self._idle()
                await self._alarm.wait()

    def close(self) -> None:
        """Refuses all that still waits and all that comes; what is in flight is answered when it has ended."""
        self._closed = True
        waiting, self._waiting = self._waiting, []
        for _, future, _ in waiting:
            if future is not None and not future.done():
                future.set_exception(RunnerClosed())

    def _inserts_wait(self) -> bool:
        return any(type(write) is Insert for write, _, _ in self._waiting[:_MOST_WRITES])

    def _next_group(self) -> list[_Entry]:
        entries = self._kept[:_MOST_WRITES]
        del self._kept[:_MOST_WRITES]
        room = _MOST_WRITES - len(entries)
        entries += self._waiting[:room]
        del self._waiting[:room]
        return entries

    async def _commit(self, claim: Claim | None) -> None:
        entries = self._next_group()
        writes: list[Write] = [write for write, _, _ in entries]
        if claim:
            writes.append(claim)
        self._busy = True
        try:
            applied = await self._store.apply(writes, self._clock.now())
        except asyncio.CancelledError:
            for entry in entries:
                _fail(entry, _IN_DOUBT)
            raise
        except StoreUnavailable as error:
            self._claim_failed |= claim is not None
            await self._pause(error, entries)
        except Exception as error:
            if not entries:  # the claim alone: nobody waits for it, and the part is started again after a pause
                raise
            if len(writes) == 1:
                _fail(entries[0], _rejected(error))
            else:
                await self._one_by_one(entries)
        else:
            if self._degraded is not None:
                applied = self._after_fault(applied, claim)
            self._deliver(entries, applied, claim)
        finally:
            self._busy = False

    def _deliver(self, entries: list[_Entry], applied: Applied, claim: Claim | None) -> None:
        answers = applied.answers
        for (_, future, _), answer in zip(entries, answers, strict=False):  # the claim's answer is one more
            if future is not None and not future.done():
                future.set_result(answer)  # first of all: responses wait for it
        _told(self._committed, applied, answers[-1] if claim else None)
        for (write, _, done), answer in zip(entries, answers, strict=False):
            if done is not None:
                _told(done, write, answer, None)

    async def _one_by_one(self, entries: list[_Entry]) -> None:
        """One write poisons its transaction: each is tried alone, so that only its own caller hears of it."""
        for index, entry in enumerate(entries):
            try:
                applied = await self._store.apply([entry[0]], self._clock.now())
            except StoreUnavailable as unavailable:
                await self._pause(unavailable, entries[index:])
                return
            except Exception as rejected:  # noqa: BLE001  # whatever it is: its caller hears of it
                _fail(entry, _rejected(rejected))
            else:
                self._deliver([entry], applied, None)

    async def _pause(self, error: StoreUnavailable, entries: list[_Entry]) -> None:
        """The store cannot be written: callers are told, the engine's writes are kept, and it is tried again."""
        self._found_unavailable(error)
        kept = []
        for entry in entries:
            _, future, _ = entry
            kept.append(entry) if future is None else _fail(entry, error)
        self._kept[:0] = kept
        self._busy = False
        length, self._pause_length = self._pause_length, min(_LONGEST_PAUSE, self._pause_length * 2)
        await sleep(self._clock, length)

    def _found_unavailable(self, error: StoreUnavailable) -> None:
        if self._degraded is None:
            self._degraded_since = time.monotonic()
            self._pause_length = _FIRST_PAUSE
            if self._bus.is_watched(StoreDegraded):
                self._bus.publish(StoreDegraded(str(error)))
        self._degraded = error
        self._claims_again = False

    def _after_fault(self, applied: Applied, claim: Claim | None) -> Applied:
        """The store was written again. A fault of a claim may be of the claim alone: then only another one can tell."""
        self._claims_again = True
        if claim is not None or not self._claim_failed:
            self._recovered()
        return applied._replace(changed=True)  # what was said to have failed may be there all the same

    def _recovered(self) -> None:
        if self._degraded is not None:
            self._degraded = None
            self._claim_failed = False
            if self._bus.is_watched(StoreRecovered):
                self._bus.publish(StoreRecovered(time.monotonic() - self._degraded_since))


def _rejected(error: Exception) -> StoreError:
    """A fault that only this transaction has; one that the store's contract does not know would be its defect."""
    if isinstance(error, StoreError):
        return error
    rejected = StoreRejected(f"{type(error).__name__}: {error}")
    rejected.__cause__ = error
    return rejected


def _told(whom: Callable[..., None], *what: object) -> None:
    """One who fails must not keep the others' answers from them."""
    try:
        whom(*what)
    except Exception:  # noqa: BLE001  # logged
        _log.exception("%r failed when it was told of a commit; please report it", whom)


def _fail(entry: _Entry, error: StoreError) -> None:
    write, future, done = entry
    if done is not None:
        _told(done, write, None, error)
    elif future is not None and not future.done():
        future.set_exception(error)
