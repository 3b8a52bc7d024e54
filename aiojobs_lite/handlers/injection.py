"""How a parameter of a handler says that the runner fills it, and not the payload."""

from __future__ import annotations

from typing import Any, Final


class _Injected:
    """The class of `injected`."""

    def __repr__(self) -> str:
        return "injected"

    def __reduce__(self) -> str:
        return "injected"  # copies and pickles are the same object


injected: Final[Any] = _Injected()
"""Default of a parameter that the runner fills by its annotation: the context, the runner, or a resource of `deps=`."""


class AttemptContext:
    """The base of `JobContext`, by which a signature knows the parameter for it."""

    __slots__ = ()
