"""What an index can look up, and what is left for each event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_lite.inngest.expressions import Equality, compile_expression, index_key, index_key_at
from aiojobs_lite.inngest.expressions.nodes import Node
from aiojobs_lite.inngest.expressions.printer import text_of_node
from tests.helpers.expressions import NOW, events, expression, filters, values
from tests.helpers.rings import depth, share


@pytest.mark.parametrize(
    ("text", "equalities", "residual"),
    [
        ("async.data.id == 'a'", [(("data", "id"), "a")], None),
        ("'a' == async.data.id", [(("data", "id"), "a")], None),
        ("async['data'].id == 5", [(("data", "id"), 5)], None),
        ("async.id == 5.0", [(("id",), 5)], None),
        ("async.id == true", [(("id",), True)], None),
        ("async.id == 5.5", [], "async.id == 5.5"),
        ("async.id == null", [], "async.id == null"),
        ("async.id == []", [], "async.id == []"),
        ("async.id == 1e999", [], "async.id == 1e999"),
        ("async.id != 5", [], "async.id != 5"),
        ("async == 5", [], "async == 5"),
        ("event.id == 5", [], "event.id == 5"),
        ("async.ids[0] == 5", [], "async.ids[0] == 5"),
        ("async.id == async.other", [], "async.id == async.other"),
        ("async.id == 1 || async.id == 2", [], "async.id == 1 || async.id == 2"),
        ("!(async.id == 1)", [], "!(async.id == 1)"),
        ("(async.id == 1) == true", [], "(async.id == 1) == true"),
        ("async.id == 1 && async.id == 2", [(("id",), 1), (("id",), 2)], None),
        ("async.id == 1 && (async.n > 5 && async.m == 2)", [(("id",), 1), (("m",), 2)], "async.n > 5"),
        ("async.id == 1 && async.name", [(("id",), 1)], "async.name"),
        ("async.name && async.id == 1", [(("id",), 1)], "async.name && true"),
        ("async.n > 5 && async.id == 1", [(("id",), 1)], "async.n > 5"),
        ("async.id == 1 && true", [(("id",), 1)], None),
        ("true", [], None),
        ("false", [], "false"),
    ],
)
def test_a_filter_is_split_into_equalities_and_the_rest(text: str, equalities: list[Any], residual: str | None) -> None:
    found = compile_expression(text)
    assert [(equality.path, equality.value) for equality in found.equalities()] == equalities
    rest = found.residual()
    assert (rest.text if rest else None) == residual


def test_the_root_of_equalities_is_any_variable() -> None:
    found = compile_expression("event.data.id == 1 && async.data.id == 2")
    assert found.equalities("event") == (Equality(("data", "id"), 1),)
    assert found.equalities() == (Equality(("data", "id"), 2),)
    rest = found.residual("event")
    assert rest is not None
    assert rest.text == "async.data.id == 2"


def test_an_equality_is_met_by_each_way_to_write_its_value() -> None:
    equality = Equality(("data", "id"), 5)
    assert all(equality.is_met_by({"data": {"id": value}}) for value in (5, 5.0))
    assert not any(equality.is_met_by({"data": {"id": value}}) for value in ("5", True, None, 5.5))
    assert not equality.is_met_by({"data": None})
    assert Equality(("a",), value=True).is_met_by({"a": True})
    assert not Equality(("a",), value=True).is_met_by({"a": 1})


def test_keys_differ_where_values_do() -> None:
    keys = [index_key(value) for value in ("5", 5, True, "true", False, 0, "", -5, 2**80, "0x5", '"')]
    assert len(set(keys)) == len(keys)
    keyless: list[Any] = [None, 5.5, float("inf"), float("nan"), [], {}]
    assert not any(map(index_key, keyless))
    assert index_key(-0.0) == index_key(0)
    assert index_key_at({"a": {"b": "x"}}, ("a", "b")) == index_key("x")
    assert index_key_at(["a"], ("a",)) is None
    assert Equality(("a",), 2**80).key == index_key(float(2**80))


@given(values(), values())
def test_equal_values_have_equal_keys_and_no_others(one: Any, other: Any) -> None:
    if index_key(one) is not None and index_key(other) is not None:
        is_equal = compile_expression("a == b").matches({"a": one, "b": other})
        assert (index_key(one) == index_key(other)) is is_equal


@settings(max_examples=depth(50, share(1_000, 300)))
@given(filters(), events(), events(), st.booleans())
def test_equalities_and_the_rest_hold_if_and_only_if_the_filter_matches(
    node: Node, event: Any, other: Any, binds: bool
) -> None:
    whole = expression(text_of_node(node, 10**6, 64))
    variables = {"event": event, "async": other}
    split = whole.bind(event=event) if binds else whole
    rest = split.residual()
    holds = all(equality.is_met_by(other) for equality in split.equalities())
    assert (holds and (rest is None or rest.matches(variables))) is whole.matches(variables)
    if rest is not None:
        again = compile_expression(rest.text, now=lambda: NOW, longest=10**6)
        assert again.matches(variables) is rest.matches(variables)
