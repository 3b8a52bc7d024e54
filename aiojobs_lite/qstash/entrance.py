"""`qstash_app`: the API of QStash as an ASGI application."""

from __future__ import annotations

from typing import Unpack

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import missing_extra
from aiojobs_lite.http.group import Http
from aiojobs_lite.qstash.settings import QStashOptions, settings_of
from aiojobs_lite.runner.asgi import AsgiApp
from aiojobs_lite.runner.runner import JobRunner


def qstash_app(runner: JobRunner, http: Http, **options: Unpack[QStashOptions]) -> AsgiApp:
    """The API of QStash, as an ASGI application to mount below any path: its official clients use it unchanged.

    Needs the extra: `pip install "aiojobs_lite[http]"`. The application does not start the runner: `runner.lifespan`
    and `runner.asgi(...)` do.

    Args:
        runner: Stores the messages; it, or another one of its database, delivers them.
        http: The deliveries, which are among the job types of the runner.
        **options: Those that `aiojobs_lite.qstash.settings.QStashOptions` describes: `token`, `read_token`,
            `current_key`, `next_key`, `development`, `deduplicate_for`, `largest_request`.

    Raises:
        InvalidOption: If one of them cannot work, or the extra is not installed.
    """
    if not isinstance(runner, JobRunner):
        raise InvalidOption("runner", runner, "a JobRunner")
    if not isinstance(http, Http):
        raise InvalidOption("http", http, "the Http(...) that is among the job types of the runner")
    settings = settings_of(options)
    try:
        from aiojobs_lite.qstash.app import app_of  # noqa: PLC0415  # it needs starlette
    except ModuleNotFoundError as error:
        raise missing_extra("http", http, "http") from error
    return app_of(runner, http, settings)
