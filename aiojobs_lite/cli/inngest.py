"""`aiojobs-lite inngest`."""

from __future__ import annotations

import logging
import os
from typing import Annotated, Any, Final

import typer

from aiojobs_lite.cli.serving import log_to_standard_error, serve_app
from aiojobs_lite.runner.runner import JobRunner

_PORT: Final = 8288  # where SDKs look in their development mode
_KEYS: Final = {
    "event_key": "INNGEST_EVENT_KEY", "signing_key": "INNGEST_SIGNING_KEY",
    "fallback_signing_key": "INNGEST_SIGNING_KEY_FALLBACK",
}  # fmt: skip


def serve_inngest(
    database: Annotated[str, typer.Argument(help="The SQLite file; it is made if it is not there.")],
    *,
    app: Annotated[list[str] | None, typer.Option(metavar="URL", help="An app that registers; repeatable.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Check no keys, and call apps on this machine.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = _PORT,
) -> None:
    """Serves the Inngest protocol: apps with an official SDK run their functions on this database.

    Keys are read from the environment: INNGEST_EVENT_KEY, INNGEST_SIGNING_KEY, INNGEST_SIGNING_KEY_FALLBACK.
    """
    from aiojobs_lite.inngest import inngest_app  # noqa: PLC0415  # of the extra

    log_to_standard_error()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    runner = JobRunner(database)
    keys: Any = {name: os.environ.get(variable) for name, variable in _KEYS.items()}
    served = inngest_app(runner, mode="dev" if dev else "cloud", apps=app or [], **keys)
    serve_app(runner, served, host, port)
