"""What an expression yields: the dialect of Inngest, row by row, and that no value and no text is too much for it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_lite.inngest.expressions import ExpressionError, compile_expression
from aiojobs_lite.inngest.expressions.printer import text_of_node
from tests.helpers.expressions import NOW, events, expression, trees, value_of
from tests.helpers.hostile_text import any_text
from tests.helpers.rings import depth, share

DATA: dict[str, Any] = {
    "name": "Tester",
    "action": "opened",
    "empty": "",
    "number": 9.1,
    "whole": 8.0,
    "int": 2,
    "zero": 0,
    "yes": True,
    "no": False,
    "nil": None,
    "list": [3, "ok?", True],
    "tags": ["a", "b", "c"],
    "nums": [1, 2, 3],
    "obj": {"name": "inngest", "n": 1.5},
    "same": {"n": 1.5, "name": "inngest"},
    "encoded": "eyJuZXN0ZWQiOnsiZGF0YSI6InllYSJ9fQ==",
    "when": "2020-01-01T12:00:00",
}
EVENT = {"name": "app/user", "data": DATA, "ts": 1_774_512_121_538, "user": {}}
ASYNC = {"data": {"status": "200"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A missing value, and null, is null and no error.
        ("event.data.missing", None),
        ("event.data.missing.deeper.still", None),
        ("unknown.data", None),
        ("event.data.name.first", None),
        ('event.data.missing == "foo"', False),
        ("event.data.missing == null", True),
        ("event.data.nil == null", True),
        ("event.data.name == null", False),
        ("event.data.missing == 0", False),
        ('event.data.missing == ""', False),
        ("event.data.missing == false", False),
        ("event.data.missing == event.data.gone", True),
        ('event.data.missing != "foo"', True),
        ('event.data.missing != ""', True),
        ("event.data.missing != 0", True),
        ("event.data.missing != null", False),
        ("event.data.missing.issue != 'another' && event.data.yes == true", True),
        # It comes before every other value.
        ("event.data.missing < 5", True),
        ("event.data.missing <= 5", True),
        ("event.data.missing < -5", True),
        ("event.data.missing > 5", False),
        ("event.data.missing >= 0", False),
        ("5 < event.data.missing", False),
        ("0 <= event.data.missing", False),
        ("5 > event.data.missing", True),
        ("event.data.int >= event.data.missing", True),
        ("event.data.missing < event.data.gone", True),
        ("event.data.missing >= event.data.gone", False),
        ('null < "foo"', True),
        ('"foo" < null', False),
        ("null > 0", False),
        ("null < 0.5", True),
        ("event.data.number > null && event.data.int > null", True),
        # Values of different types are different, but for numbers.
        ("1 == 1.0", True),
        ("1u == 1", True),
        ("event.data.whole == 8", True),
        ("9007199254740993 == 9007199254740992.0", False),
        ("1 == true", False),
        ("0 == false", False),
        ("[1, [true]] == [1.0, [true]]", True),
        ("[1] == [true]", False),
        ("[1, 2] == [1]", False),
        ('"200" == 200', False),
        ("event.data.obj == event.data.same", True),
        ("event.data.obj == {'name': 'inngest', 'n': 2}", False),
        ("{'a': 1} == {'b': 1}", False),
        ("event.data == event.data", True),
        ("date('2020-01-01') == date('2020-01-01T01:00:00+01:00')", True),
        ("date('2020-01-01') == '2020-01-01'", False),
        # They compare within one type; the result is null otherwise.
        ("event.data.int > 1.9 && event.data.number <= 9.1", True),
        ("'a' < 'b'", True),
        ("'Z' < 'a'", True),
        ("false < true", True),
        ("date('2020-01-01') < date('2020-01-02')", True),
        ("duration('1h') > duration('59m')", True),
        ("5 < 'a'", None),
        ("true < 2", None),
        ("[1] < [2]", None),
        ("duration('1h') < 3", None),
        ("1 < 2 == true", True),
        ("1 < 2 < 3", None),
        # Arithmetic.
        ("5 + 4", 9),
        ("event.data.int + 1", 3),
        ("event.data.whole + 1", 9.0),
        ("1 + 2 * 3 - 4 % 3", 6),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("7.0 / 2", 3.5),
        ("-event.data.int", -2),
        ("--event.data.int", 2),
        ("1 / 0", None),
        ("1 % 0", None),
        ("1.0 / 0.0", None),
        ("1.5 % 1.0", None),
        ("9223372036854775807 * 2", 18446744073709551614),
        ("9223372036854775807 * 4", None),
        ("-(9223372036854775807 + 9)", None),
        ("1e308 * 10.0", None),
        ("5 - 'a'", None),
        ("-'a'", None),
        ("true + true", None),
        ("{'a': 1} + {'b': 2}", None),
        ("[1] + ['a']", [1, "a"]),
        # A string and another value.
        ("event.data.name + '-' + event.data.number", "Tester-9.1"),
        ("event.data.whole + '-' + event.data.yes + '-' + event.data.no", "8-true-false"),
        ("event.data.list + '-' + event.data.obj", '[3,"ok?",true]-{"name":"inngest","n":1.5}'),
        ("event.data.name + event.data.missing", "Tester"),
        ("event.data.missing + event.data.name", "Tester"),
        ("event.data.missing + event.data.gone", None),
        ("'at ' + date('2020-01-01') + ' for ' + duration('1m')", "at 2020-01-01T00:00:00Z for 60s"),
        ("'' + 1e21", "1e+21"),
        ("'' + -12345678901234567890123", "-12345678901234567890123"),
        ("'n' + event.ts", "n1774512121538"),
        # && and || yield values, as in JavaScript.
        ("event.data.name || event.data.action", "Tester"),
        ("event.data.empty || event.data.action", "opened"),
        ("event.data.missing || event.data.action", "opened"),
        ("event.data.zero || event.data.no || event.data.nil", None),
        ("event.data.nil || event.data.zero", 0),
        ("false || event.data.tags", ["a", "b", "c"]),
        ("[] || 1", []),
        ("{} || 1", {}),
        ("event.data.no || event.data.yes", True),
        ("0.0 || 'yes'", "yes"),
        ("event.data.name && event.data.action", "opened"),
        ("event.data.empty && event.data.action", ""),
        ("event.data.missing && event.data.action", None),
        ("1 && 2 && 3", 3),
        ("true || false && false", True),
        # !
        ("!true", False),
        ("!event.data.no", True),
        ("!event.data.missing", False),
        ("!event.data.zero", False),
        ("!event.data.name", False),
        ("!!event.data.name", "Tester"),
        ("!!!event.data.no", True),
        ("!(!event.data.yes)", True),
        # ?:
        ("event.data.missing ? event.data.missing : event.data.action", "opened"),
        ("event.data.zero ? 1 : event.data.empty ? 2 : 3", 3),
        ("event.data.list ? 'truthy' : 'falsy'", "truthy"),
        ("true ? 1 : 2", 1),
        # in
        ("event.data.action in ['closed', 'opened'] == true", True),
        ("event.data.missing in ['closed', 'opened'] == false", True),
        ("1.0 in [3, 1]", True),
        ("true in [1]", False),
        ("null in [null]", True),
        ("'name' in event.data.obj", True),
        ("'gone' in event.data.obj", False),
        ("1 in {'1': 1}", False),
        ("'a' in event.data.missing", False),
        ("'a' in 'abc'", False),
        # Fields and items.
        ("event['data'].name", "Tester"),
        ("event.data.list[0]", 3),
        ("event.data.list[1.0]", "ok?"),
        ("event.data.list[1.5]", None),
        ("event.data.list[3]", None),
        ("event.data.list[-1]", None),
        ("event.data.list['0']", None),
        ("event.data.list[true]", None),
        ("event.data['na' + 'me']", "Tester"),
        ("event.data[0]", None),
        ("event.data[event.data.missing]", None),
        ("'abc'[0]", None),
        ("[1, 2][1e999]", None),
        ("{'a': {'b': 1}}.a.b", 1),
        ("{event.data.name: 1}.Tester", 1),
        ("{event.data.int: 1}", None),
        ("{'a': 1, 'a': 2}", {"a": 2}),
        ("[1, event.data.int, [event.data.no]]", [1, 2, [False]]),
        # has()
        ("has(event.data.name)", True),
        ("has(event.data.nil)", True),
        ("has(event.data.missing)", False),
        ("has(event.data.missing.deeper)", False),
        ("has(event.data.name.first)", False),
        ("!((has(event.data.no) && event.data.no) || (has(event.data.gone) && event.data.gone))", True),
        # Macros.
        ("event.data.tags.exists(t, t == 'd' || t == 'a')", True),
        ("event.data.tags.exists(t, t == 'd') == false", True),
        ("event.data.missing.exists(t, t == 'd')", None),
        ("'abc'.exists(t, true)", None),
        ("[].exists(t, true)", False),
        ("event.data.nums.all(n, n > 0)", True),
        ("event.data.nums.all(n, n > 1)", False),
        ("[].all(n, false)", True),
        ("event.data.nums.exists_one(n, n > 2)", True),
        ("event.data.nums.exists_one(n, n > 1)", False),
        ("event.data.nums.filter(n, n > 1)", [2, 3]),
        ("event.data.nums.map(n, n * 10)", [10, 20, 30]),
        ("event.data.nums.map(n, n > 1, n * 10)", [20, 30]),
        ("event.data.obj.exists(key, key == 'n')", True),
        ("event.data.obj.map(key, event.data.obj[key])", ["inngest", 1.5]),
        ("event.data.nums.exists(n, event.data.list.exists(m, m == n))", True),
        ("event.data.nums.map(n, [4, 5].map(m, n * m))", [[4, 5], [8, 10], [12, 15]]),
        ("event.data.nums.map(n, [4, 5].map(n, n)).size()", 3),
        ("[1].map(event, .event.data.int + event)", [3]),
        ("[[1], [2, 3]].filter(l, l.size() > 1)", [[2, 3]]),
    ],
)
def test_an_expression_yields_what_it_yields_there(text: str, expected: Any) -> None:
    found = value_of(text, event=EVENT, **{"async": ASYNC})
    assert (found, type(found)) == (expected, type(expected))
    assert json.dumps(found) == json.dumps(expected)
    assert expression(text).matches({"event": EVENT, "async": ASYNC}) is (found is True)


def test_a_filter_matches_by_the_boolean_true_alone() -> None:
    assert not compile_expression("event").matches({"event": 1})
    assert not compile_expression("event").matches({"event": "true"})
    assert compile_expression("event").matches({"event": True})


def test_an_expression_names_the_variables_that_it_reads() -> None:
    assert compile_expression("event.a == async.b || [1].exists(x, x == vars.c)").names == {"event", "async", "vars"}
    assert compile_expression("[1].exists(event, event == 1)").names == frozenset()
    assert compile_expression("[1].exists(event, .event == 1)").names == {"event"}


def test_an_expression_shows_its_text() -> None:
    assert repr(compile_expression("1 + 1")) == "Expression('1 + 1')"


def test_now_is_one_moment_in_one_evaluation() -> None:
    moments = iter([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)])
    found = compile_expression("[now(), now_plus('1d'), now_minus('1d')]", now=lambda: next(moments))
    assert found.value({}) == ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2025-12-31T00:00:00Z"]
    assert found.value({}) == ["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-02T00:00:00Z"]


def test_now_is_in_utc_whatever_the_clock_has() -> None:
    moment = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    found = compile_expression("now()", now=lambda: moment)
    assert found.value({}) == found.bind().value({}) == "2026-01-02T03:04:05.000678Z"


def test_now_is_that_of_the_system_if_no_clock_is_given() -> None:
    before = datetime.now(UTC)
    found = compile_expression("now()").value({})
    assert before <= datetime.fromisoformat(found) <= datetime.now(UTC)


def test_a_moment_is_shown_wherever_it_is() -> None:
    assert value_of("{'a': [now()], 'b': duration('90s')}") == {"a": ["2026-01-02T03:04:05.000678Z"], "b": "90s"}


def test_a_value_that_json_has_not_is_none() -> None:
    assert compile_expression("event").value({"event": float("inf")}) is None
    assert value_of("[now(), 1e999]") == ["2026-01-02T03:04:05.000678Z", None]


def test_an_evaluation_ends_with_its_steps() -> None:
    numbers = list(range(400))
    nested = expression("event.all(x, event.all(y, event.all(z, x + y + z < 0 || true)))")
    assert not nested.matches({"event": numbers})
    assert nested.matches({"event": numbers[:10]})
    assert expression("event.map(x, event.map(y, y))").value({"event": numbers}) is None
    assert expression("event.map(x, 'a' + text).size()").value({"event": numbers, "text": "b" * 100_000}) is None
    assert expression("event.map(x, event + event).size()").value({"event": numbers}) is None
    assert not expression("event.all(x, event == event)").matches({"event": numbers})
    assert not expression("event.all(x, text == other)").matches(
        {"event": numbers, "text": "b" * 1_000_000, "other": "b" * 1_000_000}
    )
    assert not expression("event.all(x, !(-1 in event))").matches({"event": numbers})
    assert expression("event.all(x, !(-1 in event))").matches({"event": numbers[:100]})


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_values_that_are_deep_within_each_other_raise_nothing() -> None:
    deep = nested(120_000)
    variables = {"event": deep, "async": deep}
    assert not compile_expression("event == async").matches(variables)  # more steps than there are
    assert compile_expression("'' + event").value(variables) is None
    for text in ("'a' + event[0]", "string(event[0])", "string(number)"):
        assert compile_expression(text + " == null").matches({"event": [nested(5_000)], "number": 10**5_000})
    assert compile_expression("[event, now()]").value(variables) is None
    assert compile_expression("event[0][0] == 1").value(variables) is False
    with pytest.raises(ExpressionError, match="with its values it has more than 65536 bytes, or 64 parts"):
        compile_expression("event == async").bind(event=deep)


@settings(max_examples=depth(50, share(1_000, 300)))
@given(trees(), events(), events())
def test_no_expression_fails_on_any_values(node: Any, event: Any, other: Any) -> None:
    found = compile_expression(text_of_node(node, 10**6, 64), now=lambda: NOW, longest=10**6)
    variables = {"event": event, "async": other}
    value = found.value(variables)
    json.dumps(value)
    assert found.matches(variables) is (value is True)


@given(any_text() | st.text("abevnt.()[]{}\"'!&|?:=<>+-*/%,0123456789 \\rux\n"))
def test_any_text_is_an_expression_or_none(text: str) -> None:
    found = None
    with suppress(ExpressionError):
        found = compile_expression(text)
    assert found is None or found.text == text


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("event.data.a == async.data.a", "async.data.a == async.data.a"),
        ("[1].exists(event, event == 1) && event.b", "[1].exists(event, event == 1) && async.b"),
        ("[1].exists(async, async == event.b)", "[1].exists(async, async == .async.b)"),
    ],
)
def test_a_variable_gets_another_name(text: str, renamed: str) -> None:
    assert compile_expression(text).renamed("event", "async").text == renamed
