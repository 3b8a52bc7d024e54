"""The outside hosts of the suites: one server with a certificate for every name, and the way to it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.helpers.endpoints import Authority, Endpoint, Names, Received, endpoint, reply
from tests.helpers.pauses import work_for


class StandIn(NamedTuple):
    """All other hosts.

    Attributes:
        endpoint: The server that plays them.
        options: Of `Http`, whose deliveries come here.
    """

    endpoint: Endpoint
    options: dict[str, Any]


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    """Plays every host there is, over TLS."""
    authority = Authority()
    async with endpoint(_answer, tls=_for_every_name(authority)) as served:
        names = Names(["127.0.0.1"], port=urlsplit(served.url).port)
        yield StandIn(served, {"resolver": names, "ssl_context": authority.trusting, "allow_private": True})


def answer_of(host: str, target: str) -> tuple[HTTPStatus, float]:
    """What a host answers, and after how many seconds."""
    url = urlsplit(target)
    if host in {"example.com", "example.org"}:
        return HTTPStatus.METHOD_NOT_ALLOWED, 0
    code = re.fullmatch("/([1-5][0-9][0-9])", url.path)
    if host != "mock.httpstatus.io" or code is None:
        return HTTPStatus.OK, 0
    return HTTPStatus(int(code[1])), int(parse_qs(url.query).get("sleep", ["0"])[0]) / 1000


async def _answer(received: Received, writer: asyncio.StreamWriter) -> None:
    host = (received.header("Host") or "").partition(":")[0]
    status, wait = answer_of(host, received.target)
    await work_for(wait)
    writer.write(reply(status, f"{status.value} {status.phrase}".encode(), Content_Type="text/plain"))


def _for_every_name(authority: Authority) -> ssl.SSLContext:
    """The context of a server that has a certificate for whatever name a client asks for."""
    contexts: dict[str, ssl.SSLContext] = {}

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            if name not in contexts:
                contexts[name] = authority.serving(name)
            connection.context = contexts[name]

    first = authority.serving("localhost")
    first.sni_callback = choose
    return first
