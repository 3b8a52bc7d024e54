"""A dashboard over a runner, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

import httpx

from aiojobs_lite import JobRunner
from aiojobs_lite.web import jobs_dashboard

SITE = "http://jobs.test"
SAME_ORIGIN = {"Origin": SITE}
MOUNT = "/admin/jobs"


@asynccontextmanager
async def visiting(app: Any, *, mount: str = MOUNT, peer: str = "192.0.2.7") -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application below a path, that says as a browser does from which site it posts."""
    transport = httpx.ASGITransport(app=app, root_path=mount, client=(peer, 5000))
    async with httpx.AsyncClient(transport=transport, base_url=SITE + mount, headers=SAME_ORIGIN) as made:
        yield made


@asynccontextmanager
async def dashboard(
    runner: JobRunner, role: Any = "admin", *, mount: str = MOUNT, **options: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the dashboard of a runner, which is started. It may do what the role says."""
    app = jobs_dashboard(runner, auth=lambda request: role, **options)
    async with runner, visiting(app, mount=mount) as client:
        yield client


async def press(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Posts a form as a browser does, and follows where it leads."""
    given = {"pressed": "1", **fields}
    return await client.post(path, data=given, follow_redirects=True)


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def text_of(page: str) -> str:
    """What a page says, without its tags; spaces are single."""
    parser = _Texts()
    parser.feed(page)
    return " ".join(" ".join(parser.texts).split())


def tags_of(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """The tags of a page with their attributes."""
    parser = _Texts()
    parser.feed(page)
    return parser.tags
