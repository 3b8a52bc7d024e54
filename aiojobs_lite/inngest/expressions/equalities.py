"""What an index can look up: the parts of a filter that say which value a field must have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiojobs_lite.inngest.expressions.binding import is_condition
from aiojobs_lite.inngest.expressions.closures import path_of
from aiojobs_lite.inngest.expressions.nodes import And, Binary, Literal, Node, chain
from aiojobs_lite.inngest.expressions.printer import quoted


@dataclass(frozen=True, slots=True)
class Equality:
    """`root.path == value`, which a filter demands.

    Attributes:
        path: The names behind the root: those of `async.data.id` are `("data", "id")`.
        value: A string, a boolean or a whole number. A number of an event equals it however it is written: 5 and 5.0.
    """

    path: tuple[str, ...]
    value: str | bool | int

    @property
    def key(self) -> str:
        """The value as an index has it: the same as the `index_key` of each value that equals it, and of no other."""
        return _key(self.value)

    def is_met_by(self, root: Any) -> bool:
        """Whether the field of this root, such as an event, has the value."""
        return index_key_at(root, self.path) == self.key


def index_key(value: Any) -> str | None:
    """A JSON value as an index has it: equal values have equal keys. None if it has none: a fraction, null, a list."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _key(value) if isinstance(value, str | bool | int) else None


def index_key_at(root: Any, path: Sequence[str]) -> str | None:
    """The key of the value at a path of a root, such as an event; None if there is none."""
    for name in path:
        if not isinstance(root, dict):
            return None
        root = root.get(name)
    return index_key(root)


def _key(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    return str(value).lower() if isinstance(value, bool) else hex(value)


def split(node: Node, root: str) -> tuple[tuple[Equality, ...], Node | None]:
    """The equalities that a filter demands of a root, and what it demands besides; None if that is nothing.

    The filter holds if and only if all of these hold: what is left yields true.
    """
    parts = node.parts if isinstance(node, And) else (node,)
    equalities: list[Equality] = []
    rest: list[Node] = []
    for part in parts:
        equality = _equality(part, root)
        if equality is None:
            rest.append(part)
        else:
            equalities.append(equality)
    if rest and rest[-1] is not parts[-1] and not is_condition(rest[-1]):
        rest.append(
            Literal(value=True)
        )  # a part before the last holds by any value, such as a string; the last by true
    if not rest or rest == [Literal(value=True)]:
        return tuple(equalities), None
    return tuple(equalities), chain(And, tuple(rest))


def _equality(part: Node, root: str) -> Equality | None:
    if not isinstance(part, Binary) or part.operator != "==":
        return None
    for one, other in ((part.left, part.right), (part.right, part.left)):
        path = path_of(one)
        if path and path[0] == root and path[1] and isinstance(other, Literal):
            value = other.value
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, str | bool | int):
                return Equality(path[1], value)
    return None
