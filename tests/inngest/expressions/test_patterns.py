"""`matches`: the regular expressions of RE2, in a time that is linear."""

from __future__ import annotations

import time
from typing import Any

import pytest

from aiojobs_lite.inngest.expressions import LONGEST_PATTERN_CHARS, ExpressionError, compile_expression
from tests.helpers.expressions import value_of


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("nope", "^[a-z\\d]{0,10}$", True),
        ("nope", "op", True),
        ("nope", "^op", False),
        ("nope", r"\w", True),
        ("a\nb", "a.b", False),
        ("a\nb", "(?s)a.b", True),
        ("ÄB", "(?i)äb", True),
        ("é", "^.$", True),
        ("é", r"^\pL$", True),
        ("", "", True),
        ("a\ud800", "^a.$", True),
        ("a", "(", False),
        ("a", "a(?=b)", False),
        ("a", r"(a)\1", False),
        ("a", "\ud800", False),
        ("a", "a" * (LONGEST_PATTERN_CHARS + 1), False),
        ("a", None, False),
        (None, "a", False),
        (5, "5", False),
        ("5", 5, False),
    ],
)
def test_a_pattern_is_looked_for_in_a_text(text: Any, pattern: Any, expected: bool) -> None:
    assert value_of("a.matches(b)", a=text, b=pattern) is expected
    assert value_of("matches(a, b)", a=text, b=pattern) is expected


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "the regular expression is none of RE2: missing ): (. Write one of its syntax."),
        ("(?=a)", "the regular expression is none of RE2: invalid perl operator: (?=. Write one of its syntax."),
        ("(a{100}){100}", "the regular expression is none of RE2: invalid repetition size: {100}. Write one of its "
         "syntax."),
        ("a" * 1_001, "its regular expressions have more than 1000 characters together. Give shorter ones."),
    ],
)  # fmt: skip
def test_a_constant_pattern_that_is_none_is_refused_when_it_is_read(pattern: str, why: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(f"event.name.matches('{pattern}')")
    assert (caught.value.why, caught.value.position) == (why, 11)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){12}$", "(x+x+)+y", "((a?){50}){10}a$"])
def test_no_pattern_takes_more_than_its_share(pattern: str) -> None:
    before = time.process_time()
    compile_expression(f"event.matches('{pattern}')").matches({"event": "a" * 100_000 + "!"})
    compile_expression(f"event.all(x, text.matches('{pattern}') || true)").matches(
        {"event": [1] * 100_000, "text": "a" * 1_000}
    )
    assert time.process_time() - before < 3


def test_patterns_that_differ_for_each_item_end_with_the_steps() -> None:
    patterns = [f"({number}" for number in range(1_000)]
    assert compile_expression("event.exists(p, 'a'.matches(p))").value({"event": patterns[:50]}) is False
    assert compile_expression("event.exists(p, 'a'.matches(p))").value({"event": patterns}) is None
