"""`aiojobs-lite web`."""

from __future__ import annotations

from typing import Annotated

import typer

from aiojobs_lite.cli.inngest import log_to_standard_error


def serve_web(
    database: Annotated[str, typer.Argument(help="The SQLite file, which must be there.")],
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8290,
    read_only: Annotated[bool, typer.Option("--read-only", help="Change nothing.")] = False,
) -> None:
    """Serves the dashboard of a database, beside its applications.

    AIOJOBS_LITE_WEB_PASSWORD in the environment is asked for, of the user admin.
    """
    from aiojobs_lite.cli.web import serve_dashboard  # noqa: PLC0415  # of the extra

    log_to_standard_error()
    serve_dashboard(database, host, port, read_only=read_only)
