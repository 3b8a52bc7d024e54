"""Which priority follows which, and from when on."""

from __future__ import annotations

from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.job import PRIORITY_NAMES


def test_a_priority_rises_to_the_one_for_which_it_has_waited_long_enough() -> None:
    steps = RaisePriorities(20, 10, 5).steps
    named = [(PRIORITY_NAMES[before], PRIORITY_NAMES[after], due) for before, after, due in steps]
    assert named == [("medium", "high", 10), ("low", "high", 10), ("low", "medium", 20)]
