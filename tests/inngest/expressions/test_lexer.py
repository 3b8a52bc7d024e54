"""Literals of CEL."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aiojobs_lite.inngest.expressions import ExpressionError, compile_expression
from tests.helpers.expressions import value_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("0", 0),
        ("007", 7),
        ("42u", 42),
        ("42U", 42),
        ("0x2A", 42),
        ("0Xffu", 255),
        ("-0x10", -16),
        ("9223372036854775808", 2**63),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5E-1", 0.15),
        ("-.5", -0.5),
        ('""', ""),
        ("''", ""),
        ("'\"'", '"'),
        (r"'\''", "'"),
        (r'"\""', '"'),
        (r'"\\"', "\\"),
        (r'r"\\"', "\\\\"),
        (r"R'\d'", r"\d"),
        (r"'\a\b\f\n\r\t\v\?\`'", "\a\b\f\n\r\t\v?`"),
        (r"'\x41\X42'", "AB"),
        (r"'\u00e9\U0001F600'", "é\U0001f600"),
        (r"'\303\277\377'", "\u00c3\u00bf\u00ff"),
        (r"'\ud83d\ude00'", "\U0001f600"),
        (r"'\ud83d'", "\ud83d"),
        ("'''x''x'''", "x''x"),
        ('"""a"b\nc"""', 'a"b\nc'),
        ('""""a"""', '"a'),
        (r'"""\""""', '"'),
        (r'r"""\"""', "\\"),
        ('r"""a""b"""', 'a""b'),
        ("r'''a'b'''", "a'b"),
        (r"'''a\'''b'''", "a'''b"),
        ("'é\U0001f600'", "é\U0001f600"),
        ("'// no comment'", "// no comment"),
    ],
)
def test_a_literal_has_this_value(text: str, expected: Any) -> None:
    found = value_of(text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "position", "why"),
    [
        ("'a", 0, "the string has no end. Close it by '."),
        ('1 + "a\n"', 4, 'the string has no end. Close it by ".'),
        ("'''a''", 0, "the string has no end. Close it by '''."),
        ('r"a', 0, 'the string has no end. Close it by ".'),
        (r"'\'", 0, "the string has no end. Close it by '."),
        (r"'a\d'", 2, r"\d is no escape. Write two backslashes, or a raw string such as r'\d'."),
        (r"'\x4'", 1, r"\x is no escape. Write two backslashes, or a raw string such as r'\d'."),
        (r"'\400'", 1, r"\4 is no escape. Write two backslashes, or a raw string such as r'\d'."),
        (r"'\U00110000'", 1, r"\U00110000 is no escape. Write two backslashes, or a raw string such as r'\d'."),
        ("9" * 4_301, 0, "a whole number has at most 4300 digits. Write a longer one in hex, as 0x..."),
        ("1 # 2", 2, "'#' begins nothing that an expression has."),
        ("é", 0, "'é' begins nothing that an expression has."),
        ("a\x00", 1, r"'\x00' begins nothing that an expression has."),
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_with_its_place(text: str, position: int, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert (caught.value.position, caught.value.why) == (position, why)


def test_a_word_that_begins_as_a_constant_is_a_name() -> None:
    assert value_of("inner + trueish + nullable", inner=1, trueish=2, nullable=3) == 6


@pytest.mark.parametrize("part", ['"""', "'", '"\\"', "r'''a''", '""" ', "'''\\'"])
def test_the_time_of_a_text_grows_with_its_length(part: str) -> None:
    before = time.process_time()
    with pytest.raises(ExpressionError):
        compile_expression(part * 100_000 + "~", longest=10**6)
    assert time.process_time() - before < 2
