"""Events of Inngest as events of the library, and back.

An event of the library has a name, data and an id. What an event of Inngest has besides stands in `data._inngest` of
the stored one, and is taken out of it when the event goes to an SDK: `user`, `v`, `ts`, `meta`; and `data`, which is
what an SDK sees in `data._inngest` itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiojobs_lite.errors import InvalidEvent
from aiojobs_lite.handlers.event import LONGEST_EVENT_NAME_CHARS
from aiojobs_lite.handlers.event_data import JsonObject
from aiojobs_lite.inngest import raw_json
from aiojobs_lite.runner.events import EventToSend
from aiojobs_lite.text import shorten

RESERVED: Final = "inngest/"
"""Begins the names of events that apps may not send."""

_BESIDES: Final = "_inngest"
_OF_MEMO: Final = frozenset({"id", "name", "data", "sent_at"})
_MICROS: Final = 1_000  # in a millisecond
_LAST_MILLIS: Final = 253_402_300_799_999  # of the year 9999
_SHOWN_CHARS: Final = 100
_NO_NAME: Final = f"its name is text of 1 to {LONGEST_EVENT_NAME_CHARS} characters"
_OWN_NAME: Final = f"names that begin with {RESERVED!r} are those of the server: take another one"
_WRONG: Final[Mapping[str, str]] = {
    "id": "its id is text, or left out",
    "v": "its v is text, or left out",
    "data": "its data is an object, or left out",
    "user": "its user is an object, or left out",
    "meta": "its meta is an object, or left out",
    "ts": "its ts is a whole number of milliseconds since 1970, or left out",
    "sessions": "meta.sessions is an object of texts, or left out",
}
_KINDS: Final[Mapping[str, type]] = {"id": str, "v": str, "data": dict, "user": dict, "meta": dict}


def to_stored(event: object, *, default_id: str | None = None, is_own: bool = False) -> EventToSend:
    """An event of Inngest, as it is sent in the library.

    Args:
        event: The event, as JSON values.
        default_id: Its id, if it has none itself; None: the library gives it one.
        is_own: Whether the server itself sends it: then its name may begin with `inngest/`, and `data._inngest` stays.

    Raises:
        InvalidEvent: If it cannot be an event.
    """
    if not isinstance(event, Mapping):
        raise InvalidEvent("", "it is an object, with a name and data")
    name = event.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_EVENT_NAME_CHARS:
        raise InvalidEvent(shorten(str(name), _SHOWN_CHARS), _NO_NAME)
    if name.startswith(RESERVED) and not is_own:
        raise InvalidEvent(name, _OWN_NAME)
    for field, kind in _KINDS.items():
        if not isinstance(event.get(field), kind | None):
            raise InvalidEvent(name, _WRONG[field])
    data = JsonObject(event.get("data") or {})
    besides = {field: event[field] for field in ("user", "v") if event.get(field)}
    besides |= _instant(name, event.get("ts")) | _sessions(name, event.get("meta") or {})
    own = data.pop(_BESIDES, None)
    if is_own and own is not None:
        besides["data"] = own
    if besides:
        data[_BESIDES] = besides
    return EventToSend(name, data, event.get("id") or default_id)


def from_memo(memo: Mapping[str, Any]) -> dict[str, Any]:
    """The event of an SDK, of one as handlers get it: `model.events.memo_of`, as JSON values."""
    data = dict(memo["data"])
    besides = _besides_of(data.pop(_BESIDES, None))
    if "data" in besides:
        data[_BESIDES] = besides["data"]
    given = {"name": memo["name"], "id": memo["id"], "data": data, "user": besides.get("user", {})}
    given["ts"] = besides.get("ts", memo["sent_at"] // _MICROS)
    return given | {field: besides[field] for field in ("v", "meta") if field in besides}


def event_text(memo: str) -> str:
    """The same as `from_memo`, of texts: all values are word for word those of the memo.

    Raises:
        ValueError: If the memo is none of an event.
    """
    found = raw_json.members(memo)
    if not found.keys() >= _OF_MEMO:
        raise ValueError("an event has an id, a name, data and the instant at which it was sent")
    data, besides = found["data"], {}
    if f'"{_BESIDES}"' in data:  # nearly every event of an SDK has it, and few others
        parts = raw_json.members(data)
        own = parts.pop(_BESIDES, "null")
        besides = raw_json.members(own) if own.startswith("{") else {}
        if "data" in besides:
            parts[_BESIDES] = besides["data"]
        data = raw_json.object_of(parts)
    given = {"name": found["name"], "id": found["id"], "data": data, "user": besides.get("user", "{}")}
    given["ts"] = besides.get("ts") or str(int(found["sent_at"]) // _MICROS)
    return raw_json.object_of(given | {field: besides[field] for field in ("v", "meta") if field in besides})


def memo_text(event: Mapping[str, Any], sent_at: int) -> str:
    """A memo as `from_memo` reads it, of an event that is not stored: that of a function which another one invokes.

    Args:
        event: The event, as JSON values; it has an id.
        sent_at: When it was sent, in microseconds.
    """
    sent = to_stored(event, is_own=True)
    return json.dumps({"id": sent.id, "name": sent.name, "data": sent.data, "sent_at": sent_at}, ensure_ascii=False)


def _besides_of(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _instant(name: str, given: object) -> dict[str, int]:
    """The instant that the sender gives; 0 and null are none."""
    if given is None or (given == 0 and not isinstance(given, bool)):
        return {}
    is_whole = type(given) is int or (type(given) is float and given.is_integer())
    if not is_whole or not 0 < given <= _LAST_MILLIS:  # type: ignore[operator]  # it is a number
        raise InvalidEvent(name, _WRONG["ts"])
    return {"ts": int(given)}  # type: ignore[call-overload]  # it is a number


def _sessions(name: str, meta: Mapping[str, Any]) -> dict[str, Any]:
    """The sessions of an event: its own ones over those of the run that sends it; null takes one of these away."""
    merged: dict[str, Any] = {}
    for field in ("propagated_sessions", "sessions"):
        given = meta.get(field)
        if not isinstance(given, dict | None) or not all(isinstance(one, str | None) for one in (given or {}).values()):
            raise InvalidEvent(name, _WRONG["sessions"])
        merged |= given or {}
    kept = {session: value for session, value in merged.items() if value is not None}
    return {"meta": {"sessions": kept}} if kept else {}
