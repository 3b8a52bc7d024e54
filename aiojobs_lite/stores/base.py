"""What a store must do. The docstrings are the specification; `tests/stores/conformance.py` is the proof.

A store makes writes durable and answers questions about them. It decides nothing: what follows an attempt is
decided by `retry.settle`, when to claim by the engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.writes import Write


@dataclass(frozen=True, slots=True)
class TypeCounts:
    """How many jobs of one type stand where.

    Attributes:
        pending: All that wait, the three below included.
        scheduled: Pending, due later than the last transaction that touched or looked at the type, no attempt spent.
        retrying: Pending, after an attempt that was spent.
        parked: Pending, and not to be claimed: their payload no longer fits their handler.
        processing: Being run, by any owner.
        completed: Completed, and not yet pruned.
        dead: Dead, and not yet pruned.
        cancelled: Cancelled, and not yet pruned.
    """

    pending: int = 0
    scheduled: int = 0
    retrying: int = 0
    parked: int = 0
    processing: int = 0
    completed: int = 0
    dead: int = 0
    cancelled: int = 0


class Applied(NamedTuple):
    """What one transaction did.

    Attributes:
        answers: One answer a write, in their order.
        due: For every type that the transaction touched or looked at: the earliest `scheduled_at` of its
            claimable pending jobs, in microseconds, or None if it has none.
        changed: Whether somebody else has committed since the last look.
    """

    answers: list[Any]
    due: Mapping[str, int | None]
    changed: bool


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are asked for; every field that is given must hold.

    Attributes:
        ids: Their ids.
        status: Their status.
        type: Their type.
        owner: Their owner.
        cancel_requested: True: only those that somebody asked to cancel.
        before: Only ids below this one (the last of the page before).
        limit: At most so many.
    """

    ids: Collection[int] | None = None
    status: Status | None = None
    type: str | None = None
    owner: str | None = None
    cancel_requested: bool | None = None
    before: int | None = None
    limit: int = 100


class Store(Protocol):
    """Durable storage of jobs, shared by any number of owners in any number of processes.

    Cancellation: a call that was begun is carried out whether or not its caller is cancelled. No cancellation leaves
    a transaction half done, a lock held or a connection in doubt; the cancelled caller does not know the outcome.

    Faults: `StoreUnavailable` means that nothing of the call was written, with one exception: a fault of the commit
    itself, after which the writes may be there. The store stays usable and the call may be repeated.
    """

    @property
    def shared_path(self) -> str | None:
        """Where owners can leave files for each other, as a prefix of their names; None if nobody else can come."""

    async def open(self) -> None:
        """Opens the database, creating or migrating it.

        A cancelled or failed open leaves nothing open. A database that is refused is not changed.

        Raises:
            StoreRefused: If it is missing its directory, corrupt, foreign, newer or not readable.
            StoreUnavailable: If it is locked by somebody else for too long.
        """

    async def close(self) -> None:
        """Closes every connection. May be called twice, and after a failed open."""

    async def apply(self, writes: Sequence[Write], now: int) -> Applied:
        """Applies the writes in one transaction, all or none, durable on return.

        Order: first `Finish`, then all others, then `Insert`, last `Claim` (at most one), so that what the first
        freed the last may take. Within one kind the order given holds, but attempts that succeeded end before the
        others, in any order. Jobs that the transaction inserts may be claimed by it. A write that finds its job moved
        on changes nothing and says so in its answer.

        The answer of each write, and which rows it takes in what order, is said in its own docstring (`job.py`).

        Args:
            writes: Any number of writes, none included (which proves that the store can be written).
            now: The instant of the transaction, in microseconds.

        Raises:
            StoreUnavailable: If it cannot be written now.
            StoreRejected: If a write cannot be stored as it stands; then none of them was.
        """

    def apply_at_once(self, writes: Sequence[Write], now: int) -> Applied | None:
        """The same as `apply`, done when this returns, if it can be without waiting for anything. None: it cannot now,
        and nothing was done; call `apply`. May always be None.

        Raises:
            StoreUnavailable: As `apply`.
            StoreRejected: As `apply`.
        """

    async def get(self, job_id: int) -> Job | None:
        """The job with its history, or None."""

    async def find(self, which: JobFilter) -> list[Job]:
        """The jobs of a filter, newest (highest id) first, without history. Never delays `apply`."""

    def counts(self) -> Mapping[str, TypeCounts]:
        """The counts by type as of the last `apply` or `changed`. No I/O; equal to counting the rows then."""

    async def recount(self, now: int) -> None:
        """Puts counts right that do not agree with the rows: somebody has written them past the stores.

        Delays `apply` only if it finds some; then `changed` tells of it.

        Raises:
            StoreUnavailable: If they cannot be looked at, or put right, now.
        """

    async def changed(self) -> bool:
        """Whether somebody else has committed since the last look; then `counts` is up to date again."""
