"""An expression that is compiled: `compile_expression` makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from aiojobs_lite.clock import SystemClock, to_datetime
from aiojobs_lite.errors import ExpressionError
from aiojobs_lite.inngest.expressions.binding import bound
from aiojobs_lite.inngest.expressions.closures import closure_of, depth_of
from aiojobs_lite.inngest.expressions.equalities import Equality, split
from aiojobs_lite.inngest.expressions.functions import FUNCTIONS
from aiojobs_lite.inngest.expressions.nodes import Call, Node, Root, children, walk, with_children
from aiojobs_lite.inngest.expressions.parser import LONGEST_BOUND_BYTES, LONGEST_EXPRESSION_BYTES, MOST_NESTED, parse
from aiojobs_lite.inngest.expressions.printer import TooLongError, text_of_node
from aiojobs_lite.inngest.expressions.scope import ExhaustedError, Scope
from aiojobs_lite.inngest.expressions.values import text_of_moment

_TOO_LARGE: Final = (
    f"with its values it has more than {LONGEST_BOUND_BYTES} bytes, or {MOST_NESTED} parts within each other. "
    "Compare smaller values, such as ids."
)


def compile_expression(
    text: str, *, now: Callable[[], datetime] | None = None, longest: int = LONGEST_EXPRESSION_BYTES
) -> Expression:
    """The expression of a text.

    Args:
        text: Such as `event.data.userId == async.data.userId && async.data.total > 5`.
        now: The clock of `now()` and its like: an aware datetime. Default: the system's clock.
        longest: Bytes that the text may have. That of a bound expression, when it is read again, may have
            `LONGEST_BOUND_BYTES`.

    Raises:
        ExpressionError: The text is no expression, or one that is too large.
    """
    return Expression(text, parse(text, longest), now or _system_now)


class Expression:
    """A filter, a key or a priority of a function, compiled. It is a value: nothing changes it.

    Attributes:
        text: What was compiled.
        names: The variables that it reads, such as `event` and `async`.
    """

    __slots__ = ("_closure", "_depth", "_makes_moments", "_node", "_now", "names", "text")

    def __init__(self, text: str, node: Node, now: Callable[[], datetime]) -> None:
        self.text = text
        nodes = [found for found, _ in walk(node)]
        self.names = frozenset([found.name for found in nodes if isinstance(found, Root)])
        self._makes_moments = any(
            isinstance(found, Call) and FUNCTIONS[found.function].makes_moments for found in nodes
        )
        self._node = node
        self._now = now
        self._closure = closure_of(node)
        self._depth = depth_of(node)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"

    def matches(self, variables: Mapping[str, Any]) -> bool:
        """Whether it yields the boolean true: no other value does, nor an evaluation that takes too many steps."""
        try:
            return self._closure(Scope(variables, self._depth, self._now)) is True
        except ExhaustedError:
            return False

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The JSON value that it yields; None where it yields none, or takes too many steps.

        A list or a map may be a part of the variables. An instant is a string such as `2026-01-02T03:04:05Z`, a
        duration one such as `90s`.
        """
        try:
            value = self._closure(Scope(variables, self._depth, self._now))
            if self._makes_moments:
                return _as_json(value)
        except (ExhaustedError, RecursionError):  # the latter of lists too deep within each other
            return None
        return None if isinstance(value, float) and not isfinite(value) else value

    def bind(self, /, **values: Any) -> Expression:
        """The expression with JSON values in place of variables, as `bind(event={...})`.

        It yields what this one yields with them, and its `now()` is the moment of this call. Its text compiles again
        with `longest=LONGEST_BOUND_BYTES`.

        Raises:
            ExpressionError: The text would be longer, or the values have too many lists and maps within each other.
        """
        try:
            node = bound(self._node, values, self._now())
            text = text_of_node(node, LONGEST_BOUND_BYTES, MOST_NESTED)
            return compile_expression(text, now=self._now, longest=LONGEST_BOUND_BYTES)
        except (TooLongError, ExpressionError):
            raise ExpressionError(self.text, 0, _TOO_LARGE) from None

    def renamed(self, name: str, other: str) -> Expression:
        """The expression with another name in place of one of its variables."""
        node = _renamed(self._node, name, Root(other))
        return Expression(text_of_node(node, 2 * LONGEST_BOUND_BYTES, MOST_NESTED), node, self._now)

    def equalities(self, root: str = "async") -> tuple[Equality, ...]:
        """What it demands of single fields of a variable: an index finds by these which expressions an event fits."""
        return split(self._node, root)[0]

    def residual(self, root: str = "async") -> Expression | None:
        """What it demands besides its equalities; None if nothing. It matches if all of them hold and this matches."""
        equalities, rest = split(self._node, root)
        if rest is None:
            return None
        if not equalities:
            return self
        text = text_of_node(rest, 2 * LONGEST_BOUND_BYTES, MOST_NESTED)
        return Expression(text, rest, self._now)


def _renamed(node: Node, name: str, other: Root) -> Node:
    if isinstance(node, Root):
        return other if node.name == name else node
    return with_children(node, tuple([_renamed(child, name, other) for child in children(node)]))


def _system_now() -> datetime:
    return to_datetime(SystemClock().now())


def _as_json(value: Any) -> Any:
    match value:
        case datetime() | timedelta():
            return text_of_moment(value)
        case float():
            return value if isfinite(value) else None
        case list():
            return [_as_json(item) for item in value]
        case dict():
            return {key: _as_json(item) for key, item in value.items()}
        case _:
            return value
