"""`aiojobs-lite`: what can be run without a program of one's own."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.errors import AiojobsError

_PORT: Final = 8288  # where SDKs look in their development mode
_KEYS: Final = {
    "event_key": "INNGEST_EVENT_KEY", "signing_key": "INNGEST_SIGNING_KEY",
    "fallback_signing_key": "INNGEST_SIGNING_KEY_FALLBACK",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code.

    Args:
        arguments: Those of the command line; None: of this process.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        if options.command == "web":
            from aiojobs_lite.cli.web import serve_dashboard  # noqa: PLC0415  # of the extra

            serve_dashboard(options.database, options.host, options.port, read_only=options.read_only)
        else:
            serve_inngest(options, os.environ)
    except (AiojobsError, ModuleNotFoundError) as error:
        sys.stderr.write(f"aiojobs-lite: {error}\n")
        return 1
    return 0


def serve_inngest(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Serves the Inngest protocol on one database, until a signal ends it; then the runner drains.

    Raises:
        ModuleNotFoundError: If the extra `inngest` is not installed.
        AiojobsError: If an option cannot work.
    """
    import uvicorn  # noqa: PLC0415  # of the extra

    from aiojobs_lite.inngest import inngest_app  # noqa: PLC0415
    from aiojobs_lite.runner.runner import JobRunner  # noqa: PLC0415

    runner = JobRunner(options.database)
    keys: Any = {name: environment.get(variable) for name, variable in _KEYS.items()}
    app = inngest_app(runner, mode="dev" if options.dev else "cloud", apps=options.app, **keys)
    uvicorn.run(runner.asgi(app), host=options.host, port=options.port, log_config=None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aiojobs-lite", description="Durable background jobs on one SQLite file.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    inngest = commands.add_parser(
        "inngest", help="serve the Inngest protocol: apps with an official SDK run their functions on this database",
        epilog=f"Keys are read from the environment: {', '.join(_KEYS.values())}.",
    )  # fmt: skip
    inngest.add_argument("database", help="the SQLite file; it is made if it is not there")
    inngest.add_argument("--app", action="append", default=[], metavar="URL", help="an app that registers; repeatable")
    inngest.add_argument("--dev", action="store_true", help="check no keys, and call apps on this machine")
    inngest.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    inngest.add_argument("--port", type=int, default=_PORT, help="the port to listen on (default: %(default)s)")
    web = commands.add_parser(
        "web", help="serve the dashboard of a database",
        epilog="AIOJOBS_LITE_WEB_PASSWORD in the environment is asked for, of the user admin.",
    )  # fmt: skip
    web.add_argument("database", help="the SQLite file, which must be there")
    web.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    web.add_argument("--port", type=int, default=8290, help="the port to listen on (default: %(default)s)")
    web.add_argument("--read-only", action="store_true", help="change nothing")
    return parser
