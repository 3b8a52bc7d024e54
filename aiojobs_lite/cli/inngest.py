"""`aiojobs-lite inngest`."""

from __future__ import annotations

import logging
import os
from typing import Annotated, Any, Final

import typer

from aiojobs_lite.cli.screen import note
from aiojobs_lite.cli.serving import Port, log_to_standard_error, serve_app
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.runner.runner import JobRunner

_PORT: Final = 8288  # where SDKs look in their development mode
_KEYS: Final = {
    "event_key": "INNGEST_EVENT_KEY", "signing_key": "INNGEST_SIGNING_KEY",
    "fallback_signing_key": "INNGEST_SIGNING_KEY_FALLBACK",
}  # fmt: skip
_NEEDED: Final = ("event_key", "signing_key")
_Urls = Annotated[list[str] | None, typer.Option(metavar="URL", help="An app that registers; repeatable.")]
_Hosts = Annotated[
    list[str] | None, typer.Option(metavar="HOST", help="A host that step.fetch and step.ai may reach; repeatable.")
]


def serve_inngest(
    database: Annotated[str, typer.Argument(help="The SQLite file; it is made if it is not there.")],
    *,
    app: _Urls = None,
    dev: Annotated[bool, typer.Option("--dev", help="Check no keys, and call apps on this machine.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Call apps in a private network; --dev does, too.")
    ] = False,
    gateway: _Hosts = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = _PORT,
) -> None:
    """Serves the Inngest protocol: apps with an official SDK run their functions on this database.

    Keys are read from the environment: INNGEST_EVENT_KEY, INNGEST_SIGNING_KEY, INNGEST_SIGNING_KEY_FALLBACK.
    """
    from aiojobs_lite.http.this_machine import is_loopback  # noqa: PLC0415  # loaded where it is needed, as the next one
    from aiojobs_lite.inngest import inngest_app  # noqa: PLC0415  # of the extra

    log_to_standard_error()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if dev and not is_loopback(host):
        note(f"aiojobs-lite: a program on any machine that reaches {host} can start functions: --dev checks no keys")
    runner = JobRunner(database)
    options: Any = _keys(is_dev=dev) | ({"allow_private": True} if allow_private else {})
    served = inngest_app(runner, mode="dev" if dev else "cloud", apps=app or [], gateway=gateway or [], **options)
    serve_app(runner, served, host, port)


def _keys(*, is_dev: bool) -> dict[str, str | None]:
    """The keys of the environment.

    Raises:
        InvalidOption: If one is missing that the mode `cloud` needs.
    """
    keys = {name: os.environ.get(variable) or None for name, variable in _KEYS.items()}
    for name in _NEEDED:
        if keys[name] is None and not is_dev:
            expected = "a key in the environment; on the machine of a developer --dev checks none"
            raise InvalidOption(_KEYS[name], None, expected)
    return keys
