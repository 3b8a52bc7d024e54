"""The destination, from the raw path and the query of a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import InvalidOption
from aiojobs_lite.qstash.destination import Destination, destination, path_below


@pytest.mark.parametrize(
    ("rest", "query", "expected"),
    [
        ("https://example.com/a", "", "https://example.com/a"),
        ("https://example.com/a", "x=1&y=%2F", "https://example.com/a?x=1&y=%2F"),
        ("https://example.com//a%2Fb", "", "https://example.com//a%2Fb"),
        ("https:/example.com//a", "", "https://example.com//a"),
        ("http:/localhost:3000", "", "http://localhost:3000"),
        ("https://a/https:/b", "", "https://a/https:/b"),
        ("https://a", "qstash_token=secret", "https://a"),
        ("https://a", "x=1&qstash_token=secret&&y", "https://a?x=1&&y"),
        ("HTTPS://A", "", "HTTPS://A"),
    ],
)
def test_a_url_is_as_it_was_written(rest: str, query: str, expected: str) -> None:
    found = destination(rest, query)
    assert (found.is_url, found.settings) == (True, ())
    assert found.text == expected


def test_parameters_for_the_server_are_taken_out_and_decoded() -> None:
    found = destination("https://a", "Upstash-Delay=5s&x=%41&upstash-label=a%2Cb+c&qstash%5Ftoken=t")
    assert found == Destination("https://a?x=%41", True, (("upstash-delay", "5s"), ("upstash-label", "a,b c")))


@pytest.mark.parametrize("name", ["group", "a-b_c.9"])
def test_anything_else_is_a_group(name: str) -> None:
    assert destination(name, "qstash_token=t") == Destination(name, False)


@pytest.mark.parametrize(
    ("rest", "query"),
    [("", ""), ("a/b", ""), ("group", "x=1"), ("ftp://a", ""), ("https:", ""), ("https://", ""), ("https:///a", ""),
     ("gr%20oup", ""), ("group\n", ""), ("ü", "")],
)  # fmt: skip
def test_what_is_neither_is_refused(rest: str, query: str) -> None:
    with pytest.raises(InvalidOption, match="a URL with http:// or https://, or the name of a URL group") as refused:
        destination(rest, query)
    assert refused.value.option == "destination"


@given(st.lists(st.from_regex(r"[a-wyz0-9%]{0,5}=?[a-z0-9%+]{0,5}", fullmatch=True), min_size=1).map("&".join))
def test_a_query_without_our_names_survives_byte_for_byte(query: str) -> None:
    assert destination("https://a", query).text == (f"https://a?{query}" if query else "https://a")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"raw_path": b"/v2/publish/https://a/%2F", "path": "/v2/publish/https://a//"}, "/v2/publish/https://a/%2F"),
        ({"raw_path": b"/q/v2/keys", "path": "/q/v2/keys", "root_path": "/q"}, "/v2/keys"),
        ({"raw_path": b"/q/v2/keys", "path": "/q/v2/keys", "root_path": "/q/"}, "/v2/keys"),
        ({"raw_path": b"/a%20b/v2/keys", "path": "/a b/v2/keys", "root_path": "/a b"}, "/v2/keys"),
        ({"raw_path": b"/v2/keys", "path": "/v2/keys", "root_path": "/q"}, "/v2/keys"),
        ({"raw_path": b"/queue/v2", "path": "/queue/v2", "root_path": "/q"}, "/queue/v2"),
        ({"raw_path": b"/v2/keys?x=1", "path": "/v2/keys"}, "/v2/keys"),
        ({"path": "/v2/messages/a b"}, "/v2/messages/a%20b"),
        ({"raw_path": None, "path": "/v2/publish/https://a"}, "/v2/publish/https://a"),
        ({"raw_path": b"/v2/messages/", "path": "/v2/messages/"}, "/v2/messages/"),
    ],
)
def test_the_path_is_raw_and_without_the_mount(scope: dict[str, Any], expected: str) -> None:
    assert path_below(scope) == expected
