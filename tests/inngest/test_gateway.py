"""Requests that the server makes for apps: to which hosts, what is sent, and what the step gives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aiojobs_lite.http.session import HttpSession, open_session
from aiojobs_lite.inngest.answers import SdkOperation
from aiojobs_lite.inngest.gateway import LARGEST_GATEWAY_ANSWER_BYTES, HostGateway
from aiojobs_lite.inngest.operations import GatewayFailed
from aiojobs_lite.inngest.pace import Pace
from tests.helpers.endpoints import Received, endpoint, reply
from tests.helpers.inngest import hashed

KEY = "sk-000"


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with open_session(allow_private=True, resolver=None, ssl_context=None) as made:
        yield made


async def asked(session: HttpSession, op: str = "Gateway", *, hosts: Any = ("127.0.0.1",), timeout: float = 10,
                **opts: Any) -> Any:  # fmt: skip
    gateway = HostGateway(session, hosts, timeout, Pace())
    return json.loads(await gateway.request(SdkOperation(op, hashed("a"), opts=opts)))


async def failed(session: HttpSession, op: str = "Gateway", **opts: Any) -> GatewayFailed:
    with pytest.raises(GatewayFailed) as caught:
        await asked(session, op, **opts)
    return caught.value


async def test_what_came_is_given_whatever_its_status(session: HttpSession) -> None:
    async with endpoint(reply(404, "nö".encode(), x_a="1", X_A="2"), reply(200, b"\xff")) as server:
        url = f"{server.url}/x?y=1"
        found = await asked(session, url=url, method="put", headers={"x-b": "1", "host": "evil"}, body="text")
        assert found == {
            "url": url, "status_code": 404, "headers": {"Content-Length": "3", "X-A": "1"}, "body": "nö",
        }  # fmt: skip
        assert (await asked(session, url=server.url))["body"] == "\ufffd"
        first, second = server.received
    assert (first.method, first.target, first.body, first.header("x-b")) == ("PUT", "/x?y=1", b"text", "1")
    assert "evil" not in str(first.headers)
    assert (second.method, second.body) == ("GET", b"")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("anthropic", "x-api-key", KEY), ("openai-chat", "authorization", f"Bearer {KEY}")],
)
async def test_a_model_is_asked_with_the_key_of_the_app(session: HttpSession, kind: str, name: str, value: str) -> None:
    async with endpoint(reply(200, b' {"choices": [1.0]}')) as server:
        opts: dict[str, Any] = {
            "url": server.url,
            "format": kind,
            "auth_key": KEY,
            "body": {"model": "m"},
            "method": "GET",
        }
        assert await asked(session, "AIGateway", headers={"x-my-header": "v"}, **opts) == {"choices": [1.0]}
        (received,) = server.received
    assert (received.method, received.json(), received.header(name)) == ("POST", {"model": "m"}, value)
    assert (received.header("content-type"), received.header("x-my-header")) == ("application/json", "v")


async def test_a_header_of_the_app_comes_before_that_of_its_key(session: HttpSession) -> None:
    async with endpoint(reply(200, b"1")) as server:
        headers = {"authorization": "Basic x", "content-type": "a/b"}
        await asked(session, "AIGateway", url=server.url, auth_key=KEY, headers=headers)
        await asked(session, "AIGateway", url=server.url, auth_key="")
        first, second = server.received
    assert [value for name, value in first.headers if name == "authorization"] == ["Basic x"]
    assert (first.header("content-type"), second.header("authorization")) == ("a/b", None)


@pytest.mark.parametrize(
    ("answer", "message", "stack"),
    [
        (reply(500, b"busy"), "unsuccessful status code: 500", "busy"),
        (reply(302, b"", Location="http://x/"), "unsuccessful status code: 302", ""),
        (reply(200, b"<html>"), "the answer is no JSON: Expecting value: line 1 column 1 (char 0)", "<html>"),
    ],
)
async def test_a_model_that_fails_is_asked_again(session: HttpSession, answer: bytes, message: str, stack: str) -> None:
    async with endpoint(answer) as server:
        error = await failed(session, "AIGateway", url=server.url)
    assert (str(error), error.name) == (f"Error making AI request: {message}", "AIGatewayError")
    assert (error.stack, error.is_final) == (stack, False)


async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (silent, "no whole answer within 0.2 s"),
        (reply(200, b"x" * (LARGEST_GATEWAY_ANSWER_BYTES + 1)),
         "the answer has more than 4,194,304 bytes, or too many headers"),
    ],
)  # fmt: skip
async def test_a_request_without_an_answer_is_made_again(session: HttpSession, answer: Any, message: str) -> None:
    async with endpoint(answer) as server:
        error = await failed(session, url=server.url, timeout=0.2)
    assert (str(error), error.name) == (f"Error making gateway request: {message}", "GatewayError")
    assert not error.is_final


@pytest.mark.parametrize(
    ("hosts", "is_allowed"),
    [(["127.0.0.1"], True), (["127.0.0.1:PORT"], True), (["127.0.0.1:1"], False), ([], False), (["localhost"], False)],
)
async def test_a_request_goes_to_hosts_that_are_allowed(session: HttpSession, hosts: Any, is_allowed: bool) -> None:
    async with endpoint() as server:
        given = [host.replace("PORT", server.url.rpartition(":")[2]) for host in hosts]
        if is_allowed:
            assert (await asked(session, url=server.url, hosts=given))["body"] == "ok"
            return
        error = await failed(session, url=server.url, hosts=given)
        assert server.connections == 0
    assert str(error) == "requests to '127.0.0.1' are not allowed: name the host in gateway="
    assert (error.name, error.is_final) == ("GatewayRefused", True)


@pytest.mark.parametrize(
    ("opts", "problem"),
    [
        ({"url": None}, "url=None: expected a URL"), ({"url": "ftp://127.0.0.1/"}, "url='ftp://127.0.0.1/': expected"),
        ({"url": "http://a@127.0.0.1/"}, "expected a URL without a user"),
        ({"method": "G T"}, "a method of HTTP, such as GET"),
        ({"method": 7}, "a method of HTTP, such as GET"), ({"headers": []}, None),
        ({"headers": [1]}, "an object of at most"),
        ({"headers": {"a b": "x"}}, "an object of at most 100 texts, of 16,384 bytes together"),
        ({"headers": {"a": "x\r\ny: z"}}, "an object of at most"), ({"headers": {"a": 7}}, "an object of at most"),
        ({"headers": {"a": "x" * 20_000}}, "headers='***'"),
        ({"headers": {str(n): "x" for n in range(101)}}, "an object"),
    ],
)  # fmt: skip
async def test_what_is_no_request_is_refused(session: HttpSession, opts: dict[str, Any], problem: str | None) -> None:
    async with endpoint() as server:
        if problem is None:
            assert (await asked(session, **{"url": server.url, **opts}))["status_code"] == 200
            return
        error = await failed(session, **{"url": server.url, **opts})
        assert server.received == []
    assert problem in str(error)
    assert (error.name, error.is_final) == ("GatewayRefused", True)


async def test_a_private_address_is_dialled_only_if_the_session_allows_it() -> None:
    async with endpoint() as server, open_session(allow_private=False, resolver=None, ssl_context=None) as session:
        error = await failed(session, url=server.url)
        assert "is no public address" in str(error)
        assert server.connections == 0
