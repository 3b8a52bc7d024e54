"""The client of deliveries against real servers on loopback: what it dials, sends, reads, and when it gives up."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from aiojobs_lite.http import session as module
from aiojobs_lite.http.addresses import is_public
from aiojobs_lite.http.session import (
    LARGEST_ANSWER_BYTES,
    LARGEST_ANSWER_HEADERS_BYTES,
    HttpRequest,
    HttpSession,
    NoAnswer,
    RefusedAddress,
    open_session,
)
from tests.helpers.endpoints import Authority, Names, Received, endpoint, reply
from tests.helpers.pauses import work_for
from tests.helpers.waiting import until

DRIBBLE_EVERY_S = 0.02


def opened(
    *, allow_private: bool = True, resolver: Any = None, ssl_context: ssl.SSLContext | None = None
) -> AbstractAsyncContextManager[HttpSession]:
    return open_session(allow_private=allow_private, resolver=resolver, ssl_context=ssl_context)


@pytest.fixture
async def session() -> AsyncIterator[HttpSession]:
    async with opened() as made:
        yield made


def get(url: str, timeout: float = 10) -> HttpRequest:
    return HttpRequest("GET", url, (), b"", timeout)


async def test_a_request_is_sent_byte_by_byte_as_it_was_published(session: HttpSession) -> None:
    async with endpoint() as server:
        headers = [("A", "1"), ("A", "2"), ("Content-Type", "x/y"), ("Accept-Encoding", "gzip")]
        target = "/a%7Eb/../[c]//d;e?x=%2f[]~&y='!$()*"
        await session.send(HttpRequest("PATCH", f"{server.url}{target}", headers, b"\x00\xff", 10))
        (received,) = server.received
        assert (received.method, received.target, received.body) == ("PATCH", target, b"\x00\xff")
        given = [(name, value) for name, value in received.headers if name not in ("host", "accept", "content-length")]
        assert given == [(name.lower(), value) for name, value in headers]


@pytest.mark.parametrize(("given", "sent"), [("", "/"), ("?x=1", "/?x=1"), ("/", "/"), ("//x", "//x")])
async def test_a_url_without_a_path_asks_for_the_root(session: HttpSession, given: str, sent: str) -> None:
    async with endpoint() as server:
        await session.send(get(f"{server.url}{given}"))
        assert server.targets == [sent]


@pytest.mark.parametrize("body", [b"", b"x"])
async def test_a_request_without_headers_has_none_of_aiohttp(session: HttpSession, body: bytes) -> None:
    async with endpoint() as server:
        await session.send(HttpRequest("POST", server.url, (), body, 10))
        names = {name for name, _ in server.received[0].headers}
        assert names == {"host", "accept", "content-length"}


async def test_an_answer_of_any_status_is_read_with_its_headers_and_its_body(session: HttpSession) -> None:
    answers = (reply(503, b"no", Retry_After="5"), reply(200, "ü".encode()), reply(200, b"\xff"), reply(204, b""))
    async with endpoint(*answers) as server:
        found = [await session.send(get(server.url)) for _ in answers]
    assert [(one.status, one.body, one.is_base64, one.is_truncated) for one in found] == [
        (503, "no", False, False), (200, "ü", False, False), (200, "/w==", True, False), (204, "", False, False),
    ]  # fmt: skip
    assert found[0].headers == (("Content-Length", "2"), ("Retry-After", "5"))
    assert all(one.latency > 0 for one in found)


async def test_an_answer_is_not_decompressed_no_cookie_kept_and_no_redirect_followed(session: HttpSession) -> None:
    async with endpoint() as other, endpoint(
        reply(200, b"\x1f\x8b", Content_Encoding="gzip", Set_Cookie="a=b"),
        reply(302, b"", Location=f"{other.url}/secret"),
    ) as server:  # fmt: skip
        assert (await session.send(get(server.url))).content == b"\x1f\x8b"
        redirect = await session.send(get(server.url))
        assert (redirect.status, redirect.header("location")) == (302, f"{other.url}/secret")
        assert server.received[1].header("cookie") is None
        assert other.received == []


async def test_the_proxies_of_the_environment_are_not_used(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with endpoint() as proxy, endpoint() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await session.send(get(server.url))
        assert (len(server.received), proxy.received) == (1, [])


async def test_the_connection_of_an_answer_that_changes_the_protocol_is_closed(session: HttpSession) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    asyncio.get_running_loop().set_debug(True)  # else aiohttp does not warn of an answer that was left open
    async with endpoint(switch, reply(200, b"ok")) as server:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            answers = [await session.send(get(server.url)) for _ in range(2)]
        assert ([one.status for one in answers], server.connections) == ([101, 200], 2)
        assert [str(one.message) for one in found] == []


# How much of an answer is read.


async def test_a_body_is_read_up_to_its_limit_and_the_connection_is_not_used_again(session: HttpSession) -> None:
    full, larger = b"x" * LARGEST_ANSWER_BYTES, b"x" * LARGEST_ANSWER_BYTES * 100
    async with endpoint(reply(200, full), reply(200, larger)) as server:
        whole, cut = await session.send(get(server.url)), await session.send(get(server.url))
        assert (len(whole.content), whole.is_truncated) == (LARGEST_ANSWER_BYTES, False)
        assert (len(cut.content), cut.is_truncated) == (LARGEST_ANSWER_BYTES, True)
        assert server.connections == 1
        await session.send(get(server.url))
        assert server.connections == 2


async def test_a_request_says_how_much_of_its_answer_is_read(session: HttpSession) -> None:
    larger = b"x" * (LARGEST_ANSWER_BYTES + 1)
    async with endpoint(reply(200, larger), reply(200, larger), reply(200, b"\xff")) as server:
        whole = await session.ask(get(server.url)._replace(largest_answer=LARGEST_ANSWER_BYTES + 1))
        cut = await session.ask(get(server.url)._replace(largest_answer=2))
        assert (whole.body, whole.is_body_cut, whole.are_headers_cut) == (larger, False, False)
        assert (cut.status, cut.body, cut.is_body_cut) == (200, b"xx", True)
        assert (await session.ask(get(server.url))).body == b"\xff"


async def test_a_large_body_is_sent_whole(session: HttpSession) -> None:
    body = bytes(range(256)) * 8192
    async with endpoint() as server:
        await session.send(HttpRequest("POST", server.url, [("Content-Type", "x/y")], body, 10))
        (received,) = server.received
    assert (received.body == body, received.header("content-length")) == (True, str(len(body)))
    assert [name for name, _ in received.headers] == ["host", "content-type", "accept", "content-length"]


@pytest.mark.parametrize("before", [b"", b"x"])
async def test_of_a_cut_text_the_last_character_may_be_left_out(session: HttpSession, before: bytes) -> None:
    async with endpoint(reply(200, before + "ü".encode() * LARGEST_ANSWER_BYTES)) as server:
        found = await session.send(get(server.url))
        assert (found.is_base64, found.is_truncated, set(found.body) - {"x"}) == (False, True, {"ü"})


async def test_an_endless_body_ends_at_the_limit(session: HttpSession) -> None:
    async def endless(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with endpoint(endless) as server:
        found = await session.send(get(server.url))
        assert (len(found.content), found.is_truncated) == (LARGEST_ANSWER_BYTES, True)


async def test_headers_are_kept_up_to_their_limit(session: HttpSession) -> None:
    many = {f"X_{number}": "y" * 1000 for number in range(20)}
    async with endpoint(reply(200, b"ok", **many)) as server:
        found = await session.send(get(server.url))
        assert (found.status, found.is_truncated, len(found.headers)) == (200, True, 17)
        assert sum(len(name) + len(value) for name, value in found.headers) <= LARGEST_ANSWER_HEADERS_BYTES


async def test_what_json_makes_long_is_kept_as_base64(session: HttpSession) -> None:
    async with endpoint(reply(200, b"\x01" * LARGEST_ANSWER_BYTES), reply(200, b"\x01ok", X="\x80")) as server:
        long, short = await session.send(get(server.url)), await session.send(get(server.url))
        assert (long.is_base64, len(long.content)) == (True, LARGEST_ANSWER_BYTES)
        assert (short.is_base64, short.body, short.header("x")) == (False, "\x01ok", "\x80")


# When there is no answer.


async def no_answer(session: HttpSession, sent: HttpRequest) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        await session.send(sent)
    assert str(caught.value).isprintable()
    return caught.value


async def dribbling_headers(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Y: z\r\n")
        await writer.drain()
        await work_for(DRIBBLE_EVERY_S)


async def dribbling_body(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await work_for(DRIBBLE_EVERY_S)


async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [dribbling_headers, dribbling_body, silent])
async def test_the_timeout_is_that_of_the_whole_answer(session: HttpSession, answer: Any) -> None:
    async with endpoint(answer) as server:
        error = await no_answer(session, get(server.url, 0.2))
        assert str(error) == "no whole answer within 0.2 s"
        assert error.__cause__ is None


async def reset(_: Received, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def close_in_mid_body(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def endless_headers(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Y: z\r\n" * 100)
        await writer.drain()


async def endless_trailers(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    while True:
        writer.write(b"X-Y: z\r\n" * 100)
        await writer.drain()


@pytest.mark.parametrize(
    "answer",
    [
        reset, close_in_mid_body, b"no HTTP at all\r\n\r\n", b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx", endless_headers, endless_trailers,
    ],
)  # fmt: skip
async def test_a_broken_answer_is_none(session: HttpSession, answer: Any) -> None:
    async with endpoint(answer) as server:
        error = await no_answer(session, get(server.url))
        assert str(error).startswith("no answer: ")
        assert error.__cause__ is not None


async def test_the_words_of_a_broken_answer_name_no_status_that_the_receiver_did_not_send(session: HttpSession) -> None:
    async with endpoint(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 000 X\r\n\r\n") as server:
        assert str(await no_answer(session, get(server.url))).startswith("no answer: Invalid character")
        assert str(await no_answer(session, get(server.url))) == "no answer: its status is 0"


async def test_answers_of_one_connection_are_not_mistaken_for_each_other(session: HttpSession) -> None:
    async with endpoint(reply(200, b"one") + reply(200, b"smuggled"), reply(200, b"two")) as server:
        found = [await session.send(get(server.url)) for _ in range(2)]
        assert ([one.body for one in found], server.connections) == (["one", "two"], 2)


@pytest.mark.parametrize(("idle", "connections"), [(3.9, 1), (4.9, 2)])
async def test_a_connection_is_not_used_again_when_servers_soon_close_it(
    session: HttpSession, monkeypatch: pytest.MonkeyPatch, idle: float, connections: int
) -> None:
    async with endpoint() as server:
        for now in (1000.0, 1000.0 + idle):
            monkeypatch.setattr("aiohttp.connector.monotonic", lambda now=now: now)
            await session.send(get(server.url))
        assert server.connections == connections


async def test_what_comes_before_an_answer_is_none(session: HttpSession) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3
    async with endpoint(hints + reply(200, b"ok")) as server:
        found = await session.send(get(server.url))
        assert (found.status, found.headers) == (200, (("Content-Length", "2"),))


async def test_a_port_that_nothing_listens_on_and_a_name_without_an_address_give_no_answer() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with opened() as session:
            error = await no_answer(session, get(f"http://127.0.0.1:{unused.getsockname()[1]}/"))
            assert "Connect call failed" in str(error)

    class Nothing(Names):
        async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[dict[str, Any]]:
            raise OSError(None, "no such name")

    async with opened(resolver=Nothing([])) as session:
        assert "no such name" in str(await no_answer(session, get("http://nothing.example/")))


async def test_a_caller_that_is_cancelled_lets_go_of_the_connection(session: HttpSession) -> None:
    async with endpoint(silent) as server:
        sending = asyncio.ensure_future(session.send(get(server.url)))
        await until(lambda: bool(server.received))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


# Which addresses are dialled.

SPELLINGS = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://0x7f.1:{port}/", "http://2130706433:{port}/",
    "http://127.1:{port}/", "http://0177.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/", "http://[::]:{port}/",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_a_private_address_is_dialled(spelling: str) -> None:
    async with endpoint() as server, opened(allow_private=False) as session:
        error = await no_answer(session, get(spelling.format(port=server.url.rpartition(":")[2])))
        assert str(error).startswith(("no connection: ", "no answer: "))
        assert (server.received, server.connections) == ([], 0)


async def test_a_name_is_looked_at_again_when_it_is_dialled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """First it has a public address, then a private one: DNS rebinding. 127.0.0.2 stands for a public one."""
    monkeypatch.setattr(module, "is_public", lambda address: address == "127.0.0.2" or is_public(address))
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    async with (
        endpoint(reply(200, b"public", Connection="close"), address="127.0.0.2") as public,
        endpoint() as private,
    ):
        ports = [server.url.rpartition(":")[2] for server in (public, private)]
        async with opened(allow_private=False, resolver=names) as session:
            first = await session.send(get(f"http://rebound.example:{ports[0]}/"))
            error = await no_answer(session, get(f"http://rebound.example:{ports[0]}/"))
            again = await no_answer(session, get(f"http://rebound.example:{ports[1]}/"))
        assert first.body == "public"
        refused = "no connection: 127.0.0.1 is no public address, and allow_private is not set"
        assert [str(error), str(again)] == [refused, refused]
        assert names.asked == ["rebound.example"] * 3
        assert (public.connections, private.connections) == (1, 0)


async def test_of_several_addresses_of_a_name_those_that_are_private_are_left_out() -> None:
    async with endpoint() as server, opened(allow_private=False, resolver=Names(["10.0.0.1", "127.0.0.1"])) as session:
        error = await no_answer(session, get(server.url.replace("127.0.0.1", "several.example")))
        assert "is no public address" in str(error)
        assert server.connections == 0


def test_a_refused_address_is_named() -> None:
    assert RefusedAddress("10.0.0.1").address == "10.0.0.1"
    assert isinstance(RefusedAddress("10.0.0.1"), OSError)


# Certificates.


async def test_a_certificate_is_checked_for_the_name_and_by_the_authorities() -> None:
    authority = Authority()
    async with endpoint(tls=authority.serving("right.example")) as server:
        port = server.url.rpartition(":")[2]
        async with opened(resolver=Names(["127.0.0.1"]), ssl_context=authority.trusting) as session:
            right = await session.send(get(f"https://right.example:{port}/"))
            assert (right.status, server.received[0].header("host")) == (200, f"right.example:{port}")
            wrong = await no_answer(session, get(f"https://wrong.example:{port}/"))
            assert "certificate is not valid for 'wrong.example'" in str(wrong)
        async with opened(resolver=Names(["127.0.0.1"])) as session:
            unknown = await no_answer(session, get(f"https://right.example:{port}/"))
            assert "certificate" in str(unknown)
        assert len(server.received) == 1


async def test_the_port_of_a_resolver_counts() -> None:
    async with endpoint() as server:
        names = Names(["127.0.0.1"], port=int(server.url.rpartition(":")[2]))
        async with opened(resolver=names) as session:
            assert (await session.send(get("http://any.example/x"))).status == 200
            assert server.received[0].header("host") == "any.example"
