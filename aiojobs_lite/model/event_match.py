"""Which events an operation waits for, or which cancel a job: by their name, and by scalars in their data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class EventMatch(NamedTuple):
    """Which events an operation waits for, or which cancel a job.

    Attributes:
        event: The name of the event, no pattern.
        fields: Dotted paths into its data, sorted; none: every event of the name matches.
        values: The JSON scalars that stand there, in the order of the fields, as one JSON array in one form
            (`json_values`).
    """

    event: str
    fields: tuple[str, ...] = ()
    values: str = "[]"


class EventMark(NamedTuple):
    """An event that was sent, by what its memo says of it (`model.events.memo_of`).

    Attributes:
        id: The id that its sender gave it, or its number as text.
        sent_at: When it was sent, in microseconds.
    """

    id: str
    sent_at: int


def json_values(values: Iterable[Any]) -> str:
    """JSON scalars as one array, in the one form by which they are compared: `1` and `1.0` are the same number."""
    return json.dumps([_scalar(value) for value in values], ensure_ascii=False, separators=(",", ":"))


def values_at(data: Any, fields: Iterable[str]) -> str | None:
    """The values of an event's data at dotted paths, in the form of `json_values`; None if there is no scalar at one of
    them.
    """
    found = []
    for path in fields:
        value: Any = data
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return None
            value = value[part]
        if isinstance(value, Mapping | list):
            return None
        found.append(value)
    return json_values(found)


def _scalar(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
