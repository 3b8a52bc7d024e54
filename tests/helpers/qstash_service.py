"""The API of QStash in a test: the app on loopback, its runner in memory, the official client, and all other hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from qstash import AsyncQStash
from starlette.applications import Starlette
from starlette.routing import Mount

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http, SigningKeys
from aiojobs_lite.qstash import qstash_app
from tests.helpers.asgi_server import served
from tests.helpers.endpoints import Endpoint
from tests.helpers.stand_in import stand_in

TOKEN: Final = "the-token-of-a-test"
KEYS: Final = SigningKeys.generate("upstash")


class Service(NamedTuple):
    """The whole of it.

    Attributes:
        client: The official client.
        runner: The runner of the app.
        endpoint: Plays the hosts that are called.
        url: Where the app is.
    """

    client: AsyncQStash
    runner: JobRunner
    endpoint: Endpoint
    url: str


@asynccontextmanager
async def service(mount: str = "/jobs/qstash", **options: Any) -> AsyncIterator[Service]:
    """Serves the app, below a path of another application unless `mount` is empty."""
    async with stand_in() as others:
        http = Http(**others.options)
        async with JobRunner(":memory:", jobs=[http]) as runner:
            app = qstash_app(runner, http=http, token=TOKEN, current_key=KEYS.current, next_key=KEYS.next, **options)
            async with served(Starlette(routes=[Mount(mount, app)]) if mount else app) as root:
                url = root + mount
                client = AsyncQStash(TOKEN, base_url=url, retry=False)
                try:
                    yield Service(client, runner, others.endpoint, url)
                finally:
                    await vars(client.http)["_client"].aclose()  # it has no close of its own
