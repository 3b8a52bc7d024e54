"""Values in place of variables: an expression that needs fewer of them, and yields the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from aiojobs_lite.inngest.expressions.closures import closure_of, depth_of
from aiojobs_lite.inngest.expressions.functions import CONDITIONS, FUNCTIONS
from aiojobs_lite.inngest.expressions.moments import text_of_duration, text_of_instant
from aiojobs_lite.inngest.expressions.nodes import (
    And,
    Binary,
    Call,
    Choice,
    Has,
    ListOf,
    Literal,
    Local,
    Macro,
    MapOf,
    Node,
    Not,
    Or,
    Root,
    chain,
    children,
    walk,
    with_children,
)
from aiojobs_lite.inngest.expressions.patterns import LONGEST_PATTERN_CHARS, constant_pattern, problem_of
from aiojobs_lite.inngest.expressions.printer import TooLongError
from aiojobs_lite.inngest.expressions.scope import ExhaustedError, Scope
from aiojobs_lite.inngest.expressions.values import is_true


def bound(node: Node, values: Mapping[str, Any], now: datetime) -> Node:
    """The tree with values in place of some variables; what needs no other is worked out, as of `now`.

    It yields what the tree yields with these values. What takes too many steps is left as it stands.

    Raises:
        TooLongError: Its regular expressions are.
    """
    return _Binder(values, now).bound(node)


def is_condition(node: Node) -> bool:
    """Whether a node holds only if it yields true: there it yields a boolean, or None."""
    match node:
        case Literal(value):
            return value is None or isinstance(value, bool)
        case Binary(sign):
            return sign not in ("+", "-", "*", "/", "%")
        case Call(function):
            return function in CONDITIONS
        case Macro(kind):
            return kind in ("all", "exists", "exists_one")
        case And(parts):
            return is_condition(parts[-1])
        case Or(parts):
            return all(map(is_condition, parts))
        case Choice(_, yes, no):
            return is_condition(yes) and is_condition(no)
        case _:
            return isinstance(node, Has | Not)


class _Binder:
    def __init__(self, values: Mapping[str, Any], now: datetime) -> None:
        self._values = values
        self._now = now
        self._pattern_chars = 0

    def bound(self, node: Node) -> Node:
        if isinstance(node, Root) and node.name in self._values:
            return Literal(self._values[node.name])
        made = tuple([self.bound(child) for child in children(node)])
        match node:
            case And():
                return self._chain(And, made)
            case Or():
                return self._chain(Or, made)
            case Choice() if _is_constant(made[0]):
                return made[1] if is_true(self._value(made[0])) else made[2]
        node = with_children(node, made)
        if isinstance(node, Call) and (pattern := constant_pattern(node)):
            self._pattern_chars += len(pattern)
            if self._pattern_chars > LONGEST_PATTERN_CHARS:
                raise TooLongError
            if problem_of(pattern):  # it is a value, of an event: it fits nothing
                return Literal(value=False)
        return self._worked_out(node) if _is_closed(node) else node

    def _chain(self, kind: type[And | Or], parts: tuple[Node, ...]) -> Node:
        """The chain without the constants that decide nothing, and without what comes behind one that decides."""
        kept: list[Node] = []
        for place, part in enumerate(parts):
            if not _is_constant(part):
                kept.append(part)
                continue
            value = self._value(part)
            if is_true(value) is (kind is Or):
                kept.append(part)
                break
            is_last = place == len(parts) - 1
            if is_last and not (value is True and kept and is_condition(kept[-1])):
                kept.append(part)
        return chain(kind, tuple(kept))

    def _worked_out(self, node: Node) -> Node:
        try:
            value = self._value(node)
        except ExhaustedError:
            return node
        if isinstance(value, datetime):
            return Call("timestamp", (Literal(text_of_instant(value)),))
        if isinstance(value, timedelta):
            return Call("duration", (Literal(text_of_duration(value)),))
        return Literal(value)

    def _value(self, node: Node) -> Any:
        return closure_of(node)(Scope({}, depth_of(node), lambda: self._now))


def _is_constant(node: Node) -> bool:
    return isinstance(node, Literal) or (
        isinstance(node, Call) and node.function in ("timestamp", "duration") and isinstance(node.arguments[0], Literal)
    )


def _is_closed(node: Node) -> bool:
    """Whether a node above worked-out ones can be worked out to a JSON value, an instant or a duration."""
    match node:
        case Literal() | Local() | Root() | ListOf() | MapOf():  # a list of constants is one itself
            return False
        case Macro(_, target, variable, bodies):
            return isinstance(target, Literal) and not any(_is_open(body, variable) for body in bodies)
        case _:
            return all(map(_is_constant, children(node)))


def _is_open(body: Node, variable: str) -> bool:
    """Whether the body of a macro needs more than its variable, or makes instants."""
    return any(
        isinstance(node, Root)
        or (isinstance(node, Call) and FUNCTIONS[node.function].makes_moments)
        or (isinstance(node, Local) and node.name != variable)
        for node, _ in walk(body)
    )
