"""A suspicion is a defect when enough looks in a row agree."""

from __future__ import annotations

from aiojobs_lite.engine.suspects import SURE, Defect, Suspects


def test_looks_in_a_row_confirm_each_suspicion_by_its_own_number() -> None:
    suspects = Suspects()
    assert suspects.confirm({"a": 1, "b": 2, "c": 3}) == ["a"]
    assert suspects.confirm({"b": 2, "c": 3}) == ["b"]
    assert suspects.confirm({"c": 3}) == ["c"]


def test_a_look_that_does_not_find_it_begins_anew() -> None:
    suspects = Suspects()
    assert [suspects.confirm(found) for found in ({"a": 2}, {}, {"a": 2})] == [[], [], []]
    assert suspects.confirm({"a": 2}) == ["a"]


def test_what_was_confirmed_is_to_be_found_as_often_again() -> None:
    suspects = Suspects()
    found = [bool(suspects.confirm({"a": SURE})) for _ in range(2 * SURE)]
    assert found == [False, False, True] * 2


def test_a_defect_of_no_job_names_none() -> None:
    assert Defect("slots are counted") == ("slots are counted", 0, "?", 0, 0.0, "")
