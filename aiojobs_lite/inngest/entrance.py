"""`inngest_app`: the server side of the Inngest protocol as an ASGI application."""

from __future__ import annotations

from typing import Unpack

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import missing_extra
from aiojobs_lite.inngest.settings import InngestOptions, inngest_settings
from aiojobs_lite.runner.asgi import AsgiApp
from aiojobs_lite.runner.runner import JobRunner


def inngest_app(runner: JobRunner, **options: Unpack[InngestOptions]) -> AsgiApp:
    """The server side of the Inngest protocol, as an ASGI application: apps with an official SDK register their
    functions here, and each of their runs is a job of the runner. Call it before the start. Mount it at the root of a
    host, `app.mount("/", inngest)` behind all other routes: the SDKs leave out the path of their base URL.

    Needs the extra: `pip install "aiojobs_lite[inngest]"`. The application does not start the runner: `runner.lifespan`
    and `runner.asgi(...)` do.

    Args:
        runner: Runs the functions; it has them as job types from their registration on.
        **options: Those that `aiojobs_lite.inngest.settings.InngestOptions` describes: `mode`, `event_key`,
            `fallback_event_key`, `signing_key`, `fallback_signing_key`, `apps`, `look_every`, `allow_private`,
            `app_concurrency`, `backoff`, `timeout`, `gateway`,
            `invocable`.

    Raises:
        InvalidOption: If one of them cannot work, or the extra is not installed.
        RunnerAlreadyStarted: If the runner is started.
    """
    if not isinstance(runner, JobRunner):
        raise InvalidOption("runner", runner, "a JobRunner")
    settings = inngest_settings(options)
    try:
        from aiojobs_lite.inngest.api.app import make_app  # noqa: PLC0415  # it needs starlette
    except ModuleNotFoundError as error:
        raise missing_extra("runner", runner, "inngest") from error
    return make_app(runner, settings)
