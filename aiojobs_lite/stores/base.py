"""What a store must do. The docstrings are the specification; the conformance suite is the proof.

A store makes writes durable and answers questions about them. It decides nothing: what follows an attempt is decided by
`policy.settle`, when to claim by the engine. Each write and each query says what it does and answers in its own
docstring, in the module of its feature in `model`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from aiojobs_lite.model.after import Cancellation
from aiojobs_lite.model.counts import Counts
from aiojobs_lite.model.expiries import Expired
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Unit

__all__ = ["Applied", "Change", "Durability", "Inline", "Joining", "Opening", "Owners", "Store"]

A = TypeVar("A")
Durability = Literal["full", "normal"]
"""What an acknowledged write survives: a power cut too, or only a crash of the process."""
Opening = Literal["own", "act", "look"]
"""What an open may do to a database: make and migrate it (`own`), write to it as it is (`act`), or read it (`look`)."""


class Applied(NamedTuple):
    """What one transaction did.

    Attributes:
        answers: One answer a write, in the order of the units and of the writes in them.
        due: When it is worth while to claim (again), in microseconds; None: not before something else happens.

            - With a claim: never after the instant at which the same claim, made again with its whole `limit`, could
              take a job; types that have no slot left in it, are paused or are at their limit over all owners do not
              count.
            - Without: the earliest `scheduled_at` of what the transaction made claimable: jobs that are new, pending
              again, redriven or released, or whose type is paused no more. What only a limit kept from being claimed
              does not count, unless it is a limit by key that the transaction has set free.

            It is a hint: it may be too early, also by jobs that another claim is about to take; if that instant has
            come, it may be any other that has.
        expires_at: When a claim is worth while although no slot is free: never after the first expiry of a pending job,
            of whatever type; None: not before something else happens. A hint as well.
        expired: The jobs that it cancelled since their expiry had come.
        cancelled: The pending jobs that it cancelled by an event, or with one that they were to run after, in the order
            in which it did.
        enqueued: The callbacks of batches that it enqueued: the id and the row of each.
        has_sent: Whether it has sent events of its own (`model/job_events.py`), as `SendEvents` does: jobs may be held
            for listeners, cancelled, or asked to stop.
    """

    answers: list[Any]
    due: int | None
    expires_at: int | None = None
    expired: Sequence[Expired] = ()
    cancelled: Sequence[Cancellation] = ()
    enqueued: Sequence[tuple[int, NewJob]] = ()
    has_sent: bool = False


class Change(NamedTuple):
    """Other owners have, or may have, changed something.

    Attributes:
        types: The types of jobs that it may be about; None: any.
    """

    types: frozenset[str] | None = None


class OwnerReport(NamedTuple):
    """What an owner has left for the processes that look at it.

    Attributes:
        text: Its report; empty: it has none, or none that can be read.
        silence: For how many seconds it has not shown that its event loop turns; None if that is not known.
    """

    text: str = ""
    silence: float | None = None


class Owners(Protocol):
    """Who is alive. An owner is one runner instance, named by 16 random hexadecimal digits that are never used again.

    An owner is alive while it holds something that the end of its process or host sets free, at once or after a grace.
    A blocked event loop, a slow store or a clock that jumps do not end that.
    """

    async def acquire(self, owner: str, *, lost: Callable[[], None], regained: Callable[[], None]) -> None:
        """Shows that this owner lives, until it is released or its process ends.

        Args:
            owner: Its id.
            lost: Called on the event loop when others may soon take this owner for dead: nothing is to be claimed, and
                all attempts are to be stopped. A store whose owners cannot lose this never calls it.
            regained: Called when that is over.

        Raises:
            StoreRefused: If it can never be shown here.
            StoreUnavailable: If it cannot be shown now.
        """

    async def dead(self, owners: Collection[str]) -> set[str]:
        """Those of these owners that are dead for certain, any grace included.

        To be called every few seconds with the owners of all processing jobs (`ListOwners`). On the way it restores
        what shows that this owner lives, and removes what dead owners left that are not among these.
        """

    def note_interrupted(self) -> None:
        """Notes that a drain has ended all attempts of this owner, for the case that some of their ends, or the notes
        about those that still run, could not be written. It needs no database, and is kept until the jobs are rescued.

        A store that has no other place for the note than its database does nothing.
        """

    def beat(self) -> None:
        """Shows that the event loop of this owner turns. Called every few seconds, never on the event loop."""

    def report(self, text: str) -> None:
        """Leaves a text for the processes that look at this owner, in place of the one before; an empty one leaves
        none. It needs no transaction, so that a runner in trouble can leave it. Called never on the event loop.
        """

    async def reports(self, owners: Collection[str]) -> Mapping[str, OwnerReport]:
        """What these owners have left, as far as it is known. Other programs may have written it."""

    def was_interrupted(self, owner: str) -> bool:
        """Whether a dead owner has noted that; asked before its jobs are rescued."""

    def release(self) -> None:
        """Gives this owner up, when nothing runs under it any more, perhaps long after the store was closed.

        May be called twice.
        """


class Inline(Protocol):
    """Transactions that need not be waited for."""

    def apply(self, units: Sequence[Unit], now: int) -> Applied | None:
        """The same as `Store.apply`, done when this returns. None: it cannot be done so now, and nothing was done.

        Raises:
            StoreUnavailable: As `Store.apply`.
            StoreRejected: As `Store.apply`.
        """


class Joining(Protocol):
    """Writes within transactions that callers have begun, on connections of their own to the same database.

    What is written belongs to the caller's transaction: durable with its commit, gone with its rollback, or with that
    to a savepoint of it. Until the commit only the caller's connection sees it, `counts` included. The commit is one of
    another owner: `changes` tells of it.

    - A call writes all or nothing. One that raises leaves the transaction as it was, if the database has kept it.
    - A transaction is begun where the driver of the connection begins one by itself before it writes.
    - Ids are given once, as ever, but for those of a transaction that is rolled back: they may be given again.
    - The settings of the connection do not matter, and stay as they are.
    - It may be used while the store is not open; then the job tables must be there, of this release.

    The connection is a driver's, or an object of SQLAlchemy over one (`stores.joining`).

    Raises, each method:
        TransactionRefused: If the transaction cannot take the writes; the message says what to do.
        StoreRefused: If the database cannot be used.
        StoreUnavailable: If it cannot be written now: it is locked, for some seconds or since the transaction read.
        StoreRejected: As `Store.apply`.
    """

    async def apply(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        """Applies units, as `Store.apply`; returns its answers. They have no ends and no claim.

        A connection that blocks is used on the thread of the caller, and never waits there for a lock.
        """

    async def ask(self, connection: object, query: Query[A]) -> A:
        """Answers a query as the transaction sees the database."""

    def apply_blocking(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        """The same as `apply` without an event loop, for a connection that blocks."""

    def ask_blocking(self, connection: object, query: Query[A]) -> A:
        """The same as `ask` without an event loop, for a connection that blocks."""


class Store(Protocol):
    """Durable storage of jobs, shared by any number of owners, in any number of processes.

    Cancellation: a call that was begun is carried out whether or not its caller is cancelled. No cancellation leaves
    a transaction half done, a lock held or a connection in doubt; the cancelled caller does not know the outcome.

    Faults: `StoreUnavailable` means that nothing of the call was written, with one exception: a fault of the commit
    itself, or of the connection before its answer came, after which the writes may be there. The store stays usable,
    and the call may be repeated. What only the traffic of other owners causes (a deadlock, a serialization failure, a
    lock that is not had in time) the store repeats by itself some times, before it gives up with `StoreUnavailable`.

    Isolation: transactions of all owners happen as if one after the other as far as claims, limits, pauses, idempotency
    keys, ticks, fences and counts of what is processing go. Queries and counts see whole transactions only.

    Time: all instants are microseconds since 1970 UTC, of the years 1 to 9999, and come from the callers. A store reads
    no clock for what it writes. One whose owners live on several machines compares their clocks with its server's, and
    warns of a second.

    Name: `str(store)` says to people which database it is.

    Text: any that UTF-8 can encode. A store that cannot keep a character (PostgreSQL: NUL) rejects it in names and
    keys, and replaces it in errors and tracebacks.
    """

    @property
    def owners(self) -> Owners:
        """The owners that share this store."""

    @property
    def inline(self) -> Inline | None:
        """Transactions on the event loop's own thread; None if this store has none."""

    @property
    def joining(self) -> Joining | None:
        """Writes within transactions of callers; None if no connection of a caller can reach this database."""

    async def open(self) -> None:
        """Opens the database, creating or migrating it, as far as its `Opening` allows. May be called again after
        `close`.

        A cancelled or failed open leaves nothing open. A database that is refused is not changed.

        Raises:
            StoreRefused: If it is missing, corrupt, foreign, newer or not to be used.
            StoreUnavailable: If it cannot be reached, or is locked for too long.
        """

    async def close(self) -> None:
        """Closes every connection. What shows that its owner lives is kept until `owners.release`.

        May be called twice, and after a failed open.
        """

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """Applies the units in one transaction, all or none, durable on return.

        - Phases: first each `SaveRan`, and each `Report` that goes with no end; then what else attempts do for their
          operations (`SaveSteps`, `StartChild`, `SendEvents` for one); then the ends of attempts, of these `Complete`
          before the others; then all other writes; then `Insert`; last `Claim`, of which there is at most one. So the
          last may take what the first set free. Within a phase the order given holds, but attempts that succeeded may
          end in any order among themselves, and the jobs of each batch are inserted together, behind those of none.
        - A unit has at most one end. If its attempt is not owned any more (by id, number and owner), nothing of the
          unit is applied: the answer to each of its writes is None.
        - A write that finds its job moved on changes nothing, and says so in its answer.

        Args:
            units: Any number, none included (which proves that the store can be written).
            now: The instant of the transaction, in microseconds.

        Raises:
            StoreUnavailable: If it cannot be written now, or claims for an owner that was acquired, and is lost.
            StoreRejected: If a write cannot be stored as it stands; then none of them was. Apply each unit alone, to
                find out which.
        """

    async def ask(self, query: Query[A]) -> A:
        """Answers a query. Never delays `apply`; sees at least every transaction that `apply` has returned from, of
        this store and of others.

        Raises:
            StoreUnavailable: If it cannot be read now.
            StoreRejected: If it cannot be asked as it stands: it has text that no job can have.
        """

    def counts(self) -> Counts:
        """The counts: no I/O, correct to the last transaction that `apply` has returned from. What other owners did is
        in them when `changes` has reported it, if not before; after `open`, all that was committed until then.
        """

    def changes(self) -> AsyncIterator[Change]:
        """Tells of what other owners change, for as long as it is iterated. One iteration at a time.

        At least once for each transaction of theirs since `open`, within a second, several in one if need be; perhaps
        also for nothing. What happens while it is not iterated, the next iteration tells of.

        Raises:
            StoreUnavailable: If it cannot be looked now, or the store is or was closed; then iterate anew.
        """

    async def maintain(self, now: int) -> None:
        """The store's own housekeeping, to be called about once a minute: counts that rows written past the store have
        made wrong are put right, and the like. Delays `apply` only if there is something to put right.

        Raises:
            StoreUnavailable: If it cannot be done now.
        """
