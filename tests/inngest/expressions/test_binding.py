"""Values in place of variables: fewer variables, the same meaning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from aiojobs_lite.inngest.expressions import LONGEST_BOUND_BYTES, ExpressionError, compile_expression
from aiojobs_lite.inngest.expressions.binding import is_condition
from aiojobs_lite.inngest.expressions.nodes import Node
from aiojobs_lite.inngest.expressions.parser import parse
from aiojobs_lite.inngest.expressions.printer import text_of_node
from aiojobs_lite.inngest.expressions.values import is_true
from tests.helpers.expressions import NOW, events, expression, trees, worked_out
from tests.helpers.rings import depth, share

EVENT = {"data": {"id": "ab_1", "value": 1295, "float": 1295.0, "tags": ["x", {"y": None}], "bad": "("}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("event.data.id == async.data.id && async.data.val <= event.data.value",
         '"ab_1" == async.data.id && async.data.val <= 1295'),
        ("async.data.val <= event.data.float", "async.data.val <= 1295.0"),
        ("event.data.id == async.data.id && 500 <= event.data.value", '"ab_1" == async.data.id'),
        ("500 <= event.data.value && event.data.id == async.data.id", '"ab_1" == async.data.id'),
        ("event.data.missing == async.data.missing", "null == async.data.missing"),
        ("event.data.missing == 1 && async.data.id == 1", "false"),
        ("async.data.id == 1 && event.data.missing == 1", "async.data.id == 1 && false"),
        ("async.name && true", "async.name && true"),
        ("async.name && event.data.id && async.id", "async.name && async.id"),
        ("event.data.id || async.id", '"ab_1"'),
        ("async.id || event.data.id || async.name", 'async.id || "ab_1"'),
        ("event.data.missing || async.id", "async.id"),
        ("async.id || event.data.missing", "async.id || null"),
        ("event.data.id ? async.a : async.b", "async.a"),
        ("event.data.missing ? async.a : async.b && async.c", "async.b && async.c"),
        ("(event.data.id ? async.a && async.b : 1) && async.c", "async.a && async.b && async.c"),
        ("async.a ? event.data.id : 1", 'async.a ? "ab_1" : 1'),
        ("async.id in event.data.tags", 'async.id in ["x", {"y": null}]'),
        ("event.data[async.key] == 1", '{"id": "ab_1", "value": 1295, "float": 1295.0, "tags": ["x", {"y": null}], '
         '"bad": "("}[async.key] == 1'),
        ("has(event.data.id) && has(async.data.id)", "has(async.data.id)"),
        ("async.tags.exists(t, t == event.data.id)", 'async.tags.exists(t, t == "ab_1")'),
        ("event.data.tags.exists(t, t == async.id)", '["x", {"y": null}].exists(t, t == async.id)'),
        ("event.data.tags.map(t, t == event.data.id)", "[false, false]"),
        ("async.map(event, event)", "async.map(event, event)"),
        ("async.map(event, .event.data.id + event)", 'async.map(event, "ab_1" + event)'),
        ("lowercase('ABC') + async.id", '"abc" + async.id'),
        ("async.id.matches(event.data.id)", 'async.id.matches("ab_1")'),
        ("async.id.matches(event.data.bad)", "false"),
        ("date(async.at) > now_plus('24h')", 'date(async.at) > timestamp("2026-01-03T03:04:05.000678Z")'),
        ("now() - date(async.at) > duration('1m') + duration('1.5s')",
         'timestamp("2026-01-02T03:04:05.000678Z") - date(async.at) > duration("61.5s")'),
        ("[now(), 1 + 1]", '[timestamp("2026-01-02T03:04:05.000678Z"), 2]'),
        ("{'a': now()}", '{"a": timestamp("2026-01-02T03:04:05.000678Z")}'),
        ("[1].map(x, now())", '[1].map(x, timestamp("2026-01-02T03:04:05.000678Z"))'),
        ("now() == now()", "true"),
        ("-event.data.value", "-1295"),
        ("[1].map(x, true, x + async.n)", "[1].map(x, true, x + async.n)"),
        ("[1].map(x, x + async.n, x)", "[1].map(x, x + async.n, x)"),
        ("[1].map(x, [2].map(y, x + y))", "[1].map(x, [2].map(y, x + y))"),
        ("async.map(x, [2].map(y, x + y))", "async.map(x, [2].map(y, x + y))"),
        ("async.map(x, [2].map(x, x))", "async.map(x, [2])"),
        ("{event.data.value: async.id} == async.map", "null == async.map"),
        ("{event.data.id: async.id} == async.map", '{"ab_1": async.id} == async.map'),
        ("!(1 == 2)", "true"),
    ],
)  # fmt: skip
def test_what_is_known_is_worked_out(text: str, expected: str) -> None:
    bound = expression(text).bind(event=EVENT)
    assert bound.text == expected
    assert "event" not in bound.names


def test_several_variables_are_bound_at_once_and_others_stay() -> None:
    bound = expression("a.x == b.x && c.x == 1").bind(a={"x": 1}, b={"x": 1}, d=1)
    assert bound.text == "c.x == 1"
    assert expression("a == b").bind().text == "a == b"
    assert expression("self == 1").bind(self=1).text == "true"


def test_a_bound_expression_keeps_its_clock_and_the_moment_of_its_binding() -> None:
    moments = iter([datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 9)])
    bound = compile_expression("now() < async.at", now=lambda: next(moments)).bind()
    assert bound.text == 'timestamp("2026-01-01T00:00:00Z") < async.at'
    assert compile_expression("now()", now=lambda: NOW).bind().bind().value({}) == "2026-01-02T03:04:05.000678Z"


def test_what_takes_too_many_steps_stays_and_ends_when_it_is_asked() -> None:
    bound = expression("event.all(x, event.all(y, x + y >= 0)) && async.id == 1").bind(event=list(range(1_000)))
    assert bound.text.startswith("[0, 1, 2, ")
    assert not bound.matches({"async": {"id": 1}})


def test_what_would_be_too_long_is_refused_and_what_goes_into_few_bytes_is_not() -> None:
    event = {"text": "a" * LONGEST_BOUND_BYTES, "list": [[[1]]] * 30_000}
    for text in ("event.text == async.text", "async.x in event.list", "event == async"):
        with pytest.raises(ExpressionError, match=r"parts within each other\. Compare smaller values, such as ids\."):
            expression(text).bind(event=event)
    with pytest.raises(ExpressionError, match="with its values it has more than 65536 bytes") as caught:
        expression("event == async").bind(event="\x00" * 20_000)  # of escapes
    assert caught.value.text == "event == async"
    assert expression("size(event.text) + size(event.list) + async.n").bind(event=event).text == "95536 + async.n"


def test_a_value_may_be_as_deep_as_an_expression() -> None:
    value: Any = 1
    for _ in range(60):
        value = [value]
    bound = expression("event == async").bind(event=value)
    assert bound.matches({"async": value})
    for _ in range(5):
        value = [value]
    with pytest.raises(ExpressionError, match="or 64 parts within each other"):
        expression("event == async").bind(event=value)


@settings(max_examples=depth(50, share(1_000, 300)))
@given(trees(), events(), events())
def test_a_bound_expression_yields_the_same_with_fewer_variables(node: Node, event: Any, other: Any) -> None:
    whole = compile_expression(text_of_node(node, 10**6, 64), now=lambda: NOW, longest=10**6)
    bound = whole.bind(event=event)
    variables = {"event": event, "async": other}
    assert "event" not in bound.names
    assert repr(bound.value({"async": other})) == repr(whole.value(variables))
    again = compile_expression(bound.text, now=lambda: NOW, longest=LONGEST_BOUND_BYTES)
    assert repr(again.value({"async": other})) == repr(whole.value(variables))
    assert repr(bound.bind(**{"async": other}).value({})) == repr(whole.value(variables))


@given(trees(), events(), events())
def test_a_condition_holds_only_by_true(node: Node, event: Any, other: Any) -> None:
    value = worked_out(node, {"event": event, "async": other})
    if is_condition(node) and is_true(value):
        assert value is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a == b", True), ("a < b", True), ("a in b", True), ("!a", True), ("has(a.b)", True), ("true", True),
        ("null", True), ("a.contains(b)", True), ("a.exists(x, x)", True), ("a && b == c", True),
        ("a == b || !c", True), ("a ? !b : true", True),
        ("a", False), ("a.b", False), ("a + b", False), ("1", False), ("a == b && c", False), ("a == b || c", False),
        ("a ? b : true", False), ("a ? true : b", False), ("a.map(x, x)", False), ("size(a)", False),
    ],
)  # fmt: skip
def test_what_is_a_condition(text: str, expected: bool) -> None:
    assert is_condition(parse(text, 100)) is expected
