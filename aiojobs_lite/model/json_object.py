"""Small JSON objects that are given as Python values and kept as text."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiojobs_lite.errors import InvalidOption


def dump_object(option: str, value: object, largest: int) -> str:
    """An object of plain JSON values, as JSON.

    Args:
        option: What it was given as.
        value: The object.
        largest: The most bytes that it may take.

    Raises:
        InvalidOption: If it is no mapping, has other values, or takes more bytes.
    """
    wanted = f"a dict of text to plain JSON values, of at most {largest:,} bytes as JSON"
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidOption(option, value, wanted)
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOption(option, value, wanted) from error
    if size > largest:
        raise InvalidOption(option, value, wanted)
    return text
