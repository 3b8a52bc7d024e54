"""Random expressions and JSON values, that have much in common, so that they often fit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from aiojobs_lite.inngest.expressions import Expression, compile_expression
from aiojobs_lite.inngest.expressions import nodes as tree
from aiojobs_lite.inngest.expressions.closures import closure_of, depth_of
from aiojobs_lite.inngest.expressions.functions import FUNCTIONS
from aiojobs_lite.inngest.expressions.nodes import Node
from aiojobs_lite.inngest.expressions.parser import MACROS
from aiojobs_lite.inngest.expressions.patterns import problem_of
from aiojobs_lite.inngest.expressions.scope import Scope

NOW: Final = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
NAMES: Final = ("a", "b", "id", "in", "two words", "é")
_ROOTS: Final = ("event", "async")
_VARIABLES: Final = ("x", "event")
_OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%")
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


def scalars() -> st.SearchStrategy[Any]:
    """JSON values without others in them."""
    numbers = st.sampled_from([0, 1, 2, -1, 5, 2**53 + 1, 2**63, -(2**70), 0.0, 1.0, -0.0, 1.5, 1e300, 1_767_323_045])
    return st.one_of(
        st.none(), st.booleans(), numbers, st.integers(), st.floats(allow_nan=False), st.sampled_from(_TEXTS),
        st.text(max_size=5),
    )  # fmt: skip


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


def events() -> st.SearchStrategy[Any]:
    """What stands for `event` and `async`: mostly maps that have NAMES."""
    return st.dictionaries(st.sampled_from(NAMES), values(), max_size=5) | values()


def trees(variables: tuple[str, ...] = (), depth: int = 4) -> st.SearchStrategy[Node]:
    """Trees as the parser makes them."""
    leaves: list[st.SearchStrategy[Any]] = [
        st.builds(tree.Literal, values()),
        st.builds(tree.Root, st.sampled_from(_ROOTS)),
        st.builds(tree.Field, st.builds(tree.Root, st.sampled_from(_ROOTS)), st.sampled_from(NAMES)),
    ]
    if variables:
        leaves.append(st.builds(tree.Local, st.sampled_from(variables)))
    if depth == 0:
        return st.one_of(leaves)
    below = st.deferred(lambda: trees(variables, depth - 1))
    pairs = st.tuples(below, below)
    several = st.lists(below, min_size=2, max_size=3).map(tuple)
    items = st.lists(below, max_size=3).map(tuple)
    entries = st.lists(st.tuples(st.builds(tree.Literal, st.sampled_from(_TEXTS)) | below, below), max_size=3)
    return st.one_of(
        *leaves,
        st.builds(tree.Field, below, st.sampled_from(NAMES)),
        pairs.map(lambda pair: tree.index_of(*pair)),
        st.builds(tree.Has, below, st.sampled_from(NAMES)),
        st.builds(tree.Not, below),
        st.builds(tree.Negative, below),
        st.builds(tree.Binary, st.sampled_from(_OPERATORS), below, below),
        several.map(_chain(tree.And)),
        several.map(_chain(tree.Or)),
        st.builds(tree.Choice, below, below, below),
        items.map(tree.list_of),
        entries.map(lambda made: tree.map_of(tuple([part for entry in made for part in entry]))).filter(_has_good_keys),
        _calls(below),
        st.sampled_from(_VARIABLES).flatmap(lambda name: _macros(variables, name, depth)),
    )  # fmt: skip


def filters() -> st.SearchStrategy[Node]:
    """Trees that say of some fields which value they have, as most filters do."""
    field = st.builds(tree.Field, st.builds(tree.Root, st.sampled_from(_ROOTS)), st.sampled_from(NAMES))
    equality = st.builds(tree.Binary, st.just("=="), field, field | st.builds(tree.Literal, scalars()))
    parts = st.lists(equality | trees(depth=2), min_size=1, max_size=4).map(tuple)
    return parts.map(_chain(tree.And))


def _chain(kind: type[tree.And | tree.Or]) -> Callable[[tuple[Node, ...]], Node]:
    return lambda parts: tree.chain(kind, parts)


def _has_good_keys(node: Node) -> bool:
    return not isinstance(node, tree.MapOf) or all(
        isinstance(key.value, str) for key in node.items[::2] if isinstance(key, tree.Literal)
    )


def _calls(below: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def call(name: str) -> st.SearchStrategy[tree.Call]:
        (count,) = FUNCTIONS[name].counts
        calls = st.tuples(*[below] * count).map(lambda arguments: tree.Call(name, arguments))
        return calls.filter(_has_good_pattern)

    return st.sampled_from(sorted(FUNCTIONS)).flatmap(call)


def _has_good_pattern(call: tree.Call) -> bool:
    return problem_of(call) is None


def _macros(variables: tuple[str, ...], name: str, depth: int) -> st.SearchStrategy[Node]:
    inside = trees((*variables, name), depth - 1)
    kinds = [(kind, count) for kind, counts in sorted(MACROS.items()) for count in counts]
    return st.sampled_from(kinds).flatmap(
        lambda kind: st.builds(
            tree.Macro, st.just(kind[0]), trees(variables, depth - 1), st.just(name), st.tuples(*[inside] * kind[1])
        )
    )
