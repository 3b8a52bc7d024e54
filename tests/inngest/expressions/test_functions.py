"""The functions and methods, and what each makes of what it cannot take."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite.inngest.expressions.functions import FUNCTIONS
from aiojobs_lite.inngest.expressions.nodes import Call, Literal
from tests.helpers.expressions import value_of, values, worked_out

VALUES = (bool, int, float, str, list, dict, datetime, timedelta, type(None))
ODD: dict[str, Any] = {"n": 5, "s": "abc", "l": [1], "m": {"a": 1}, "b": True, "lone": "\ud800", "big": 10**30}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size(s)", 3), ("s.size()", 3), ("size('é😀')", 2), ("size(l)", 1), ("m.size()", 1), ("size(missing)", 0),
        ("size(n)", None), ("size(missing) > 0", False),
        ("s.startsWith('ab')", True), ("s.startsWith('b')", False), ("n.startsWith('5')", False),
        ("s.startsWith(n)", False), ("missing.startsWith('a')", False),
        ("s.endsWith('bc')", True), ("s.endsWith('b')", False), ("s.endsWith(missing)", False),
        ("l.endsWith('b')", False),
        ("s.contains('b')", True), ("s.contains('x')", False), ("missing.contains(s)", False), ("l.contains(1)", False),
        ("!missing.contains('x')", True), ("s.contains(1)", False),
        ("lowercase('AÉ')", "aé"), ("lowercase(n)", None), ("lowercase(missing)", None),
        ("uppercase(s) + ' is it'", "ABC is it"), ("uppercase(l)", None),
        ("b64decode('aGkgdGhlcmUh')", "hi there!"), ("b64decode('aGkg\\r\\ndGhlcmUh')", "hi there!"),
        ("b64decode('aGk')", None), ("b64decode('!')", None), ("b64decode('/w==')", None), ("b64decode(n)", None),
        ("b64decode(lone)", None),
        ("json_parse(b64decode('eyJuZXN0ZWQiOnsiZGF0YSI6InllYSJ9fQ==')).nested.data", "yea"),
        ("json_parse('[1, 2.5, null]')", [1, 2.5, None]), ("json_parse('{')", None), ("json_parse('NaN')", None),
        ("json_parse('')", None), ("json_parse(n)", None), ("json_parse(deep)", None),
        ("date('2020-01-01T12:00:00') + duration('6h35m10s') == date('2020-01-01T18:35:10')", True),
        ("date(1577880000)", "2020-01-01T12:00:00Z"), ("date(1577880000000.0)", "2020-01-01T12:00:00Z"),
        ("date(date(1577880000))", "2020-01-01T12:00:00Z"), ("date(5)", None), ("date(true)", None),
        ("date(1e999)", None), ("date(missing)", None), ("date('x') == null", True),
        ("timestamp('2020-01-01T12:00:00Z')", "2020-01-01T12:00:00Z"), ("timestamp(5)", "1970-01-01T00:00:05Z"),
        ("timestamp(5.0)", None), ("timestamp(big)", None),
        ("duration('90m')", "5400s"), ("duration(duration('-1.5s'))", "-1.5s"), ("duration(5)", None),
        ("date('2020-01-02') - date('2020-01-01')", "86400s"), ("date('2020-01-02') - duration('1d')",
         "2020-01-01T00:00:00Z"), ("duration('1s') - duration('2s')", "-1s"), ("duration('1s') * 2", None),
        ("duration('1d') - date('2020-01-02')", None), ("date('2020-01-02') + date('2020-01-02')", None),
        ("date('9999-12-31') + duration('2d')", None), ("date('2020-01-02') + 5", None),
        ("now()", "2026-01-02T03:04:05.000678Z"), ("now_plus('1h') - now_minus('1h')", "7200s"),
        ("now_minus('1h')", "2026-01-02T02:04:05.000678Z"),
        ("now_plus('x')", None), ("now_plus('99999w')", "3942-07-10T03:04:05.000678Z"), ("now_minus('999999w')", None),
        ("int('200')", 200), ("int('-7')", -7), ("int(7.9)", 7), ("int(-7.9)", -7),
        ("int(date(1577880000))", 1577880000),
        ("int('7.9')", None), ("int(' 7')", None), ("int('1_0')", None), ("int(big)", None), ("int(true)", None),
        ("int(1e999)", None), ("int(missing)", None), ("int('\u0667')", None), ("int('9223372036854775808')", None),
        ("uint(5)", 5), ("uint('5')", 5), ("uint(-5)", None), ("uint('18446744073709551615')", 2**64 - 1),
        ("double('1.5e3')", 1500.0), ("double(5)", 5.0), ("double('x')", None), ("double('nan')", None),
        ("double('1e999')", None), ("double(true)", None), ("double(10000000000 * 1)", 1e10), ("double('1_0')", None),
        ("double(huge)", None),
        ("string(5)", "5"), ("string(5.0)", "5"), ("string(true)", "true"), ("string(s)", "abc"),
        ("string(date(1577880000))", "2020-01-01T12:00:00Z"), ("string(l)", "[1]"), ("string(missing)", None),
        ("bool('true')", True), ("bool('false')", False), ("bool('T')", True), ("bool('0')", False),
        ("bool(b)", True), ("bool('yes')", None), ("bool(1)", None),
        ("dyn(l)", [1]),
        ("date('2026-03-01T04:05:06.789Z').getFullYear()", 2026), ("date('2026-03-01').getMonth()", 2),
        ("date('2026-03-01').getDate()", 1), ("date('2026-03-01').getDayOfMonth()", 0),
        ("date('2026-03-01').getDayOfWeek()", 0), ("date('2026-03-01').getDayOfYear()", 59),
        ("date('2026-03-01T04:05:06.789Z').getHours()", 4), ("date('2026-03-01T04:05:06.789Z').getMinutes()", 5),
        ("date('2026-03-01T04:05:06.789Z').getSeconds()", 6),
        ("date('2026-03-01T04:05:06.789Z').getMilliseconds()", 789),
        ("duration('25h30m').getHours()", 25), ("duration('-90m').getHours()", -1),
        ("duration('90m').getMinutes()", 90),
        ("duration('1m').getSeconds()", 60), ("duration('1.5s').getMilliseconds()", 500), ("s.getHours()", None),
        ("s.getMilliseconds()", None), ("s.getFullYear()", None), ("duration('1h').getFullYear()", None),
    ],
)  # fmt: skip
def test_a_function_yields(text: str, expected: Any) -> None:
    found = value_of(text, **ODD, deep="[" * 100_000, huge=10**400)
    assert (found, type(found)) == (expected, type(expected))


@given(st.sampled_from(sorted(FUNCTIONS)), st.data())
def test_a_function_yields_a_value_and_raises_nothing_whatever_it_gets(name: str, data: st.DataObject) -> None:
    for count in FUNCTIONS[name].counts:
        found = worked_out(Call(name, tuple([Literal(data.draw(values())) for _ in range(count)])), {})
        assert isinstance(found, VALUES)
