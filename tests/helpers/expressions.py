"""Random expressions and JSON values, that have much in common, so that they often fit."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from aiojobs_lite.inngest.expressions import Expression, compile_expression
from aiojobs_lite.inngest.expressions import nodes as tree
from aiojobs_lite.inngest.expressions.closures import closure_of, depth_of
from aiojobs_lite.inngest.expressions.functions import FUNCTIONS
from aiojobs_lite.inngest.expressions.nodes import Node
from aiojobs_lite.inngest.expressions.parser import MACROS
from aiojobs_lite.inngest.expressions.patterns import constant_pattern, problem_of
from aiojobs_lite.inngest.expressions.scope import Scope

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
NAMES: Final = ("a", "b", "id", "in", "two words", "é")
_ROOTS: Final = ("event", "async")
_VARIABLES: Final = ("x", "event")
_OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%")
_KINDS: Final = (
    "field", "has", "not", "negative", "index", "binary", "binary", "and", "or", "choice", "list", "map", "call",
    "call", "macro",
)  # fmt: skip
_TEXTS: Final = ("", "a", "b", "ab", "1", "x\n\"'\\\x00", "2026-01-02", "1h", "^a", "(", "[1]", "\U0001f600", "\u2028")


def expression(text: str) -> Expression:
    """The expression of a text, whose `now()` is NOW."""
    return compile_expression(text, now=lambda: NOW)


def value_of(text: str, **variables: Any) -> Any:
    """What the expression of a text yields."""
    return expression(text).value(variables)


def worked_out(node: Node, variables: dict[str, Any]) -> Any:
    """What a tree yields."""
    return closure_of(node)(Scope(variables, depth_of(node), lambda: NOW))


@cache
def scalars() -> st.SearchStrategy[Any]:
    """JSON values without others in them."""
    numbers = st.sampled_from([0, 1, 2, -1, 5, 2**53 + 1, 2**63, -(2**70), 0.0, 1.0, -0.0, 1.5, 1e300, 1_767_323_045])
    return st.one_of(
        st.none(), st.booleans(), numbers, st.integers(), st.floats(allow_nan=False), st.sampled_from(_TEXTS),
        st.text(max_size=5),
    )  # fmt: skip


@cache
def values() -> st.SearchStrategy[Any]:
    """JSON values."""
    return st.recursive(
        scalars(),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=4),
        ),
        max_leaves=8,
    )


@cache
def events() -> st.SearchStrategy[Any]:
    """What stands for `event` and `async`: mostly maps that have NAMES."""
    return st.dictionaries(st.sampled_from(NAMES), values(), max_size=5) | values()


@cache
def trees(variables: tuple[str, ...] = (), depth: int = 4) -> st.SearchStrategy[Node]:
    """Trees as the parser makes them: of nodes that take `variables`, at most `depth` below the first."""
    return _trees(variables, depth)


@st.composite
def _trees(draw: st.DrawFn, variables: tuple[str, ...], depth: int) -> Node:
    if depth == 0 or draw(_one_of((True, False, False, False))):
        return draw(_leaves(variables))

    def below(*inside: str) -> Node:
        return draw(trees((*variables, *inside), depth - 1))

    def several(least: int, most: int, *inside: str) -> tuple[Node, ...]:
        return tuple([below(*inside) for _ in range(draw(_one_of(tuple(range(least, most + 1)))))])

    name = draw(_one_of(NAMES))
    match draw(_one_of(_KINDS)):
        case "field":
            return tree.Field(below(), name)
        case "has":
            return tree.Has(below(), name)
        case "not":
            return tree.Not(below())
        case "negative":
            return tree.Negative(below())
        case "index":
            return tree.index_of(below(), below())
        case "binary":
            return tree.Binary(draw(_one_of(_OPERATORS)), below(), below())
        case "and" | "or" as kind:
            return tree.chain(tree.And if kind == "and" else tree.Or, several(2, 3))
        case "choice":
            return tree.Choice(below(), below(), below())
        case "list":
            return tree.list_of(several(0, 3))
        case "map":
            keys: list[Node] = [draw(_keys()) for _ in range(2)]
            return tree.map_of(tuple([part for key in keys for part in (key, below())]))
        case "call":
            function = draw(_one_of(tuple(sorted(FUNCTIONS))))
            (count,) = FUNCTIONS[function].counts
            return _without_bad_pattern(tree.Call(function, several(count, count)))
        case _:
            macro, variable = draw(_one_of(tuple(sorted(MACROS)))), draw(_one_of(_VARIABLES))
            return tree.Macro(macro, below(), variable, several(min(MACROS[macro]), max(MACROS[macro]), variable))


def _without_bad_pattern(call: tree.Call) -> Node:
    pattern = constant_pattern(call)
    return call if pattern is None or problem_of(pattern) is None else tree.Literal(pattern)


@st.composite
def filters(draw: st.DrawFn) -> Node:
    """Trees that say of some fields which value they have, as most filters do."""
    equalities = st.builds(tree.Binary, st.just("=="), _paths(), _paths() | st.builds(tree.Literal, scalars()))
    return tree.chain(tree.And, tuple(draw(st.lists(equalities | trees(depth=2), min_size=1, max_size=4))))


@cache
def _leaves(variables: tuple[str, ...]) -> st.SearchStrategy[Node]:
    locals_ = [st.builds(tree.Local, st.sampled_from(variables))] if variables else []
    return st.one_of(
        st.builds(tree.Literal, values()), st.builds(tree.Root, st.sampled_from(_ROOTS)), _paths(), *locals_
    )


@cache
def _paths() -> st.SearchStrategy[tree.Field]:
    return st.builds(tree.Field, st.builds(tree.Root, st.sampled_from(_ROOTS)), st.sampled_from(NAMES))


@cache
def _keys() -> st.SearchStrategy[Node]:
    return st.sampled_from(_TEXTS).map(tree.Literal) | _paths()


@cache
def _one_of(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)
