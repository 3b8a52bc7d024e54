"""What the model machine draws of limits by key, and the writes that change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, SetLimits, StoredLimit
from aiojobs_lite.model.writes import Write
from tests.helpers.instants import SECOND

LIMITS = (StoredLimit("one", 1), StoredLimit("two", 2), StoredLimit("rate", 2, 5 * SECOND))  # by key


class Step(NamedTuple):
    """What becomes of a write: whether it joins the unit before it, and how the transaction is made, if it is."""

    joins: bool
    then: Mapping[str, Any] | None


which_view = st.sampled_from([0, 1])
commits = st.fixed_dictionaries({"view": which_view, "inline": st.booleans(), "at_once": st.booleans()})
steps = st.builds(Step, st.booleans(), commits | commits | st.none())
two, rated = (LIMITS[1].name, LIMITS[2].name)
counted = st.sampled_from(
    [
        (),
        (),
        ((LIMITS[0].name, 1),),
        ((two, 1),),
        ((two, 2),),
        ((two, 1), (LIMITS[0].name, 2)),
        ((two, 2), (rated, 1)),
        ((rated, 1),),
    ]
)
orders = st.sampled_from([False, False, True])


class LimitRules(RuleBasedStateMachine):
    """The writes that change limits; a machine gets them with its own."""

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction."""
        raise NotImplementedError

    @rule(which=st.integers(0, 2), most=st.integers(1, 3), step=steps)
    def set_limit(self, which: int, most: int, step: Step) -> None:
        self.put(SetLimits((LIMITS[which]._replace(most=most),)), step)

    @rule(
        which=st.integers(0, 2), key=st.sampled_from([None, "1", "2"]), most=st.sampled_from([None, 1, 2, 4]),
        pinned=st.booleans(), step=steps,
    )  # fmt: skip
    def change_limit(self, which: int, key: str | None, most: int | None, pinned: bool, step: Step) -> None:
        self.put(ChangeLimit(LIMITS[which].name, key, most, None, pinned), step)

    @rule(which=st.integers(0, 2), key=st.sampled_from([None, "1", "2"]), paused=st.booleans(), step=steps)
    def pause_limit(self, which: int, key: str | None, paused: bool, step: Step) -> None:
        self.put(PauseLimit(LIMITS[which].name, key, paused), step)
