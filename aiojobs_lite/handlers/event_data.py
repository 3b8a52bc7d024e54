"""What an event says, as JSON: like the payload of a job, it arrives as the values that it was sent with."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

from aiojobs_lite.errors import InvalidEvent
from aiojobs_lite.handlers.json_types import explain_call, find_lost, has_huge_number
from aiojobs_lite.handlers.read_back import find_changed
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES, MOST_DIGITS
from aiojobs_lite.text import show

_ANYTHING: Final[TypeAdapter[Any]] = TypeAdapter(Any)
_DECLARE: Final = "Send JSON values (dicts with text as keys, lists, text, numbers), or a model that declares the type"


class JsonObject(dict[str, Any]):
    """Data that were read from JSON: they arrive as they are."""


class JsonText(str):
    """Data that are an object of JSON already: they are stored word for word."""

    __slots__ = ()


def dump_data(name: str, data: Any, largest: int = LARGEST_PAYLOAD_BYTES) -> str:
    """The data of an event, as a JSON object. Models and dataclasses say themselves how they are written.

    Args:
        name: The name of the event, for errors.
        data: What there is to say; None: nothing.
        largest: Most bytes of it as JSON.

    Raises:
        InvalidEvent: If they cannot be stored, or would arrive as other values.
    """
    if isinstance(data, JsonText):
        _check_size(name, len(data.encode()), largest)
        return str(data)
    value = {} if data is None else data
    try:
        encoded = to_json(value, by_alias=True)
    except (PydanticSerializationError, RecursionError, ValueError) as error:
        path, reason = explain_call(error, {"data": value}, whole="data")
        raise InvalidEvent(name, f"{path} {reason}") from None
    if not encoded.startswith(b"{"):
        raise InvalidEvent(name, f"its data must be an object, such as a dict or a model, and not {show(data)}")
    _check_size(name, len(encoded), largest)
    if has_huge_number(encoded):
        digits = f"its data have a number of more than {MOST_DIGITS:,} digits, which cannot be read back"
        raise InvalidEvent(name, f"{digits}. Send it as text")
    stored = encoded.decode()
    lost = find_lost(_ANYTHING, value, stored)
    if lost is not None:
        raise InvalidEvent(name, f"data.{lost[0]} {lost[1]}. Leave it out, or send None or text in its place")
    changed = None if _arrives(value) else find_changed(value, from_json(encoded))
    if changed is not None:
        raise InvalidEvent(name, f"data.{changed[0]}: {changed[1]}. {_DECLARE}")
    return stored


def _check_size(name: str, size: int, largest: int) -> None:
    if size > largest:
        problem = f"its data have {size:,} bytes, at most {largest:,} are stored"
        raise InvalidEvent(name, f"{problem}. Store the data elsewhere and send their path or key")


def _arrives(value: object) -> bool:
    """Whether its class says what it has in it, and how that is written."""
    return isinstance(value, JsonObject | BaseModel) or dataclasses.is_dataclass(value)
