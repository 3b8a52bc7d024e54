"""A schedule as its row and its latest ticks have it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiojobs_lite.model.job import Status
from aiojobs_lite.model.schedule_rows import ScheduleRow, TickRow
from aiojobs_lite.model.schedule_states import ScheduleState, TickState, state_of_schedule
from tests.helpers.stores import NOW, at

THEN = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW)


def test_a_stored_schedule_says_all_that_is_stored() -> None:
    row = ScheduleRow(
        "r", "0 9 * * *", "Asia/Tokyo", at(60), "report", '{"@version":2,"n":7}', '{"label":"eu"}', "all", "queue",
        4711, 8, at(1), at(2), "Ada", at(3), at(4), at(5),
    )  # fmt: skip
    state = state_of_schedule(row, [TickRow(at(1), 8, Status.DEAD), TickRow(at(0), None, None)])
    second = timedelta(seconds=1)
    assert state == ScheduleState(
        name="r", type="report", expression="0 9 * * *", tz="Asia/Tokyo", next_tick=THEN + 60 * second,
        last_tick=THEN + second, latest_job=8, is_declared=False, payload_json='{"@version":2,"n":7}',
        options={"label": "eu"}, catch_up="all", overlap="queue", paused_since=THEN + 2 * second, paused_by="Ada",
        created_at=THEN + 3 * second, updated_at=THEN + 4 * second,
    )  # fmt: skip
    assert state.payload == {"n": 7}
    assert state.ticks == (TickState(THEN + second, 8, Status.DEAD), TickState(THEN, None, None))


def test_a_secret_argument_is_not_shown() -> None:
    payload = '{"@secret":["token"],"token":"s3cret","n":7}'
    state = state_of_schedule(ScheduleRow("r", "0 9 * * *", "UTC", at(60), "report", payload))
    assert state.payload == {"token": "REDACTED", "n": 7}
    assert "s3cret" not in f"{state!r} {state.payload_json}"
    assert type(state.payload_json) is str


def test_a_declared_schedule_says_when_it_fires() -> None:
    state = state_of_schedule(ScheduleRow("tidy", "0 9 * * *", "UTC", at(60)))
    assert (state.type, state.is_declared, state.payload, state.options, state.ticks) == ("tidy", True, {}, {}, ())
    assert (state.last_tick, state.created_at, state.catch_up, state.paused_since) == (None, None, None, None)
