"""The grammar of CEL, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from aiojobs_lite.inngest.expressions import LONGEST_EXPRESSION_BYTES, MOST_NESTED, ExpressionError, compile_expression
from aiojobs_lite.inngest.expressions.nodes import And, Binary, Call, Choice, Field, Literal, Local, Macro, Or, Root
from aiojobs_lite.inngest.expressions.parser import parse
from tests.helpers import cpu

A, B, C = Root("a"), Root("b"), Root("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a || b && c", Or((A, And((B, C))))),
        ("a && (b && c)", And((A, B, C))),
        ("a == b == c", Binary("==", Binary("==", A, B), C)),
        ("a < b + c", Binary("<", A, Binary("+", B, C))),
        ("a - b - c", Binary("-", Binary("-", A, B), C)),
        ("a + b * c", Binary("+", A, Binary("*", B, C))),
        ("a % b / c", Binary("/", Binary("%", A, B), C)),
        ("a in b", Binary("in", A, B)),
        ("a ? b : c ? a : b", Choice(A, B, Choice(C, A, B))),
        ("a['b']", Field(A, "b")),
        ("a.if", Field(A, "if")),
        (".a.b", Field(A, "b")),
        ("a.startsWith(b)", Call("startsWith", (A, B))),
        ("a.size()", Call("size", (A,))),
        ("size(a)", Call("size", (A,))),
        ("[1, 'a', [null]]", Literal([1, "a", [None]])),
        ("[1, 2,]", Literal([1, 2])),
        ("{'a': 1, 'b': [],}", Literal({"a": 1, "b": []})),
        ("{}", Literal({})),
        ("-5", Literal(-5)),
        ("-5.5e1", Literal(-55.0)),
        ("a -5", Binary("-", A, Literal(5))),
        ("a - -5", Binary("-", A, Literal(-5))),
        ("a.map(x, x == a)", Macro("map", A, "x", (Binary("==", Local("x"), A),))),
        ("a.map(x, .x)", Macro("map", A, "x", (Root("x"),))),
        ("a.map(x, b, x)", Macro("map", A, "x", (B, Local("x")))),
        ("a // the rest is a comment, 'even' this\n == b", Binary("==", A, B)),
        ("\n\t a\f\r==b ", Binary("==", A, B)),
    ],
)  # fmt: skip
def test_a_text_has_this_tree(text: str, tree: object) -> None:
    assert repr(parse(text, 1_000)) == repr(tree)


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("", 0, "the end stands where a value is expected. Write one, such as event.data.id or 'a'."),
        ("a ==", 4, "the end stands where a value is expected. Write one, such as event.data.id or 'a'."),
        ("a = b", 2, "'=' begins nothing that an expression has."),
        ("a & b", 2, "'&' begins nothing that an expression has."),
        ("1 +* 2", 3, "'*' stands where a value is expected. Write one, such as event.data.id or 'a'."),
        ("a b", 2, "'b' is too much here. Join two parts by && or ||."),
        ("a == 1)", 6, "')' is too much here. Join two parts by && or ||."),
        ("(a", 2, "the end stands where ')' is expected."),
        ("a[1", 3, "the end stands where ']' is expected."),
        ("a ? b", 5, "the end stands where ':' is expected."),
        ("a.", 2, "the end stands where the name of a field is expected."),
        ("a.in", 2, "'in' stands where the name of a field is expected."),
        ("a.(b)", 2, "'(' stands where the name of a field is expected."),
        (".'a'", 1, "'a' stands where the name of a variable is expected."),
        ("!-a", 1, "'-' stands where a value is expected. Write one, such as event.data.id or 'a'."),
        ("[1,,2]", 3, "',' stands where a value is expected. Write one, such as event.data.id or 'a'."),
        ("size(a,)", 7, "')' stands where a value is expected. Delete the comma before it."),
        ("for", 0, "'for' is a word that CEL reserves. As the name of a field, write it behind a dot."),
        ("1 + foo(1)", 4, "there is no function 'foo'. There are b64decode, bool, date, double, duration, dyn, int, "
         "json_parse, lowercase, matches, now, now_minus, now_plus, size, string, timestamp, uint, uppercase."),
        ("contains('a', 'b')", 0, "there is no function 'contains'. There are b64decode, bool, date, double, "
         "duration, dyn, int, json_parse, lowercase, matches, now, now_minus, now_plus, size, string, timestamp, uint, "
         "uppercase."),
        ("a.lowercase()", 2, "there is no method 'lowercase'. There are contains, endsWith, getDate, getDayOfMonth, "
         "getDayOfWeek, getDayOfYear, getFullYear, getHours, getMilliseconds, getMinutes, getMonth, getSeconds, "
         "matches, size, startsWith."),
        ("size(a, b)", 0, "size takes a string, a list or a map."),
        ("now(1)", 0, "now takes no argument."),
        ("has(a)", 0, "has() takes a field. Write has(event.data.id)."),
        ("has(a.b, a.c)", 0, "has() takes a field. Write has(event.data.id)."),
        ("a.map(1, 2)", 6, "1 stands where the name of the macro's variable is expected."),
        ("a.map(x)", 7, "')' stands where ',' is expected."),
        ("a.all(x, 1, 2)", 2, "all takes a variable and an expression. Write tags.all(tag, tag == 'a')."),
        ("{1: 2}", 1, "the keys of a map are strings. Put the key in quotes."),
        ("{'a' 2}", 5, "2 stands where ':' is expected."),
        ("a.matches('(')", 2, "the regular expression is none of RE2: missing ): (. Write one of its syntax."),
        ("a == '\ud800'", 6, "half of a character stands alone here. Write the character, or an escape."),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_refused_with_advice(text: str, position: int, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert (caught.value.text, caught.value.position, caught.value.why) == (text, position, why)


def nested(wrap: Callable[[Any], Any], inner: Any) -> Any:
    for _ in range(40):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" || ".join(["a"] * 400), False), (" && ".join(["a"] * 400), False), ("[" + "1," * 1_000 + "]", [1] * 1_000),
        ("a ? b : " * 30 + "c", 3), ("c" + " + b" * 40, 83), ("a" + " == a" * 39, True), ("o" + ".o" * 40, {"b": 2}),
        ("size([" * 20 + "])" * 20, 1), ("l" + "[i]" * 40, []),
        ("[" * 40 + "1" + "]" * 40, nested(lambda one: [one], 1)),
        ("{'a':" * 40 + "1" + "}" * 40, nested(lambda one: {"a": one}, 1)), ("{" + "'a': 1," * 500 + "}", {"a": 1}),
        ("!" * 1_000 + "a", False),
    ],
)  # fmt: skip
def test_what_cel_demands_of_each_implementation_is_there(text: str, value: object) -> None:
    names = {
        "a": False, "b": 2, "c": 3, "i": 0, "l": nested(lambda one: [one], []),
        "o": nested(lambda one: {"o": one}, {"b": 2}),
    }  # fmt: skip
    assert compile_expression(text).value(names) == value


@pytest.mark.parametrize(
    "text",
    [
        "(" * 65 + "a" + ")" * 65, "(" * 3_000, "[" * 3_000, "a ? b : " * 65 + "c", "a" + " + b" * 65, "a" + ".b" * 65,
        "a" + "[b]" * 65, "size(" * 65, "a.all(x, " * 65, "{'a':" * 65, "a" + " + b" * 2_000,
        "(a" + " + b" * 30 + ")" + " * c" * 40,
    ],
)  # fmt: skip
def test_what_is_too_deep_is_refused(text: str) -> None:
    with pytest.raises(
        ExpressionError, match=f"more than {MOST_NESTED} parts stand within each other. Write a flatter one"
    ):
        compile_expression(text)


@pytest.mark.parametrize("text", ["a" * 65_536, "é" * 4_097, "'" + "b" * 65_536 + "'", "(" * 65_536, "\ud800" * 65_536])
def test_what_is_too_long_is_refused_before_it_is_read(text: str) -> None:
    before = time.process_time()
    with pytest.raises(
        ExpressionError, match=f"it has more than {LONGEST_EXPRESSION_BYTES} bytes. Give a shorter one."
    ):
        compile_expression(text)
    assert time.process_time() - before < 0.1 * cpu.slowness()


def test_as_many_bytes_as_may_be_are_read() -> None:
    assert compile_expression("'" + "é" * 4_095 + "'").value({}) == "é" * 4_095
