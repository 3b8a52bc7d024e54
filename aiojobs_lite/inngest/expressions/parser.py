"""From the text of an expression to its tree: the grammar of CEL, by precedence climbing."""

from __future__ import annotations

from typing import Final

from aiojobs_lite.errors import ExpressionError
from aiojobs_lite.inngest.expressions.functions import FUNCTIONS
from aiojobs_lite.inngest.expressions.lexer import LAST, LITERAL, NAME, NUMBER, SIGN, Token, tokens_of
from aiojobs_lite.inngest.expressions.nodes import (
    And,
    Binary,
    Call,
    Choice,
    Field,
    Has,
    Literal,
    Local,
    Macro,
    Negative,
    Node,
    Not,
    Or,
    Root,
    chain,
    index_of,
    list_of,
    map_of,
    walk,
)
from aiojobs_lite.inngest.expressions.patterns import LONGEST_PATTERN_CHARS, constant_pattern, problem_of
from aiojobs_lite.text import show

LONGEST_EXPRESSION_BYTES: Final = 8 * 1024
"""Of the text of an expression, in UTF-8."""

LONGEST_BOUND_BYTES: Final = 64 * 1024
"""Of the text of an expression in which values stand in place of `event`, in UTF-8."""

MOST_NESTED: Final = 64
"""Parts of an expression within each other: calls, parentheses, lists, `a ? b : c`, and a chain such as `a + b + c`."""

_POWERS: Final = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4,
    "*": 5, "/": 5, "%": 5,
}  # fmt: skip
_LOWEST: Final = 1
_CHAINS: Final[dict[str, type[And | Or]]] = {"&&": And, "||": Or}
_RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
})  # fmt: skip
MACROS: Final = {"all": (1,), "exists": (1,), "exists_one": (1,), "filter": (1,), "map": (1, 2)}
"""The methods that work an expression out for each item, and how many expressions they take."""


def parse(text: str, longest: int) -> Node:
    """The tree of a text of at most `longest` bytes.

    Raises:
        ExpressionError: It is no expression, or one that is too large.
    """
    try:
        size = len(text) if len(text) > longest else len(text.encode())
    except UnicodeEncodeError as error:
        why = "half of a character stands alone here. Write the character, or an escape."
        raise ExpressionError(text, error.start, why) from None
    if size > longest:
        why = f"it has more than {longest} bytes. Give a shorter one."
        raise ExpressionError(text, 0, why)
    parser = _Parser(text)
    node = parser.expression()
    parser.end()
    if max(depth for _, depth in walk(node)) > MOST_NESTED:
        raise ExpressionError(text, 0, _TOO_DEEP)
    return node


_TOO_DEEP: Final = f"more than {MOST_NESTED} parts stand within each other. Write a flatter one."
_TOO_MANY_PATTERNS: Final = (
    f"its regular expressions have more than {LONGEST_PATTERN_CHARS} characters together. Give shorter ones."
)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = iter(tokens_of(text))
        self._token = next(self._tokens)
        self._variables: list[str] = []
        self._nested = 0
        self._pattern_chars = 0

    def expression(self) -> Node:
        self._nested += 1
        if self._nested > MOST_NESTED:
            raise self._error(_TOO_DEEP)
        node = self._binary(_LOWEST)
        if self._takes("?"):
            yes = self._binary(_LOWEST)
            self._expect(":")
            node = Choice(node, yes, self.expression())
        self._nested -= 1
        return node

    def end(self) -> None:
        if self._token.kind != LAST:
            raise self._error(f"{self._shown()} is too much here. Join two parts by && or ||.")

    def _binary(self, least: int) -> Node:
        left = self._unary()
        while (token := self._token).kind == SIGN and (power := _POWERS.get(token.value, 0)) >= least:
            kind = _CHAINS.get(token.value)
            if kind is None:
                self._advance()
                left = Binary(token.value, left, self._binary(power + 1))
                continue
            parts = [left]
            while self._takes(token.value):
                parts.append(self._binary(power + 1))
            left = chain(kind, tuple(parts))
        return left

    def _unary(self) -> Node:
        sign = self._token.value if self._token.kind == SIGN else ""
        if sign not in ("!", "-"):
            return self._member(self._primary())
        is_odd = False  # two of them are none
        while self._takes(sign):
            is_odd = not is_odd
        number = self._token
        if sign == "-" and number.kind == NUMBER and is_odd:
            self._advance()
            return self._member(Literal(-number.value))
        node = self._member(self._primary())
        if not is_odd:
            return node
        return Not(node) if sign == "!" else Negative(node)

    def _member(self, node: Node) -> Node:
        while self._token.kind == SIGN:
            if self._takes("."):
                name = self._name("the name of a field")
                is_method = self._token.kind == SIGN and self._token.value == "("
                node = self._method(node, name) if is_method else Field(node, name.value)
            elif self._takes("["):
                node = index_of(node, self.expression())
                self._expect("]")
            else:
                break
        return node

    def _primary(self) -> Node:
        token = self._token
        if token.kind in (LITERAL, NUMBER):
            self._advance()
            return Literal(token.value)
        if token.kind == NAME:
            return self._named(is_root=False)
        if self._takes("."):
            return self._named(is_root=True)
        if self._takes("("):
            node = self.expression()
            self._expect(")")
            return node
        if self._takes("["):
            return list_of(tuple(self._items("]")))
        if self._takes("{"):
            return self._map()
        raise self._error(f"{self._shown()} stands where a value is expected. Write one, such as event.data.id or 'a'.")

    def _named(self, *, is_root: bool) -> Node:
        token = self._name("the name of a variable")
        if token.value in _RESERVED:
            why = f"{token.value!r} is a word that CEL reserves. As the name of a field, write it behind a dot."
            raise ExpressionError(self._text, token.position, why)
        if self._takes("("):
            return self._has(token) if token.value == "has" else self._call(token, self._items(")"), "function")
        return Local(token.value) if not is_root and token.value in self._variables else Root(token.value)

    def _has(self, token: Token) -> Node:
        items = self._items(")")
        if len(items) == 1 and isinstance(items[0], Field):
            return Has(items[0].target, items[0].name)
        raise ExpressionError(self._text, token.position, "has() takes a field. Write has(event.data.id).")

    def _method(self, target: Node, token: Token) -> Node:
        self._advance()
        if token.value in MACROS:
            return self._macro(target, token)
        return self._call(token, [target, *self._items(")")], "method")

    def _macro(self, target: Node, token: Token) -> Node:
        variable = self._name("the name of the macro's variable").value
        self._expect(",")
        self._variables.append(variable)
        bodies = tuple(self._items(")"))
        self._variables.pop()
        if len(bodies) not in MACROS[token.value]:
            why = f"{token.value} takes a variable and an expression. Write tags.{token.value}(tag, tag == 'a')."
            raise ExpressionError(self._text, token.position, why)
        return Macro(token.value, target, variable, bodies)

    def _call(self, token: Token, arguments: list[Node], style: str) -> Node:
        function = FUNCTIONS.get(token.value)
        if function is None or style not in function.styles:
            names = ", ".join(sorted(name for name, known in FUNCTIONS.items() if style in known.styles))
            why = f"there is no {style} {show(token.value)}. There are {names}."
            raise ExpressionError(self._text, token.position, why)
        if len(arguments) not in function.counts:
            why = f"{token.value} takes {function.takes}."
            raise ExpressionError(self._text, token.position, why)
        node = Call(token.value, tuple(arguments))
        if pattern := constant_pattern(node):
            self._check_pattern(pattern, token.position)
        return node

    def _check_pattern(self, pattern: str, position: int) -> None:
        self._pattern_chars += len(pattern)
        problem = _TOO_MANY_PATTERNS if self._pattern_chars > LONGEST_PATTERN_CHARS else problem_of(pattern)
        if problem:
            raise ExpressionError(self._text, position, problem)

    def _map(self) -> Node:
        items: list[Node] = []
        while not self._takes("}"):
            key = self._token
            items.append(self.expression())
            if isinstance(items[-1], Literal) and not isinstance(items[-1].value, str):
                why = "the keys of a map are strings. Put the key in quotes."
                raise ExpressionError(self._text, key.position, why)
            self._expect(":")
            items.append(self.expression())
            if not self._takes(","):
                self._expect("}")
                break
        return map_of(tuple(items))

    def _items(self, end: str) -> list[Node]:
        items: list[Node] = []
        while not self._takes(end):
            items.append(self.expression())
            if not self._takes(","):
                self._expect(end)
                break
            if end == ")" and self._token.value == end:
                raise self._error(f"{self._shown()} stands where a value is expected. Delete the comma before it.")
        return items

    def _advance(self) -> None:
        self._token = next(self._tokens)

    def _takes(self, sign: str) -> bool:
        if self._token.kind == SIGN and self._token.value == sign:
            self._advance()
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._error(f"{self._shown()} stands where {sign!r} is expected.")

    def _name(self, what: str) -> Token:
        token = self._token
        if token.kind != NAME:
            raise self._error(f"{self._shown()} stands where {what} is expected.")
        self._advance()
        return token

    def _shown(self) -> str:
        return "the end" if self._token.kind == LAST else show(self._token.value)

    def _error(self, why: str) -> ExpressionError:
        return ExpressionError(self._text, self._token.position, why)
