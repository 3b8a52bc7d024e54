"""A runner with the API of QStash, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http
from aiojobs_lite.qstash import qstash_app
from tests.helpers.endpoints import local

TOKEN, READ_TOKEN = "token-of-this-test", "token-that-only-reads"
CURRENT_KEY, NEXT_KEY = "sig_" + "a" * 28, "sig_" + "b" * 28


@asynccontextmanager
async def serving(
    runner: JobRunner | None = None, http: Http | None = None, *, mount: str = "", **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the token, of an application over a runner in memory that delivers to loopback."""
    http = http or local()
    runner = runner or JobRunner(":memory:", jobs=[http])
    given = {"token": TOKEN, "read_token": READ_TOKEN, "current_key": CURRENT_KEY, "next_key": NEXT_KEY, **options}
    async with runner, client(qstash_app(runner, http, **given), mount=mount) as made:
        yield made


@asynccontextmanager
async def client(
    app: Any, *, mount: str = "", token: str | None = TOKEN, base: str = "http://qstash.test", peer: str = "192.0.2.7"
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application, over ASGI."""
    transport = httpx.ASGITransport(app=app, root_path=mount, client=(peer, 5000))
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url=base + mount, headers=headers) as made:
        yield made
