"""New jobs: `Insert`, with their keys, and those that are claimed in the same step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, Final, Protocol

from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.writes import Inserted
from aiojobs_lite.stores.sqlite.rows import NEW_ROW, NOTHING_MORE, PENDING, more_of, required_of
from aiojobs_lite.stores.sqlite.transaction import Laned, Transaction

_counts_as: Final = itemgetter(*map(NewJob._fields.index, ("type", "priority", "scheduled_at")))


class Claims(Protocol):
    """A claim that is carried out together with the insert."""

    standing: tuple[Any, ...]  # status, attempts, owner and started_at of a job that it claims

    def choose(self, rows: Sequence[NewJob]) -> set[int]:
        """Claims due jobs of the store; returns the indexes of the rows to be inserted as claimed."""

    def inserted(self, jobs: Sequence[tuple[int, NewJob]]) -> None:
        """Takes the ids that the chosen rows were given."""


def insert(transaction: Transaction, rows: Sequence[NewJob], claiming: Claims | None) -> list[Inserted]:
    """Inserts jobs, their ids in the order of the rows, and carries out the claim."""
    if len(rows) == 1 and claiming is None and rows[0].idempotency_key is None:
        return [Inserted(transaction.insert_pending(rows[0]), is_new=True)]
    if claiming is None and all(map(NOTHING_MORE.__eq__, map(more_of, rows))):
        return _insert_plain(transaction, rows)
    if claiming is None and transaction.limits.types:
        transaction.limits.prepare(rows)
    if {row.idempotency_key for row in rows} <= {None}:
        return _insert(transaction, rows, claiming)
    answers: list[Inserted] = []
    for has_key, run in groupby(rows, lambda row: row.idempotency_key is not None):
        if has_key:
            answers += [_insert_once(transaction, row) for row in run]
        else:
            answers += _insert(transaction, list(run), None)
    if claiming:
        claiming.choose(())
    return answers


def _insert_once(transaction: Transaction, row: NewJob) -> Inserted:
    found = transaction.one("job_of_key", (row.type, row.idempotency_key))  # an INSERT in vain would use up an id
    if found is not None:
        return Inserted(found[0], is_new=False)
    return Inserted(transaction.insert_pending(row), is_new=True)


def _insert(transaction: Transaction, rows: Sequence[NewJob], claiming: Claims | None) -> list[Inserted]:
    """Inserts jobs, many a statement, as claimed where the claim takes them."""
    chosen = claiming.choose(rows) if claiming else ()
    standing = claiming.standing if claiming else PENDING
    ids = transaction.new_ids(len(rows))
    pending: list[tuple[Any, ...]] = []
    claimed: list[tuple[Any, ...]] = []
    laned: list[Laned] = []
    laned_claimed: list[Laned] = []
    counted, tally, is_scheduled = None, None, False  # of the pending row before: many rows are alike
    claimed_of, claimed_type = None, None  # of the claimed row before
    for index, row in enumerate(rows):
        job_id = ids[index]
        is_chosen = index in chosen
        counts_as = _counts_as(row)
        if row.lane is not None and not is_chosen:
            laned.append(transaction.place_laned(row, job_id))
            continue
        if is_chosen:
            if claimed_of is None or row.type != claimed_type:
                claimed_of, claimed_type = transaction.tally(row.type), row.type
            claimed_of.last_id = job_id
            claimed_of.processing += 1
        elif tally is not None and counts_as == counted:
            tally.last_id = job_id
            tally.pending += 1
            tally.scheduled += is_scheduled
        else:
            tally, counted = transaction.count_pending(row, job_id), counts_as
            is_scheduled = row.scheduled_at > tally.due_mark
        if row.lane is not None:
            laned_claimed.append((job_id, row, transaction.limits.place_claimed(row.lane, job_id)))
        elif more_of(row) == NOTHING_MORE:
            values = claimed if is_chosen else pending
            values.append((job_id,) + required_of(row))  # noqa: RUF005  # without a list between
        else:
            transaction.run("insert_job", (*(standing if is_chosen else PENDING), job_id, *row))
    _write(transaction, ((pending, laned, PENDING), (claimed, laned_claimed, standing)))
    if claiming:
        claiming.inserted([(ids[index], rows[index]) for index in sorted(chosen)])
    return list(map(Inserted, ids, repeat(True)))  # noqa: FBT003  # each is new


def _insert_plain(transaction: Transaction, rows: Sequence[NewJob]) -> list[Inserted]:
    """Inserts pending jobs that bring nothing more. Most are alike, and none is looked at by itself."""
    ids, alike = transaction.new_ids(len(rows)), list(map(_counts_as, rows))
    first = dict(zip(reversed(alike), reversed(ids), strict=True))
    last = dict(zip(alike, ids, strict=True))
    for kind, count in Counter(alike).items():
        tally = transaction.count_pending(rows[first[kind] - ids[0]], first[kind], count)
        tally.last_id = max(tally.last_id, last[kind])
    transaction.run_all(
        "insert_pending", NEW_ROW, [(job_id, *required_of(row)) for job_id, row in zip(ids, rows, strict=True)]
    )
    return list(map(Inserted, ids, repeat(True)))  # noqa: FBT003  # each is new


def _write(transaction: Transaction, groups: Iterable[tuple[list[Any], list[Laned], tuple[Any, ...]]]) -> None:
    """Inserts the pending jobs and the claimed ones: of each those without limits by key, then those with."""
    for plain, laned, standing in groups:
        if plain and standing is PENDING:
            transaction.run_all("insert_pending", NEW_ROW, plain)
        elif plain:
            transaction.run_all("insert_claimed", NEW_ROW, plain, standing)
        if laned:
            transaction.insert_laned(laned, standing)
