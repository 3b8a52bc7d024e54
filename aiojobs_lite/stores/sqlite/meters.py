"""What each limit allows for each key now: by the attempts that run, and those that started within the period.

- The attempts that run are counted from the rows, again after each commit of another owner.
- Of a rate it is noted when one more may start, if lanes wait for that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Final, NamedTuple

from aiojobs_lite.model.limits import (
    Lane,
    Starts,
    StoredLimit,
    capacity_in,
    free_at,
    kept,
    lane_of,
    limit_of,
    moved_back,
    started,
    within,
)
from aiojobs_lite.stores.sqlite.due import NEVER, Due
from aiojobs_lite.stores.sqlite.limit_rows import LimitRows
from aiojobs_lite.stores.sqlite.rows import chunks, filled
from aiojobs_lite.stores.sqlite.stored_limits import StoredLimits

METER_ROW: Final = "(?, ?, ?, ?)"
_UNLIMITED: Final = 2**62
_MOST_FREED: Final = 500  # meters whose time has come, looked at in one transaction
_MOST_KNOWN: Final = 20_000  # meters kept in memory
_MOST_ROWS: Final = 128  # a statement


class _Rate(NamedTuple):
    """A meter of a rate.

    Attributes:
        starts: Its log.
        look_at: When the line of lanes that wait for it is to be looked at; None: there is none.
    """

    starts: Starts
    look_at: int | None


_NOT_STARTED: Final = _Rate([], None)


class Meters:
    """The meters of one database, as one connection knows them.

    Args:
        rows: Their rows, in the open transaction.
        due: When the jobs of each type are due.

    Attributes:
        limits: What is allowed.
        next_free: When the line of a rate is to be looked at, or a pause ends; `NEVER` if there is none.
    """

    def __init__(self, rows: LimitRows, due: Due) -> None:
        self._rows = rows
        self._due = due
        self._running: Counter[str] = Counter()  # by meter
        self._rates: dict[str, _Rate] = {}  # by meter, of those that were looked up
        self._moved: set[str] = set()  # meters of rates, to be stored
        self.limits = StoredLimits(rows)
        self.next_free = NEVER

    # The life of a transaction.

    def reload(self) -> None:
        """Forgets all but the limits, which it reads: another owner has committed, or a transaction has failed."""
        self._running.clear()
        self._rates.clear()
        self._moved.clear()
        self.limits.load()

    def count_running(self) -> Counter[str]:
        """Counts the attempts that run; returns how many they are of each type."""
        of_type: Counter[str] = Counter()
        for job_type, lane, count in self._rows.all("running_lanes"):
            of_type[job_type] += count
            for meter in lane_of(lane).meters:
                self._running[meter] += count
        self._look_for_next_free()
        return of_type

    def count_again(self) -> tuple[Counter[str], list[str]]:
        """Counts the attempts that run once more; returns how many they are of each type, and what differed."""
        before, self._running = self._running, Counter()
        of_type = self.count_running()
        wrong = [meter for meter in {*before, *self._running} if before[meter] != self._running[meter]]
        return of_type, sorted(wrong)

    def flush(self) -> None:
        """Stores what the transaction has moved."""
        if self._moved:
            sql = self._rows.sql["set_meters"]
            rows = [self._stored_rate(meter) for meter in self._moved]
            for start, size in chunks(len(rows), _MOST_ROWS):
                flat = tuple(chain.from_iterable(rows[start : start + size]))
                self._rows.connection.execute(filled(sql, METER_ROW, size), flat)
            self._moved.clear()
        if len(self._rates) > _MOST_KNOWN:
            self._rates.clear()

    # What may start.

    def prepare(self, lanes: Iterable[Lane]) -> None:
        """Reads the meters of rates of lanes that are about to be looked at, many a statement."""
        if not self.limits.has_rates:
            return
        rates = self._rates
        meters = {
            meter
            for lane in lanes
            for meter, name in zip(lane.meters, lane.limits, strict=True)
            if meter not in rates and (limit := self.limits.stored.get(name)) and limit.per is not None
        }
        if meters:
            self._read_rates(list(meters))

    def capacity(self, meter: str) -> int:
        """How many more attempts a meter allows."""
        return self._capacity(meter, limit_of(meter))

    def full(self, lane: Lane) -> str | None:
        """The first meter of a lane that is exhausted, or None."""
        for meter, name in zip(lane.meters, lane.limits, strict=True):
            if self._capacity(meter, name) <= 0:
                return meter
        return None

    def most(self, lane: Lane) -> int:
        """How many attempts of a lane its meters leave capacity for."""
        return max(0, min([_UNLIMITED, *map(self._capacity, lane.meters, lane.limits)]))

    def start(self, lane: Lane, count: int = 1) -> None:
        """So many attempts of a lane start."""
        self._rows.is_changed = True
        running = self._running
        for meter, name in zip(lane.meters, lane.limits, strict=True):
            running[meter] = running.get(meter, 0) + count
            limit = self.limits.of(meter, name)
            if limit is not None and limit.per is not None:
                starts = kept(self._rate(meter).starts, limit, self._rows.now)
                starts = started(starts, limit, self._rows.now, count)
                look_at = self._rates[meter].look_at
                if look_at is not None and capacity_in(counted := within(starts, limit, self._rows.now), limit) <= 0:
                    look_at = self.look_at(free_at(counted, limit))
                self._rates[meter] = _Rate(starts, look_at)
                self._moved.add(meter)

    def end(self, lane: Lane, count: int = 1) -> None:
        """So many attempts of a lane have ended."""
        self._rows.is_changed = True
        running = self._running
        for meter in lane.meters:
            left = running.pop(meter, 0) - count
            if left > 0:
                running[meter] = left

    # Rates.

    def set_time(self, meter: str, *, may_have_more: bool) -> None:
        """Notes when the line of a rate is to be looked at."""
        limit = self.limits.of(meter, limit_of(meter))
        if limit is None or limit.per is None:
            if limit is not None and not limit.most:  # it is paused, and may go on by itself
                self._due.made = min(self._due.made, self.next_free)
            return
        starts, look_at = self._starts(meter, limit), None
        rate = self._rates[meter]
        if may_have_more:
            first = starts[0][0] if starts else self._rows.now
            look_at = self.look_at(free_at(starts, limit) if capacity_in(starts, limit) <= 0 else first + limit.per)
        if look_at != rate.look_at:
            self._set_rate(meter, rate._replace(look_at=look_at))

    def freed_by_time(self, resumed: Callable[[str, str | None], None]) -> list[str]:
        """The meters whose time has come. Pauses end, too: calls a function with the name of each, and its key."""
        if self.next_free > self._rows.now:
            return []
        for name, key in self.limits.end_pauses(_MOST_FREED):
            resumed(name, key)
        found: list[str] = [meter for (meter,) in self._rows.all("free_meters", (self._rows.now, _MOST_FREED))]
        for meter in found:
            limit = self.limits.of(meter, limit_of(meter))
            if limit is not None and limit.per is not None:
                self.set_time(meter, may_have_more=self.capacity(meter) <= 0)
            else:  # it is paused, or no rate any more
                self._set_rate(meter, self._rate(meter)._replace(look_at=None))
        self.flush()
        self._look_for_next_free()
        return found

    def restart(self, meter: str) -> None:
        """No start counts any more that a rate has counted."""
        rate = self._rate(meter)
        if rate.starts:
            self._set_rate(meter, rate._replace(starts=[]))

    def move_back(self, tolerance: int) -> None:
        """The clock was set right: what it noted while it was ahead started now."""
        self.flush()
        for (meter,) in self._rows.all("meters_ahead", (self._rows.now + tolerance,)):
            rate = self._rate(meter)
            look_at = None if rate.look_at is None else self.look_at(self._rows.now)
            self._set_rate(meter, _Rate(moved_back(rate.starts, self._rows.now, tolerance), look_at))

    def move_pauses_back(self, tolerance: int) -> None:
        """The same of pauses that began while it was ahead: they last as long as they were to."""
        self.limits.move_pauses_back(tolerance)
        if (at := self.limits.next_resume()) is not None:
            self.look_at(at)

    # Rows.

    def _capacity(self, meter: str, name: str) -> int:
        limit = self.limits.of(meter, name)
        if limit is None or limit.per is None:
            return _UNLIMITED if limit is None else limit.most - self._running.get(meter, 0)
        return capacity_in(self._starts(meter, limit), limit)

    def _starts(self, meter: str, limit: StoredLimit) -> Starts:
        """The starts of a meter that count now."""
        rate = self._rates.get(meter) or self._rate(meter)
        return within(rate.starts, limit, self._rows.now)

    def _rate(self, meter: str) -> _Rate:
        if meter not in self._rates:
            self._read_rates([meter])
        return self._rates[meter]

    def _read_rates(self, meters: list[str]) -> None:
        sql = self._rows.sql["meters"]
        self._rates |= dict.fromkeys(meters, _NOT_STARTED)
        for start, size in chunks(len(meters), _MOST_ROWS):
            found = self._rows.connection.execute(filled(sql, "?", size), meters[start : start + size]).fetchall()
            for meter, text, look_at in found:
                self._rates[meter] = _Rate([(at, count) for at, count in json.loads(text)], look_at)

    def _set_rate(self, meter: str, rate: _Rate) -> None:
        self._rows.is_changed = True
        self._rates[meter] = rate
        self._moved.add(meter)

    def _stored_rate(self, meter: str) -> tuple[str, str, int | None, int]:
        starts, look_at = self._rates[meter]
        log = ",".join([f"[{at},{count}]" for at, count in starts])
        return meter, f"[{log}]", look_at, starts[-1][0] if starts else self._rows.now

    def look_at(self, instant: int) -> int:
        """Notes that the line of a rate is to be looked at then, or a pause ends; returns the instant."""
        self.next_free = min(self.next_free, instant)
        self._due.made = min(self._due.made, instant)
        return instant

    def _look_for_next_free(self) -> None:
        times = self._rows.all("next_free")[0][0], self.limits.next_resume()
        self.next_free = min([at for at in times if at is not None], default=NEVER)
