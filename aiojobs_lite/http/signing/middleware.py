"""An ASGI middleware that lets verified messages through, each once."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

import anyio

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.http.signing.bodies import REFUSED, TOO_LARGE, collect
from aiojobs_lite.http.signing.inbox import Inbox, MessageStatus
from aiojobs_lite.http.signing.schemes import VerifiedMessage
from aiojobs_lite.http.signing.verifier import Verifier, check_largest_body
from aiojobs_lite.runner.asgi import AsgiApp, Message, Receive, Send
from aiojobs_lite.sizes import LARGEST_SIGNED_BODY_BYTES

_POLICY_VIOLATION: Final = 1008  # of a websocket
_OF_AN_INBOX: Final = ("begin", "keep", "release")


class VerifyMiddleware:
    """Lets a request through whose signature is valid; each websocket is refused.

    - Its body is read before, and handed on; one that is too large is answered 413 while it is read.
    - A request without a valid signature is answered 401. Why, is in the log alone.
    - The application finds the `VerifiedMessage` as `request.state.verified_message`.
    - With an inbox, a message that was handled is answered 200, and nothing runs. While its handler runs, a repeat is
      answered 503: many senders give up at a 4xx, such as 409.

    Args:
        app: The application, all of which is behind the signature.
        verifier: Verifies.
        inbox: Remembers what was handled; None: each repeat runs the handler again.
        largest_body: Most bytes of a body; no more are read.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        verifier: Verifier,
        inbox: Inbox | None = None,
        largest_body: int = LARGEST_SIGNED_BODY_BYTES,
    ) -> None:
        if not isinstance(verifier, Verifier):
            raise InvalidOption("verifier", verifier, "a Verifier of signatures")
        if inbox is not None and (isinstance(inbox, type) or not all(hasattr(inbox, name) for name in _OF_AN_INBOX)):
            raise InvalidOption("inbox", inbox, "an inbox, such as DatabaseInbox(runner), or None")
        self._app = app
        self._verifier = verifier
        self._inbox = inbox
        self._largest_body = check_largest_body(largest_body)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one request, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await collect(_chunks(receive), self._largest_body)
        except _ClientLeft:
            return
        if body is None:
            await _answer(send, 413, {"error": TOO_LARGE})
            return
        message = self._verifier.admit(body, scope["headers"])
        if message is None:
            await _answer(send, 401, {"error": REFUSED})
            return
        scope = {**scope, "state": {**scope.get("state", {}), "verified_message": message}}
        handed_on = _HandedOn(body, receive)
        if self._inbox is None:
            await self._app(scope, handed_on, send)
        else:
            await self._handle_once(self._inbox, message, scope, handed_on, send)

    async def _handle_once(
        self, inbox: Inbox, message: VerifiedMessage, scope: Message, receive: Receive, send: Send
    ) -> None:
        key = f"{self._verifier.url} {message.id}"  # another sender's ids do not count
        status = await inbox.begin(key)
        if status is MessageStatus.HANDLED:
            await _answer(send, 200, {"repeated": True})
            return
        if status is MessageStatus.RUNNING:
            # Without Retry-After: at short waits the attempts of a sender end before the lease of a process that died.
            await _answer(send, 503, {"error": "the message is being handled"})
            return
        answer = _Answer(send, lambda: inbox.keep(key))
        try:
            # Without extensions, by which a body can be sent in other ways than the answer knows.
            await self._app({**scope, "extensions": {}}, receive, answer)
        finally:
            if not answer.is_kept:
                with anyio.CancelScope(shield=True):  # a request that is broken off is not handled
                    await inbox.release(key)


class _Answer:
    """The answer of a handler, sent on; before the last part of a 2xx the message is remembered.

    A fault of the inbox reaches the handler, and the sender gets no 2xx: the start of the answer waits for its body.

    Attributes:
        is_kept: Whether the message is remembered.
    """

    def __init__(self, send: Send, keep: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._keep = keep
        self._start: Message | None = None
        self._is_success = False
        self.is_kept = False

    async def __call__(self, message: Message) -> None:
        """Sends a part on."""
        if message["type"] == "http.response.start":
            self._start = message
            self._is_success = 200 <= message["status"] < 300
            return
        if self._is_success and not self.is_kept and not message.get("more_body", False):
            await self._keep()
            self.is_kept = True
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        await self._send(message)


class _HandedOn:
    """What an application receives in place of a body that was read: the same body, then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        """The body, or the next event."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _ClientLeft(Exception):
    """The client has left before the end of its body."""


async def _chunks(receive: Receive) -> AsyncGenerator[bytes, None]:
    has_more = True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        yield message.get("body", b"")
        has_more = message.get("more_body", False)


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
