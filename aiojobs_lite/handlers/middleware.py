"""What `middleware=` of a runner and of a group takes: objects with methods around enqueues, attempts and steps."""

from __future__ import annotations

import inspect
from typing import Any, Final

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_each
from aiojobs_lite.text import name_of

AROUND_ENQUEUE: Final = "around_enqueue"
AROUND_ATTEMPT: Final = "around_attempt"
AROUND_STEP: Final = "around_step"
_METHODS: Final = f"with an `async def {AROUND_ENQUEUE}`, `{AROUND_ATTEMPT}` or `{AROUND_STEP}`"
_WANTED: Final = f"objects {_METHODS}"
_ONE: Final = f"an object {_METHODS}"


def check_middleware(option: str, value: object) -> tuple[Any, ...]:
    """A list of middleware; each one once."""
    found = check_each(option, value, _WANTED)
    for place, one in enumerate(found):
        option_of_one = f"{option}[{place}]"
        methods = [getattr(one, name, None) for name in (AROUND_ENQUEUE, AROUND_ATTEMPT, AROUND_STEP)]
        if isinstance(one, type):
            raise InvalidOption(option_of_one, one, f"an object, {name_of(one)}(), not the class")
        if not any(methods) or not all(found is None or inspect.iscoroutinefunction(found) for found in methods):
            raise InvalidOption(option_of_one, one, _ONE)
        if sum(other is one for other in found) > 1:
            raise InvalidOption(option_of_one, one, "each object once")
    return tuple(found)
