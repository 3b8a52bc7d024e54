"""What is stored of limits by key, and where they stand for one job: read, without what a writer has in memory."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import Any

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.limits import (
    END,
    LaneState,
    LimitRow,
    ListLimits,
    LookAtLane,
    LookAtMeters,
    MeterState,
    MeterUse,
    Starts,
    StoredLimit,
    capacity_in,
    free_at,
    lane_of,
    limit_of,
    meter_key,
    within,
)
from aiojobs_lite.model.pauses import Pause, in_force
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.stored_limits import ALL_KEYS


def list_limits(connection: sqlite3.Connection, sql: Sql, _query: ListLimits) -> list[LimitRow]:
    """See `ListLimits`."""
    return [_limit_row(*row) for row in connection.execute(sql["limits"]).fetchall()]


def look_at_lane(connection: sqlite3.Connection, sql: Sql, query: LookAtLane) -> LaneState:
    """See `LookAtLane`."""
    lane = lane_of(query.lane)
    running = _count_running(connection, sql, lane.meters)
    found = [_look_at_meter(connection, sql, meter, running[meter], query.now) for meter in lane.meters]
    before = None
    if lane.is_ordered:
        ((before,),) = connection.execute(sql["before_in_lane"], (query.lane, query.id)).fetchall()
    return LaneState(tuple(state for state in found if state is not None), before)


def look_at_meters(connection: sqlite3.Connection, sql: Sql, query: LookAtMeters) -> list[MeterUse] | None:
    """See `LookAtMeters`."""
    meters = tuple([f"{query.name}{END}{key}" for key in query.keys])
    running = _count_running(connection, sql, meters)
    states = [_look_at_meter(connection, sql, meter, running[meter], query.now) for meter in meters]
    part = meters[0] if len(meters) == 1 else query.name + END
    found = connection.execute(sql["pending_of_limit"], {"name": query.name, "part": part, "now": query.now})
    pending, due = Counter[str](), Counter[str]()
    for lane, count, of_these in found:
        for meter in lane_of(lane).meters:
            pending[meter] += count
            due[meter] += of_these
    uses = []
    for meter, state in zip(meters, states, strict=True):
        if state is None:
            return None
        starts = [] if state.limit.per is None else _starts(connection, sql, meter, state.limit, query.now)
        uses.append(MeterUse(state, starts[0][0] if starts else None, due[meter], pending[meter]))
    return uses


def _look_at_meter(
    connection: sqlite3.Connection, sql: Sql, meter: str, running: int, now: int
) -> MeterState | None:  # fmt: skip
    name, key = limit_of(meter), meter_key(meter)
    rows = {row[0]: _limit_row(*row) for row in connection.execute(sql["limit_for_key"], (name, key)).fetchall()}
    if ALL_KEYS not in rows:
        return None
    of_all = rows[ALL_KEYS]
    own = rows.get(key, of_all)
    counts = of_all if own.most is None else own
    pause = in_force(own.pause, of_all.pause, to_datetime(now))
    row = LimitRow(name, key, counts.most, counts.per, counts.is_pinned, pause)
    if row.per is None or row.most is None:
        return MeterState(row, running, None)
    limit = StoredLimit(name, row.most, row.per)
    starts = _starts(connection, sql, meter, row, now)
    is_exhausted = capacity_in(starts, limit) <= 0
    return MeterState(row, sum([count for _, count in starts]), free_at(starts, limit) if is_exhausted else None)


def _starts(connection: sqlite3.Connection, sql: Sql, meter: str, row: LimitRow, now: int) -> Starts:
    """The starts that a rate counts."""
    logs = connection.execute(sql["starts_of_meter"], (meter,)).fetchall()
    found = [(at, count) for at, count in json.loads(logs[0][0])] if logs else []
    return within(found, StoredLimit(row.name, row.most or 0, row.per), now)


def _count_running(connection: sqlite3.Connection, sql: Sql, meters: tuple[str, ...]) -> Counter[str]:
    """How many attempts run that these meters count."""
    running: Counter[str] = Counter()
    for _, text, count in connection.execute(sql["running_lanes"]).fetchall():
        for meter in lane_of(text).meters:
            if meter in meters:
                running[meter] += count
    return running


def _limit_row(key: str, name: str, *values: Any) -> LimitRow:
    most, per, pinned, since, by, until = values
    ends_at = None if until is None else to_datetime(until)
    pause = None if since is None else Pause(to_datetime(since), by, ends_at)
    return LimitRow(name, None if key == ALL_KEYS else key, most, per, bool(pinned), pause)
