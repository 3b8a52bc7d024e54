"""Jobs that expire: when, and their end. What has none is not looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.expiries import EXPIRED, Expired, GetExpiry
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.stores.sqlite.due import AT_ONCE, NEVER
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

EXPIRY_ROW: Final = "(?, ?)"
_MOST_AT_ONCE: Final = 500  # jobs a transaction: a claim waits for no more


class _Standing(NamedTuple):
    """Where a job stands whose expiry has come; without a type: it is gone."""

    id: int
    type: str | None
    status: str | None
    attempts: int
    scheduled_at: int
    held: str | None


def expire(transaction: Transaction) -> None:
    """Cancels the pending jobs whose expiry has come, the earliest first; of very many some."""
    found = transaction.run("expired", (transaction.now, _MOST_AT_ONCE)).fetchall()
    standings = list(map(_Standing._make, found))
    later = [(one.id,) for one in standings if one.status == Status.PROCESSING or one.held == Held.AFTER]
    done = [one for one in standings if one.status != Status.PROCESSING and one.held != Held.AFTER]
    if later:
        transaction.run_all("set_over", ID_ROW, later)
    if done:
        transaction.run_all("forget_expiries", ID_ROW, [(one.id,) for one in done])
    _cancel(transaction, [one for one in done if one.status == Status.PENDING])
    first = transaction.one("first_expiry")
    transaction.expiries.set(NEVER if first is None else first[0])


def expire_those(transaction: Transaction, ids: Sequence[tuple[int]]) -> list[Expired]:
    """Cancels those of these jobs that are pending and whose expiry has come; returns which."""
    if transaction.expiries.at > transaction.now:
        return []
    statements = transaction.many("expired_of_ids", ID_ROW, ids, (transaction.now,))
    standings = [_Standing._make(row) for *_, cursor in statements for row in cursor.fetchall()]
    if standings:
        transaction.run_all("forget_expiries", ID_ROW, [(one.id,) for one in standings])
    return _cancel(transaction, standings)


def set_expiries(transaction: Transaction, expiries: Sequence[tuple[int, int]]) -> None:
    """Sets when jobs expire, by id."""
    latest = {job_id: min(expires_at, NEVER - 1) for job_id, expires_at in expiries}
    transaction.run_all("set_expiries", EXPIRY_ROW, list(latest.items()))
    transaction.expiries.add(min(latest.values()))


def forget_expiries(transaction: Transaction, ids: Sequence[tuple[int]]) -> None:
    """These jobs do not expire any more."""
    if ids and transaction.expiries.has_any:
        transaction.run_all("forget_expiries", ID_ROW, ids)


def forget_expiries_of_dead(transaction: Transaction, ids: Sequence[tuple[int]]) -> None:
    """Those of these jobs that are dead do not expire any more."""
    if ids and transaction.expiries.has_any:
        transaction.run_all("forget_expiries_of_dead", ID_ROW, ids)


def move_expiry(transaction: Transaction, job_id: int, by: int) -> None:
    """A job is due later or earlier by so many microseconds, and so is its expiry."""
    if by and transaction.expiries.has_any and transaction.run("move_expiry", (by, job_id)).rowcount and by < 0:
        transaction.expiries.add(AT_ONCE)  # a look finds out


def count_from_release(transaction: Transaction, released: Sequence[tuple[int, int]]) -> None:
    """Jobs that were held after others are due, each so many microseconds later: their expiry counts from then."""
    if transaction.expiries.has_any:
        for job_id, by in released:
            if transaction.run("count_from_release", (by, job_id)).rowcount:
                transaction.expiries.add(AT_ONCE)


def came_back(transaction: Transaction, job_id: int) -> None:
    """An attempt has ended, and its job is pending again: if its expiry has come meanwhile, it counts from now on."""
    if transaction.expiries.has_any and transaction.run("count_expiry_again", (job_id,)).rowcount:
        transaction.expiries.add(AT_ONCE)


def get_expiry(connection: sqlite3.Connection, sql: Sql, query: GetExpiry) -> int | None:
    """See `GetExpiry`."""
    if abs(query.id) > LARGEST_INTEGER:
        return None
    found = connection.execute(sql["expiry_of_job"], (query.id,)).fetchall()
    return found[0][0] if found else None


def _cancel(transaction: Transaction, standings: Sequence[_Standing]) -> list[Expired]:
    """Cancels pending jobs."""
    if not standings:
        return []
    tallies = [transaction.tally(one.type or "") for one in standings]  # before: it counts what has come due
    transaction.limits.leave(*[one.id for one in standings])
    transaction.run_all("cancel_expired", ID_ROW, [(one.id,) for one in standings], (transaction.now, EXPIRED))
    expired = [Expired(one.id, one.type or "") for one in standings]
    for one, tally in zip(standings, tallies, strict=True):
        tally.move(Status.PENDING, -1, one.attempts, one.scheduled_at)
        tally.held -= one.held is not None
        tally.cancelled += 1
    transaction.expired = [*transaction.expired, *expired]
    transaction.note_ends([one.id for one in standings], Status.CANCELLED)
    return expired
