"""The server that a suite of QStash is run against: the app, its runner and a new database, in this process."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http, SigningKeys
from aiojobs_lite.qstash import qstash_app
from tests.helpers.asgi_server import served
from tests.helpers.stand_in import stand_in
from tests.helpers.waiting import unmeasured


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Serves the app, whose database is new, in a folder; gives the environment of a suite."""
    keys = SigningKeys.generate("upstash")
    token = secrets.token_urlsafe()
    async with stand_in() as others:
        http = Http(**others.options)
        runner = JobRunner(folder / "jobs.db", jobs=[http])
        app = qstash_app(runner, http=http, token=token, current_key=keys.current, next_key=keys.next)
        async with runner, served(app) as url:
            yield {
                **{name: value for name, value in unmeasured().items() if "QSTASH" not in name},
                "QSTASH_URL": url,
                "QSTASH_TOKEN": token,
                "QSTASH_CURRENT_SIGNING_KEY": keys.current,
                "QSTASH_NEXT_SIGNING_KEY": keys.next or "",
                "OPENAI_API_KEY": "any",
            }
