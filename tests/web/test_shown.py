"""How values stand on a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given

from aiojobs_lite.text import escape
from aiojobs_lite.web import shown
from aiojobs_lite.web.site import templates
from tests.helpers.hostile_text import HOSTILE, any_text, is_one_printed_line

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@given(any_text())
def test_whatever_a_template_shows_is_text_that_prints(value: str) -> None:
    page = templates().from_string("{{ value }}").render(value=value)
    assert all(is_one_printed_line(line) for line in page.split("\n"))
    assert page.count("<") == page.count('"') == 0
    assert is_one_printed_line(templates().from_string("{{ value|line }}").render(value=value))


@given(any_text())
def test_json_is_shown_so_that_it_reads_back(value: str) -> None:
    text = shown.pretty({"a": [value]})
    assert json.loads(text) == json.loads(json.dumps({"a": [value]}))  # two halves of a character become one
    assert all(is_one_printed_line(line) for line in text.split("\n"))


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_table_is_one_line(value: str) -> None:
    assert len(shown.line(value)) <= shown.LONGEST_LINE_CHARS + 1
    assert is_one_printed_line(shown.line(value))
    assert shown.line("short") == escape("short")


@given(any_text())
def test_stored_json_is_shown_so_that_it_reads_back(value: str) -> None:
    stored = json.dumps({"a": [value]})
    text, is_redacted = shown.json_text(stored)
    assert (json.loads(text), is_redacted) == (json.loads(stored), False)
    assert all(is_one_printed_line(line) for line in text.split("\n"))


@pytest.mark.parametrize("unit", ["x", "\u202e", "\x00", "\n"])
def test_long_json_is_cut_off_and_not_read_unless_it_is_to_be_redacted(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = json.dumps([unit * shown.LONGEST_READ_CHARS])
    hidden, is_redacted = shown.json_text(stored, lambda value: [f"{len(value[0])} hidden"])
    assert (json.loads(hidden), is_redacted) == ([f"{shown.LONGEST_READ_CHARS} hidden"], True)
    kept, is_redacted = shown.json_text(stored, lambda value: value)
    assert (kept[:2], is_redacted, kept.endswith(" more characters")) == ('["', False, True)
    assert len(kept) < shown.LONGEST_SHOWN_CHARS + 50
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was read"))
    text, _ = shown.json_text(stored)
    more = len(stored) - shown.LONGEST_SHOWN_CHARS
    assert text == f"{stored[: shown.LONGEST_SHOWN_CHARS]}\n… and {more:,} more characters"


def test_json_that_is_not_long_stands_on_several_lines_up_to_what_is_shown() -> None:
    assert shown.json_text('{"a":[1,"\u202e"]}') == ('{\n  "a": [\n    1,\n    "\\u202e"\n  ]\n}', False)
    text, _ = shown.json_text(json.dumps([1] * 40_000))
    assert text.startswith("[\n  1,\n  1,")
    assert text.endswith("more characters")


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert shown.cut("x" * 50_003) == "x" * 50_000 + "\n… and 3 more characters"
    assert shown.cut("x" * 50_000) == "x" * 50_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0, "< 1 ms"),
        (0.0004, "< 1 ms"),
        (0.012, "12 ms"),
        (1.5, "1.5 s"),
        (320, "5 min 20 s"),
        (90_000, "1 day 1 h"),
    ],
)
def test_a_span(seconds: float | None, text: str) -> None:
    assert shown.took(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (0.9, "now"),
        (30, "30 s ago"),
        (200, "3 min ago"),
        (-7200, "in 2 h"),
        (90_000, "1 day ago"),
        (-3.2, "in 3 s"),
        (60, "1 min ago"),
    ],
)
def test_an_age(seconds: float, text: str) -> None:
    assert shown.age(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_is_not_known_is_a_dash() -> None:
    assert (shown.age(None, NOW), shown.at_utc(None), shown.number(None), shown.rate(None)) == ("—",) * 4
    assert shown.between(NOW, None) == "—"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (0.0004, "< 0.1 %"), (0.012, "1.2 %"), (0.5, "50 %"), (1, "100 %"), (0.999, "100 %")],
)
def test_a_share(value: float, text: str) -> None:
    assert shown.rate(value) == text


def test_an_instant_and_a_number() -> None:
    assert shown.at_utc(NOW) == "2026-03-01 12:00:00 UTC"
    assert (shown.number(12_345), shown.between(NOW, NOW + timedelta(seconds=2))) == ("12,345", "2.0 s")
