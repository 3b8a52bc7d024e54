"""The ASGI middleware: by a real server on loopback, and event by event for what no client does on purpose."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.http import DatabaseInbox, Inbox, MemoryInbox, MessageStatus, VerifyMiddleware
from tests.helpers.asgi_server import served
from tests.helpers.rings import slow
from tests.helpers.signed import BODY, KEYS, SCHEMES, signed, verifier
from tests.helpers.waiting import until

pytestmark = slow

Event = dict[str, Any]


class Handler:
    """An endpoint that answers as it is asked to.

    Attributes:
        bodies: What it has received.
        status: What it answers.
        gate: Set: it answers.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request: Request) -> JSONResponse:
        self.bodies.append(await request.body())
        await self.gate.wait()
        if self.status == 0:
            raise ArithmeticError("on purpose")
        return JSONResponse({"id": request.state.verified_message.id}, self.status)


def app_of(handler: Any, scheme: str = "standard", inbox: Inbox | None = None, **options: Any) -> FastAPI:
    app = FastAPI()
    app.add_api_route("/hooks", handler, methods=["POST", "GET"])
    app.add_middleware(VerifyMiddleware, verifier=verifier(scheme), inbox=inbox, **options)
    return app


async def post(client: httpx.AsyncClient, scheme: str = "standard", message_id: str = "msg_1") -> httpx.Response:
    return await client.post("/hooks", content=BODY, headers=signed(scheme, message_id=message_id))


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_signed_request_reaches_the_handler_with_its_body(scheme: str) -> None:
    handler = Handler()
    body = bytes(range(256)) * 3_000  # of several chunks
    async with served(app_of(handler, scheme)) as address, httpx.AsyncClient(base_url=address) as client:
        for content in (body, b""):
            answer = await client.post("/hooks", content=content, headers=signed(scheme, content))
            assert (answer.status_code, answer.json()) == (200, {"id": "msg_1"})
        assert (await client.get("/hooks", headers=signed(scheme, b""))).status_code == 200
    assert handler.bodies == [body, b"", b""]


async def test_every_other_request_gets_one_answer_and_the_log_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aiojobs_lite.http")
    handler = Handler()
    async with served(app_of(handler)) as address, httpx.AsyncClient(base_url=address) as client:
        answers = [
            await client.post("/hooks", content=BODY, headers=headers)
            for headers in ({}, signed("standard", b"other"), {**signed("standard"), "webhook-id": "a\x1b[2Jb"})
        ] + [await client.get("/"), await client.get("/openapi.json")]
    refusal = (401, '{"error": "the message has no valid signature"}')
    assert {(one.status_code, one.text) for one in answers} == {refusal}
    assert {one.headers["content-type"] for one in answers} == {"application/json"}
    assert handler.bodies == []
    reasons = [record.getMessage() for record in caplog.records if record.name.startswith("aiojobs_lite.")]
    assert len(reasons) == 5
    assert "webhook-signature has no signature" in reasons[1]
    assert "\x1b" not in "".join(reasons)


async def test_a_body_that_is_too_large_is_refused_while_it_is_read() -> None:
    """The client announces 100 MiB and has not sent them when the answer comes."""
    handler = Handler()
    async with served(app_of(handler, largest_body=1_000)) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.write(b"POST /hooks HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n" + bytes(1_001))
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"content-length: (\d+)", head)
        rest = await reader.readexactly(int(length))  # the server closes the connection some seconds later
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=address) as client:
            most = await client.post("/hooks", content=bytes(1_000), headers=signed("standard", bytes(1_000)))
    assert head.split()[1] == b"413"
    assert rest == b'{"error": "the body is too large"}'
    assert (most.status_code, handler.bodies) == (200, [bytes(1_000)])


# Repeats.


async def test_a_repeat_of_a_handled_message_answers_200_and_runs_nothing() -> None:
    handler = Handler()
    async with (
        served(app_of(handler, inbox=MemoryInbox())) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        assert (await post(client)).json() == {"id": "msg_1"}
        again = await post(client)
        assert (again.status_code, again.json()) == (200, {"repeated": True})
        assert (await post(client, message_id="msg_2")).json() == {"id": "msg_2"}
    assert len(handler.bodies) == 2


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_each_attempt_of_a_message_is_the_same_message(scheme: str) -> None:
    handler = Handler()
    async with (
        served(app_of(handler, scheme, inbox=MemoryInbox())) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        for _ in range(3):
            assert (await post(client, scheme)).status_code == 200
    assert len(handler.bodies) == 1


@pytest.mark.parametrize("status", [0, 300, 302, 400, 404, 500, 503])
async def test_a_message_that_was_not_handled_runs_again(status: int) -> None:
    handler = Handler()
    async with (
        served(app_of(handler, inbox=MemoryInbox())) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        handler.status = status
        assert [(await post(client)).status_code for _ in range(2)] == [status or 500] * 2
        handler.status = 201
        assert [(await post(client)).status_code for _ in range(2)] == [201, 200]
    assert len(handler.bodies) == 3


async def test_a_repeat_while_the_handler_runs_is_to_come_again() -> None:
    handler = Handler()
    handler.gate.clear()
    async with (
        served(app_of(handler, inbox=MemoryInbox())) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        first = asyncio.create_task(post(client))
        await until(lambda: bool(handler.bodies))
        repeat = await post(client)
        assert (repeat.status_code, repeat.headers.get("retry-after")) == (503, None)
        assert repeat.json() == {"error": "the message is being handled"}
        handler.gate.set()
        assert (await first).json() == {"id": "msg_1"}
        assert (await post(client)).json() == {"repeated": True}
    assert len(handler.bodies) == 1


async def test_without_an_inbox_a_repeat_runs_again() -> None:
    handler = Handler()
    async with served(app_of(handler)) as address, httpx.AsyncClient(base_url=address) as client:
        assert [(await post(client)).json() for _ in range(2)] == [{"id": "msg_1"}] * 2
    assert len(handler.bodies) == 2


async def test_a_streamed_answer_counts_when_it_is_at_its_end() -> None:
    fails = True

    async def parts() -> Any:
        yield b"a"
        if fails:
            raise ArithmeticError("on purpose")
        yield b"b"

    async def stream() -> StreamingResponse:
        return StreamingResponse(parts())

    async with (
        served(app_of(stream, inbox=MemoryInbox())) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            await post(client)
        fails = False
        assert (await post(client)).content == b"ab"
        assert (await post(client)).json() == {"repeated": True}


class BrokenInbox(MemoryInbox):
    """An inbox that can remember nothing."""

    async def keep(self, key: str) -> None:
        raise OSError("the disk is full")


async def test_a_message_that_cannot_be_remembered_gets_no_2xx() -> None:
    """The sender would not send it again, and a repeat on its way would run."""
    handler = Handler()
    async with served(app_of(handler, inbox=BrokenInbox())) as address, httpx.AsyncClient(base_url=address) as client:
        assert [(await post(client)).status_code for _ in range(2)] == [500, 500]
    assert len(handler.bodies) == 2


async def test_ids_of_two_receivers_do_not_mix() -> None:
    """A sender that has keys of one url could else have messages for another one dropped."""
    inbox, ran = MemoryInbox(), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        ran.append(scope["state"]["verified_message"].id)
        await answer_ok(send)

    for url in ("https://app.example/a", "https://app.example/b", "https://app.example/a"):
        middleware = VerifyMiddleware(app, verifier=verifier("standard", url=url), inbox=inbox)
        assert statuses(await called(middleware, signed("standard"))) == [200]
    assert ran == ["msg_1", "msg_1"]


# Event by event.


async def answer_ok(send: Callable[[Event], Awaitable[None]], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def called(app: Any, headers: dict[str, str], *events: Event, **scope: Any) -> list[Event]:
    """What an application sends when it receives these events, or a body."""
    given = list(events or [{"type": "http.request", "body": BODY}])
    sent: list[Event] = []

    async def receive() -> Event:
        return given.pop(0)

    async def send(event: Event) -> None:
        sent.append(event)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await app({"type": "http", "headers": raw, **scope}, receive, send)
    return sent


def statuses(sent: list[Event]) -> list[int]:
    return [event["status"] for event in sent if event["type"] == "http.response.start"]


async def test_a_client_that_leaves_before_the_end_of_its_body_is_no_fault() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("it is called")

    middleware = VerifyMiddleware(app, verifier=verifier("standard"))
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert await called(middleware, signed("standard"), part, {"type": "http.disconnect"}) == []


async def test_after_the_body_the_application_receives_what_comes() -> None:
    received: list[Event] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive(), await receive()])
        await answer_ok(send)

    parts: list[Event] = [
        {"type": "http.request", "body": BODY[:3], "more_body": True},
        {"type": "http.request", "body": BODY[3:]},
    ]
    middleware = VerifyMiddleware(app, verifier=verifier("standard"))
    sent = await called(middleware, signed("standard"), *parts, {"type": "http.disconnect"})
    assert received == [{"type": "http.request", "body": BODY, "more_body": False}, {"type": "http.disconnect"}]
    assert statuses(sent) == [200]


async def test_the_state_of_the_lifespan_is_kept_and_not_changed() -> None:
    state = {"pool": 7}
    found = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.update(scope["state"])
        await answer_ok(send)

    await called(VerifyMiddleware(app, verifier=verifier("standard")), signed("standard"), state=state)
    assert (found["pool"], found["verified_message"].id, state) == (7, "msg_1", {"pool": 7})


async def test_a_lifespan_goes_through_and_a_websocket_does_not() -> None:
    scopes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope["type"])

    middleware = VerifyMiddleware(app, verifier=verifier("standard"))
    assert await called(middleware, {}, type="lifespan") == []
    refused = await called(middleware, signed("standard"), {"type": "websocket.connect"}, type="websocket")
    assert refused == [{"type": "websocket.close", "code": 1008}]
    assert scopes == ["lifespan"]


async def test_a_request_that_is_broken_off_runs_again() -> None:
    """Also within a cancel scope, which cancels each further `await`, such as that of the inbox."""
    begun = asyncio.Event()
    released = []

    class Slow(MemoryInbox):
        async def release(self, key: str) -> None:
            await anyio.lowlevel.checkpoint()
            released.append(key)
            await super().release(key)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await anyio.sleep_forever()

    inbox = Slow()
    middleware = VerifyMiddleware(app, verifier=verifier("standard"), inbox=inbox)
    async with anyio.create_task_group() as group:
        group.start_soon(called, middleware, signed("standard"))
        await begun.wait()
        group.cancel_scope.cancel()
    assert released == ["https://app.example/hooks msg_1"]
    assert await inbox.begin(released[0]) is MessageStatus.NEW


async def test_an_answer_after_a_failed_one_is_the_one_that_counts() -> None:
    """As a framework does it whose handler of exceptions answers when the inbox cannot remember."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["extensions"] == {}
        with pytest.raises(OSError, match="the disk is full"):
            await answer_ok(send)
        await answer_ok(send, 503)

    middleware = VerifyMiddleware(app, verifier=verifier("standard"), inbox=BrokenInbox())
    extensions: Event = {"http.response.pathsend": {}}
    assert statuses(await called(middleware, signed("standard"), extensions=extensions)) == [503]


def test_a_verifier_that_is_none_is_refused_when_the_application_is_made() -> None:
    with pytest.raises(InvalidOption, match="expected a Verifier of signatures"):
        VerifyMiddleware(app_of(Handler()), verifier=KEYS["standard"])  # type: ignore[arg-type]


@pytest.mark.parametrize("inbox", [JobRunner(":memory:"), DatabaseInbox, True])
def test_an_inbox_that_is_none_is_refused_when_the_application_is_made(inbox: Any) -> None:
    with pytest.raises(InvalidOption, match=r"inbox=.*: expected an inbox, such as DatabaseInbox\(runner\), or None"):
        VerifyMiddleware(app_of(Handler()), verifier=verifier("standard"), inbox=inbox)


@pytest.mark.parametrize("largest", [0, -1, True, "1", 2**40])
def test_a_size_that_cannot_be_is_refused(largest: int) -> None:
    with pytest.raises(InvalidOption, match="largest_body="):
        VerifyMiddleware(app_of(Handler()), verifier=verifier("standard"), largest_body=largest)
