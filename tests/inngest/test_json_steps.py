"""Large JSON texts, read step by step, compared with `raw_json`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiojobs_lite.inngest import json_steps, raw_json
from aiojobs_lite.inngest.slices import Steps, finish

T = TypeVar("T")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=40)
PIECES = st.lists(st.sampled_from([*'{}[]:," \n\t\\u019-.eE+', "null", "true", '"a"', '"b":', "1.0", "NaN", "\\ud800"]))
MANY = 2 * json_steps.LARGEST_QUICK_CHARS


@pytest.fixture(autouse=True)
def _every_text_is_large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "small" not in request.node.name:
        monkeypatch.setattr(json_steps, "LARGEST_QUICK_CHARS", 0)


def outcome(read: Callable[[], T]) -> T | None:
    """What comes of reading; None: it is refused."""
    try:
        return read()
    except ValueError:
        return None


def _texts(objects: list[dict[str, raw_json.JsonPart]]) -> list[dict[str, str]]:
    return [{name: part.text for name, part in one.items()} for one in objects]


def in_steps(text: str) -> list[Any]:
    """What is read of a text step by step: its check, its objects, its members, all of it."""
    return [
        outcome(lambda: finish(json_steps.check_in_steps(text))),
        outcome(lambda: _texts(finish(json_steps.objects_in_steps(text, 10**6, ())))),
        outcome(lambda: finish(json_steps.members_in_steps(text))),
        finish(json_steps.whole_in_steps(text)),
    ]


def at_once(text: str) -> list[Any]:
    """The same as it is read otherwise."""
    return [
        outcome(lambda: raw_json.check(text)),
        outcome(lambda: [raw_json.members(one) for one in raw_json.items(text)]),
        outcome(lambda: raw_json.members(text)),
        raw_json.whole(text),
    ]


@given(pieces=PIECES)
@example(pieces=["[", "1", "]", "]"])
@example(pieces=["[", "1", ",", "]"])
@example(pieces=["{", '"a"', ":", "1", ",", "}"])
@example(pieces=["[", "0", "1", ",", "2", "]"])
@example(pieces=["[", "1", ".", ",", "2", "]"])
@example(pieces=["[", "{", '"a"', ",", "}", ",", "2", "]"])
def test_what_is_refused_and_what_is_read_are_the_same(pieces: list[str]) -> None:
    for text in ("".join(pieces), f"[{','.join(pieces)}]"):
        assert in_steps(text) == at_once(text)


@given(value=VALUES, other=VALUES, indent=st.none() | st.integers(0, 2), is_ascii=st.booleans())
def test_each_value_is_read(value: Any, other: Any, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps([value, {"a": other}, [other] * 3], indent=indent, ensure_ascii=is_ascii)
    assert finish(json_steps.check_in_steps(f" {text}\n")) == text
    for one in (text, f'{{"a":{text},"b":[[[[{text}]]]]}}'):
        assert in_steps(one) == at_once(one)


@given(value=VALUES, at=st.integers(0, 10**6), piece=st.sampled_from(['"', "\\", "{", "]", ",", "\x00", "é", ""]))
def test_a_text_that_is_broken_somewhere_is_refused_by_both(value: Any, at: int, piece: str) -> None:
    text = json.dumps({"a": value, "b": [value]})
    at %= len(text)
    broken = text[:at] + piece + text[at + 1 :]
    assert in_steps(broken) == at_once(broken)


@pytest.mark.parametrize(
    "text",
    [
        "[1e400,1]", "[-1E+309,1]", "[1e308,1]", "[1e199,1]", "[1e-999,1]", "[123e250,1]", f"[{'9' * 320},1]",
        f"[{'9' * 5_000},1]", f"[0.{'1' * 5_000},1]", f'["{"x" * 70_000}",1]', '["\x01",1]', '["\\x",1]',
        '["\\u12",1]', '["' + "\\n" * 20_000 + '",1]', "[NaN,1]", "[-Infinity]", "[-,1]", "[truex,1]", "-0",
        '{"a":1,"a":2}', '[{"a":1,"a":2}]', '{"a\\u0062":1,"ab":2}', "", " ", "[", '"', '["a', "[1]]", "[1] x",
        "\u00a0[1]", '{1:2}', '{"a" 1}', '{"a":}', '[[],{},[[]],[{}],{"a":{}}]', "[1 2]", '[{"a":1 "b":2}]', "[,1]",
        "[1,,2]",
    ],
)  # fmt: skip
def test_what_is_odd_is_read_as_by_others(text: str) -> None:
    assert in_steps(text) == at_once(text)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[1,2,{"b":[],"a":'])
def test_nesting_has_the_same_bound(opening: str) -> None:
    depth = sum(opening.count(one) for one in "[{") - opening.count("[]")
    closing = "".join([{"[": "]", "{": "}"}[one] for one in reversed(opening.replace("[]", "")) if one in "[{"])
    for more in ("1", "[]", "[[]]", "[[[1]]]"):
        for times in range((raw_json.DEEPEST_JSON - 6) // depth, raw_json.DEEPEST_JSON // depth + 2):
            text = opening * times + more + closing * times
            assert in_steps(text) == at_once(text)


def test_very_many_lists_are_refused_and_brackets_in_text_are_none() -> None:
    with pytest.raises(ValueError, match="it has more than 250,000 lists and objects"):
        finish(json_steps.check_in_steps(f"[{'[],' * 250_000}[]]"))
    for text in (f'[{"[]," * 10}"{"[" * 250_000}",[{{"a":[]}}],1]', f"[{'[],' * 248_000}[]]"):
        assert in_steps(text) == at_once(text)


def counted_in_steps(text: str) -> list[Any]:
    """What is read of a text, and of it in an object, while its lists and objects are counted."""
    found = outcome(lambda: finish(json_steps.objects_in_steps(f'[{{"a":{text}}},{{"a":1}}]', 9, {"a"})))
    return [outcome(lambda: finish(json_steps.check_in_steps(text))), found and [one["a"].value for one in found]]


def counted_at_once(text: str) -> list[Any]:
    """The same as it is read otherwise."""
    return [outcome(lambda: raw_json.check(text)), outcome(lambda: [raw_json.load_value(text), 1])]


@pytest.mark.parametrize("more", ['"["', '"\\\\[{"', '"' + "[" * 1_000 + '"', '{"a":[[[["{"]]]]}', "[]", '{"[":{}}'])
def test_lists_and_objects_are_counted_where_there_may_be_too_many(monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    monkeypatch.setattr(raw_json, "MOST_JSON_PARTS", 400)
    for each in range(30, 75):
        for text in (f"[{','.join([f'[{more},{{}},1]'] * each * 2)}]", f"[{','.join([more] * each * 6)}]"):
            assert counted_in_steps(text) == counted_at_once(text)


def _patterns(given: object) -> Iterator[str]:
    if isinstance(given, re.Pattern):
        yield given.pattern
    elif isinstance(given, dict):
        for one in given.values():
            yield from _patterns(one)


def test_no_group_is_repeated_possessively() -> None:
    """Python before 3.11.5 takes `[1, 2]` for no JSON then (gh-106052)."""
    found = [pattern for name, one in vars(json_steps).items() if name != "raw_json" for pattern in _patterns(one)]
    assert len(found) == 6
    for pattern in found:
        assert re.search(r"\)(?:[*+?]|\{[0-9,]+\})\+", pattern) is None


def test_half_of_a_character_is_replaced() -> None:
    text = '"\\\\ud83d \\ud83d \\ud83d\\ude00 \\n"' * 2_000
    assert finish(json_steps.whole_in_steps(text)) == raw_json.whole(text) != text


@pytest.mark.parametrize("text", ['"no end', '"a\n"', '["\\x"]'])
def test_a_text_that_no_json_has_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ValueError, match="a text does not end, or has what none may have, at character"):
        finish(json_steps.check_in_steps(text))


@given(value=VALUES, indent=st.none() | st.integers(0, 2))
def test_a_value_that_is_wanted_is_built_as_it_is(value: Any, indent: int | None) -> None:
    for wanted in (value, [value] * 3, {"x": value, "y": [value, {"": value}]}):
        text = json.dumps({"a": wanted, "b": wanted, "c": 1}, indent=indent)
        found = finish(json_steps.parts_in_steps(text, {"a", "c"}))
        assert repr([found["a"].value, found["b"].value, found["c"].value]) == repr([json.loads(text)["a"], None, 1])


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2,"b":{"c":1,"c":{},"c":3,"d":4}}', '[{"a":[],"a":[1],"":{},"a":2}]', '{"a":{"":1,"":2,"":[]}}'],
)
def test_of_a_name_that_comes_twice_in_a_value_the_last_one_counts(text: str) -> None:
    found = finish(json_steps.parts_in_steps(f'{{"a":{text}}}', {"a"}))
    assert found["a"].value == json.loads(text)


def test_a_large_value_is_built_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, read = list[int](), raw_json.read_value

    def noted(text: str) -> Any:
        sizes.append(len(text))
        return read(text)

    monkeypatch.setattr(raw_json, "read_value", noted)
    values: list[Any] = [[1.5] * MANY, {str(number): number for number in range(MANY)}, [[{}]] * (MANY // 2)]
    for value in values:
        found = finish(json_steps.parts_in_steps(json.dumps({"a": value}), {"a"}))
        assert found["a"].value == value
    assert max(sizes) < 10_000


def test_very_many_parts_are_refused_before_they_are_read() -> None:
    for text in (f"[{'{},' * 100_000}x]", f"[{'{},' * 10}{{}}]"):
        with pytest.raises(ValueError, match="a list or an object of it has more than 10 parts"):
            finish(json_steps.objects_in_steps(text, 10, ()))
    with pytest.raises(ValueError, match="a list or an object of it has more than 1,000 parts"):
        finish(
            json_steps.members_in_steps(
                f"{{{','.join([f'{chr(34)}{number}{chr(34)}:1' for number in range(1_001)])},x}}"
            )
        )


def test_only_the_value_that_is_wanted_is_built() -> None:
    text = '{"a": [1.0], "b": {"c": 1e2}}'
    found = finish(json_steps.parts_in_steps(text, {"b"}))
    assert found == {"a": raw_json.JsonPart(None, "[1.0]"), "b": raw_json.JsonPart({"c": 100.0}, '{"c": 1e2}')}


@pytest.mark.parametrize(
    "text",
    [
        f'"{"x" * 10 * MANY}"', '"' + "\\n" * MANY + '"', "[" * 140 + "1," * MANY + "1" + "]" * 140,
        f"[{'[],' * MANY}1]", json.dumps({str(number): [number] for number in range(MANY // 10)}),
        json.dumps(["\n" * 100] * 5_000), json.dumps([{"a": [1, {"b": 2.5}], "c": "x" * 400}] * 1_000),
    ],
)  # fmt: skip
def test_a_large_text_is_read_in_many_steps(text: str) -> None:
    def steps(of: Steps[object]) -> int:
        return sum(1 for _ in of)

    assert steps(json_steps.check_in_steps(text)) >= len(text) / 400_000
    assert finish(json_steps.check_in_steps(text)) == text


def test_a_small_text_is_read_at_once() -> None:
    assert list(json_steps.check_in_steps("[1]")) == list(json_steps.objects_in_steps("[{}]", 1, ())) == []
