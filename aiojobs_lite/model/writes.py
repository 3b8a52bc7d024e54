"""The writes: each is one fact to be made durable. Pure data.

A store applies many in one transaction. Those that belong together make a *unit*: all of a unit are applied, or none.
The ends of attempts are in `ends.py`, schedules in `schedules.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Never, Protocol, TypeVar

from aiojobs_lite.model.job import Claimed, Held, NewJob, Status

A_co = TypeVar("A_co", covariant=True)


class Write(Protocol[A_co]):
    """Anything that a store can be asked to make durable. `A_co` is the type of its answer."""

    def answer(self) -> A_co:
        """Never called: it ties a write to the type of its answer."""


Unit = tuple[Write[Any], ...]
"""Writes that are applied together, all or none, whatever becomes of other units in the same transaction."""


def unanswered() -> Never:
    """The body of each `answer`.

    Raises:
        TypeError: Always: the store gives the answer.
    """
    raise TypeError("a write does not answer itself: give it to `Store.apply`")


class Inserted(NamedTuple):
    """The answer to one `NewJob`: its id, and whether this write made it."""

    id: int
    is_new: bool


class Insert(NamedTuple):
    """Adds jobs, all or none. Answer: one `Inserted` a row, in their order.

    - Ids rise in the order of the rows and are never given twice, not even after a deletion. Gaps are normal.
    - A row whose (type, idempotency key) is taken makes no job, and answers with the one that has it.
    """

    rows: tuple[NewJob, ...]

    def answer(self) -> list[Inserted]:
        """See `Write`."""
        unanswered()


class ClaimAnswer(NamedTuple):
    """What a claim has done.

    Attributes:
        jobs: Those claimed, in their order.
        limited_types: The types that their limit over all owners, or a pause, kept from more.
        is_partial: Whether more is due than one transaction looks at: the next claim goes on behind it.
    """

    jobs: list[Claimed]
    limited_types: frozenset[str]
    is_partial: bool = False


class Claim(NamedTuple):
    """Marks due jobs `processing` for `owner`, one attempt each. At most one in a transaction.

    - First, pending jobs whose expiry has come are cancelled, with the reason `expired`: of every type, also those that
      are held or paused. Of very many, some may be left for the next claim; no such job is claimed.
    - Claimed are pending jobs that are not held and whose `scheduled_at` is not after the transaction's instant.
    - In the order of priority, then `scheduled_at`, then id; those that the same transaction inserts are among them.
    - Of the types in `types` only, at most `limit` in all, at most `slots[type]` of a type that is in `slots`, and at
      most `pool_slots` of all types in `pooled` together.
    - `concurrency[type]` bounds the processing jobs of a type over all owners. A type that is paused gives none.
    - `limited_types` names each type that has due jobs which only its limit over all owners or a pause keeps from being
      claimed; a type that the claim had no need to look at may be missing. It may name other types of `types` that are
      paused or at their limit, and that have a slot left.

    Attributes:
        owner: Who claims.
        limit: Most jobs.
        types: The types that the owner can run.
        slots: Most jobs of single types.
        concurrency: Limits of single types over all owners.
        pooled: The types whose attempts share a pool of the owner's, such as its worker processes.
        pool_slots: Most jobs of these types together.
    """

    owner: str
    limit: int
    types: Collection[str]
    slots: Mapping[str, int]
    concurrency: Mapping[str, int]
    pooled: Collection[str] = ()
    pool_slots: int = 0

    def answer(self) -> ClaimAnswer:
        """See `Write`."""
        unanswered()


class MarkInterrupted(NamedTuple):
    """Notes that a drain left this attempt running: its rescue gives the attempt back. Answer: whether it is owned."""

    id: int
    attempt: int
    owner: str

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class CancelJob(NamedTuple):
    """Cancels a pending job, or asks the owner of a processing one to. Answer: its status before, None without a job.

    So `pending` says that this write has cancelled it. A finished job is not changed.
    """

    id: int
    reason: str | None

    def answer(self) -> Status | None:
        """See `Write`."""
        unanswered()


class Reschedule(NamedTuple):
    """Sets when a pending job is due that is not held. Answer: whether it did. If it is due later than before, it
    expires so much later, too.

    Attributes:
        id: The job.
        scheduled_at: The instant; None: that of the transaction, and only if the job is due later.
    """

    id: int
    scheduled_at: int | None

    def answer(self) -> bool:
        """See `Write`."""
        unanswered()


class Redriven(NamedTuple):
    """What became of a job that is to be redriven.

    Attributes:
        status: The status that it had; None without a job.
        taken_key: The unique key that keeps it as it is, since another job has that key; or None.
    """

    status: Status | None
    taken_key: str | None = None

    def __bool__(self) -> bool:
        """Whether it is pending now."""
        return self.status in {Status.DEAD, Status.CANCELLED} and self.taken_key is None


class RedriveJob(NamedTuple):
    """Sends a dead or cancelled job back to pending, due now, as if new; it expires no more, and no event cancels it.
    Answer: whether it did, and if not, why.

    Its operations that were done stay, the others are forgotten (`model/steps.py`). With any that stay it counts as
    suspended once, so that its next attempt knows of them.

    One that would have its unique key again stays as it is while another job has that key. A key that it had until its
    first attempt is gone.

    Attributes:
        id: The job.
        keeps_time: Whether it is due when it was to be, if that is later.
    """

    id: int
    keeps_time: bool = False

    def answer(self) -> Redriven:
        """See `Write`."""
        unanswered()


class RedriveDead(NamedTuple):
    """Sends those of these jobs that are dead back to pending, as `RedriveJob` does it. Answer: how many.

    Those that would have their unique key again stay dead while another job has that key; of several with one key the
    first is sent back.
    """

    ids: tuple[int, ...]

    def answer(self) -> int:
        """See `Write`."""
        unanswered()


class RedrivenAsNew(NamedTuple):
    """What became of a job that is to be redriven as a new one.

    Attributes:
        before: Whether it may be, and if not, why.
        id: The id of the new job; None: it is as it was.
    """

    before: Redriven
    id: int | None = None


class RedriveAsNew(NamedTuple):
    """Deletes a dead or cancelled job with its history, and adds one in its place. Answer: a `RedrivenAsNew`.

    One whose unique key another job has stays as it is.

    Attributes:
        id: The job.
        row: The new one, with the keys of the old one or none.
    """

    id: int
    row: NewJob

    def answer(self) -> RedrivenAsNew:
        """See `Write`."""
        unanswered()


class DeleteJob(NamedTuple):
    """Deletes a job with its history, unless it is processing. Answer: the status it had, None without a job.

    Attributes:
        id: The job.
        only: Leaves a job of another status as it is; None: any but a processing one is deleted.
    """

    id: int
    only: Status | None = None

    def answer(self) -> Status | None:
        """See `Write`."""
        unanswered()


class PauseType(NamedTuple):
    """Stops the claims of a type for all owners, or lets them go on, until changed. A type that is paused already keeps
    its `Pause`.

    Attributes:
        type: The type.
        paused: Whether it is paused, or resumed.
        by: The person or program that pauses it.
    """

    type: str
    paused: bool
    by: str | None = None

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class Release(NamedTuple):
    """Makes those of these jobs that are held for this reason claimable again, due now at the latest: each was due
    when it was held. Answer: how many.
    """

    ids: tuple[int, ...]
    held: Held

    def answer(self) -> int:
        """See `Write`."""
        unanswered()


class Prune(NamedTuple):
    """Deletes jobs that completed, or died or were cancelled, before these instants, ticks before `ticks_before`, and
    batches: until they come to `limit` in all. Answer: to how many jobs, ticks and batches they come; `limit` also if
    one of the batches takes more than one call.

    - The completed go first, then the dead, then the cancelled, then the ticks, then the batches; of each kind of job,
      of the ticks, and of the batches the oldest first.
    - A job with a long log or many operations counts as several (`weight_of`), so the last job may pass the limit.
    - A batch is deleted, its jobs are not, if it was complete before `completed_before` and all its jobs were
      completed, or else before `dead_before`; not while one of its jobs is pending or processing again, nor the latest
      batch.
    """

    completed_before: int
    dead_before: int
    ticks_before: int
    limit: int

    def answer(self) -> int:
        """See `Write`."""
        unanswered()
