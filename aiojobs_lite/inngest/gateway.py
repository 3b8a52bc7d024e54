"""Requests that the server makes for apps (`step.fetch`, `step.ai.infer`), to hosts that the application allows."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.urls import check_url, host_of
from aiojobs_lite.http.session import HttpAnswer, HttpRequest, NoAnswer
from aiojobs_lite.inngest import json_steps
from aiojobs_lite.inngest.answers import SdkOperation
from aiojobs_lite.inngest.call import CallSession
from aiojobs_lite.inngest.operations import GatewayFailed
from aiojobs_lite.inngest.pace import Pace
from aiojobs_lite.inngest.slices import Steps
from aiojobs_lite.sizes import LARGEST_HEADERS_BYTES, MOST_HEADERS

LARGEST_GATEWAY_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Of the body of an answer to such a request."""

_AI: Final = "AIGateway"
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_OF_THE_CONNECTION: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade"})
_LAST_GOOD: Final = 299
_REFUSED: Final = "GatewayRefused"


class HostGateway:
    """Makes requests of apps to some hosts, and to no other.

    Args:
        session: Sends them; it says which addresses are dialled.
        hosts: The hosts, in small letters; with a port, such as `localhost:8080`, only that.
        timeout: Seconds that a request may take.
        pace: How fast the requests of the app are made, and their answers are read.
    """

    def __init__(self, session: CallSession, hosts: Collection[str], timeout: float, pace: Pace) -> None:
        self._session = session
        self._hosts = frozenset(hosts)
        self._timeout = timeout
        self._pace = pace

    async def request(self, operation: SdkOperation) -> str:
        """See `Gateway`."""
        is_ai = operation.op == _AI
        try:
            async with self._pace.requesting():
                sent = self._made(operation.opts, is_ai=is_ai)
                came = await self._session.ask(sent)
                return await self._pace.read(len(came.body), self._read(sent, came, is_ai=is_ai))
        except NoAnswer as error:
            raise _failed(str(error), "", is_ai=is_ai) from error

    def _read(self, sent: HttpRequest, came: HttpAnswer, *, is_ai: bool) -> Steps[str]:
        if came.is_body_cut or came.are_headers_cut:
            problem = f"the answer has more than {LARGEST_GATEWAY_ANSWER_BYTES:,} bytes, or too many headers"
            raise _failed(problem, "", is_ai=is_ai)
        text = came.body.decode(errors="replace")
        if not is_ai:
            headers = {_canonical(name): value for name, value in reversed(came.headers)}  # the first of a name counts
            return json.dumps(
                {"url": sent.url, "status_code": came.status, "headers": headers, "body": text}, ensure_ascii=False
            )
        if came.status > _LAST_GOOD:
            raise _failed(f"unsuccessful status code: {came.status}", text, is_ai=True)
        try:
            return (yield from json_steps.check_in_steps(text))
        except ValueError as error:
            raise _failed(f"the answer is no JSON: {error}", text, is_ai=True) from None

    def _made(self, opts: Mapping[str, Any], *, is_ai: bool) -> HttpRequest:
        try:
            url = check_url("url", opts.get("url"))
            self._check_host(url)
            method = "POST" if is_ai else _method(opts.get("method") or "GET")
            headers = _headers(opts.get("headers") or {})
        except InvalidOption as error:
            raise GatewayFailed(str(error), name=_REFUSED, is_final=True) from None
        if is_ai:
            headers = _with_key(headers, opts.get("auth_key"), opts.get("format"))
        body = _body(opts.get("body"))
        return HttpRequest(method, url, headers, body, self._timeout, LARGEST_GATEWAY_ANSWER_BYTES, self._pace)

    def _check_host(self, url: str) -> None:
        place = re.split(r"[/?]", url.partition("://")[2], maxsplit=1)[0]
        if not self._hosts & {host_of(url), place}:
            problem = f"requests to {host_of(url)!r} are not allowed: name the host in gateway="
            raise GatewayFailed(problem, name=_REFUSED, is_final=True)


def _method(given: object) -> str:
    """The method of a request.

    Raises:
        InvalidOption: If it is none.
    """
    if not isinstance(given, str) or not _METHOD.fullmatch(given.upper()):
        raise InvalidOption("method", given, "a method of HTTP, such as GET")
    return given.upper()


def _headers(given: object) -> list[tuple[str, str]]:
    """The headers of a request, in canonical case.

    Raises:
        InvalidOption: If they are none.
    """
    expected = f"an object of at most {MOST_HEADERS} texts, of {LARGEST_HEADERS_BYTES:,} bytes together"
    if not isinstance(given, Mapping) or len(given) > MOST_HEADERS:
        raise InvalidOption("headers", given, expected)
    headers = []
    for name, value in given.items():
        if not _HEADER.fullmatch(name) or not isinstance(value, str) or not value.isprintable():
            raise InvalidOption("headers", {name: value}, expected)
        if name.lower() not in _OF_THE_CONNECTION:
            headers.append((_canonical(name), value))
    if sum(len(name) + len(value.encode()) for name, value in headers) > LARGEST_HEADERS_BYTES:
        raise InvalidOption("headers", "***", expected)
    return headers


def _with_key(headers: Sequence[tuple[str, str]], key: object, kind: object) -> list[tuple[str, str]]:
    """The headers of a request to a model: JSON, and the key of the app as that model takes it."""
    own = {"Content-Type": "application/json"}
    if isinstance(key, str) and key.isprintable() and key:
        own |= {"X-Api-Key": key} if kind == "anthropic" else {"Authorization": f"Bearer {key}"}
    names = {name for name, _ in headers}
    return [*headers, *[(name, value) for name, value in own.items() if name not in names]]


def _body(given: object) -> bytes:
    if given is None:
        return b""
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return text.encode(errors="replace")


def _canonical(name: str) -> str:
    """The name of a header as Go writes it: `X-Api-Key`."""
    return "-".join([part.capitalize() for part in name.split("-")])


def _failed(why: str, stack: str, *, is_ai: bool) -> GatewayFailed:
    what = "AI" if is_ai else "gateway"
    return GatewayFailed(
        f"Error making {what} request: {why}", name=f"{'AI' if is_ai else ''}GatewayError", stack=stack
    )
