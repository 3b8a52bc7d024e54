"""From the tree of an expression to a text that has the same tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from math import isinf, isnan
from typing import Any, Final

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
)

_CHOICE, _OR, _AND, _RELATION, _SUM, _PRODUCT, _UNARY, _MEMBER = range(8)
_POWERS: Final = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "%": _PRODUCT}  # of others: a relation
_NAME: Final = re.compile(r"(?!(?:true|false|null|in)\Z)[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL: Final = re.compile(r'["\\]|[^\x20-\x7e]')
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONGEST_DECIMAL_BITS: Final = 14_000  # Python writes no more than 4,300 decimal digits; of hex any number


class TooLongError(Exception):
    """The text would be longer than it may, or its values too deep. It never leaves the package."""


def text_of_node(node: Node, longest: int, most_nested: int) -> str:
    """The text of a tree.

    Raises:
        TooLongError: Its values have more than `longest` characters, or more than `most_nested` lists and maps stand
            within each other.
    """
    return _Printer(longest, most_nested).written(node)


class _Printer:
    def __init__(self, longest: int, most_nested: int) -> None:
        self._left = longest
        self._nested = most_nested
        self._variables: list[str] = []

    def written(self, node: Node) -> str:
        return self._at(_CHOICE, node)

    def _at(self, power: int, node: Node) -> str:
        """The text of a node where an operator of this power stands beside it: in parentheses, if it binds less."""
        own, text = _WRITERS[type(node)](self, node)
        return text if own >= power else f"({text})"

    def all_at(self, power: int, nodes: Iterable[Node]) -> list[str]:
        return [self._at(power, node) for node in nodes]

    def literal(self, node: Literal) -> tuple[int, str]:
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return _UNARY if is_number else _MEMBER, self.value(node.value)

    def value(self, value: Any) -> str:
        match value:
            case None:
                text = "null"
            case bool():
                text = "true" if value else "false"
            case int():
                text = str(value) if value.bit_length() < _LONGEST_DECIMAL_BITS else hex(value)
            case float() if isinf(value):
                text = "1e999" if value > 0 else "-1e999"
            case float():
                text = "null" if isnan(value) else repr(value)
            case str():
                self._spend(len(value))  # before it is copied
                return quoted(value)
            case _:
                return self._container(value)
        self._spend(len(text))
        return text

    def _container(self, value: list[Any] | dict[str, Any]) -> str:
        self._spend(len(value))
        self._nested -= 1
        if self._nested < 0:
            raise TooLongError
        if isinstance(value, list):
            text = f"[{', '.join(map(self.value, value))}]"
        else:
            text = f"{{{', '.join([f'{self.value(key)}: {self.value(item)}' for key, item in value.items()])}}}"
        self._nested += 1
        return text

    def _spend(self, chars: int) -> None:
        self._left -= chars
        if self._left < 0:
            raise TooLongError

    def root(self, node: Root) -> tuple[int, str]:
        return _MEMBER, f".{node.name}" if node.name in self._variables else node.name

    def local(self, node: Local) -> tuple[int, str]:
        return _MEMBER, node.name

    def field(self, node: Field) -> tuple[int, str]:
        target = self._at(_MEMBER, node.target)
        return _MEMBER, f"{target}.{node.name}" if _NAME.fullmatch(node.name) else f"{target}[{quoted(node.name)}]"

    def index(self, node: Index) -> tuple[int, str]:
        return _MEMBER, f"{self._at(_MEMBER, node.target)}[{self.written(node.index)}]"

    def has(self, node: Has) -> tuple[int, str]:
        return _MEMBER, f"has({self.field(Field(node.target, node.name))[1]})"

    def call(self, node: Call) -> tuple[int, str]:
        arguments = node.arguments
        if FUNCTIONS[node.function].styles[0] == "function":
            return _MEMBER, f"{node.function}({', '.join(map(self.written, arguments))})"
        target, *rest = arguments
        return _MEMBER, f"{self._at(_MEMBER, target)}.{node.function}({', '.join(map(self.written, rest))})"

    def negation(self, node: Not) -> tuple[int, str]:
        return _UNARY, f"!{self._at(_MEMBER, node.operand)}"

    def negative(self, node: Negative) -> tuple[int, str]:
        return _UNARY, f"-{self._at(_MEMBER, node.operand)}"

    def binary(self, node: Binary) -> tuple[int, str]:
        power = _POWERS.get(node.operator, _RELATION)
        return power, f"{self._at(power, node.left)} {node.operator} {self._at(power + 1, node.right)}"

    def every(self, node: And) -> tuple[int, str]:
        return _AND, " && ".join(self.all_at(_RELATION, node.parts))

    def first(self, node: Or) -> tuple[int, str]:
        return _OR, " || ".join(self.all_at(_AND, node.parts))

    def choice(self, node: Choice) -> tuple[int, str]:
        condition, yes = self.all_at(_OR, (node.condition, node.yes))
        return _CHOICE, f"{condition} ? {yes} : {self.written(node.no)}"

    def items(self, node: ListOf) -> tuple[int, str]:
        return _MEMBER, f"[{', '.join(map(self.written, node.items))}]"

    def entries(self, node: MapOf) -> tuple[int, str]:
        items = [self.written(item) for item in node.items]
        return (
            _MEMBER,
            f"{{{', '.join([f'{key}: {value}' for key, value in zip(items[::2], items[1::2], strict=True)])}}}",
        )

    def macro(self, node: Macro) -> tuple[int, str]:
        target = self._at(_MEMBER, node.target)
        self._variables.append(node.variable)
        bodies = ", ".join(map(self.written, node.bodies))
        self._variables.pop()
        return _MEMBER, f"{target}.{node.kind}({node.variable}, {bodies})"


def quoted(text: str) -> str:
    """A string as an expression has it: in double quotes, with escapes for what does not print."""
    return f'"{_SPECIAL.sub(_escaped, text)}"'


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable() and char not in _ESCAPES:
        return char
    point = ord(char)
    return _ESCAPES.get(char) or (f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}")


_WRITERS: Final[dict[type, Callable[[_Printer, Any], tuple[int, str]]]] = {
    Literal: _Printer.literal, Root: _Printer.root, Local: _Printer.local, Field: _Printer.field,
    Index: _Printer.index, Has: _Printer.has, Call: _Printer.call, Not: _Printer.negation,
    Negative: _Printer.negative, Binary: _Printer.binary, And: _Printer.every, Or: _Printer.first,
    Choice: _Printer.choice, ListOf: _Printer.items, MapOf: _Printer.entries, Macro: _Printer.macro,
}  # fmt: skip
