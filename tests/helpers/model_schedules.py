"""The writes of the model machine that make, change and fire schedules, declared and stored ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.schedules import (
    DeleteSchedule,
    FireTick,
    MoveTickBack,
    PauseSchedule,
    PutSchedule,
    RunSchedule,
    SetSchedule,
    StopSchedules,
)
from aiojobs_lite.model.writes import Write
from tests.helpers.model_draws import Step, expressions, some, steps
from tests.helpers.stores import at, new

SCHEDULE = SetSchedule("s", "* * * * *", "UTC", at(60))
_names = st.sampled_from(["s", "t", "u"])  # `s` is declared, unless it was deleted
_revisions = st.sampled_from([None, 1, 2])
_ahead = st.sampled_from([0, 7_000_000])  # of the next transaction, the clock that a tick was worked out by


class ScheduleRules(RuleBasedStateMachine):
    """The writes about schedules; a machine gets them with its own."""

    @property
    def now(self) -> int:
        """The instant of the next transaction."""
        raise NotImplementedError

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction."""
        raise NotImplementedError

    @rule(name=_names, expression=expressions, later=some, step=steps)
    def set_schedule(self, name: str, expression: str, later: int, step: Step) -> None:
        self.put(SetSchedule(name, expression, "UTC", self.now + later), step)

    @rule(names=st.lists(_names, unique=True), step=steps)
    def stop_schedules(self, names: list[str], step: Step) -> None:
        self.put(StopSchedules(tuple(names), "other", ()), step)

    @rule(name=_names, expression=expressions, later=some, revision=st.integers(1, 2), ahead=_ahead, step=steps)
    def put_schedule(self, name: str, expression: str, later: int, revision: int, ahead: int, step: Step) -> None:
        rest = "c", '{"x": 1}', None, "latest", "skip", revision, self.now + ahead
        made = (name, expression, "UTC", self.now + later, *rest)
        self.put(PutSchedule(*made), step)

    @rule(name=_names, step=steps)
    def delete_schedule(self, name: str, step: Step) -> None:
        self.put(DeleteSchedule(name), step)

    @rule(name=_names, paused=st.booleans(), step=steps)
    def pause_schedule(self, name: str, paused: bool, step: Step) -> None:
        self.put(PauseSchedule(name, paused, "Ada" if paused else None), step)

    @rule(name=_names, full=st.booleans(), step=steps)
    def run_schedule(self, name: str, full: bool, step: Step) -> None:
        row = new("c", schedule=name)._replace(scheduled_at=self.now)
        self.put(RunSchedule(name, Candidate(row, max_pending=1 if full else None)), step)

    @rule(name=_names, expression=expressions, tick=some, ahead=_ahead, step=steps)
    def move_tick_back(self, name: str, expression: str, tick: int, ahead: int, step: Step) -> None:
        self.put(MoveTickBack(name, expression, "UTC", at(tick), self.now + ahead), step)

    @rule(
        name=_names, tick=some, skip_overlap=st.booleans(), runs=st.booleans(), full=st.booleans(),
        expression=expressions, revision=_revisions, ahead=_ahead, step=steps,
    )  # fmt: skip
    def tick(
        self, name: str, tick: int, skip_overlap: bool, runs: bool, full: bool, expression: str,
        revision: int | None, ahead: int, step: Step,
    ) -> None:  # fmt: skip
        row = new("c", schedule=name, tick=at(tick))._replace(scheduled_at=self.now)
        job = Candidate(row, max_pending=1 if full else None) if runs else None
        fired = (at(tick), at(tick + 1), job, skip_overlap, revision, self.now + ahead)
        self.put(FireTick(name, expression, "UTC", *fired), step)
