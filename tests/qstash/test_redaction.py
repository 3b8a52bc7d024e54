"""What is hidden of a message, and what stands in its place."""

from __future__ import annotations

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.qstash.redaction import Redaction, redaction


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", Redaction()),
        ("body", Redaction(body=True)),
        ("header", Redaction(all_headers=True)),
        ("headers", Redaction(all_headers=True)),
        ("body, header", Redaction(body=True, all_headers=True)),
        ("header[Authorization],headers[X-A]", Redaction(headers=frozenset({"authorization", "x-a"}))),
        ("header[A],body,", Redaction(body=True, headers=frozenset({"a"}))),
    ],
)
def test_fields_are_read_in_both_spellings(value: str, expected: Redaction) -> None:
    assert redaction(value) == expected


@pytest.mark.parametrize("value", ["url", "Body", "header[]", "header[a b]", "header[a", "header[a]b", "body;header"])
def test_an_unknown_field_is_refused(value: str) -> None:
    with pytest.raises(InvalidOption, match=r"body, header or header\[Name\], comma-separated") as refused:
        redaction(value)
    assert refused.value.option == "Upstash-Redact-Fields"


@pytest.mark.parametrize(
    ("value", "hidden"),
    [("", []), ("body", []), ("header", ["a", "B"]), ("header[A]", ["a"]), ("headers[b],body", ["B"])],
)
def test_a_header_is_hidden_by_its_name_in_any_case_or_as_all_are(value: str, hidden: list[str]) -> None:
    assert [name for name in ("a", "B") if redaction(value).hides(name)] == hidden
