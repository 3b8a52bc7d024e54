"""The events that cancel the runs of a function: `cancelOn`, and those of a singleton that is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.cancel_on import Cancels, On
from aiojobs_lite.inngest.conditions import find_matching
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.expressions import Expression, compile_expression
from aiojobs_lite.inngest.functions import FunctionConfig
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.payloads import arguments_of

_PATH: Final = re.compile(r"event(\.[A-Za-z_]\w*)+", re.ASCII)
_WANTED: Final = "equalities of fields of the event, such as 'event.data.id == async.data.id', joined by &&"


@dataclass(frozen=True, slots=True)
class RunCancel:
    """One event that cancels a run: by its name, and by an expression of the event (`async`) and that of the run."""

    event: str
    expression: Expression | None


class EventCancels(Cancels):
    """Makes of each run the events that cancel it.

    Args:
        cancels: What cancels the runs of the function.

    Attributes:
        given: The same, as the options of a job type show it.
    """

    def __init__(self, cancels: Iterable[RunCancel]) -> None:
        self._cancels = tuple(cancels)
        self.given = tuple([On(one.event) for one in self._cancels])

    def of(self, payload: str) -> tuple[EventMatch, ...]:
        """See `Cancels`; none where the event of the run has not what the expression compares."""
        event = from_memo(from_json(arguments_of(payload))["event"])
        return tuple([found for one in self._cancels for found in matches_of(one.event, one.expression, event)])


def cancels_of(config: FunctionConfig) -> EventCancels | None:
    """The events that cancel the runs of a function; None: none do.

    Raises:
        InvalidOption: If an expression compares something else than fields, which no index finds.
    """
    found = []
    for one in config.cancels:
        where = f"{config.id}.cancelOn"
        if one.timeout is not None:
            raise InvalidOption(f"{where}.timeout", one.timeout, "none: a run can be cancelled until it ends")
        _check(where, one.expression)
        found.append(RunCancel(one.event, one.expression))
    if config.singleton is not None and config.singleton.mode == "cancel":
        found += [RunCancel(trigger.event, _same_key(config)) for trigger in config.events]
    return EventCancels(found) if found else None


def matches_of(event: str, expression: Expression | None, run: Mapping[str, Any]) -> list[EventMatch]:
    """The match of an event by an expression; none if an index cannot find it.

    Args:
        event: The name of the event.
        expression: What it is compared with, or None: each event fits.
        run: The event of the run.
    """
    if expression is None:
        return [EventMatch(event)]
    match, rest = find_matching(event, expression.bind(event=dict(run)))
    return [match] if match.fields and rest is None else []


def _same_key(config: FunctionConfig) -> Expression | None:
    """Whether another event has the key of a singleton."""
    key = None if config.singleton is None else config.singleton.key
    if key is None:
        return None
    if _PATH.fullmatch(key.text.strip()) is None:
        raise InvalidOption(f"{config.id}.singleton.key", key.text, "a field of the event, such as 'event.data.id'")
    return compile_expression(f"async.{key.text.strip().removeprefix('event.')} == {key.text}")


def _check(where: str, expression: Expression | None) -> None:
    """Checks that an index finds what an expression compares, whatever the event of the run has there."""
    if expression is None:
        return
    sample: dict[str, Any] = {}
    paths = {found[0] for found in _PATH.finditer(expression.text)}
    for place, path in enumerate(sorted(paths, key=len, reverse=True)):
        _put(sample, path.split(".")[1:], f"value {place}")
    if not matches_of("any", expression, sample):
        raise InvalidOption(f"{where}.if", expression.text, _WANTED)


def _put(values: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Sets a value at a path, unless a longer path is there."""
    for part in path[:-1]:
        values = values.setdefault(part, {})
    values.setdefault(path[-1], value)
