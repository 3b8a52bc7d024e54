"""Lanes and meters as text, and the log of starts of a rate."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.model.limits import (
    END,
    StoredLimit,
    capacity_in,
    free_at,
    full_name,
    kept,
    lane_of,
    lane_text,
    limit_of,
    meter_key,
    meter_text,
    moved_back,
    started,
    stored_limit,
    within,
)

SECOND = 1_000_000


def by_customer(payload: object) -> str:
    return str(payload)


def test_a_lane_names_its_type_and_its_meters() -> None:
    text = lane_text("email", 2, [("two", 7), ("rate", ["a", None])], is_ordered=False)
    assert text.split(END) == ["email", "2", "two", "7", "rate", '["a",null]']
    lane = lane_of(text)
    assert (lane.type, lane.is_ordered) == ("email", False)
    assert lane.meters == (meter_text("two", 7), meter_text("rate", ["a", None]))
    assert [limit_of(meter) for meter in lane.meters] == ["two", "rate"]
    assert [meter_key(meter) for meter in lane.meters] == ["7", '["a",null]']


def test_an_ordered_lane_is_one_for_all_priorities() -> None:
    lanes = {lane_text("email", priority, [("one", 7)], is_ordered=True) for priority in range(3)}
    assert len(lanes) == 1
    assert lane_of(lanes.pop()).is_ordered


def test_text_and_number_are_two_keys() -> None:
    assert meter_text("two", 7) != meter_text("two", "7")


def test_what_another_program_wrote_names_no_meter() -> None:
    for text in ("", "a", "a\n1", "a\n1\nb", "a\n1\nb\n2\nc", '["a"]'):
        assert lane_of(text).meters == ()


def test_a_limit_has_its_own_name_or_that_of_its_type_and_key() -> None:
    assert full_name(Limit(1, key="org_id"), "email") == "email: limit by org_id"
    assert full_name(Rate(1, per=1, key=["a", "b.c"]), "email") == "email: rate by a, b.c"
    assert full_name(Limit(1, key=by_customer), "email") == "email: limit by by_customer"
    assert full_name(Limit(1, key="org_id", name="api"), "email") == "api"
    assert stored_limit(Rate(3, per="1m", key="a", name="r"), "email") == StoredLimit("r", 3, 60 * SECOND)


def test_a_rate_that_allows_few_keeps_each_start() -> None:
    limit = StoredLimit("r", 3, 10 * SECOND)
    starts = started(started(started([], limit, 0), limit, 1), limit, 1)
    assert starts == [(0, 1), (1, 2)]
    assert (capacity_in(starts, limit), free_at(starts, limit)) == (0, 10 * SECOND)
    assert within(starts, limit, 10 * SECOND) == [(1, 2)]


def test_a_clock_that_was_ahead_has_started_nothing_later_than_now() -> None:
    assert moved_back([(3, 1), (50, 2)], 20, tolerance=5) == [(3, 1), (20, 2)]
    assert moved_back([(3, 1), (24, 2)], 20, tolerance=5) == [(3, 1), (24, 2)]


@given(
    most=st.integers(1, 200),
    steps=st.lists(st.tuples(st.integers(-300_000, 400_000), st.integers(1, 60)), min_size=1, max_size=120),
)
def test_a_rate_is_never_exceeded_in_any_period(most: int, steps: list[tuple[int, int]]) -> None:
    """The log is bounded, and no less strict than one of every start, also once the clock is set back by a period."""
    limit = StoredLimit("r", most, SECOND)
    log: list[tuple[int, int]] = []
    exact: list[int] = []
    now = highest = 0
    for wait, wanted in steps:
        now = max(now + wait, highest - SECOND)
        highest = max(highest, now)
        for _ in range(min(wanted, max(capacity_in(within(log, limit, now), limit), 0))):
            log = started(kept(log, limit, now), limit, now)
            exact.append(now)
        counted = within(log, limit, now)
        if capacity_in(counted, limit) <= 0:
            assert now < free_at(counted, limit) <= highest + SECOND
    assert all(sum(first <= at < first + SECOND for at in exact) <= most for first in exact)
    assert len(log) <= 3 * 66 or most <= 64
