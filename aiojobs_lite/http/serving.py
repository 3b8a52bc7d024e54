"""What the APIs over the library have alike: errors as answers, and bodies that are read up to a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from aiojobs_lite.http.signing.bodies import TOO_LARGE, collect
from aiojobs_lite.runner.asgi import Message, Receive, Send

_POLICY_VIOLATION: Final = 1008  # of a websocket
_DIGITS: Final = 18  # of a length: Python makes no number of very many


class ApiError(Exception):
    """What a request is answered that cannot be carried out: `{"error": text}`.

    Attributes:
        status: The status of the answer.
        text: What is wrong, for the developer of the client.
        headers: More headers of the answer.
        more: What the answer has besides.
    """

    def __init__(
        self, status: int, text: str, headers: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
    ) -> None:  # fmt: skip
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers
        self.more = more or {}


async def read_body(request: Request, largest: int) -> bytes:
    """The body of a request.

    Raises:
        ApiError: 413, as soon as it has more bytes than `largest`.
    """
    length = request.headers.get("content-length", "")
    body = None
    if not (length.isdecimal() and (len(length) > _DIGITS or int(length) > largest)):
        body = await collect(request.stream(), largest)
    if body is None:
        raise ApiError(413, f"{TOO_LARGE}: at most {largest:,} bytes are taken")
    return body


async def answer_other(scope: Message, receive: Receive, send: Send) -> None:
    """Answers what is no request: a lifespan, in which nothing is to be done, or a websocket, which is refused."""
    if scope["type"] == "lifespan":
        for event in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{event}.complete"})
    else:
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
