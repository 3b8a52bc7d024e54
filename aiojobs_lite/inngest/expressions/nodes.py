"""The tree of an expression. Each node is frozen, and says which nodes stand below it.

A chain of `&&` or `||` is one node however long it is. A constant list or map is a `Literal`, as its items are:
`a["b"]` is the same node as `a.b`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A JSON value. Nothing changes it, even where it is a list or a map: it may be a part of a caller's event."""

    value: Any


@dataclass(frozen=True, slots=True)
class Root:
    """A variable that the caller gives, such as `event`."""

    name: str


@dataclass(frozen=True, slots=True)
class Local:
    """The variable of a macro around the node."""

    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """`target.name`."""

    target: Node
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`target[index]`."""

    target: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Has:
    """`has(target.name)`."""

    target: Node
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`; that of a method has the target first."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Negative:
    """`-operand`; that of a number is a `Literal`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`: a comparison, an arithmetic operation or `in`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class And:
    """`a && b && ...`; no part is an `And`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`a || b || ...`; no part is an `Or`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[items]`, of which one at least is no `Literal`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{key: value}`, of which one at least is no `Literal`: keys and values in turn."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    """`target.kind(variable, bodies)`: the bodies are worked out for each item of the target."""

    kind: str
    target: Node
    variable: str
    bodies: tuple[Node, ...]


Node: TypeAlias = (
    Literal | Root | Local | Field | Index | Has | Call | Not | Negative | Binary | And | Or | Choice | ListOf | MapOf
    | Macro
)  # fmt: skip


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below a node, in the order in which they are written."""
    return _BELOW[type(node)](node)


def with_children(node: Node, made: tuple[Node, ...]) -> Node:
    """The same node above other children. A list or a map of constants becomes one, a chain in a chain one chain."""
    match node:
        case Field(_, name) | Has(_, name):
            return type(node)(made[0], name)
        case Not() | Negative():
            return type(node)(made[0])
        case Index():
            return index_of(*made)
        case Binary(operator):
            return Binary(operator, *made)
        case And() | Or():
            return chain(type(node), made)
        case ListOf():
            return list_of(made)
        case MapOf():
            return map_of(made)
        case Call(function):
            return Call(function, made)
        case Choice():
            return Choice(*made)
        case Macro(kind, _, variable):
            return Macro(kind, made[0], variable, made[1:])
        case _:
            return node


def walk(node: Node) -> Iterator[tuple[Node, int]]:
    """Every node below one, itself first, and how deep it lies: 1 is the node itself."""
    waiting = [(node, 1)]
    while waiting:
        found, depth = waiting.pop()
        yield found, depth
        for child in _BELOW[type(found)](found):
            waiting.append((child, depth + 1))  # noqa: PERF401  # mostly one or two: a list of them is slower


def chain(kind: type[And | Or], parts: tuple[Node, ...]) -> Node:
    """A chain of one kind: those among its parts are taken apart, and of one part it is that part."""
    flat: list[Node] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.parts)
        else:
            flat.append(part)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def index_of(target: Node, index: Node) -> Node:
    """`target[index]`: a constant name is that of a field."""
    if isinstance(index, Literal) and isinstance(index.value, str):
        return Field(target, index.value)
    return Index(target, index)


def list_of(items: tuple[Node, ...]) -> Node:
    """A list: a constant one if all its items are constants."""
    values = _constants(items)
    return ListOf(items) if values is None else Literal(values)


def map_of(items: tuple[Node, ...]) -> Node:
    """A map of keys and values in turn: a constant one if all are constants; null if a constant key is no string."""
    if any(isinstance(key, Literal) and not isinstance(key.value, str) for key in items[::2]):
        return Literal(None)
    values = _constants(items)
    return MapOf(items) if values is None else Literal(dict(zip(values[::2], values[1::2], strict=True)))


def _constants(items: tuple[Node, ...]) -> list[Any] | None:
    values = [item.value for item in items if isinstance(item, Literal)]
    return values if len(values) == len(items) else None


_BELOW: Final[dict[type, Callable[[Any], tuple[Node, ...]]]] = {
    **dict.fromkeys((Literal, Root, Local), lambda _: ()),
    **dict.fromkeys((Field, Has), lambda node: (node.target,)),
    **dict.fromkeys((Not, Negative), lambda node: (node.operand,)),
    **dict.fromkeys((And, Or), lambda node: node.parts),
    **dict.fromkeys((ListOf, MapOf), lambda node: node.items),
    Index: lambda node: (node.target, node.index),
    Call: lambda node: node.arguments,
    Binary: lambda node: (node.left, node.right),
    Choice: lambda node: (node.condition, node.yes, node.no),
    Macro: lambda node: (node.target, *node.bodies),
}
