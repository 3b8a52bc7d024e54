"""One evaluation: its variables, its moment, and the steps that it may still take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

MOST_EVALUATION_STEPS: Final = 50_000
"""Of one evaluation of an expression: a node that a macro works out for an item, an item that is compared or copied,
64 characters that are built. Each takes about a microsecond, or less."""


class ExhaustedError(Exception):
    """The evaluation has taken all its steps. It never leaves the package."""


class Scope:
    """What the closures of an expression read.

    Attributes:
        roots: The variables of the caller.
        locals: The items of the macros around, the outermost first.
    """

    __slots__ = ("_clock", "_left", "_now", "locals", "roots")

    def __init__(self, roots: Mapping[str, Any], depth: int, clock: Callable[[], datetime]) -> None:
        self.roots = roots
        self.locals: list[Any] = [None] * depth
        self._clock = clock
        self._now: datetime | None = None
        self._left = MOST_EVALUATION_STEPS

    def now(self) -> datetime:
        """The moment of this evaluation, in UTC: the same one, however often it is asked."""
        if self._now is None:
            self._now = self._clock().astimezone(UTC)
        return self._now

    def spend(self, steps: int) -> None:
        """Counts steps.

        Raises:
            ExhaustedError: There were too many.
        """
        self._left -= steps
        if self._left < 0:
            raise ExhaustedError
