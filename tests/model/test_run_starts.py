"""The lane of a job that has started once."""

from __future__ import annotations

import pytest

from aiojobs_lite.model.limits import lane_of, lane_text
from aiojobs_lite.model.run_starts import later_lane

STARTS = "a: starts by kind"


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ([("one", 1)], [("one", 1)]),
        ([("one", 1), (STARTS, "x"), ("two", [1, "a"])], [("one", 1), ("two", [1, "a"])]),
        ([(STARTS, 1), ("b: starts by other", None)], None),
    ],
)
def test_the_rates_that_count_the_first_attempt_are_left_out(limits: list[object], left: list[object] | None) -> None:
    def made(given: list[object] | None) -> str | None:
        return None if given is None else lane_text("a", 1, given, is_ordered=False)  # type: ignore[arg-type]  # pairs

    assert later_lane(made(limits) or "") == made(left)
    assert lane_of(made(left) or "").type == ("a" if left else "")


def test_what_another_program_has_written_stays() -> None:
    for text in ("", "a", "a\n1", "a\n1\nx"):
        assert later_lane(text) == text
