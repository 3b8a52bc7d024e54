"""A store that tells the testing kit what happens, and that can vanish as a process does."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.after import InsertAfter
from aiojobs_lite.model.batches import InsertInBatch
from aiojobs_lite.model.counts import Counts
from aiojobs_lite.model.events import EventRow, PlaceHeld, SendEvents, memo_of
from aiojobs_lite.model.job import Job, NewJob
from aiojobs_lite.model.queries import FindJobs, Query
from aiojobs_lite.model.schedules import FireTick, RunSchedule
from aiojobs_lite.model.steps import ListSteps, SaveRan, SaveSteps, StartChild, StepRow
from aiojobs_lite.model.writes import Insert, Inserted, Unit
from aiojobs_lite.stores.base import Applied, Change, Inline, Joining, OwnerReport, Owners
from aiojobs_lite.stores.open import Database, open_store

A = TypeVar("A")


class Notes(NamedTuple):
    """What is called with what is written.

    Attributes:
        enqueued: Called with the id and the row of each new job.
        sent: Called with each new event, as JSON.
        ended: Called with the names of operations that have ended; returns whether the runner crashes by that.
    """

    enqueued: Callable[[int, NewJob], None]
    sent: Callable[[str], None]
    ended: Callable[[Sequence[str]], bool]


class KitOwners:
    """The owners of a store, until it vanishes: then the owner is dead, and notes nothing more."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners
        self._has_vanished = False

    async def acquire(self, owner: str, *, lost: Callable[[], None], regained: Callable[[], None]) -> None:
        """See `Owners.acquire`."""
        await self._owners.acquire(owner, lost=lost, regained=regained)

    async def dead(self, owners: Collection[str]) -> set[str]:
        """See `Owners.dead`."""
        return await self._owners.dead(owners)

    def note_interrupted(self) -> None:
        """See `Owners.note_interrupted`."""
        if not self._has_vanished:
            self._owners.note_interrupted()

    def beat(self) -> None:
        """See `Owners.beat`."""
        if not self._has_vanished:
            self._owners.beat()

    def report(self, text: str) -> None:
        """See `Owners.report`."""
        if not self._has_vanished:
            self._owners.report(text)

    async def reports(self, owners: Collection[str]) -> Mapping[str, OwnerReport]:
        """See `Owners.reports`."""
        return await self._owners.reports(owners)

    def was_interrupted(self, owner: str) -> bool:
        """See `Owners.was_interrupted`."""
        return self._owners.was_interrupted(owner)

    def release(self) -> None:
        """See `Owners.release`."""
        if not self._has_vanished:
            self._owners.release()

    def vanish(self) -> None:
        """Lets the owner be dead for all others."""
        self._owners.release()
        self._has_vanished = True


class KitInline:
    """Transactions on the event loop's own thread."""

    def __init__(self, store: KitStore, inline: Inline) -> None:
        self._store = store
        self._inline = inline

    def apply(self, units: Sequence[Unit], now: int) -> Applied | None:
        """See `Inline.apply`."""
        self._store.check_present()
        applied = self._inline.apply(units, now)
        if applied is not None:
            self._store.note(units, applied)
            self._store.crash_behind(units, applied)
        return applied


class KitJoining:
    """Writes within transactions of callers."""

    def __init__(self, store: KitStore, joining: Joining) -> None:
        self._store = store
        self._joining = joining

    async def apply(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        """See `Joining.apply`."""
        self._store.check_present()
        answers = await self._joining.apply(connection, units, now)
        self._store.note_uncommitted(units, answers)
        return answers

    async def ask(self, connection: object, query: Query[A]) -> A:
        """See `Joining.ask`."""
        return await self._joining.ask(connection, query)

    def apply_blocking(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        """See `Joining.apply_blocking`. No runner looks for what a client enqueues: it is not noted."""
        return self._joining.apply_blocking(connection, units, now)

    def ask_blocking(self, connection: object, query: Query[A]) -> A:
        """See `Joining.ask_blocking`."""
        return self._joining.ask_blocking(connection, query)


class KitStore:
    """Implements `stores.base.Store` around another one, for one runner that may be started again and again.

    Args:
        database: As `JobRunner` takes it. What is in memory is empty at each start, but for one after `vanish`.
        folder: Makes a folder for what is left of a database in memory that vanished.
        opened: Called at each start, before any job can run.
        notes: Called with what is written.

    Attributes:
        database: As given, or what a database in memory was written into when it vanished.
    """

    def __init__(
        self,
        database: Database,
        *,
        folder: Callable[[], str],
        opened: Callable[[], None],
        notes: Notes,
    ) -> None:
        self._folder = folder
        self._opened = opened
        self._notes = notes
        self._has_vanished = False
        self._set(database)

    def _set(self, database: Database) -> None:
        self.database = database
        self._store = store = open_store(database, "normal")
        self.owners = KitOwners(store.owners)
        self.inline = KitInline(self, store.inline) if store.inline else None
        self.joining = KitJoining(self, store.joining) if store.joining else None
        self._uncommitted: dict[int, NewJob] = {}  # jobs of transactions that callers had open

    def __str__(self) -> str:
        return str(self._store)

    async def open(self) -> None:
        """See `Store.open`."""
        self._has_vanished = False
        await self._store.open()
        self._opened()

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._has_vanished:
            await self._store.close()
            return
        store, is_kept = self._store, getattr(self._store, "path", self) is None
        path = Path(tempfile.mkdtemp(dir=self._folder()), "jobs.db") if is_kept else None
        if path is not None:
            await store.copy_to(path)  # type: ignore[attr-defined]  # what is in memory is of SQLite
        await store.close()
        self.owners.vanish()
        self._set(self.database if path is None else path)

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """See `Store.apply`."""
        self.check_present()
        applied = await self._store.apply(units, now)
        self.note(units, applied)
        self.crash_behind(units, applied)
        return applied

    async def ask(self, query: Query[A]) -> A:
        """See `Store.ask`."""
        self.check_present()
        answer = await self._store.ask(query)
        if self._uncommitted and isinstance(query, FindJobs):
            self._note_committed(cast("list[Job]", answer))
        if isinstance(query, ListSteps):
            self._crash_behind(cast("Sequence[StepRow]", answer))
        return answer

    def counts(self) -> Counts:
        """See `Store.counts`."""
        return self._store.counts()

    async def changes(self) -> AsyncIterator[Change]:
        """See `Store.changes`."""
        async for change in self._store.changes():
            yield change

    async def maintain(self, now: int) -> None:
        """See `Store.maintain`."""
        self.check_present()
        await self._store.maintain(now)

    def vanish(self) -> None:
        """Lets nothing more be written or noted, as if the process had ended; `close` is to follow."""
        self._has_vanished = True

    @property
    def has_vanished(self) -> bool:
        """Whether `vanish` was called since it was opened."""
        return self._has_vanished

    def check_present(self) -> None:
        """Checks that it has not vanished.

        Raises:
            StoreUnavailable: If it has.
        """
        if self.has_vanished:
            raise StoreUnavailable("CLOSED", "the testing kit let this runner crash")

    def note_uncommitted(self, units: Sequence[Unit], answers: Sequence[Any]) -> None:
        """Takes new jobs of an open transaction of a caller; they are noted when a runner finds them committed."""
        for write, answer in zip(chain.from_iterable(units), answers, strict=True):
            self._uncommitted |= dict(_made(write, answer))

    def _note_committed(self, found: Sequence[Job]) -> None:
        for job in reversed(found):
            row = self._uncommitted.pop(job.id, None)
            if row is not None and (row.type, row.created_at) == (job.type, to_micros(job.created_at)):
                self._notes.enqueued(job.id, row)

    def note(self, units: Sequence[Unit], applied: Applied) -> None:
        """Tells of the new jobs of a transaction, the callbacks of batches among them, and of its events."""
        answers: Iterator[Any] = iter(applied.answers)
        for unit in units:
            for write in unit:
                answer = next(answers)
                if answer is None:
                    continue
                for job_id, row in _made(write, answer):
                    self._notes.enqueued(job_id, row)
                for event in _sent(write, answer):
                    self._notes.sent(event)
        for job_id, row in applied.enqueued:
            self._notes.enqueued(job_id, row)

    def crash_behind(self, units: Sequence[Unit], applied: Applied) -> None:
        """Lets it vanish, if the test wants that behind one of the operations that have ended in a transaction."""
        for write, answer in zip(chain.from_iterable(units), applied.answers, strict=True):
            if isinstance(write, SaveRan):
                self._crash_if_due(_durable(write, answer))
            elif isinstance(write, SaveSteps) and answer is not None:
                self._crash_behind(answer)
            elif isinstance(write, StartChild) and isinstance(answer, tuple) and not isinstance(answer, Refused):
                self._crash_behind([answer[0]])
            elif isinstance(write, SendEvents) and write.step is not None and isinstance(answer, tuple):
                self._crash_if_due([write.step.name])

    def _crash_behind(self, rows: Sequence[StepRow]) -> None:
        self._crash_if_due([row.name for row in rows if row.ended_at is not None])

    def _crash_if_due(self, ended: Sequence[str]) -> None:
        if ended and self._notes.ended(ended):
            self.vanish()
            self.check_present()


def _durable(write: SaveRan, answer: Sequence[StepRow | None] | None) -> list[str]:
    """The names of the steps that are stored now."""
    if answer is None:
        return [step.name for step in write.steps]
    return [row.name for row in answer if row is not None]


def _sent(write: object, answer: Any) -> list[str]:
    """The events of a write that are new, as JSON."""
    if not isinstance(write, SendEvents) or isinstance(answer, Refused):
        return []
    events = [(event, sent) for event, sent in zip(write.events, answer, strict=False) if sent.is_new]
    return [memo_of(EventRow(sent.id, event.name, event.data, event.sent_at, event.key)) for event, sent in events]


def _made(write: object, answer: Any) -> list[tuple[int, NewJob]]:
    """The jobs that a write made, by their ids."""
    if isinstance(write, FireTick) and write.job is not None and answer.job_id is not None:
        return [(answer.job_id, write.job.row)]
    if isinstance(answer, Refused):
        return []
    if isinstance(write, RunSchedule):
        return _new([write.job.row], [answer])
    if isinstance(write, StartChild):
        return _new([write.child.row], [answer[1]])
    if isinstance(write, PlaceHeld) and write.place is not None:
        return _new([write.place.row], [answer])
    if isinstance(write, SendEvents):
        pairs = zip(write.events, answer, strict=False)
        return [one for event, sent in pairs for one in _new([made.row for made in event.starts], sent.started)]
    if not isinstance(write, Insert | InsertInBatch | InsertAfter | Admit):
        return []
    rows = [candidate.row for candidate in write.rows] if isinstance(write, Admit) else write.rows
    inserted = answer.inserted if isinstance(write, InsertAfter) else answer  # none, if it was refused
    return _new(rows, inserted)


def _new(rows: Iterable[NewJob], inserted: Iterable[Inserted | None]) -> list[tuple[int, NewJob]]:
    return [(made.id, row) for row, made in zip(rows, inserted, strict=False) if made is not None and made.is_new]
