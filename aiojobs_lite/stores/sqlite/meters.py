"""What each limit allows for each key: its values, the attempts that run, and those that started within the period.

- The attempts that run are counted from the rows, again after each commit of another owner.
- A limit that is paused allows none, as one of 0 at once.
- Of a rate it is noted when one more may start, if lanes wait for that.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final, NamedTuple

from aiojobs_lite.model.limits import (
    END,
    ChangeLimit,
    Lane,
    PauseLimit,
    Starts,
    StoredLimit,
    capacity_in,
    free_at,
    kept,
    lane_of,
    limit_of,
    meter_key,
    moved_back,
    started,
    within,
)
from aiojobs_lite.stores.sqlite.due import AT_ONCE, NEVER, Due
from aiojobs_lite.stores.sqlite.rows import Sql, chunks, filled

ALL_KEYS: Final = ""  # stands in the table for all keys that have no value of their own; it is no JSON
METER_ROW: Final = "(?, ?, ?, ?)"
_UNLIMITED: Final = 2**62
_MOST_FREED: Final = 500  # meters whose time has come, looked at in one transaction
_MOST_KNOWN: Final = 20_000  # meters kept in memory
_MOST_ROWS: Final = 128  # a statement
_NOTE_USE_US: Final = 86_400_000_000  # between two notes that code has set the value of a key again


class _Row(NamedTuple):
    """A row of the table of limits."""

    most: int | None
    per: int | None
    pinned: int
    paused_since: int | None
    set_at: int


_NOTHING: Final = _Row(None, None, 0, None, 0)


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
        sql: The named queries.
        due: When the jobs of each type are due.

    Attributes:
        is_changed: Whether the open transaction has moved any.
        next_free: When the line of a rate is to be looked at, or a pause ends; `NEVER` if there is none.
    """

    def __init__(self, sql: Sql, due: Due) -> None:
        self._sql = sql
        self._due = due
        self._connection: sqlite3.Connection
        self._now = AT_ONCE
        self._stored: dict[str, StoredLimit] = {}  # for all keys; of a paused one it is that none may run
        self._has_rates = self._has_own = False
        # By meter, of those that were looked up: what counts for a key alone, and when it was set.
        self._own: dict[str, tuple[StoredLimit | None, int]] = {}
        self._running: Counter[str] = Counter()  # by meter
        self._rates: dict[str, _Rate] = {}  # by meter, of those that were looked up
        self._moved: set[str] = set()  # meters of rates, to be stored
        self.is_changed = False
        self.next_free = NEVER

    # The life of a transaction.

    def begin(self, connection: sqlite3.Connection, now: int) -> None:
        """A transaction has begun."""
        self._connection, self._now = connection, now

    def reload(self, connection: sqlite3.Connection) -> None:
        """Forgets all but the limits, which it reads: another owner has committed, or a transaction has failed."""
        self._connection = connection
        self._running.clear()
        self._rates.clear()
        self._moved.clear()
        self._load_limits()

    def count_running(self) -> Counter[str]:
        """Counts the attempts that run; returns how many they are of each type."""
        of_type: Counter[str] = Counter()
        for job_type, lane, count in self._all("running_lanes"):
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
            sql = self._sql["set_meters"]
            rows = [self._stored_rate(meter) for meter in self._moved]
            for start, size in chunks(len(rows), _MOST_ROWS):
                flat = tuple(chain.from_iterable(rows[start : start + size]))
                self._connection.execute(filled(sql, METER_ROW, size), flat)
            self._moved.clear()
        if len(self._rates) > _MOST_KNOWN:
            self._rates.clear()
        if len(self._own) > _MOST_KNOWN:
            self._own.clear()

    # Limits.

    def limit(self, meter: str, name: str) -> StoredLimit | None:
        """What counts for a meter of a limit now; None: it is not limited."""
        stored = self._stored.get(name)
        if not self._has_own or stored is None or not stored.most:
            return stored
        if meter not in self._own:
            self._own[meter] = self._read_own(meter)
        return self._own[meter][0] or stored

    def set(self, limit: StoredLimit) -> _Row | None:
        """See `SetLimits`; returns what was stored before, empty if nothing was; None: it stays as it is."""
        key = ALL_KEYS if limit.key is None else limit.key
        if limit.key is not None:
            meter = f"{limit.name}{END}{key}"
            known = self.limit(meter, limit.name)
            if known is not None and known[:3] == limit[:3]:
                self._note_use(meter, limit.name, key)
                return None
            if limit.name not in self._stored:
                key = ALL_KEYS
        row = self._row(limit.name, key) or _NOTHING
        if row.pinned or (row.most, row.per) == (limit.most, limit.per):
            return None
        self._store_limit(key, limit.name, limit.most, limit.per, is_pinned=False)
        self._load_limits()
        return row

    def change(self, write: ChangeLimit) -> bool:
        """See `ChangeLimit`."""
        of_all = self._row(write.name, ALL_KEYS)
        if of_all is None:
            return False
        key = ALL_KEYS if write.key is None else write.key
        row = self._row(write.name, key) or _NOTHING
        if write.most is not None:
            per = None if of_all.per is None else write.per or row.per or of_all.per
            self._store_limit(key, write.name, write.most, per, is_pinned=write.is_pinned)
        elif write.key is None:
            self._store_limit(key, write.name, of_all.most, of_all.per, is_pinned=write.is_pinned)
        else:
            self._run("forget_key", (key, write.name))
            self._run("forget_value", (key, write.name))
        self._load_limits()
        return True

    def pause(self, write: PauseLimit) -> bool:
        """See `PauseLimit`."""
        if self._row(write.name, ALL_KEYS) is None:
            return False
        key = ALL_KEYS if write.key is None else write.key
        if write.paused:
            values = {"key": key, "name": write.name, "now": self._now, "by": write.by, "until": write.until}
            self._run("pause_limit", values)
            if write.key is not None:
                self._run("pause_key", values)
        else:
            self._resume(write.name, key)
        self._load_limits()
        if write.until is not None:
            self._look_at(write.until)
        return True

    def _resume(self, name: str, key: str) -> None:
        self._run("forget_pause", (key, name))
        self._run("resume_limit", (key, name))

    # What may start.

    def prepare(self, lanes: Iterable[Lane]) -> None:
        """Reads the meters of rates of lanes that are about to be looked at, many a statement."""
        if not self._has_rates:
            return
        rates = self._rates
        meters = {
            meter
            for lane in lanes
            for meter, name in zip(lane.meters, lane.limits, strict=True)
            if meter not in rates and (limit := self._stored.get(name)) and limit.per is not None
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

    def start(self, lane: Lane) -> None:
        """An attempt of a lane starts."""
        self.is_changed = True
        running = self._running
        for meter, name in zip(lane.meters, lane.limits, strict=True):
            running[meter] = running.get(meter, 0) + 1
            limit = self.limit(meter, name)
            if limit is not None and limit.per is not None:
                starts = started(kept(self._rate(meter).starts, limit, self._now), limit, self._now)
                look_at = self._rates[meter].look_at
                if look_at is not None and capacity_in(counted := within(starts, limit, self._now), limit) <= 0:
                    look_at = self._look_at(free_at(counted, limit))
                self._rates[meter] = _Rate(starts, look_at)
                self._moved.add(meter)

    def end(self, lane: Lane) -> None:
        """An attempt of a lane has ended."""
        self.is_changed = True
        running = self._running
        for meter in lane.meters:
            left = running.pop(meter, 0) - 1
            if left > 0:
                running[meter] = left

    # Rates.

    def set_time(self, meter: str, *, may_have_more: bool) -> None:
        """Notes when the line of a rate is to be looked at."""
        limit = self.limit(meter, limit_of(meter))
        if limit is None or limit.per is None:
            if limit is not None and not limit.most:  # it is paused, and may go on by itself
                self._due.made = min(self._due.made, self.next_free)
            return
        starts, look_at = self._starts(meter, limit), None
        rate = self._rates[meter]
        if may_have_more:
            first = starts[0][0] if starts else self._now
            look_at = self._look_at(free_at(starts, limit) if capacity_in(starts, limit) <= 0 else first + limit.per)
        if look_at != rate.look_at:
            self._set_rate(meter, rate._replace(look_at=look_at))

    def freed_by_time(self, resumed: Callable[[str, str | None], None]) -> list[str]:
        """The meters whose time has come. Pauses end, too: calls a function with the name of each, and its key."""
        if self.next_free > self._now:
            return []
        for name, key in self._all("ended_pauses", (self._now, _MOST_FREED)):
            self._resume(name, key)
            self._load_limits()
            resumed(name, None if key == ALL_KEYS else key)
        found: list[str] = [meter for (meter,) in self._all("free_meters", (self._now, _MOST_FREED))]
        for meter in found:
            limit = self.limit(meter, limit_of(meter))
            if limit is not None and limit.per is not None:
                self.set_time(meter, may_have_more=self.capacity(meter) <= 0)
            else:  # it is paused, or no rate any more
                self._set_rate(meter, self._rate(meter)._replace(look_at=None))
        self.flush()
        self._look_for_next_free()
        return found

    def move_back(self, tolerance: int) -> None:
        """The clock was set right: what it noted while it was ahead started now."""
        self.flush()
        for (meter,) in self._all("meters_ahead", (self._now + tolerance,)):
            rate = self._rate(meter)
            look_at = None if rate.look_at is None else self._look_at(self._now)
            self._set_rate(meter, _Rate(moved_back(rate.starts, self._now, tolerance), look_at))

    def move_pauses_back(self, tolerance: int) -> None:
        """The same of pauses that began while it was ahead: they last as long as they were to."""
        self._run("move_pauses_back", {"now": self._now, "ahead": self._now + tolerance})
        self.is_changed = True
        for (at,) in self._all("next_resume"):
            if at is not None:
                self._look_at(at)

    # Rows.

    def _load_limits(self) -> None:
        self.is_changed = True
        rows = self._all("limit_values")
        self._stored = {name: StoredLimit(name, most, per) for name, most, per in rows}
        self._has_rates = any(per is not None for _, _, per in rows)
        self._own.clear()
        self._has_own = bool(rows) and bool(self._all("any_own_limit"))

    def _row(self, name: str, key: str) -> _Row | None:
        found = self._all("limit_row", (key, name))
        return _Row(*found[0]) if found else None

    def _store_limit(self, key: str, name: str, most: int | None, per: int | None, *, is_pinned: bool) -> None:
        stored = {"key": key, "name": name, "most": most, "per": per, "pinned": int(is_pinned), "now": self._now}
        self._run("set_limit", stored)

    def _read_own(self, meter: str) -> tuple[StoredLimit | None, int]:
        name = limit_of(meter)
        row = self._row(name, meter_key(meter))
        if row is None:
            return None, self._now
        if row.paused_since is not None or row.most is None:
            return StoredLimit(name, 0), row.set_at
        return StoredLimit(name, row.most, row.per), row.set_at

    def _note_use(self, meter: str, name: str, key: str) -> None:
        """Notes that code has set the value of a key again, which is kept for that."""
        own, set_at = self._own.get(meter, (None, 0))
        if own is not None and self._now - set_at > _NOTE_USE_US:
            self._run("note_use", (self._now, key, name))
            self._own[meter] = own, self._now
            self.is_changed = True

    def _capacity(self, meter: str, name: str) -> int:
        limit = self.limit(meter, name)
        if limit is None or limit.per is None:
            return _UNLIMITED if limit is None else limit.most - self._running.get(meter, 0)
        return capacity_in(self._starts(meter, limit), limit)

    def _starts(self, meter: str, limit: StoredLimit) -> Starts:
        """The starts of a meter that count now."""
        rate = self._rates.get(meter) or self._rate(meter)
        return within(rate.starts, limit, self._now)

    def _rate(self, meter: str) -> _Rate:
        if meter not in self._rates:
            self._read_rates([meter])
        return self._rates[meter]

    def _read_rates(self, meters: list[str]) -> None:
        sql = self._sql["meters"]
        self._rates |= dict.fromkeys(meters, _NOT_STARTED)
        for start, size in chunks(len(meters), _MOST_ROWS):
            found = self._connection.execute(filled(sql, "?", size), meters[start : start + size]).fetchall()
            for meter, text, look_at in found:
                self._rates[meter] = _Rate([(at, count) for at, count in json.loads(text)], look_at)

    def _set_rate(self, meter: str, rate: _Rate) -> None:
        self.is_changed = True
        self._rates[meter] = rate
        self._moved.add(meter)

    def _stored_rate(self, meter: str) -> tuple[str, str, int | None, int]:
        starts, look_at = self._rates[meter]
        log = ",".join([f"[{at},{count}]" for at, count in starts])
        return meter, f"[{log}]", look_at, starts[-1][0] if starts else self._now

    def _look_at(self, instant: int) -> int:
        self.next_free = min(self.next_free, instant)
        self._due.made = min(self._due.made, instant)
        return instant

    def _look_for_next_free(self) -> None:
        found = [at for query in ("next_free", "next_resume") if (at := self._all(query)[0][0]) is not None]
        self.next_free = min(found, default=NEVER)

    def _all(self, query: str, parameters: Any = ()) -> list[Any]:
        return self._connection.execute(self._sql[query], parameters).fetchall()

    def _run(self, query: str, parameters: Any) -> None:
        self._connection.execute(self._sql[query], parameters)
