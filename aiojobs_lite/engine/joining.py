"""Jobs that callers enqueue in transactions of their own, and what becomes of them when these are committed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiojobs_lite.clock import to_micros
from aiojobs_lite.engine.ports import Reads
from aiojobs_lite.errors import TransactionRefused
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.job import Job, NewJob
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Insert, Inserted
from aiojobs_lite.stores.base import Joining, Store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import JobEnqueued

MOST_AWAITED: Final = 10_000  # jobs whose commits are waited for; of more the oldest are not reported
_PAGE: Final = 500  # jobs a read: each comes with its payload
LONGEST_AWAITED_S: Final = 60.0  # an open transaction that has written keeps all others from writing


class JobIdentity(NamedTuple):
    """What distinguishes a job from another one that got its id after a rollback.

    Attributes:
        type: Its type.
        created_at: When it was made, in microseconds.
        payload_hash: The hash of its payload, which may be large.
        unique_key: Its unique key, or None. A job that has one may be given another payload, and may give it up.
    """

    type: str
    created_at: int
    payload_hash: int
    unique_key: str | None

    def matches(self, job: Job) -> bool:
        """Whether a job is the same one."""
        found = _identity_of(job)
        if self.unique_key is None:
            return found == self
        return found[:2] == self[:2] and found.unique_key in {None, self.unique_key}


class Joined(NamedTuple):
    """One job of an open transaction.

    Attributes:
        id: Its id. If the transaction is rolled back, another job may get it.
        is_new: Whether this enqueue made it.
        identity: Distinguishes it from that one.
    """

    id: int
    is_new: bool
    identity: JobIdentity


class _Awaited(NamedTuple):
    identity: JobIdentity
    until: float  # by the monotonic clock


class JoinedJobs:
    """The jobs of open transactions, each published as enqueued when its commit is noticed.

    Args:
        store: Writes within the transactions.
        bus: Gets the facts.
    """

    def __init__(self, *, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._awaited: dict[int, _Awaited] = {}

    async def insert(self, connection: object, write: Insert | Admit, now: int) -> list[Joined] | Refused:
        """Adds jobs in the open transaction of a caller; none if one of them is refused.

        Raises:
            TransactionRefused: If it cannot take them.
        """
        joining = joining_of(self._store)
        (inserted,) = await joining.apply(connection, [(write,)], now)
        if isinstance(inserted, Refused):
            return inserted
        rows = write.rows if isinstance(write, Insert) else [candidate.row for candidate in write.rows]
        found = await joining.ask(connection, query) if (query := look_at_known(inserted)) is not None else []
        known = {job.id: _identity_of(job) for job in found}
        joined = [
            Joined(made.id, made.is_new, known.get(made.id) or _identity_of_new(row))
            for made, row in zip(inserted, rows, strict=True)
        ]
        self._await(joined)
        return joined

    @property
    def are_awaited(self) -> bool:
        """Whether a commit may have come that was not noticed yet."""
        return bool(self._awaited)

    async def recheck(self, store: Reads) -> None:
        """Publishes those whose transactions were committed since. What does not come is given up after a while."""
        if not self._awaited:
            return
        awaited = dict(self._awaited)
        ids = list(awaited)
        for start in range(0, len(ids), _PAGE):
            for job in reversed(await store.ask(FindJobs(ids=ids[start : start + _PAGE], limit=_PAGE))):
                self._found(job, awaited[job.id])
        self._forget(time.monotonic())

    def _found(self, job: Job, one: _Awaited) -> None:
        if self._awaited.get(job.id) is not one:
            return  # it was rechecked meanwhile
        del self._awaited[job.id]
        if one.identity.matches(job) and self._bus.is_watched(JobEnqueued):
            self._bus.publish(JobEnqueued(job.id, job.type))

    def _await(self, joined: Sequence[Joined]) -> None:
        until = time.monotonic() + LONGEST_AWAITED_S
        for job_id, is_new, identity in joined:
            if is_new:
                self._awaited.pop(job_id, None)  # of a transaction that was rolled back
                self._awaited[job_id] = _Awaited(identity, until)
        while len(self._awaited) > MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]

    def _forget(self, now: float) -> None:
        for job_id, one in list(self._awaited.items()):
            if one.until > now:
                break
            del self._awaited[job_id]


def _identity_of(job: Job) -> JobIdentity:
    return JobIdentity(job.type, to_micros(job.created_at), hash(stored_payload(job.payload_json)), job.unique_key)


def _identity_of_new(row: NewJob) -> JobIdentity:
    return JobIdentity(row.type, row.created_at, hash(row.payload), row.unique_key)


def joining_of(store: Store) -> Joining:
    """What writes within transactions of callers.

    Raises:
        TransactionRefused: If this store cannot.
    """
    if store.joining is None:
        advice = (
            "Give the runner or client the file of the application; in a test, job_kit.replace(..., database=path)."
        )
        raise TransactionRefused("in memory", f"No other connection reaches the jobs of {store}. {advice}")
    return store.joining


def look_at_known(inserted: Sequence[Inserted]) -> FindJobs | None:
    """The query for the jobs that were there already; None if there are none."""
    known = [job_id for job_id, is_new in inserted if not is_new]
    return FindJobs(ids=known, limit=len(known)) if known else None
