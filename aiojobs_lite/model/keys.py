"""The key of a job, by which jobs of a type are kept apart: as text that is the same for the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any

from aiojobs_lite.callables import check_plain
from aiojobs_lite.errors import InvalidOption

Scalar = str | int | bool | None
"""What a key may be made of."""

KeyFunction = Callable[[Mapping[str, Any]], Scalar | Sequence[Scalar]]
"""Makes a key of a payload of plain JSON values: one value, or several as a tuple or a list."""

KeySpec = str | Sequence[str] | KeyFunction
"""What a key is made of: a field of the payload (dotted: one within it), several as a tuple or a list, or a function.
"""


def canonical(values: Sequence[Scalar]) -> str:
    """The one text for these values: a JSON list. `1`, `"1"` and `true` are different keys."""
    return f"[{','.join([_text(value) for value in values])}]"


def _text(value: Scalar) -> str:
    """One value as JSON; `json.dumps` makes an encoder at each call."""
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    return "null" if value is None else "true" if value else "false"


def check_key(option: str, key: object) -> KeySpec:
    """A field of the payload, several as a tuple, or a function of it.

    Raises:
        InvalidOption: If it is none of these, or a coroutine function.
    """
    expected = 'fields of the payload, such as "user_id" or "order.id", or one function of the payload'
    if callable(key) and not isinstance(key, type):
        check_plain(option, key, "the key")
        return key
    fields = (key,) if isinstance(key, str) else key
    if not isinstance(fields, tuple | list) or not fields or not all(map(is_field, fields)):
        raise InvalidOption(option, key, expected)
    if len(set(fields)) < len(fields):
        raise InvalidOption(option, key, f"{expected}; each once")
    return tuple(fields)


def is_field(field: object) -> bool:
    """Whether it is a dotted path of names."""
    return isinstance(field, str) and all(field.split("."))


def shown_key(key: KeySpec | None) -> str:
    """A key in the text of a value, with a comma behind each part."""
    if key is None:
        return ""
    if callable(key):
        return f"{getattr(key, '__name__', key)}, "
    return "".join(f"{field!r}, " for field in ((key,) if isinstance(key, str) else key))
