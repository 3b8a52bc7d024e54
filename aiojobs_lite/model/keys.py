"""The key of a job, by which jobs of a type are kept apart: as text that is the same for the same values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Scalar = str | int | bool | None
"""What a key may be made of."""

KeyFunction = Callable[[Mapping[str, Any]], Scalar | tuple[Scalar, ...]]
"""Makes a key of a payload of plain JSON values: one value, or several."""

KeySpec = str | tuple[str, ...] | KeyFunction
"""What a key is made of: a field of the payload (dotted: one within it), several fields, or a function."""


def canonical(values: Sequence[Scalar]) -> str:
    """The one text for these values: a JSON list. `1`, `"1"` and `true` are different keys."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
