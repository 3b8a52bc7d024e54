"""Text that users, callers and other programs wrote: `make_storable` before it is stored, `escape` before it is shown.

What is stored is what was written, as far as every database can hold it; what is shown cannot be taken for anything
else, such as a second log line or an order to the terminal.
"""

from __future__ import annotations

import re
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from unicodedata import category

from aiojobs_lite.sizes import LONGEST_TRACEBACK_CHARS, LONGEST_VALUE_SHOWN_CHARS

_CUT: Final = "..."
_INDENT: Final = "  "
_USER: Final = re.compile(r"://(?!/)\S*@")  # a password may itself have an @ or a /
_LAST_CHARACTER: Final = "\U0010ffff"  # it is not printable
_SECOND_MICROS: Final = 1_000_000
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))
_KEY: Final = re.compile(r"([?&;][\w-]*(?:pass|pwd|secret|token|key)[\w-]*=)[^&;#\s'\"]+", re.IGNORECASE)
_LONGEST_REDACTED: Final = 10 * LONGEST_VALUE_SHOWN_CHARS  # looked through before a value is shortened


def shorten(text: str, longest: int, *, keep_end: bool = False) -> str:
    """Text of at most `longest` characters; three dots stand for what was cut off, at its end or at its start."""
    if len(text) <= longest:
        return text
    kept = longest - len(_CUT)
    return f"{_CUT}{text[-kept:]}" if keep_end else f"{text[:kept]}{_CUT}"


def make_storable(text: str, longest: int, *, keep_end: bool = False) -> str:
    """Text as every database can hold it, of at most `longest` characters: a lone surrogate and NUL are written out."""
    text = str.__str__(text)  # a plain one: a subclass is the user's code
    if len(text) > longest:  # one more than fits, so that it is seen to be too long; to write it out makes it longer
        text = text[-longest - 1 :] if keep_end else text[: longest + 1]
    text = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return shorten(text, longest, keep_end=keep_end)


def escape(text: str) -> str:
    r"""Text as it is shown, on one line: what does not print is written as `repr` does it, such as `\n` and `\x1b`.

    That is control characters, line and paragraph separators, direction marks, lone surrogates. Spaces of all widths
    stay.
    """
    if text.isprintable():  # nearly always
        return text
    return "".join([char if char.isprintable() or category(char) == "Zs" else _escaped(char) for char in text])


def escape_lines(text: str) -> str:
    """Text of several lines as it is shown below a log line: each is escaped, and begins with a space."""
    lines = shorten(text, LONGEST_TRACEBACK_CHARS, keep_end=True).rstrip("\n").split("\n")
    return "\n".join([escape(line if line.startswith(_INDENT) else _INDENT + line) for line in lines])


def redact(text: str) -> str:
    """Text in which the user, the password and the keys of a URL are three stars."""
    return _KEY.sub(r"\1***", _USER.sub("://***@", text))


def show(value: object) -> str:
    """The `repr` of any value, shortened, escaped and without the secrets of a URL; its own may be long, or raise."""
    try:
        if isinstance(value, str | bytes) and len(value) > _LONGEST_REDACTED:
            value = value[: _LONGEST_REDACTED + 1]  # of a large one the whole repr is as large
        text = str.__str__(repr(value))
    except Exception as error:  # noqa: BLE001  # the user's code
        text = f"<{type(value).__qualname__}, its repr raised {type(error).__name__}>"
    text = redact(shorten(text, _LONGEST_REDACTED))
    return shorten(escape(shorten(text, LONGEST_VALUE_SHOWN_CHARS)), LONGEST_VALUE_SHOWN_CHARS)


def show_duration(seconds: float) -> str:
    """A duration as callers write it, to the microsecond: `1s`, `1h30m`, `7d`, `250ms`."""
    micros = round(seconds * _SECOND_MICROS)
    if 0 < micros < _SECOND_MICROS:
        return f"{micros / 1_000:g}ms"
    text, rest = "", micros
    for unit, size in _UNITS:
        number, rest = divmod(rest, size * _SECOND_MICROS)
        text += f"{number}{unit}" if number else ""
    if text and not rest:
        return text
    return text + f"{rest / _SECOND_MICROS:.6f}".rstrip("0").rstrip(".") + "s"


def name_of(kind: Any) -> str:
    """The name of a type as an annotation has it: with its parameters, without modules."""
    origin, parameters = get_origin(kind), get_args(kind)
    if origin is Union or origin is UnionType:
        return " | ".join(map(_parameter, parameters))
    if not parameters or origin in (Annotated, Literal):
        name = None if origin else getattr(kind, "__qualname__", None)
        return name or show(kind)
    return f"{name_of(origin)}[{', '.join(map(_parameter, parameters))}]"


def _parameter(kind: Any) -> str:
    if isinstance(kind, list):  # those of a Callable
        return f"[{', '.join(map(_parameter, kind))}]"
    if kind is None or kind is type(None):
        return "None"
    return "..." if kind is ... else name_of(kind)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def end_of_prefix(prefix: str) -> str:
    """Text that comes behind each printable text with a prefix, and before all that comes behind these."""
    return prefix + _LAST_CHARACTER
