"""What is hidden of a message, and what stands in its place."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import InvalidOption
from aiojobs_lite.qstash.redaction import Redaction, redaction

HEADERS = {"Authorization": ["a", "b"], "Content-Type": ["text/plain"]}


def hidden(value: bytes) -> str:
    return "REDACTED:" + hashlib.sha256(value).hexdigest()


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


def test_one_header_is_hidden_whatever_its_case_and_each_value_by_itself() -> None:
    found = redaction("header[AUTHORIZATION]").shown_headers(HEADERS)
    assert found == {"Authorization": [hidden(b"a"), hidden(b"b")], "Content-Type": ["text/plain"]}


def test_all_headers_are_hidden() -> None:
    found = redaction("header").shown_headers(HEADERS)
    assert found == {"Authorization": [hidden(b"a"), hidden(b"b")], "Content-Type": [hidden(b"text/plain")]}


@given(st.binary(max_size=50))
def test_a_body_is_shown_or_its_hash_is(body: bytes) -> None:
    assert Redaction().shown_body(body) == body
    assert redaction("body").shown_body(body) == hidden(body).encode()
    assert redaction("header").shown_body(body) == body
