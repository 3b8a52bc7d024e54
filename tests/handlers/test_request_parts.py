"""Headers and bodies of what is published."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.request_parts import NO_BODY, body_of, check_headers, check_size, has_type, text_of


class Order(BaseModel):
    id: int
    at: datetime


@dataclass
class Point:
    x: int


NOTHING = {"json": NO_BODY, "content": None, "form": None}


@pytest.mark.parametrize(
    ("given", "body", "kind"),
    [
        ({}, b"", None),
        ({"json": None}, b"null", "application/json"),
        ({"json": {"a": [1, "ü"]}}, '{"a":[1,"ü"]}'.encode(), "application/json"),
        ({"json": Order(id=1, at=datetime(2026, 1, 1, tzinfo=UTC))}, b'{"id":1,"at":"2026-01-01T00:00:00Z"}', None),
        ({"json": [Point(1)]}, b'[{"x":1}]', "application/json"),
        ({"content": "ü"}, "ü".encode(), "text/plain; charset=utf-8"),
        ({"content": ""}, b"", "text/plain; charset=utf-8"),
        ({"content": b"\xff\x00"}, b"\xff\x00", "application/octet-stream"),
        ({"content": bytearray(b"a")}, b"a", "application/octet-stream"),
        ({"form": {"a": "1", "b": "ü &"}}, b"a=1&b=%C3%BC+%26", "application/x-www-form-urlencoded"),
        ({"form": [("a", "1"), ("a", "2")]}, b"a=1&a=2", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_and_its_type(given: dict[str, Any], body: bytes, kind: str | None) -> None:
    assert body_of({**NOTHING, **given}) == (body, kind or (None if not given else "application/json"))


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("given", "option", "problem"),
    [
        ({"json": 1, "content": "a"}, "content", "none together with json=: there is one body"),
        ({"content": "a", "form": {}}, "form", "none together with content=: there is one body"),
        ({"json": float("nan")}, "json", "a value that JSON can hold"),
        ({"json": {"a": [float("inf")]}}, "json", "a value that JSON can hold"),
        ({"json": object()}, "json", "a value that JSON can hold"),
        ({"json": LOOP}, "json", "a value that JSON can hold"),
        ({"json": "\ud800"}, "json", "a value that JSON can hold"),
        ({"content": 3}, "content", "text or bytes; json= takes other values"),
        ({"content": {"a": 1}}, "content", "text or bytes; json= takes other values"),
        ({"content": "\ud800"}, "content", "text without lone surrogates, or bytes"),
        ({"form": {"a": 1}}, "form", "a dict of names to texts, or a list of pairs of both"),
        ({"form": "a=1"}, "form", "a dict of names to texts, or a list of pairs of both"),
        ({"form": [("a",)]}, "form", "a dict of names to texts, or a list of pairs of both"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_and_a_secret_body_is_not_shown(
    given: dict[str, Any], option: str, problem: str
) -> None:
    with pytest.raises(InvalidOption) as caught:
        body_of({**NOTHING, **given})
    assert (caught.value.option, caught.value.expected.partition(" (")[0]) == (option, problem)
    with pytest.raises(InvalidOption) as caught:
        body_of({**NOTHING, **given}, is_secret=True)
    assert str(caught.value) == f"{option}='***': expected {problem}."


def test_of_two_bodies_the_second_is_shown_with_its_own_value() -> None:
    with pytest.raises(InvalidOption, match=r"^content='x': expected none together with json=: there is one body\.$"):
        body_of({**NOTHING, "json": 1, "content": "x"})


@pytest.mark.parametrize(
    ("body", "text"), [(b"", ""), ("ü".encode(), "ü"), (b"\xff", None), (b"a\x00", None), (b"\xed\xa0\x80", None)]
)
def test_a_body_that_is_no_text_is_known(body: bytes, text: str | None) -> None:
    assert text_of(body) == text


@pytest.mark.parametrize(
    "given",
    [None, {}, {"X-A": "1", "Empty": ""}, [("Set", "a b\tc"), ("Set", "~")], (["x", "y"],), {"X-!#$%&'*+.^_`|~": "a"}],
)
def test_headers_become_pairs(given: Any) -> None:
    expected = list(given.items()) if isinstance(given, dict) else [tuple(pair) for pair in given or ()]
    assert check_headers("headers", given) == expected


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("a: b", "a dict of names to values, or a list of pairs of both"),
        ([("a",)], "a dict of names to values, or a list of pairs of both"),
        ({3: "x"}, "the name of a header: letters, digits and hyphens"),
        ({"": "x"}, "the name of a header: letters, digits and hyphens"),
        ({"a b": "x"}, "the name of a header: letters, digits and hyphens"),
        ({"a:": "x"}, "the name of a header: letters, digits and hyphens"),
        ({"a\r\nX": "x"}, "the name of a header: letters, digits and hyphens"),
        ({"ü": "x"}, "the name of a header: letters, digits and hyphens"),
        ({"a" * 201: "x"}, "the name of a header: letters, digits and hyphens"),
        *[
            ({name: "x"}, "no header of the connection, which each delivery makes by itself")
            for name in ("Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Expect", "Upgrade")
        ],
        *[
            ({"A": value}, f"for it text of printable ASCII without blanks at its ends, not {value!r}")
            for value in (3, None, "a\r\nX: 1", "a\n", "\x00", " a", "a ", "ü", "\x7f", "\x1b[0m")
        ],
    ],
)
def test_headers_that_cannot_be_sent_are_refused_and_secret_ones_not_shown(given: Any, problem: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        check_headers("headers", given)
    assert (caught.value.option, caught.value.expected) == ("headers", problem)
    with pytest.raises(InvalidOption) as caught:
        check_headers("secret_headers", given, is_secret=True)
    assert caught.value.option == "secret_headers"
    assert caught.value.expected == problem.partition(", not ")[0]


def test_many_or_large_headers_are_refused() -> None:
    check_size([("a", "b")] * 100)
    check_size([("a" * 8192, "b" * 8192)])
    with pytest.raises(InvalidOption, match=r"^headers=101: expected at most 100, the secret ones among them\.$"):
        check_size([("a", "b")] * 101)
    with pytest.raises(InvalidOption, match=r"expected at most 16,384 bytes of names and values\.$"):
        check_size([("a" * 8192, "b" * 8193)])


def test_the_type_of_a_body_is_known_by_its_header() -> None:
    assert has_type([("a", "b"), ("CONTENT-type", "x")])
    assert not has_type([("a", "content-type")])
