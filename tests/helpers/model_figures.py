"""The writes of the model machine that are about figures, and what it asks of them and of how the database stands."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aiojobs_lite.model.figures import (
    ALL_TYPES,
    HOUR,
    AddFigures,
    DurationFigures,
    EndFigures,
    ListHours,
    PruneFigures,
    SumErrors,
    SumFigures,
    hour_of,
)
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.model.writes import Write
from tests.helpers.instants import SECOND
from tests.helpers.model_draws import Step, kinds, steps, which_view
from tests.helpers.model_twins import Twins

ends = st.lists(
    st.builds(
        EndFigures, kinds, st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED, Outcome.LOST]),
        st.sampled_from(["", "E", "F"]), *[st.integers(1, 3)] * 4, *[st.integers(1, 9).map(SECOND.__mul__)] * 2,
    ),
    max_size=3,
)  # fmt: skip
durations = st.lists(
    st.builds(DurationFigures, kinds, st.just(Outcome.SUCCEEDED), st.integers(0, 3), st.integers(1, 3)), max_size=3
)
hours = st.integers(-50, 1)


class FigureRules(RuleBasedStateMachine):
    """Figures; a machine gets them with its own."""

    twins: Twins
    pruned = 0

    @property
    def now(self) -> int:
        """The instant of the machine."""
        raise NotImplementedError

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction."""
        raise NotImplementedError

    @rule(hour=hours, drawn=ends, took=durations, step=steps)
    def add_figures(self, hour: int, drawn: list[EndFigures], took: list[DurationFigures], step: Step) -> None:
        self.put(AddFigures(hour_of(self.now) + hour * HOUR, tuple(drawn), tuple(took)), step)

    @rule(before=hours, limit=st.integers(0, 3), step=steps)
    def prune_figures(self, before: int, limit: int, step: Step) -> None:
        write = PruneFigures(hour_of(self.now) + before * HOUR, limit)
        self.pruned = max(self.pruned, write.before)
        self.put(write, step)

    @rule(view=which_view, since=hours, until=hours, kind=st.none() | kinds)
    def ask_for_figures(self, view: int, since: int, until: int, kind: str | None) -> None:
        """What begins before that instant may miss more than what was pruned."""
        first = max(hour_of(self.now) + since * HOUR, self.pruned)
        end = self.now + until * HOUR
        names = None if kind is None else (kind, kind)
        questions = SumFigures(None, 0, names), SumFigures(first, end, names), SumErrors(first, end, kind, 2)
        for question in (*questions, ListHours(first, end, kind or ALL_TYPES)):
            self.twins.ask(question, self.twins.views[view])
