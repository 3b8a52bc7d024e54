"""A tree that is printed and read again is the same tree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from aiojobs_lite.inngest.expressions.nodes import Binary, Field, Literal, Negative, Node, Not, Root
from aiojobs_lite.inngest.expressions.parser import parse
from aiojobs_lite.inngest.expressions.printer import TooLongError, text_of_node
from tests.helpers.expressions import trees
from tests.helpers.rings import depth, share

A = Root("a")


@settings(max_examples=depth(50, share(1_000, 300)))
@given(trees())
def test_a_printed_tree_is_read_as_the_same(node: Node) -> None:
    text = text_of_node(node, 10**6, 64)
    assert text.isprintable()
    assert text.encode().decode() == text  # it has no half of a character
    assert repr(parse(text, 10**6)) == repr(node)
    assert text_of_node(parse(text, 10**6), 10**6, 64) == text


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Literal("a\"\\\n\r\t\x00\u2028é\U0001f600\ud800\U000e0001"),
         '"a\\"\\\\\\n\\r\\t\\u0000\\u2028é\U0001f600\\ud800\\U000e0001"'),
        (Literal([1, -2.5, True, None, {"a b": []}]), '[1, -2.5, true, null, {"a b": []}]'),
        (Literal(float("inf")), "1e999"),
        (Literal([float("-inf")]), "[-1e999]"),
        (Literal(float("nan")), "null"),
        (Literal(10**5000), hex(10**5000)),
        (Field(A, "in"), 'a["in"]'),
        (Field(A, "b-c"), 'a["b-c"]'),
        (Field(A, "b\n"), 'a["b\\n"]'),
        (Field(A, "index"), "a.index"),
        (Field(Literal(5), "b"), "(5).b"),
        (Negative(Literal(5)), "-(5)"),
        (Negative(Negative(A)), "-(-a)"),
        (Not(Not(A)), "!(!a)"),
        (Binary("-", A, Binary("-", A, A)), "a - (a - a)"),
        (Binary("*", Binary("+", A, A), A), "(a + a) * a"),
        (Binary("==", A, Binary("==", A, A)), "a == (a == a)"),
        (Binary("-", A, Literal(-5)), "a - -5"),
    ],
)  # fmt: skip
def test_a_tree_has_this_text(node: Node, text: str) -> None:
    assert text_of_node(node, 10**6, 64) == text


@pytest.mark.parametrize(
    "value", ["a" * 101, list(range(101)), {str(number): 1 for number in range(101)}, 10**101, [["a" * 51] * 2]]
)
def test_a_longer_text_than_may_be_is_not_made(value: Any) -> None:
    with pytest.raises(TooLongError):
        text_of_node(Binary("==", A, Literal(value)), 100, 64)


def test_lists_within_each_other_are_counted_one_by_one() -> None:
    assert text_of_node(Literal([[1], [[2]], [3]]), 100, 3) == "[[1], [[2]], [3]]"
    with pytest.raises(TooLongError):
        text_of_node(Literal([[1], [[2]], [3]]), 100, 2)
