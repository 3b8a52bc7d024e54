"""The due jobs of one priority whose types have limits by key, in the order of the claim: ordinary ones, and those that
wait in lanes. Those that no limit allows step aside; what is looked at is no more than what is taken or steps aside.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import count
from typing import Final, NamedTuple

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.limits import ChangeLimit, Lane, PauseLimit, RestartRate, SetLimits, StoredLimit, lane_of
from aiojobs_lite.stores.sqlite.due import ANY_ID, AT_ONCE, NEVER, Bound
from aiojobs_lite.stores.sqlite.expiries import expire_those
from aiojobs_lite.stores.sqlite.lanes import ORDERED_PLACE
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

BEHIND_ALL: Final[Bound] = (NEVER + 1, ANY_ID)
MOST_ASIDE: Final = 500  # jobs and lanes that step aside one by one, or jobs that expire, in one transaction
MOST_TOGETHER: Final = 5_000  # that step aside by their lanes alone
MANY_ASIDE: Final = 64  # so many one by one, and no more jobs of their lanes are read
MOST_PASSED: Final = 50_000  # due jobs among which others are looked for then
_FIRST_READ: Final = 16
_MORE: Final = 4  # times as many are read each time


class _Job(NamedTuple):
    """An ordinary job."""

    type: str
    lane: str | None


class _Jobs(NamedTuple):
    """Further ordinary jobs, which are to be read."""

    type: str
    most: int


class _Lanes(NamedTuple):
    """Further lanes, which are to be read."""

    type: str
    most: int


class _Lane:
    """A lane in the line of its type.

    Attributes:
        type: Its type.
        text: Its text.
        heads: Its first jobs that are not taken; None if they were not read yet.
        is_all: Whether it has no others.
        is_taken: Whether any was taken.
    """

    __slots__ = ("heads", "is_all", "is_taken", "text", "type")

    def __init__(self, job_type: str, text: str) -> None:
        self.type = job_type
        self.text = text
        self.heads: list[tuple[int, int, int]] | None = None
        self.is_all = self.is_taken = False


_Entry = tuple[Bound, int, _Job | _Jobs | _Lanes | _Lane]


class LanedJobs:
    """The jobs of the types with limits by key, of one priority. To be `closed`.

    Args:
        transaction: The open transaction.
        priority: The priority.
        wanted: How many jobs are wanted at most.
        slots_left: How many more jobs of a type may be taken.

    Attributes:
        types: The types that it is about.
        emptied: The types of which no due job was left.
    """

    def __init__(self, transaction: Transaction, priority: int, wanted: int, slots_left: Callable[[str], int]) -> None:
        self._transaction = transaction
        self._limits = transaction.limits
        self._priority = priority
        self._wanted = wanted
        self._slots_left = slots_left
        self._entries: list[_Entry] = []  # a heap
        self._numbers = count()
        self._opened: dict[str, Bound] = {}  # where each type that was looked at was left; `BEHIND_ALL` if it was not
        self._known: set[str] = set()  # lanes
        self._aside: list[tuple[Bound, str, str]] = []  # jobs, their lanes and the meters that are exhausted
        self._full_lanes: defaultdict[str, dict[str, None]] = defaultdict(dict)  # these lanes by type
        self._passed: dict[str, tuple[Bound, Bound]] = {}  # behind which job, and up to which, others of them may be
        self._has_more = self._gave_up = False
        self._left_out = 0  # jobs that had expired, and lanes that a meter was exhausted for
        self.types: Collection[str] = self._limits.types
        self.emptied: list[str] = []

    def open(self, job_type: str, bound: Bound) -> None:
        """Looks at a type, which may have a job from a bound on; once only: what comes later is in lanes that go on."""
        if job_type not in self._opened:
            self._opened[job_type] = BEHIND_ALL
            at, job_id = bound
            most = min(_FIRST_READ, self._wanted + 1)
            self._read_jobs(_Jobs(job_type, most), (at, job_id - 1))
            # A lane that was looked at and not taken may stand before the bound: it is stored as it was then.
            self._read_lanes(_Lanes(job_type, most), (AT_ONCE, ANY_ID))

    def first(self) -> Bound:
        """No job is before this one."""
        return self._entries[0][0] if self._entries else BEHIND_ALL

    def take(self, until: Bound, most: int) -> tuple[str, list[Bound]] | None:
        """Takes the next job, and those that follow it in its lane; their attempts have started for their limits.

        Args:
            until: The last one that may be taken.
            most: How many to take at most; at least 1.

        Returns:
            Their type, and when each is due and its id; None if there is none, or if others may come before it
            (`goes_on`).
        """
        while self._entries and self._entries[0][0] <= until and not self._gave_up:
            bound, _, entry = heapq.heappop(self._entries)
            if bound >= self._opened[entry.type]:  # its type was left
                continue
            if self._slots_left(entry.type) <= 0 or self._has_left_out_many:
                self._opened[entry.type] = bound
            elif isinstance(entry, _Jobs):
                self._read_jobs(entry, bound)
            elif isinstance(entry, _Lanes):
                self._read_lanes(entry, bound)
            elif isinstance(entry, _Lane):
                if taken := self._take_of_lane(entry, bound, until, most):
                    return entry.type, taken
            elif self._may_start(entry, bound):
                return entry.type, [bound]
        return None

    def goes_on(self) -> bool:
        """Lets a lane go on in place of one that has given up its turn; returns whether any has. It may come before all
        that is at hand.
        """
        has_given_up, self._gave_up = self._gave_up, False
        for lane in self._limits.lines.wake(most=1) if has_given_up else ():
            is_due = lane.priority == self._priority and lane.bound[0] <= self._transaction.now
            if is_due and lane.type in self._opened:  # one of another type is found when that is looked at
                self._push_lane(lane.type, lane.text, lane.bound)
        return has_given_up

    @property
    def is_partial(self) -> bool:
        """Whether as many stepped aside or expired as may in one transaction: the next claim goes on behind them."""
        return self._has_more or self._has_left_out_many

    @property
    def _has_left_out_many(self) -> bool:
        return len(self._aside) + self._left_out >= MOST_ASIDE

    def close(self) -> None:
        """Lets step aside what no limit allows, and gives the bounds of what was not taken back."""
        due = self._transaction.due
        left = self._opened
        for bound, _, entry in self._entries:
            left[entry.type] = min(left[entry.type], bound)
            if isinstance(entry, _Lane) and entry.is_taken:  # that the order of its line is right wherever it goes
                self._limits.set_bound(entry.text, entry.heads[0][:2] if entry.heads else bound)
        if self._aside:
            self._step_aside()
        for job_type, bound in left.items():
            if bound[0] > self._transaction.now:  # what is due later was not read
                self.emptied.append(job_type)
            else:
                due.add(job_type, self._priority, *bound)  # lanes that step aside may be due before

    def _step_aside(self) -> None:
        """Has jobs wait in their lanes from now on: those that were looked at, and those of their lanes behind them."""
        for job_type in self._full_lanes:
            self._transaction.tally(job_type)  # before they step aside: it counts what has come due
        self._transaction.run_all("step_aside", ID_ROW, [(job_id,) for (_, job_id), _, _ in self._aside])
        most = MOST_TOGETHER
        for job_type, (behind, last) in self._passed.items():
            most -= self._transaction.run("step_aside_passed", self._range(job_type, behind, last, most)).rowcount
            if most <= 0:
                self._has_more = True
                self._opened[job_type] = min(self._opened[job_type], behind)
        first: dict[str, tuple[Bound, str]] = {}
        for bound, lane, full in self._aside:
            first.setdefault(lane, (bound, full))
        for lane, (bound, full) in first.items():
            self._limits.add(lane, self._priority, bound, full)

    def _may_start(self, job: _Job, bound: Bound) -> bool:
        """Starts an ordinary job, or lets it step aside."""
        if job.lane is None:
            return True
        lane = lane_of(job.lane)
        full = self._limits.meters.full(lane)
        if full is None:
            if self._has_expired(bound[1]):
                return False
            self._limits.start(job.lane, lane, bound[1])
            return True
        self._aside.append((bound, job.lane, full))
        self._full_lanes[job.type][job.lane] = None
        return False

    def _take_of_lane(self, lane: _Lane, bound: Bound, until: Bound, most: int) -> list[Bound]:
        """Takes the first jobs of a lane, if the first is the next one and may start."""
        known = lane_of(lane.text)
        full = self._limits.meters.full(known)
        if full is not None:
            *later, priority = lane.heads[0] if lane.heads else (*bound, self._priority)
            self._limits.move(lane.text, priority, (later[0], later[1]), full)
            self._left_out += 1
            self._gave_up = len(known.meters) > 1
            return []
        if not lane.heads and not self._read_heads(lane):
            return []
        assert lane.heads  # noqa: S101  # they were just read
        at, job_id, priority = lane.heads[0]
        if (at, job_id) > bound or priority != self._priority:  # others of its line may come before it
            self._limits.move(lane.text, priority, (at, job_id), None)
            self._gave_up = True
            if priority != self._priority or at > self._transaction.now:
                self._limits.lines.make_due(lane.type, priority, (at, job_id))
            else:
                self._push((at, job_id), lane)
            return []
        taken = self._start_first(lane, lane.heads, known, until, most)
        lane.is_taken = True
        last = taken[-1] if taken else (at, job_id)
        self._go_on(lane, known, max(bound, last), last, has_expired=not taken)
        return taken

    def _start_first(
        self, lane: _Lane, heads: list[tuple[int, int, int]], known: Lane, until: Bound, most: int
    ) -> list[Bound]:
        """Starts the first jobs of a lane, as far as none of another one comes between them, and its meters allow them
        all; none, if the first has expired.
        """
        found = [heads[0][:2]]
        if self._transaction.expiries.at <= self._transaction.now or known.is_ordered:  # one by one
            if self._has_expired(heads[0][1]):
                found.clear()
        else:
            at, job_id = self.first()
            until = min(until, (at, job_id - 1))
            most = min(most, self._slots_left(lane.type), self._limits.meters.most(known))
            for at, job_id, _ in heads[1:most]:
                if not found[-1] < (at, job_id) <= until:
                    break
                found.append((at, job_id))
        if found:
            self._limits.start(lane.text, known, *[job_id for _, job_id in found])
        del heads[: len(found) or 1]
        return found

    def _go_on(self, lane: _Lane, known: Lane, bound: Bound, last: Bound, *, has_expired: bool) -> None:
        """A lane of which jobs up to a last one were taken stands by its next one, from a bound on."""
        full = self._limits.meters.full(known) if known.is_ordered else None
        if full is not None and lane.heads:  # its next job may have another priority
            *later, priority = lane.heads[0]
            self._limits.move(lane.text, priority, (later[0], later[1]), full)
        elif lane.heads:
            self._push(max(bound, lane.heads[0][:2]), lane)
        elif lane.is_all:
            self._limits.delete(lane.text)
            self._gave_up = has_expired
        else:  # many have expired; in an ordered lane the next one may be due before them
            self._push((AT_ONCE, ANY_ID) if known.is_ordered else (last[0], last[1] + 1), lane)

    def _has_expired(self, job_id: int) -> bool:
        """Whether a job has expired, one of very many: then it is cancelled, and does not start for its limits."""
        has_expired = bool(expire_those(self._transaction, [(job_id,)]))
        self._left_out += has_expired
        return has_expired

    def _read_heads(self, lane: _Lane) -> bool:
        """Reads the first jobs of a lane, one more than there is capacity for; returns whether it has any."""
        known = lane_of(lane.text)
        most = min(self._limits.meters.most(known), self._wanted) + 1
        lane.heads = self._transaction.run("heads_of_lane", (lane.text, most)).fetchall()
        lane.is_all = len(lane.heads) < most
        if not lane.heads:
            self._limits.delete(lane.text)
            self._gave_up = True
        return bool(lane.heads)

    def _read_jobs(self, entry: _Jobs, behind: Bound) -> None:
        if len(self._aside) < MANY_ASIDE:
            found = self._transaction.run("laned_jobs", self._due_from(behind, entry.type, entry.most)).fetchall()
        else:
            found = self._pass_by(entry, behind)
        self._limits.meters.prepare([lane_of(lane) for _, _, lane in found if lane is not None])
        for at, job_id, lane in found:
            self._push((at, job_id), _Job(entry.type, lane))
        if len(found) == entry.most:
            self._push(found[-1][:2], _Jobs(entry.type, entry.most * _MORE))

    def _pass_by(self, entry: _Jobs, behind: Bound) -> list[tuple[int, int, str | None]]:
        """Reads jobs behind one of many whose lanes are over a limit, without others of these: they step aside."""
        transaction, end = self._transaction, (self._transaction.now, LARGEST_INTEGER)
        last = transaction.one("last_passed", self._due_from(behind, entry.type, MOST_PASSED))
        found = transaction.run("jobs_besides", self._range(entry.type, behind, last or end, entry.most)).fetchall()
        if len(found) == entry.most:
            last = found[-1][:2]
        elif last is not None:  # the next claim goes on behind them
            self._has_more = True
            self._opened[entry.type] = last
        first, _ = self._passed.get(entry.type, (behind, behind))
        self._passed[entry.type] = first, last or end
        return found

    def _due_from(self, bound: Bound, job_type: str, most: int) -> dict[str, object]:
        """The parameters of a look at the due jobs or lanes of a type from a bound on."""
        at, job_id = bound
        now = self._transaction.now
        return {"type": job_type, "priority": self._priority, "at": at, "id": job_id, "now": now, "most": most}

    def _range(self, job_type: str, behind: Bound, last: Bound, most: int) -> dict[str, object]:
        """The parameters of a look at ordinary jobs of a type in or beside the lanes that are over a limit."""
        return {
            "type": job_type, "priority": self._priority, "at": behind[0], "id": behind[1], "last_at": last[0],
            "last_id": last[1], "lanes": json.dumps(list(self._full_lanes[job_type])), "most": max(most, 0),
        }  # fmt: skip

    def _read_lanes(self, entry: _Lanes, bound: Bound) -> None:
        if not self._limits.lines.has_lanes:
            return
        found = self._transaction.run("lanes_in_line", self._due_from(bound, entry.type, entry.most)).fetchall()
        self._limits.meters.prepare([lane_of(text) for text, _, _ in found])
        for text, at, job_id in found:
            self._push_lane(entry.type, text, (at, job_id))
        if len(found) == entry.most:
            self._push(found[-1][1:], _Lanes(entry.type, entry.most * _MORE))

    def _push_lane(self, job_type: str, text: str, bound: Bound) -> None:
        if text not in self._known:
            self._known.add(text)
            self._push(bound, _Lane(job_type, text))

    def _push(self, bound: Bound, entry: _Job | _Jobs | _Lanes | _Lane) -> None:
        heapq.heappush(self._entries, (bound, next(self._numbers), entry))


def give_lane(transaction: Transaction, job_id: int, text: str | None) -> None:
    """A pending job that was moved has other arguments now, and so another lane, or none."""
    limits, lane = transaction.limits, None if text is None else lane_of(text)
    if text is not None and lane is not None:
        limits.note(text, lane)
    place = ORDERED_PLACE if lane is not None and lane.is_ordered else None
    transaction.run("give_lane", {"id": job_id, "lane": text, "place": place})
    limits.shift([job_id])


def set_limits(transaction: Transaction, write: SetLimits) -> tuple[StoredLimit, ...]:
    """See `SetLimits`."""
    before = [transaction.limits.set(limit) for limit in write.limits]
    return tuple(limit for limit in before if limit is not None)


def change_limit(transaction: Transaction, write: ChangeLimit | PauseLimit) -> bool:
    """See `ChangeLimit` and `PauseLimit`."""
    return transaction.limits.change(write)


def restart_rate(transaction: Transaction, write: RestartRate) -> bool:
    """See `RestartRate`."""
    return transaction.limits.restart(write)
