"""From the tree of an expression to a closure: each node is one, and calls those below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from aiojobs_lite.inngest.expressions.functions import FUNCTIONS
from aiojobs_lite.inngest.expressions.nodes import (
    And,
    Binary,
    Call,
    Choice,
    Field,
    Has,
    Index,
    ListOf,
    Literal,
    Local,
    Macro,
    MapOf,
    Negative,
    Node,
    Not,
    Or,
    Root,
    children,
    walk,
)
from aiojobs_lite.inngest.expressions.patterns import constant_pattern, fitting
from aiojobs_lite.inngest.expressions.scope import Scope
from aiojobs_lite.inngest.expressions.values import (
    ORDERS,
    added,
    calculated,
    contains,
    equal,
    is_true,
    item_of,
    negative,
    ordered,
)

Closure: TypeAlias = Callable[[Scope], Any]
Names: TypeAlias = tuple[str, ...]

_LONG_CHARS: Final = 1_000  # strings that are compared without a step


def closure_of(node: Node) -> Closure:
    """What works a tree out in a scope of `depth_of` it."""
    return _made(node, ())


def depth_of(node: Node) -> int:
    """How many macros stand within each other, at most."""
    if isinstance(node, Macro):
        return max(depth_of(node.target), 1 + max(map(depth_of, node.bodies)))
    return max(map(depth_of, children(node)), default=0)


def path_of(node: Node) -> tuple[str, Names] | None:
    """The variable and the names of a path such as `event.data.id`; None for any other node."""
    names: list[str] = []
    while isinstance(node, Field):
        names.append(node.name)
        node = node.target
    return (node.name, tuple(reversed(names))) if isinstance(node, Root) else None


def _made(node: Node, variables: Names) -> Closure:
    return _MAKERS[type(node)](node, variables)


def _all_made(nodes: Sequence[Node], variables: Names) -> tuple[Closure, ...]:
    return tuple([_made(node, variables) for node in nodes])


def _literal(node: Literal, _: Names) -> Closure:
    value = node.value
    return lambda _: value


def _root(node: Root, _: Names) -> Closure:
    name = node.name
    return lambda scope: scope.roots.get(name)


def _local(node: Local, variables: Names) -> Closure:
    place = len(variables) - 1 - variables[::-1].index(node.name)
    return lambda scope: scope.locals[place]


def _field(node: Field, variables: Names) -> Closure:
    path = path_of(node)
    if path is not None:
        return _path(*path)
    target, name = _made(node.target, variables), node.name

    def field(scope: Scope) -> Any:
        found = target(scope)
        return found.get(name) if isinstance(found, dict) else None

    return field


def _path(root: str, names: Names) -> Closure:
    def path(scope: Scope) -> Any:
        found: Any = scope.roots.get(root)
        for name in names:
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return found

    return path


def _index(node: Index, variables: Names) -> Closure:
    target, index = _all_made((node.target, node.index), variables)
    return lambda scope: item_of(target(scope), index(scope))


def _has(node: Has, variables: Names) -> Closure:
    target, name = _made(node.target, variables), node.name

    def has(scope: Scope) -> bool:
        found = target(scope)
        return isinstance(found, dict) and name in found

    return has


def _call(node: Call, variables: Names) -> Closure:
    apply, arguments = FUNCTIONS[node.function].apply, _all_made(node.arguments, variables)
    if (pattern := constant_pattern(node)) is not None:
        apply, arguments = fitting(pattern), arguments[:1]
    if len(arguments) == 1:
        argument = arguments[0]
        return lambda scope: apply(scope, argument(scope))
    if len(arguments) == 2:
        first, second = arguments
        return lambda scope: apply(scope, first(scope), second(scope))
    return apply


def _not(node: Not, variables: Names) -> Closure:
    operand = _made(node.operand, variables)
    return lambda scope: operand(scope) is False


def _negative(node: Negative, variables: Names) -> Closure:
    operand = _made(node.operand, variables)
    return lambda scope: negative(operand(scope))


def _binary(node: Binary, variables: Names) -> Closure:
    left, right = _all_made((node.left, node.right), variables)
    sign = node.operator
    match sign:
        case "==":
            return _equality(left, right)
        case "!=":
            same = _equality(left, right)
            return lambda scope: not same(scope)
        case "in":
            return lambda scope: contains(scope, left(scope), right(scope))
        case "+":
            return lambda scope: added(scope, left(scope), right(scope))
    if sign in ORDERS:
        return lambda scope: ordered(sign, left(scope), right(scope))
    return lambda scope: calculated(sign, left(scope), right(scope))


def _equality(left: Closure, right: Closure) -> Closure:
    def equality(scope: Scope) -> bool:
        one, other = left(scope), right(scope)
        if type(one) is str and len(one) < _LONG_CHARS:  # nearly always
            return bool(one == other)
        return equal(scope, one, other)

    return equality


def _and(node: And, variables: Names) -> Closure:
    *parts, last = _all_made(node.parts, variables)

    def every(scope: Scope) -> Any:
        for part in parts:
            value = part(scope)
            if value is not True and not is_true(value):
                return value
        return last(scope)

    return every


def _or(node: Or, variables: Names) -> Closure:
    *parts, last = _all_made(node.parts, variables)

    def first(scope: Scope) -> Any:
        for part in parts:
            value = part(scope)
            if value is True or is_true(value):
                return value
        return last(scope)

    return first


def _choice(node: Choice, variables: Names) -> Closure:
    condition, yes, no = _all_made((node.condition, node.yes, node.no), variables)
    return lambda scope: yes(scope) if is_true(condition(scope)) else no(scope)


def _list(node: ListOf, variables: Names) -> Closure:
    items = _all_made(node.items, variables)
    return lambda scope: [item(scope) for item in items]


def _map(node: MapOf, variables: Names) -> Closure:
    items = _all_made(node.items, variables)

    def made(scope: Scope) -> dict[str, Any] | None:
        values = [item(scope) for item in items]
        if not all(isinstance(key, str) for key in values[::2]):
            return None
        return dict(zip(values[::2], values[1::2], strict=True))

    return made


def _macro(node: Macro, variables: Names) -> Closure:
    target, place = _made(node.target, variables), len(variables)
    bodies = _all_made(node.bodies, (*variables, node.variable))
    steps = sum(1 for body in node.bodies for _ in walk(body)) + 1
    gather = _GATHERERS[node.kind]

    def macro(scope: Scope) -> Any:
        items = target(scope)
        if not isinstance(items, list | dict):
            return None

        def each(body: Closure) -> Callable[[Any], Any]:
            def worked_out(item: Any) -> Any:
                scope.spend(steps)
                scope.locals[place] = item
                return body(scope)

            return worked_out

        return gather(items, *map(each, bodies))

    return macro


def _mapped(items: Any, *bodies: Callable[[Any], Any]) -> list[Any]:
    *conditions, body = bodies
    return [body(item) for item in items if all(is_true(condition(item)) for condition in conditions)]


_GATHERERS: Final[dict[str, Callable[..., Any]]] = {
    "all": lambda items, body: all(is_true(body(item)) for item in items),
    "exists": lambda items, body: any(is_true(body(item)) for item in items),
    "exists_one": lambda items, body: sum(is_true(body(item)) for item in items) == 1,
    "filter": lambda items, body: [item for item in items if is_true(body(item))],
    "map": _mapped,
}

_MAKERS: Final[dict[type, Callable[[Any, Names], Closure]]] = {
    Literal: _literal, Root: _root, Local: _local, Field: _field, Index: _index, Has: _has, Call: _call, Not: _not,
    Negative: _negative, Binary: _binary, And: _and, Or: _or, Choice: _choice, ListOf: _list, MapOf: _map,
    Macro: _macro,
}  # fmt: skip
