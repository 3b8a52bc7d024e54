"""The one HTTP client of a runner: what it may dial, what it sends, how much of an answer it reads."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache, partial
from ssl import SSLContext
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from aiojobs_lite.handlers.checks import missing_extra
from aiojobs_lite.http.addresses import is_public
from aiojobs_lite.http.deadlines import Deadlines
from aiojobs_lite.http.lookups import Lookups
from aiojobs_lite.http.old_servers import read_old_answers
from aiojobs_lite.model.delivery import DeliveryResult
from aiojobs_lite.sizes import LONGEST_PROBLEM_SHOWN_CHARS
from aiojobs_lite.text import escape, shorten

T = TypeVar("T")
AnswerHeaders = tuple[tuple[str, str], ...]

LARGEST_ANSWER_BYTES: Final = 64 * 1024
"""Of the body of an answer; the rest is not read."""

LARGEST_ANSWER_HEADERS_BYTES: Final = 16 * 1024
"""Of the headers of an answer, as they are kept."""

_LEAST_STATUS: Final = 100  # of HTTP
_KEEP_ALIVE_S: Final = 4.0  # below that of servers, of which many close after 5 s: else a request meets the close
_URLS_KEPT: Final = 1024  # that are kept as they were read
_CHARACTER_BYTES: Final = 4  # of UTF-8, at most
_MICROSECONDS: Final = 1_000_000
_SENT_AT_ONCE_BYTES: Final = 64 * 1024
_TEXT_CHARS: Final = LARGEST_ANSWER_BYTES * 4 // 3
_ESCAPE_CHARS: Final = 6  # of one character in JSON, at most
_AUTOMATIC: Final = ("user-agent", "accept-encoding", "content-type")  # which aiohttp would add by itself


class RefusedAddress(OSError):
    """A connection was not made: its address is not a public one.

    Attributes:
        address: The address.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(f"{address} is no public address, and allow_private is not set")


class NoAnswer(Exception):
    """A request brought no answer; its text says why."""


class Pacing(Protocol):
    """Says how fast large answers are received."""

    def receiving(self) -> AbstractAsyncContextManager[None]:
        """Within it what an answer has beyond `LARGEST_ANSWER_BYTES` is received."""

    async def received(self, size: int) -> None:
        """So many bytes of it came; returns when the next ones may come."""


class HttpRequest(NamedTuple):
    """One request.

    Attributes:
        method: Its method.
        url: Its URL, which is sent as it is.
        headers: Its headers.
        body: Its body.
        timeout: Seconds that it may take, from the name of the host to the end of the answer.
        largest_answer: How many bytes of the body of its answer are read.
        pacing: Says how fast a large one is received; None: as fast as it comes.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    timeout: float
    largest_answer: int = LARGEST_ANSWER_BYTES
    pacing: Pacing | None = None


class HttpAnswer(NamedTuple):
    """The answer to a request.

    Attributes:
        status: Its status.
        headers: Name and value of each header, in their order.
        body: Its body.
        is_body_cut: Whether there was more of the body.
        are_headers_cut: Whether there were more headers.
    """

    status: int
    headers: AnswerHeaders
    body: bytes
    is_body_cut: bool
    are_headers_cut: bool


class HttpSession:
    """Sends requests; all deliveries of a runner share it.

    Args:
        session: A session of aiohttp.
    """

    def __init__(self, session: Any) -> None:
        from aiohttp import ClientError  # noqa: PLC0415  # the extra: imported where it is used
        from multidict import CIMultiDict  # noqa: PLC0415
        from yarl import URL  # noqa: PLC0415

        self._session = session
        self._headers_of = CIMultiDict
        self._url_of = lru_cache(maxsize=_URLS_KEPT)(partial(URL, encoded=True))
        self._faults = (ClientError, OSError, ValueError)
        self._deadlines = Deadlines()

    def send(self, sent: HttpRequest) -> Coroutine[Any, Any, DeliveryResult]:
        """Sends a request and reads its answer, of whatever status, as a delivery keeps it.

        Raises:
            NoAnswer: If there is none in time, or it is none of HTTP.
        """
        return self._answer(sent, _result_of)

    def ask(self, sent: HttpRequest) -> Coroutine[Any, Any, HttpAnswer]:
        """The same, as the answer came; raises as `send` does."""
        return self._answer(sent, _whole_answer)

    async def _answer(self, sent: HttpRequest, make: Callable[[float, int, AnswerHeaders, bytes, bool, bool], T]) -> T:
        """What is made of the answer: when the request began, and what a `HttpAnswer` has. One coroutine is made for
        each delivery, and no tuple between.
        """
        begun = time.monotonic()
        task: Any = asyncio.current_task()
        cancelling, is_late = task.cancelling(), False
        self._deadlines.begin(task, sent.timeout)
        try:
            try:
                answer = await self._request(sent)
                body, is_cut = await _read(answer, sent)
            finally:
                is_late = self._deadlines.end(task, sent.timeout, cancelling)
        except asyncio.CancelledError:
            if is_late:
                raise NoAnswer(f"no whole answer within {sent.timeout:g} s") from None
            raise
        except self._faults as error:
            raise NoAnswer(_words(error)) from error
        if answer.status < _LEAST_STATUS:
            raise NoAnswer(f"no answer: its status is {answer.status}")
        headers, are_cut = _kept(answer.raw_headers)
        return make(begun, answer.status, headers, body, is_cut, are_cut)

    def close(self) -> None:
        """Gives up no request any more."""
        self._deadlines.close()

    def _request(self, sent: HttpRequest) -> Awaitable[Any]:
        """The answer to a request, as far as its headers."""
        headers = self._headers_of(sent.headers)
        missing = [name for name in _AUTOMATIC if name not in headers]
        request: Awaitable[Any] = self._session.request(
            sent.method, self._url_of(sent.url), headers=headers, data=_sendable(sent.body), allow_redirects=False,
            skip_auto_headers=missing or None,
        )  # fmt: skip
        return request


@asynccontextmanager
async def open_session(
    *, allow_private: bool, resolver: Any, ssl_context: SSLContext | None
) -> AsyncIterator[HttpSession]:
    """Opens the session of a runner.

    - Each address that it dials is looked at where the socket for it is made: names, addresses and all their spellings
      come there, and no time lies between the look and the connect.
    - It follows no redirect, keeps no cookie, decompresses nothing, and knows no proxy, of the environment either.
    """
    try:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector  # noqa: PLC0415  # the extra
    except ModuleNotFoundError as error:
        raise missing_extra("jobs", "Http()", "http") from error

    def make_socket(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if not allow_private and not is_public(address[0]):
            raise RefusedAddress(address[0])
        return socket.socket(family, kind, protocol)

    lookups: Any = Lookups()
    connector = TCPConnector(
        limit=0, use_dns_cache=False, resolver=resolver or lookups,
        ssl=True if ssl_context is None else ssl_context, keepalive_timeout=_KEEP_ALIVE_S, socket_factory=make_socket,
    )  # fmt: skip
    read_old_answers(connector)
    async with ClientSession(
        connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False, trust_env=False,
        timeout=ClientTimeout(total=None),
    ) as session:  # fmt: skip
        made = HttpSession(session)
        try:
            yield made
        finally:
            made.close()
            await lookups.close()


# Both are called by place: by name the last two values would cost as much as all of it.


def _result_of(
    begun: float, status: int, headers: AnswerHeaders, body: bytes, is_body_cut: bool, are_headers_cut: bool  # noqa: FBT001
) -> DeliveryResult:  # fmt: skip
    text = _as_text(body, is_cut=is_body_cut)
    return DeliveryResult(
        status, headers, base64.b64encode(body).decode() if text is None else text,
        round((time.monotonic() - begun) * _MICROSECONDS) / _MICROSECONDS,  # by far cheaper than to six digits
        text is None, is_body_cut or are_headers_cut,
    )  # fmt: skip


def _whole_answer(
    _: float, status: int, headers: AnswerHeaders, body: bytes, is_body_cut: bool, are_headers_cut: bool  # noqa: FBT001
) -> HttpAnswer:  # fmt: skip
    return HttpAnswer(status, headers, body, is_body_cut, are_headers_cut)


def _sendable(body: bytes) -> Any:
    """A body, as aiohttp takes it: a large one it sends in parts, so that other requests go on."""
    return (io.BytesIO(body) if len(body) > _SENT_AT_ONCE_BYTES else body) or None


async def _read(answer: Any, sent: HttpRequest) -> tuple[bytes, bool]:
    """The begin of a body, and whether there is more. What is not read makes the connection useless: it is closed."""
    content, largest, pacing = answer.content, sent.largest_answer, sent.pacing
    try:
        body = await content.readany()
        if not content.at_eof():  # nearly always all of it came at once
            body = await _received(content, body, largest if pacing is None else LARGEST_ANSWER_BYTES)
            if pacing is not None and not content.at_eof():
                async with pacing.receiving():
                    body = await _received(content, body, largest, pacing)
    except BaseException:
        answer.close()
        raise
    if len(body) <= largest and answer.closed:
        return body, False
    answer.close()  # also one that is no HTTP any more: its status is 101
    return body[:largest], len(body) > largest


async def _received(content: Any, body: bytes, largest: int, pacing: Pacing | None = None) -> bytes:
    """What there is of a body, until it has more bytes than `largest`."""
    chunks, size = [body], len(body)
    while size <= largest and (chunk := await content.readany()):
        chunks.append(chunk)
        size += len(chunk)
        if pacing is not None:
            await pacing.received(len(chunk))
    return b"".join(chunks)


def _kept(raw: Sequence[tuple[bytes, bytes]]) -> tuple[AnswerHeaders, bool]:
    """The headers as they are kept, and whether some are left out."""
    kept: list[tuple[str, str]] = []
    left = LARGEST_ANSWER_HEADERS_BYTES
    for name, value in raw:
        left -= len(name) + len(value)
        if left < 0:
            return tuple(kept), True
        kept.append((name.decode("latin-1"), _header_text(value)))
    return tuple(kept), False


def _header_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _as_text(body: bytes, *, is_cut: bool) -> str | None:
    """The body as text, if it is UTF-8 without NUL; of one that was cut the last character may be a part. What JSON
    makes longer than base64 does, as control characters, is none.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        if not is_cut or error.start < len(body) - _CHARACTER_BYTES:
            return None
        text = body[: error.start].decode()
    is_short = len(text) * _ESCAPE_CHARS <= _TEXT_CHARS  # nearly always
    is_long = not is_short and len(json.dumps(text, ensure_ascii=False)) > _TEXT_CHARS
    return None if is_long or "\x00" in text else text


def _words(error: BaseException) -> str:
    """Why there is no answer, on one line."""
    inner = getattr(error, "os_error", None)  # of a connection that was not made
    why = getattr(error, "message", "") or str(error) or type(error).__name__  # the message is without a status
    text = f"no connection: {inner}" if inner is not None else f"no answer: {why}"
    text = " ".join(text.split())
    return shorten(escape(text), LONGEST_PROBLEM_SHOWN_CHARS)
