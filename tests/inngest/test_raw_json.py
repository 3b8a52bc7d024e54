"""The parts of JSON texts, word for word, compared with `json.loads`."""

from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import from_json

from aiojobs_lite.inngest import raw_json
from aiojobs_lite.sizes import LARGEST_VALUE_BYTES

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
SAYS = (
    "no double can hold|Expecting|Invalid|Unterminated|Extra data|is no JSON|is missing|has no name|there is more|twice"
)
BLANKS = st.text(" \t\r\n", max_size=3)
PIECES = st.lists(st.sampled_from([*'{}[]:," \t\\u0019-.eE', "null", "true", '"a"', "1.0", "NaN", "\\ud800", "é"]))


def spaced(value: Any, blank: str) -> str:
    """JSON with blanks wherever they may stand."""
    if isinstance(value, dict):
        inner = ",".join(
            [f"{blank}{json.dumps(name)}{blank}:{blank}{spaced(one, blank)}{blank}" for name, one in value.items()]
        )
        return f"{{{inner or blank}}}"
    if isinstance(value, list):
        return f"[{','.join([f'{blank}{spaced(one, blank)}{blank}' for one in value]) or blank}]"
    return json.dumps(value)


@given(value=st.dictionaries(st.text(), VALUES), blank=BLANKS)
def test_the_members_of_an_object_are_its_texts(value: dict[str, Any], blank: str) -> None:
    text = f"{blank}{spaced(value, blank)}{blank}"
    found = raw_json.members(text)
    assert found == {name: spaced(one, blank) for name, one in value.items()}
    assert json.loads(raw_json.object_of(found)) == value


@given(value=st.lists(VALUES), blank=BLANKS)
def test_the_items_of_a_list_are_its_texts(value: list[Any], blank: str) -> None:
    text = f"{blank}{spaced(value, blank)}{blank}"
    assert raw_json.items(text) == [spaced(one, blank) for one in value]
    assert raw_json.load_value(text) == value


def finite(text: str) -> float:
    """The number, unless no double holds it: `json` makes an infinity of it."""
    if math.isinf(float(text)):
        raise ValueError(text)
    return float(text)


@example(pieces=["1", "e", "1", "0", "0", "0"])
@given(pieces=PIECES)
def test_what_json_refuses_is_refused_and_what_it_reads_is_read(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        value = json.loads(text, parse_constant=lambda _: 1 / 0, parse_float=finite)
    except (ValueError, ZeroDivisionError):
        for read in (raw_json.load_value, raw_json.check, raw_json.members, raw_json.items):
            with pytest.raises(ValueError, match=SAYS):
                read(text)
        return
    assert json.dumps(raw_json.load_value(text)) == json.dumps(value)
    assert json.dumps(json.loads(raw_json.check(text))) == json.dumps(value)
    if isinstance(value, list):
        assert json.dumps([json.loads(one) for one in raw_json.items(text)]) == json.dumps(value)
    elif not isinstance(value, dict):
        with pytest.raises(ValueError, match=r"'\{' is missing at character "):
            raw_json.members(text)


def test_numbers_and_text_stay_as_they_are() -> None:
    text = '{"a": 1.0 ,"b":12345678901234567890,"c":1E+2,"d":"\\u00e9\\/","e":-0}'
    expected = {"a": "1.0", "b": "12345678901234567890", "c": "1E+2", "d": '"\\u00e9\\/"', "e": "-0"}
    assert raw_json.members(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a":1,"a":2}', "an object has the name 'a' twice"),
        ('{"a":1,"\\u0061":2}', "an object has the name 'a' twice"),
        ("{1:2}", "a member of an object has no name"), ('{"a" 1}', "':' is missing at character 5"),
        ("[1]", "'{' is missing at character 0"), ('{"a":1', "'}' is missing at character 6"),
        ('{"a":1} x', "there is more behind the value, at character 7"), ('{"a":NaN}', "NaN is no JSON"),
        ('{"a":-Infinity}', "-Infinity is no JSON"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem.replace('{', '[{]')}$"):
        raw_json.members(text)


def test_one_name_twice_further_in_is_left_to_the_reader() -> None:
    assert raw_json.members('{"a":{"b":1,"b":2}}') == {"a": '{"b":1,"b":2}'}


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


@pytest.mark.parametrize("read", [raw_json.load_value, raw_json.check, raw_json.items])
def test_nesting_has_a_bound_that_other_readers_can_read(read: Any) -> None:
    deepest = nested(raw_json.DEEPEST_JSON)
    read(deepest)
    from_json(f'{{"data":[{deepest}]}}')
    with pytest.raises(ValueError, match="lists and objects are nested more than 150 deep"):
        read(nested(raw_json.DEEPEST_JSON + 1))
    with pytest.raises(ValueError, match="lists and objects are nested more than 150 deep"):
        read(nested(100_000))


def test_brackets_side_by_side_and_in_text_are_no_nesting() -> None:
    assert raw_json.load_value(json.dumps(["[{" * 200, '"[' * 200, "\\", [[]] * 200]))[3] == [[]] * 200


def test_a_text_has_a_bound() -> None:
    with pytest.raises(ValueError, match=r"it has 67,108,867 characters, at most 67,108,864 are read"):
        raw_json.items(f'["{"x" * (LARGEST_VALUE_BYTES - 1)}"]')


def test_what_is_checked_has_no_blanks_around_it() -> None:
    assert raw_json.check(' \n{"a": 1.0}\t') == '{"a": 1.0}'
    with pytest.raises(ValueError, match="Expecting value"):
        raw_json.check("\u00a01")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"'), ('"\\ud83d"', '"\\ufffd"'), ('"\\uDE00\\uD83D"', '"\\ufffd\\ufffd"'),
        ('"\\ud83d\\ud83d\\ude00"', '"\\ufffd\\ud83d\\ude00"'), ('"\\\\ud83d"', '"\\\\ud83d"'),
        ('"\\\\\\ud83d"', '"\\\\\\ufffd"'), ('"\\u00e9"', '"\\u00e9"'), ("1.0", "1.0"),
    ],
)  # fmt: skip
def test_half_of_a_character_is_replaced_and_nothing_else_is(text: str, expected: str) -> None:
    assert raw_json.whole(text) == expected


def test_a_large_text_is_not_copied_to_look_for_them() -> None:
    text = "Σ" * 1_000_000 + "\\u0041"
    tracemalloc.start()
    try:
        assert raw_json.whole(text) is text
        assert tracemalloc.get_traced_memory()[1] < len(text)
    finally:
        tracemalloc.stop()


@given(value=VALUES)
def test_a_text_without_halves_of_characters_stays_as_it_is(value: Any) -> None:
    assert raw_json.whole(json.dumps(value)) == json.dumps(value)


@pytest.mark.parametrize("text", ["1e400", "[-1e999]", '{"a":1e400}'])
def test_a_number_that_no_double_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is a number that no double can hold"):
        raw_json.load_value(text)


def test_very_many_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="it has more than 250,000 lists and objects"):
        raw_json.load_value(f"[{'[],' * 250_000}[]]")


def test_how_deep_a_text_is_takes_a_time_that_is_linear_in_its_length() -> None:
    """A text of quotes without an end took a time that grew with the square of its length: of 1 MB, for minutes."""
    raw_json.check_depth(f'{"[]" * 200}"{chr(92)}"' + f'{chr(92)}"' * 500_000)
    with pytest.raises(ValueError, match="nested more than 3 deep"):
        raw_json.check_depth(f'{"[]" * 200}[[[["]]]]"', 3)
