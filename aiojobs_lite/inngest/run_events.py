"""The events of a run, as they are in the payload of its job, and the keys that expressions make of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.expressions import Expression
from aiojobs_lite.model.keys import Scalar

EVENT: Final = "event"
"""The argument of a run that one event started."""

EVENTS: Final = "events"
"""The argument of a run that several started."""

INVOKED: Final = "inngest/function.invoked"
"""The name of the event of a run that no event of its triggers has started."""

NO_EVENT: Final[Mapping[str, Any]] = {"id": "", "name": INVOKED, "data": {}, "sent_at": 0}
"""The event of a job that a program enqueues itself."""

_LONGEST_KEY_CHARS: Final = 200  # a longer one is hashed


def run_events(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events of the arguments of a run, as functions get them."""
    memos = arguments.get(EVENTS) or [arguments.get(EVENT) or NO_EVENT]
    return [from_memo(one) for one in memos]


def key_function(expression: Expression | None, name: str, default: str) -> Callable[[Mapping[str, Any]], Scalar]:
    """Makes the key of a run by an expression; all runs have the same one without.

    Args:
        expression: The expression, or None.
        name: Its name, in errors.
        default: The field of an event that keeps it apart where the expression yields `false`: no limit counts it.
    """

    def key(arguments: Mapping[str, Any]) -> Scalar:
        if expression is None:
            return ""
        event = run_events(arguments)[0]
        value = expression.value({EVENT: event})
        return f"~{event.get(default)}" if value is False else _scalar(value)

    key.__name__ = name
    return key


def _scalar(value: Any) -> Scalar:
    """A value of JSON as a key: numbers that are the same are the same key."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int) or value is None:
        return value
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= _LONGEST_KEY_CHARS else hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
