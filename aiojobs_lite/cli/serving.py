"""`aiojobs-lite web`, and what commands that serve have alike."""

from __future__ import annotations

import logging
from typing import Annotated, Final

import typer

from aiojobs_lite.runner.asgi import AsgiApp
from aiojobs_lite.runner.runner import JobRunner

_PORT: Final = 8290
_LAST_PORT: Final = 65_535

Port = Annotated[int, typer.Option(min=0, max=_LAST_PORT, help="The port to listen on.")]


def serve_web(
    database: Annotated[str, typer.Argument(help="The SQLite file, which must be there.")],
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = _PORT,
    read_only: Annotated[bool, typer.Option("--read-only", help="Change nothing.")] = False,
) -> None:
    """Serves the dashboard of a database, beside its applications.

    AIOJOBS_LITE_WEB_PASSWORD in the environment is asked for, of the user admin.
    """
    from aiojobs_lite.cli.web import dashboard_alone  # noqa: PLC0415  # of the extra

    log_to_standard_error()
    serve_app(*dashboard_alone(database, host, read_only=read_only), host, port)


def serve_app(runner: JobRunner, app: AsgiApp, host: str, port: int) -> None:
    """Serves the application of a runner, until a signal ends it."""
    import uvicorn  # noqa: PLC0415  # of the extra

    uvicorn.run(runner.asgi(app), host=host, port=port, log_config=None)


def log_to_standard_error() -> None:
    """Has a command that serves or runs log what its runner reports."""
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(format=form, level=logging.INFO)
