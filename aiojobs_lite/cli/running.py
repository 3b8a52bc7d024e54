"""`aiojobs-lite run` and `enqueue`: with the code of an application."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from aiojobs_lite.cli.choosing import pairs_of
from aiojobs_lite.cli.loading import RunnerArgument, load_runner
from aiojobs_lite.cli.opening import DatabaseOption, JsonOption, act
from aiojobs_lite.cli.screen import emit
from aiojobs_lite.cli.serving import log_to_standard_error
from aiojobs_lite.errors import InvalidOption


def run_jobs(
    runner: RunnerArgument,
    *,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Stop when nothing is due, as for a test.")] = False,
) -> None:
    """Runs the jobs of a runner in this process, until SIGTERM or Ctrl-C; then drains."""
    log_to_standard_error()
    found = load_runner(runner)
    asyncio.run(found.run_until_idle() if until_idle else found.run_forever())


def enqueue_job(
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="The name of a job type.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Its arguments: JSON, else text.")
    ] = None,
    *,
    code: Annotated[str, typer.Option("--from", metavar="MODULE:RUNNER", help="The code that has the job type.")],
    payload: Annotated[str | None, typer.Option(metavar="JSON", help="All arguments as one JSON object.")] = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enqueues a job; the code of the application checks its arguments. The database must be there."""
    given = _arguments(arguments or [], payload)
    types = load_runner(code).types.registered()
    handle = act(db, lambda opened: opened.enqueue_named(job_type, **given), types)
    document = {"id": handle.id, "key": handle.key, "is_new": handle.is_new}
    text = f"job {handle.id} of {job_type}{'' if handle.is_new else ', which was there already'}"
    emit(document, lambda screen: screen.line(text), as_json=as_json)


def _arguments(texts: list[str], payload: str | None) -> dict[str, Any]:
    given = {} if payload is None else _decoded(payload)
    return {**given, **dict(pairs_of("NAME=VALUE", texts))}


def _decoded(payload: str) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidOption("payload", payload, "a JSON object")
    return found
