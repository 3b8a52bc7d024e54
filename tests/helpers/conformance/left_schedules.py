"""Declared schedules that leave the code, and come back."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.model.runners import EndRunners, SetRunner
from aiojobs_lite.model.schedule_rows import FindLeft, GetSchedule
from aiojobs_lite.model.schedules import (
    RESTARTED_WITHIN_US,
    PauseSchedule,
    ScheduleAnswer,
    SetSchedule,
    StopSchedules,
)
from aiojobs_lite.model.writes import Write
from aiojobs_lite.stores.base import Store
from tests.helpers.schedules import put
from tests.helpers.stores import alone, at, fire, one

DECLARED = SetSchedule("s", "* * * * *", "UTC", at(60))
STOP = StopSchedules(("s", "r", "none"), "own", ())
OWN = SetRunner("own", 1, "web1", 5, '{"s":null}')
OTHER = SetRunner("other", 2, "web1", 5, '{"s":null}')
HOUR_S = RESTARTED_WITHIN_US // 1_000_000


async def stopped_at(store: Store) -> int | None:
    row = await store.ask(GetSchedule("s"))
    assert row is not None
    return row.updated_at


class LeavingTheCode:
    async def test_declared_schedules_that_are_not_known_are_found(self, store: Store) -> None:
        await store.apply(alone([DECLARED, DECLARED._replace(name="b"), put()]), at(0))
        assert await store.ask(FindLeft(())) == ["b", "s"]
        assert await store.ask(FindLeft(("s", "r"))) == ["b"]
        await one(store, StopSchedules(("b",), "own", ()))
        assert await store.ask(FindLeft(())) == ["s"]

    async def test_one_is_stopped_once_and_one_made_at_run_time_never(self, store: Store) -> None:
        await store.apply(alone([DECLARED, put(), OWN]), at(0))
        assert await one(store, STOP, 5) == ("s",)
        assert await one(store, STOP, 9) == ()
        assert await stopped_at(store) == at(5)

    @pytest.mark.parametrize(
        ("others", "dead", "stops"),
        [
            ([OTHER], (), False),
            ([OTHER._replace(types='{"t":null}')], (), True),
            ([OTHER], ("other",), True),
            ([OTHER, EndRunners(("other",))], (), True),
        ],
    )
    async def test_one_that_another_live_runner_may_declare_goes_on(
        self, store: Store, others: list[Write[Any]], dead: tuple[str, ...], stops: bool
    ) -> None:
        await store.apply(alone([DECLARED, OWN, *others]), at(0))
        assert bool(await one(store, STOP._replace(dead=dead))) is stops
        assert (await stopped_at(store) is not None) is stops

    @pytest.mark.parametrize("expression", [DECLARED.expression, "0 9 * * *"])
    @pytest.mark.parametrize("later", [HOUR_S, HOUR_S + 1])
    async def test_one_that_comes_back_late_is_as_a_new_one(self, store: Store, later: int, expression: str) -> None:
        await store.apply(alone([DECLARED, STOP]), at(0))
        again = DECLARED._replace(expression=expression, next_tick=at(later + 60))
        answer = await one(store, again, later)
        if later > HOUR_S:
            assert answer == ScheduleAnswer(at(later + 60))
        elif expression == DECLARED.expression:
            assert answer == ScheduleAnswer(at(60))
        else:
            assert answer == ScheduleAnswer(at(later + 60), (DECLARED.expression, "UTC", at(60)))
        row = await store.ask(GetSchedule("s"))
        assert row is not None
        assert (row.next_tick, row.updated_at, row.expression) == (answer.next_tick, None, expression)

    async def test_one_that_fires_goes_on(self, store: Store) -> None:
        """A runner has its code, whatever was noted."""
        await store.apply(alone([DECLARED, STOP]), at(0))
        assert (await one(store, fire("s", at(60), at(120), None, skip_overlap=False), 60)).what == "skipped"
        assert await stopped_at(store) is None

    async def test_a_pause_outlasts_it(self, store: Store) -> None:
        await store.apply(alone([DECLARED, PauseSchedule("s", paused=True, by="Ada"), STOP]), at(0))
        await one(store, DECLARED, HOUR_S + 1)
        row = await store.ask(GetSchedule("s"))
        assert row is not None
        assert (row.paused_by, row.updated_at) == ("Ada", None)
