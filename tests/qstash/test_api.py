"""How endpoints read a request, and how they answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.requests import Request

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.qstash.api import Api, answer, read_json
from aiojobs_lite.qstash.settings import QStashSettings


def request(*chunks: bytes, headers: dict[str, str] | None = None) -> Request:
    waiting = list(chunks)

    async def receive() -> dict[str, Any]:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "headers": raw, "query_string": b"", "path": "/"}, receive)


def api() -> Api:
    http = Http()
    settings = QStashSettings("t" * 16, largest_request=20)
    return Api(JobRunner(":memory:", jobs=[http]), http, settings, StoredSigner())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": None, "b": "", "c": 0, "d": False, "e": []}, {"c": 0, "d": False, "e": []}),
        ([{"a": None, "b": {"c": "", "d": 1}}, None, ""], [{"b": {"d": 1}}, None, ""]),
        ({"header": {"X": [""]}}, {"header": {"X": [""]}}),
        ({"x": ("a", {"b": None})}, {"x": ["a", {}]}),
    ],
)
def test_absent_values_are_left_out(content: Any, expected: Any) -> None:
    made = answer(content, 201, {"X-A": "b"})
    assert (made.status_code, json.loads(bytes(made.body))) == (201, expected)
    assert (made.headers["content-type"], made.headers["x-a"]) == ("application/json", "b")


def test_without_content_there_is_no_body() -> None:
    made = answer()
    assert (made.status_code, made.body, "content-type" in made.headers) == (200, b"", False)


async def test_a_body_is_read_up_to_its_size() -> None:
    assert await read_body(request(b"ab", b"cd"), 4) == b"abcd"
    assert await read_body(request(b"abcd", headers={"content-length": "4"}), 4) == b"abcd"
    with pytest.raises(ApiError, match="the body is too large: at most 4 bytes are taken") as refused:
        await read_body(request(b"ab", b"cde", b"f"), 4)
    assert refused.value.status == 413


@pytest.mark.parametrize("length", ["5", "5" * 5_000])
async def test_a_body_that_says_that_it_is_too_large_is_not_read(length: str) -> None:
    unread = request(headers={"content-length": length})
    with pytest.raises(ApiError, match="too large"):
        await read_body(unread, 4)


async def test_json_is_read() -> None:
    assert await read_json(api(), request(b'{"a": [1]}')) == {"a": [1]}
    assert await read_json(api(), request(b" \n")) is None


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 20])
async def test_what_is_no_json_is_answered_400(body: bytes) -> None:
    with pytest.raises(ApiError, match="the body is no JSON: send an object or a list as JSON") as refused:
        await read_json(api(), request(body))
    assert refused.value.status == 400


async def test_json_that_is_too_large_is_answered_413() -> None:
    with pytest.raises(ApiError, match="at most 20 bytes are taken") as refused:
        await read_json(api(), request(b"[" + b" " * 19 + b"]"))
    assert refused.value.status == 413
