"""The options by which commands choose jobs: the filters of `runner.jobs.list`, as the command line has them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Annotated, Any, Final

import typer

from aiojobs_lite.cli.views.plain import present
from aiojobs_lite.durations import seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.limits import LimitKey

_TIME: Final = "TIME"
_TIMES: Final = ("created_from", "created_to", "completed_from", "completed_to")
_TIME_HELP: Final = "an ISO time (UTC unless it says otherwise), or a duration before now such as 2h"


def _option(name: str, metavar: str, text: str) -> Any:
    return Annotated[str | None, typer.Option(f"--{name}", metavar=metavar, help=text)]


def _many(name: str, metavar: str, text: str) -> Any:
    return Annotated[list[str] | None, typer.Option(f"--{name}", metavar=metavar, help=text)]


_OPTIONS: Final[Mapping[str, Any]] = {
    "status": _option("status", "STATUS", "Only jobs of this status: pending, processing, completed, dead, cancelled."),
    "type": _option("type", "TYPE", "Only jobs of this type."),
    "label": _option("label", "LABEL", "Only jobs of this label."),
    "held": _option("held", "REASON", "Only jobs held for this reason: payload, after, event, listener, lane."),
    "batch": Annotated[int | None, typer.Option("--batch", metavar="ID", help="Only jobs of this batch.")],
    "key": _option("key", "LIMIT=KEY", "Only jobs that this limit counts under this key."),
    "error": _option("error", "TEXT", "Only jobs with this text within their latest error."),
    "payload": _many("payload", "FIELD=VALUE", "Only jobs with this argument; repeatable."),
    "metadata": _many("metadata", "NAME=VALUE", "Only jobs with this in their metadata; repeatable."),
    "created_from": _option("created-from", _TIME, f"Only jobs enqueued since: {_TIME_HELP}."),
    "created_to": _option("created-to", _TIME, "Only jobs enqueued until then."),
    "completed_from": _option("completed-from", _TIME, "Only jobs that ended since."),
    "completed_to": _option("completed-to", _TIME, "Only jobs that ended until then."),
    "order": _option("order", "ORDER", "newest (the default) or oldest first."),
}


def with_filters(command: Callable[..., object]) -> Callable[..., object]:
    """Gives a command these options; it is called with the filters that were given, as `wanted`."""
    own = inspect.signature(command, eval_str=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, kind, default=None, annotation=of) for name, of in _OPTIONS.items()]
    kept = [one for name, one in own.parameters.items() if name != "wanted"]

    @wraps(command)
    def called(**given: Any) -> object:
        texts = {name: given.pop(name) for name in _OPTIONS}
        return command(wanted=filters_of(texts), **given)

    signature = own.replace(parameters=[*kept, *added])
    annotations = {name: one.annotation for name, one in signature.parameters.items()}
    called.__dict__.update(__signature__=signature)
    called.__annotations__ = annotations
    return called


def filters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The filters of `runner.jobs.list` that were given on the command line.

    Raises:
        InvalidOption: If one of them cannot be read.
    """
    wanted = {name: value for name, value in given.items() if value not in (None, [])}
    for name in _TIMES:
        if name in wanted:
            wanted[name] = time_of_option(name, wanted[name])
    for name in ("payload", "metadata"):
        if name in wanted:
            wanted[name] = dict(pairs_of(name, wanted[name]))
    if "key" in wanted:
        wanted["key"] = dict(pairs_of("key", [wanted["key"]], "LIMIT=KEY"))
    return wanted


def time_of_option(option: str, text: str) -> datetime:
    """An instant: an ISO time, in UTC unless it says otherwise, or a duration before now.

    Raises:
        InvalidOption: If it is neither.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            return present() - timedelta(seconds=seconds(text, option))
        except InvalidOption:
            raise InvalidOption(option, text, f'{_TIME_HELP}, or "2026-03-01T12:00"') from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def pairs_of(option: str, texts: Iterable[str], form: str = "NAME=VALUE") -> list[tuple[str, Any]]:
    """Names with values, of `NAME=VALUE`: JSON, if it is that, else text.

    Raises:
        InvalidOption: If one has no equals sign.
    """
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidOption(option, text, form)
        found.append((name, value_of(value)))
    return found


def value_of(text: str) -> Any:
    """A value as it was meant: JSON, if it is that, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def key_of_option(text: str) -> LimitKey:
    """The key of a limit: JSON, if it is that, else text."""
    key: LimitKey = value_of(text)
    return key
