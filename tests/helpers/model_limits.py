"""The writes of the model machine that change what is held back: limits by key, and pauses."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from aiojobs_lite.model.limits import ChangeLimit, PauseLimit, RestartRate, SetLimits
from aiojobs_lite.model.writes import PauseType, Write
from tests.helpers.instants import SECOND
from tests.helpers.model_draws import LIMITS, ORDERED, Step, kinds, steps

RESUMED = [PauseLimit(limit.name, key, paused=False) for limit in (*LIMITS, ORDERED) for key in (None, "1", "2")]
"""Lets all limits go on."""


class LimitRules(RuleBasedStateMachine):
    """The writes that change limits and pauses; a machine gets them with its own."""

    @property
    def now(self) -> int:
        """The instant of the machine."""
        raise NotImplementedError

    def put(self, write: Write[Any], step: Step) -> None:
        """Adds a write to the transaction."""
        raise NotImplementedError

    @rule(kind=kinds, paused=st.booleans(), step=steps)
    def pause(self, kind: str, paused: bool, step: Step) -> None:
        self.put(PauseType(kind, paused), step)

    @rule(which=st.integers(0, 2), most=st.integers(1, 3), step=steps)
    def set_limit(self, which: int, most: int, step: Step) -> None:
        self.put(SetLimits((LIMITS[which]._replace(most=most),)), step)

    @rule(
        which=st.integers(0, 2), key=st.sampled_from([None, "1", "2"]), most=st.sampled_from([None, 1, 2, 4]),
        pinned=st.booleans(), step=steps,
    )  # fmt: skip
    def change_limit(self, which: int, key: str | None, most: int | None, pinned: bool, step: Step) -> None:
        self.put(ChangeLimit(LIMITS[which].name, key, most, None, pinned), step)

    @rule(key=st.sampled_from(["1", "2"]), step=steps)
    def restart_rate(self, key: str, step: Step) -> None:
        self.put(RestartRate(LIMITS[2].name, key), step)

    @rule(
        which=st.integers(0, 3), key=st.sampled_from([None, "1", "2"]), paused=st.booleans(),
        until=st.sampled_from([None, 1, 60]), step=steps,
    )  # fmt: skip
    def pause_limit(self, which: int, key: str | None, paused: bool, until: int | None, step: Step) -> None:
        ends_at = None if until is None or not paused else self.now + until * SECOND
        self.put(PauseLimit((*LIMITS, ORDERED)[which].name, key, paused, until=ends_at), step)
