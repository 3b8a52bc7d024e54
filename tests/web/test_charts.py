"""The bars of hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiojobs_lite.web.charts import CHART_HEIGHT, CHART_WIDTH, bars_of

START = datetime(2026, 3, 1, tzinfo=UTC)


def test_bars_are_as_high_as_their_numbers_and_stand_on_the_ground() -> None:
    bars = bars_of(
        [(START + timedelta(hours=hour), good, bad) for hour, good, bad in ((0, 100, 0), (1, 50, 50), (2, 0, 1))]
    )
    assert [(bar.good_height, bar.bad_height) for bar in bars] == [(118.0, 0.0), (59.0, 59.0), (0.0, 2.0)]
    assert [bar.good_y for bar in bars] == [2.0, 61.0, 120.0]
    assert [bar.bad_y for bar in bars] == [2.0, 2.0, 118.0]
    assert bars[-1].x + bars[-1].width <= CHART_WIDTH
    assert all(bar.good_y + bar.good_height == CHART_HEIGHT for bar in bars)


def test_nothing_is_drawn_of_nothing() -> None:
    assert bars_of([]) == []
    assert bars_of([(START, 0, 0)])[0].good_height == 0.0
