"""From the text of an expression to its tokens."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from aiojobs_lite.errors import ExpressionError

NAME: Final = "name"
LITERAL: Final = "literal"
NUMBER: Final = "number"
SIGN: Final = "sign"
LAST: Final = "end"

_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_TOKEN: Final = re.compile(
    r"""
      (?P<space> [\t\n\f\r\ ]+ | //[^\n]* )
    | (?P<float> [0-9]+ \. [0-9]+ (?:[eE][+-]?[0-9]+)? | [0-9]+ [eE][+-]?[0-9]+ | \. [0-9]+ (?:[eE][+-]?[0-9]+)? )
    | (?P<hex> 0[xX][0-9a-fA-F]+ ) [uU]?
    | (?P<int> [0-9]+ ) [uU]?
    | (?P<string> (?P<raw> [rR] )? (?P<quote> \"\"\" | ''' | " | ' ) )
    | (?P<name> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<sign> && | \|\| | [<>=!]= | [-+*/%<>!?:.,()\[\]{}] )
    """,
    re.VERBOSE,
)
_ENDS: Final = {  # what comes before the closing quote; each character fits one branch alone, so that it is linear
    ('"', False): re.compile(r'(?:[^"\\\r\n]|\\[^\r\n])*"'),
    ("'", False): re.compile(r"(?:[^'\\\r\n]|\\[^\r\n])*'"),
    ('"""', False): re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL),
    ("'''", False): re.compile(r"(?:[^'\\]|\\.|'(?!''))*'''", re.DOTALL),
    ('"', True): re.compile(r'[^"\r\n]*"'),
    ("'", True): re.compile(r"[^'\r\n]*'"),
    ('"""', True): re.compile(r'(?:[^"]|"(?!""))*"""'),
    ("'''", True): re.compile(r"(?:[^']|'(?!''))*'''"),
}
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<plain>[abfnrtv\\?\"'`])|[xX](?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})"
    r"|(?P<octal>[0-3][0-7][0-7])|(?P<bad>.))",
    re.DOTALL,
)
_PLAIN: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_MOST_DECIMAL_DIGITS: Final = 4_300  # Python reads no longer ones; a longer one is written in hex


class Token(NamedTuple):
    """A part of the text.

    Attributes:
        kind: NAME, NUMBER, LITERAL (a string or a word such as `true`), SIGN or LAST.
        value: That of a literal; else the text.
        position: Where it begins.
    """

    kind: str
    value: Any
    position: int


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, the last of which is LAST.

    Raises:
        ExpressionError: The text has what is no token, such as a string without an end.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(text, position, f"{text[position]!r} begins nothing that an expression has.")
        kind, end = found.lastgroup, found.end()
        match kind:
            case "space":
                pass
            case "name" | "sign":
                word = found[0]
                if word in _CONSTANTS:
                    tokens.append(Token(LITERAL, _CONSTANTS[word], position))
                else:
                    tokens.append(Token(SIGN if kind == "sign" or word == "in" else NAME, word, position))
            case "string":
                value, end = _string(text, found)
                tokens.append(Token(LITERAL, value, position))
            case _:
                tokens.append(Token(NUMBER, _number(text, found), position))
        position = end
    tokens.append(Token(LAST, "", len(text)))
    return tokens


def _number(text: str, found: re.Match[str]) -> int | float:
    if found["float"]:
        return float(found["float"])
    if found["hex"]:
        return int(found["hex"], 16)
    if len(found["int"]) > _MOST_DECIMAL_DIGITS:
        why = f"a whole number has at most {_MOST_DECIMAL_DIGITS} digits. Write a longer one in hex, as 0x..."
        raise ExpressionError(text, found.start(), why)
    return int(found["int"])


def _string(text: str, begun: re.Match[str]) -> tuple[str, int]:
    """The value of a string, and where it ends."""
    quote, is_raw = begun["quote"], begun["raw"] is not None
    rest = _ENDS[quote, is_raw].match(text, begun.end())
    if rest is None:
        raise ExpressionError(text, begun.start(), f"the string has no end. Close it by {quote}.")
    inner = text[begun.end() : rest.end() - len(quote)]
    if is_raw or "\\" not in inner:
        return inner, rest.end()

    def unescaped(escape: re.Match[str]) -> str:
        kind, code = escape.lastgroup, escape[escape.lastindex or 0]
        if kind == "plain":
            return _PLAIN.get(code, code)
        point = int(code, 8 if kind == "octal" else 16) if kind != "bad" else _LAST_CHARACTER + 1
        if point > _LAST_CHARACTER:
            why = f"{escape[0]} is no escape. Write two backslashes, or a raw string such as r'\\d'."
            raise ExpressionError(text, begun.end() + escape.start(), why)
        return chr(point)

    value = _ESCAPE.sub(unescaped, inner)
    if _SURROGATES.search(value):  # a pair of escapes is one character, as it is in JSON
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return value, rest.end()
