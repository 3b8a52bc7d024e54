"""What an event must say to be one that is waited for: its name, and scalars at dotted paths, in one form of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aiojobs_lite.model.event_match import EventMark, EventMatch, json_values, values_at
from aiojobs_lite.model.events import EventRow, fits, mark_of, matches, memo_of

DATA = {"user": {"id": 7.0, "name": "\u00e9", "is": None}, "a.b": 1, "list": [1], "yes": True}


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ((), "[]"),
        (("user.id",), "[7]"),
        (("user.name", "yes"), '["\u00e9",true]'),
        (("user.is",), "[null]"),
        (("user",), None),
        (("list",), None),
        (("user.other",), None),
        (("user.id.more",), None),
        (("a.b",), None),
    ],
)
def test_the_values_at_paths_are_scalars_in_one_form(fields: tuple[str, ...], values: str | None) -> None:
    assert values_at(DATA, fields) == values


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [(1, 1.0, True), (1.5, 1.5, True), (1, "1", False), (1, True, False), (0, False, False), (None, "null", False)],
)
def test_numbers_are_compared_by_value_and_nothing_else_is_a_number(one: Any, other: Any, is_same: bool) -> None:
    assert (json_values([one]) == json_values([other])) is is_same


@pytest.mark.parametrize(
    ("pattern", "name", "does_fit"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "a", True),
        ("a/*", "a/b", True),
        ("a/*", "a", False),
        ("*", "", True),
        ("*a", "ba", False),
        ("a*b", "axb", False),
        ("", "a", False),
    ],
)
def test_a_pattern_is_a_name_or_a_beginning(pattern: str, name: str, does_fit: bool) -> None:
    assert fits(pattern, name) is does_fit


def test_an_event_matches_by_its_name_and_its_values() -> None:
    event = EventRow(1, "e", json.dumps(DATA), 0, None)
    assert matches(EventMatch("e"), event)
    assert matches(EventMatch("e", ("user.id",), "[7]"), event)
    assert not matches(EventMatch("e", ("user.id",), "[8]"), event)
    assert not matches(EventMatch("e", ("user",), "[8]"), event)
    assert not matches(EventMatch("f"), event)


@pytest.mark.parametrize("key", [None, 'a "key"'])
def test_the_memo_of_an_event_has_its_data_word_for_word(key: str | None) -> None:
    memo = memo_of(EventRow(12, 'the "name"', '{"n": 1.50}', 99, key))
    assert '"data":{"n": 1.50}' in memo
    assert json.loads(memo) == {"id": key or "12", "name": 'the "name"', "data": {"n": 1.5}, "sent_at": 99}
    assert mark_of(memo) == EventMark(key or "12", 99)


def test_which_event_a_memo_is_does_not_depend_on_what_it_says() -> None:
    said = '{"id":"no","sent_at":5}'
    assert mark_of(memo_of(EventRow(12, '"sent_at":3', said, -99, "é"))) == EventMark("é", -99)
    assert mark_of(memo_of(EventRow(12, "e", "no JSON", 99, None))) == EventMark("12", 99)
    for text in ("null", "", '{"id":"1"}'):
        with pytest.raises(ValueError, match=r"."):
            mark_of(text)
