"""Jobs that are added under conditions: first all conditions are looked at, then all is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from aiojobs_lite.model import columns
from aiojobs_lite.model.admission import MOST_SKEW_US, Admit, Candidate, Refused
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.job import NewJob, Status
from aiojobs_lite.model.limits import LimitedLane, SetLimits, StoredLimit, lane_at
from aiojobs_lite.model.micro_batch import Capacity, append_items, is_full, without_more
from aiojobs_lite.model.writes import Inserted
from aiojobs_lite.stores.sqlite.expiries import expire_those, forget_expiries, set_expiries
from aiojobs_lite.stores.sqlite.limits import give_lane, set_limits
from aiojobs_lite.stores.sqlite.rows import NEW_ROW, PENDING, required_of
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Laned, Transaction
from aiojobs_lite.stores.sqlite.waits import CancelOn, set_cancels
from aiojobs_lite.stores.sqlite.windows import Windows

UNIQUE_ROW: Final = f"{NEW_ROW[:-1]}, ?, ?)"
_OWN: Final = ("unique_key", "unique_scope")
_OTHERS: Final = [name for name in columns.OPTIONAL if name not in _OWN]
_key_of: Final[Callable[[NewJob], tuple[Any, ...]]] = itemgetter(*map(NewJob._fields.index, _OWN))
_others_of: Final[Callable[[NewJob], tuple[Any, ...]]] = itemgetter(*map(NewJob._fields.index, _OTHERS))
_NO_OTHERS: Final = (None,) * len(_OTHERS)  # what nearly all bring of them
_AS_BEFORE: Final = -(2**63)  # when a job expires whose expiry is left as it is
_Key = tuple[str, str, str]  # what kind of key it is, the type of the job, the key


class _Holder(NamedTuple):
    """Where the job stands that has a key."""

    status: str
    created_at: int
    type: str
    attempts: int
    scheduled_at: int
    is_held: int
    priority: int
    payload: str = ""
    lane: str | None = None


class _Plan:
    """What is to be done about a row: add it, give a job that is there another payload, or nothing.

    Attributes:
        job_id: The job; None: it is to be added.
        payload: That of the job with an idempotency key.
        row: What is to be added, or what the job is given; None: nothing is.
        candidate: The row as it came, for its window.
        expires_at: When the job expires; None: never; `_AS_BEFORE`: as it did.
        cancel_on: Which row of the `Admit` says which events cancel the job, and the events; None: those as before.
        is_without_more: Whether it gathers no more items, and gives its unique key up.
        holder: Where the job stands that is given what is in `row`.
    """

    __slots__ = ("cancel_on", "candidate", "expires_at", "holder", "is_without_more", "job_id", "payload", "row")

    def __init__(self, candidate: Candidate, job_id: int | None = None, row: NewJob | None = None) -> None:
        self.candidate = candidate
        self.expires_at: int | None = _AS_BEFORE
        self.job_id = job_id
        self.payload = ""
        self.row = row
        self.cancel_on: tuple[int, Sequence[EventMatch]] | None = None
        self.is_without_more = False
        self.holder: _Holder | None = None
        if row is not None:
            self.expire_after(candidate.expires, row)

    def expire_after(self, expires: int | None, row: NewJob) -> None:
        """Sets how long after it is due the job of a row expires."""
        self.expires_at = None if expires is None else max(row.scheduled_at, row.created_at) + expires


def admit(transaction: Transaction, write: Admit) -> list[Inserted] | Refused:
    """See `Admit`."""
    admitted = admit_uncancelled(transaction, write)
    if isinstance(admitted, Refused):
        return admitted
    answers, cancels = admitted
    set_cancels(transaction, cancels)
    return answers


def admit_uncancelled(transaction: Transaction, write: Admit) -> tuple[list[Inserted], list[CancelOn]] | Refused:
    """The same, but which events cancel the jobs is not stored yet."""
    admitting = _Admitting(transaction)
    if transaction.expiries.at <= transaction.now:
        admitting.expire(write.rows)
    return admitting.plan(write.rows) or (admitting.carry_out(), admitting.cancels())


class _Admitting:
    """One `Admit` being carried out."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._plans: list[tuple[_Plan, bool]] = []  # of each row, and whether it made the plan
        self._keys: dict[_Key, _Plan] = {}
        self._windows = Windows(transaction)
        self._jobs: dict[int, _Plan] = {}  # of jobs that are there
        self._added: Counter[str] = Counter()  # how many are to be added, by type
        self._full: Refused | None = None  # the first row that is one too many
        self._limits: list[StoredLimit] = []  # that the rows bring for their keys: the latest value of each counts

    def expire(self, rows: Sequence[Candidate]) -> None:
        """Cancels the pending jobs that have keys of rows, and whose expiry has come."""
        holders = set()
        for candidate in rows:
            holders |= {self._job_with_key(candidate)}
            if candidate.window_key is not None:
                window = self._windows.look_at(candidate, candidate.window_key)
                holders |= {window.job_id if window.is_full else None}
        expire_those(self._transaction, [(job_id,) for job_id in sorted(filter(None, holders))])

    def plan(self, rows: Sequence[Candidate]) -> Refused | None:
        """Finds out what is to be done about rows, or why one is refused. Behind one too many all are counted."""
        for position, candidate in enumerate(rows):
            refused = self._plan(position, candidate)
            if refused is not None and self._full is None:
                return refused
        if self._full is None:
            return None
        wanted = self._added[rows[self._full.position].row.type]
        return self._full._replace(wanted=wanted, left=wanted + self._full.left)

    def _plan(self, position: int, candidate: Candidate) -> Refused | None:
        """Finds out what is to be done about a row, or why it is refused."""
        row = candidate.row
        keys: list[_Key] = []
        if row.idempotency_key is not None:
            keys.append(("idempotency", row.type, row.idempotency_key))
            same = self._keys.get(keys[0]) or self._with_idempotency_key(candidate)
            if same is not None:
                self._plans.append((same, False))
                if _is_same(same.payload if same.row is None else same.row.payload, row.payload):
                    return None
                return self._refused(position, "key", same.job_id)
        full, end = self._with_window(candidate, keys)
        if full is not None and row.unique_key is not None:
            self._plans.append((full, False))
            return None
        found = self._with_unique_key(candidate, keys) or full
        is_allowed = None if found is None else self._settle(found, candidate)
        if found is not None and is_allowed is not None:
            self._plans.append((found, False))
            if candidate.on_conflict == "replace":
                found.cancel_on = position, candidate.cancel_on
            return None if is_allowed else self._refused(position, "unique", found.job_id)
        if candidate.max_pending is not None and self._full is None:
            before = self._added[row.type]
            pending = self._transaction.tally(row.type).pending + before
            if pending >= candidate.max_pending:
                self._full = Refused(position, "full", None, None, pending, left=-before)
        self._added[row.type] += 1
        if row.lane is not None:
            row = row._replace(lane=self._note_limits(row.lane))
        is_complete = candidate.capacity is not None and is_full(row.payload, candidate.capacity)
        made = _Plan(candidate, row=without_more(row, row.created_at) if is_complete else row)
        made.is_without_more = is_complete
        made.cancel_on = position, candidate.cancel_on
        self._plans.append((made, True))
        self._keys.update(dict.fromkeys(keys, made))
        if candidate.window_key is not None:
            self._windows.take(candidate, candidate.window_key, end)
        return None

    def carry_out(self) -> list[Inserted]:
        """Writes what was planned, many a statement."""
        transaction, answers = self._transaction, []
        jobs: list[tuple[Any, ...]] = []
        laned: list[Laned] = []
        set_limits(transaction, SetLimits(tuple(self._limits)))
        if transaction.limits.types:
            transaction.limits.prepare([plan.row for plan, is_new in self._plans if is_new and plan.row is not None])
        windows: list[tuple[str, str, int]] = []
        expiries: list[tuple[int, int]] = []
        for job_id, plan in self._jobs.items():  # first: with a key that one gives up another job is added
            if plan.row is not None and plan.holder is not None:
                self._give(plan, job_id, plan.row, plan.holder)
                if plan.expires_at is not None and plan.expires_at != _AS_BEFORE:
                    expiries.append((job_id, plan.expires_at))
        for plan, is_new in self._plans:
            if plan.job_id is None and plan.row is not None:
                plan.job_id = self._add(plan.row, jobs, laned)
                if plan.candidate.window_key is not None:
                    windows.append((plan.row.type, plan.candidate.window_key, plan.job_id))
                if plan.expires_at is not None:
                    expiries.append((plan.job_id, plan.expires_at))
            answers.append(Inserted(plan.job_id or 0, is_new))
        if jobs:
            transaction.run_all("insert_unique", UNIQUE_ROW, jobs)
        if laned:
            transaction.insert_laned(laned, PENDING)
        self._windows.save(windows)
        if expiries:
            set_expiries(transaction, expiries)
        return answers

    def cancels(self) -> list[CancelOn]:
        """Which events cancel the jobs from now on, in the order of the rows."""
        jobs = [(plan.job_id or 0, plan, True) for plan, is_added in self._plans if is_added]
        jobs += [(job_id, plan, False) for job_id, plan in self._jobs.items()]
        given = [CancelOn(plan.cancel_on[0], job_id, plan.cancel_on[1], is_added)
                 for job_id, plan, is_added in jobs if plan.cancel_on is not None]  # fmt: skip
        return sorted([one for one in given if one.matches or not one.is_new])

    def _note_limits(self, lane: str | None) -> str | None:
        """Notes the limits that a lane brings, and returns it without them."""
        if not isinstance(lane, LimitedLane):
            return lane
        self._limits += lane.limits
        return str(lane)

    def _add(self, row: NewJob, jobs: list[tuple[Any, ...]], laned: list[Laned]) -> int:
        """Counts a new job, and inserts it, or adds it to those that are inserted together; returns its id."""
        (job_id,) = self._transaction.new_ids(1)
        if row.lane is not None:
            laned.append(self._transaction.place_laned(row, job_id))
            return job_id
        self._transaction.count_pending(row, job_id)
        if _others_of(row) == _NO_OTHERS:
            jobs.append((job_id, *required_of(row), *_key_of(row)))
        else:
            self._transaction.run("insert_job", (*PENDING, job_id, *row))
        return job_id

    def _with_unique_key(self, candidate: Candidate, keys: list[_Key]) -> _Plan | None:
        """The plan of the job that has the unique key of a row; the key is noted."""
        row = candidate.row
        if row.unique_key is None:
            return None
        keys.append(("unique", row.type, row.unique_key))
        found = self._keys.get(keys[-1]) or self._of_job(candidate, self._job_with_key(candidate))
        if found is None:
            return None
        self._keys[keys[-1]] = found
        return None if found.is_without_more else found

    def _with_window(self, candidate: Candidate, keys: list[_Key]) -> tuple[_Plan | None, int]:
        """The plan of the job that has the window of a row, if that takes no more, and until when it is taken; the key
        is noted.
        """
        if candidate.window_key is None:
            return None, 0
        key = ("window", candidate.row.type, candidate.window_key)
        keys.append(key)
        window = self._windows.look_at(candidate, candidate.window_key)
        found = self._keys.get(key) or self._of_job(candidate, window.job_id) if window.is_full else None
        return found, window.end

    def _with_idempotency_key(self, candidate: Candidate) -> _Plan | None:
        found = self._transaction.one("job_with_key", (candidate.row.type, candidate.row.idempotency_key))
        if found is None:
            return None
        plan = self._jobs.setdefault(found[0], _Plan(candidate, found[0]))
        plan.payload = found[1]
        return plan

    def _job_with_key(self, candidate: Candidate) -> int | None:
        """The job that has the unique key of a row."""
        row = candidate.row
        found = row.unique_key and self._transaction.one("job_with_unique_key", (row.type, row.unique_key))
        return found[0] if found else None

    def _of_job(self, candidate: Candidate, job_id: int | None) -> _Plan | None:
        """The plan of a job that is there; None: there is none."""
        return None if job_id is None else self._jobs.setdefault(job_id, _Plan(candidate, job_id))

    def _holder(self, job_id: int) -> _Holder | None:
        found = self._transaction.one("holder", (job_id,))
        return None if found is None else _Holder(*found)

    def _refused(self, position: int, why: Literal["key", "unique"], job_id: int | None) -> Refused:
        holder = None if job_id is None else self._holder(job_id)
        return Refused(position, why, job_id, None if holder is None else Status(holder.status))

    def _settle(self, plan: _Plan, candidate: Candidate) -> bool | None:
        """Does what a row wants done to the job that has its key.

        Returns:
            Whether it may be done; None: the job gives its key up, and the row is to be added.
        """
        if candidate.on_conflict == "replace":
            return self._replace(plan, candidate)
        if candidate.capacity is not None:
            return self._append(plan, candidate, candidate.capacity)
        return candidate.on_conflict == "return"

    def _replace(self, plan: _Plan, candidate: Candidate) -> bool:
        """Has the job of a plan get the payload and the time of another row; returns whether it may."""
        row = candidate.row
        if plan.job_id is None:
            if plan.row is None:
                return False
            base, created_at, before = plan.row, plan.row.created_at, plan.row.scheduled_at
        else:
            holder = self._holder(plan.job_id)
            if holder is None or holder.status != Status.PENDING or self._has_operations(plan.job_id):
                return False
            base, created_at, before = row, holder.created_at, (plan.row or holder).scheduled_at
            plan.holder = holder
        due = row.scheduled_at
        if candidate.max_wait is not None:
            due = min(due, self._latest(candidate.max_wait, created_at, before))
        if plan.holder is not None and plan.holder.is_held:  # its release says when it is due
            due = min(due, self._transaction.now)
        lane = lane_at(self._note_limits(row.lane), base.priority)
        plan.row = base._replace(payload=row.payload, scheduled_at=due, lane=lane)
        plan.expire_after(candidate.expires, plan.row)
        return True

    def _has_operations(self, job_id: int) -> bool:
        """Whether any operation of a job is stored, which an attempt did with the payload that it has."""
        transaction = self._transaction
        return transaction.has_steps and bool(transaction.one("has_operations", (job_id,))[0])

    def _latest(self, max_wait: int, created_at: int, before: int) -> int:
        """When a job is due at the latest; one that a clock has added that was ahead is put off once, then no more."""
        now = self._transaction.now
        return created_at + max_wait if created_at <= now + MOST_SKEW_US else min(before, now + max_wait)

    def _append(self, plan: _Plan, candidate: Candidate, capacity: Capacity) -> bool | None:
        """Has the job of a plan get the items of another row; see `_settle`."""
        more, base = candidate.row, plan.row
        if base is None:
            found = self._transaction.one("gathering", (plan.job_id,))
            if found is None:
                return False
            plan.holder = holder = _Holder(*found)
            base = more._replace(payload=holder.payload, scheduled_at=holder.scheduled_at, lane=holder.lane)
        appended = append_items(base.payload, more.payload, capacity)
        plan.row = base if appended is None else base._replace(payload=appended.payload)
        if appended is None or appended.is_full:
            plan.row, plan.is_without_more = without_more(plan.row, more.created_at), True
        if appended is None:
            return None
        self._note_limits(more.lane)
        return True

    def _give(self, plan: _Plan, job_id: int, row: NewJob, holder: _Holder) -> None:
        """Gives a pending job the payload and the time of a row."""
        transaction = self._transaction
        tally = transaction.tally(holder.type)
        tally.move(Status.PENDING, -1, holder.attempts, holder.scheduled_at)
        tally.move(Status.PENDING, 1, holder.attempts, row.scheduled_at)
        if not holder.is_held:
            transaction.due.add(holder.type, holder.priority, row.scheduled_at, job_id)
        has_limits = row.lane is not None or bool(transaction.limits.types)
        if has_limits:
            transaction.limits.leave(job_id)
        transaction.run("replace_payload", {"id": job_id, "payload": row.payload, "scheduled_at": row.scheduled_at})
        if has_limits:
            give_lane(transaction, job_id, lane_at(row.lane, holder.priority))
        if plan.is_without_more:
            transaction.run("give_key_up", (job_id,))
        if plan.expires_at is None:
            forget_expiries(transaction, [(job_id,)])


def taken_key(transaction: Transaction, job_id: int) -> str | None:
    """The unique key for which a finished job may not be pending again, since another job has it; None: it may."""
    own = transaction.one("unique_of_job", (job_id,))
    is_taken = own is not None and transaction.one("job_with_unique_key", own) is not None
    return str(own[1]) if own is not None and is_taken else None


def may_not_return(transaction: Transaction, ids: Sequence[int]) -> set[int]:
    """Those of these jobs that are dead and may not be pending again, together with the others."""
    taken: dict[tuple[str, str], bool] = {}
    found: set[int] = set()
    for _, _, cursor in transaction.many("unique_of_dead", ID_ROW, [(job_id,) for job_id in ids]):
        for job_id, *own in cursor.fetchall():
            key = (own[0], own[1])
            if key not in taken:
                taken[key] = transaction.one("job_with_unique_key", key) is not None
            if taken[key]:
                found.add(job_id)
            taken[key] = True
    return found


def _is_same(one: str, other: str) -> bool:
    """Whether two payloads are the same as JSON: two releases may write it in another order."""
    if one == other:
        return True
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False
