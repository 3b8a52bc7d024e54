"""The parts of a JSON text as texts, word for word: what an SDK said is never encoded anew, so `1.0` stays `1.0`.

What is read with this module is what `json.loads` reads, but for what another reader might take for something else:
NaN and Infinity, numbers that no double can hold, one name twice in an object that is taken apart, and nesting that
other readers refuse. All of it takes a time that is linear in the length of the text.
"""

from __future__ import annotations

import gc
import json
import math
import re
from array import array
from itertools import accumulate
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NamedTuple, NoReturn

from aiojobs_lite.sizes import LARGEST_VALUE_BYTES
from aiojobs_lite.text import shorten

DEEPEST_JSON: Final = 150
"""Lists and objects in each other, of an answer; pydantic, by which results are read, takes 200."""

MOST_JSON_PARTS: Final = 250_000
"""Lists and objects of an answer: the memory and the time of more are out of proportion to their text."""

_SHOWN_CHARS: Final = 40
_SOON_READ_CHARS: Final = 64 * 1024
BLANKS: Final = " \t\n\r"
"""What may stand between the parts of a JSON text."""

REPLACEMENT: Final = "\\ufffd"
"""The escape of the character that stands for what is none."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TEXT: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # one that does not end goes to the end of all
_DEPTHS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # one deeper, one less deep: signed bytes
_OTHER_BYTES: Final = bytes(set(range(256)).difference(b"[]{}"))
ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def whole(text: str) -> str:
    """A JSON text in which each half of a character, of which JavaScript makes texts, is U+FFFD: no text of UTF-8 can
    hold it, nor the database.
    """
    if not may_have_halves(text):  # nearly always
        return text
    return ESCAPE.sub(lambda found: REPLACEMENT if found[1] else found[0], text)


def may_have_halves(text: str) -> bool:
    """Whether there may be such a half in a text; mostly there is then."""
    return "\\ud" in text or "\\uD" in text  # not by `lower`: it takes long of a large text that is not of ASCII


class JsonPart(NamedTuple):
    """A value of an object.

    Attributes:
        value: The value.
        text: The same as it was written.
    """

    value: Any
    text: str


def load_value(text: str, deepest: int = DEEPEST_JSON) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: If it is none, or as of `check_depth`.
    """
    check_depth(text, deepest)
    return read_value(text)


def read_value(text: str) -> Any:
    """The same, of a text of which is known how deep it is."""
    if len(text) <= _SOON_READ_CHARS or not gc.isenabled():
        return _DECODER.decode(text)
    gc.disable()  # of very many lists it would take most of the time, and none of them is garbage
    try:
        return _DECODER.decode(text)
    finally:
        gc.enable()


def check_depth(text: str, deepest: int = DEEPEST_JSON) -> None:
    """Checks how far lists and objects of a JSON text are nested.

    Raises:
        ValueError: If they are deeper in each other, or very many, or the text is longer than any that is read.
    """
    check_length(text)
    if text.count("[") + text.count("{") <= deepest:  # nearly always
        return
    steps = _TEXT.sub(b"", text.encode(errors="replace")).translate(_DEPTHS, _OTHER_BYTES)
    check_nesting(max(accumulate(array("b", steps)), default=0), (len(steps) + 1) // 2, deepest)


def check_nesting(depth: int, count: int = 0, deepest: int = DEEPEST_JSON) -> None:
    """Checks how deep lists and objects are in each other, and how many there are.

    Raises:
        ValueError: If that is too much.
    """
    if count > MOST_JSON_PARTS:
        raise ValueError(f"it has more than {MOST_JSON_PARTS:,} lists and objects")
    if depth > deepest:
        raise ValueError(f"lists and objects are nested more than {deepest} deep")


def check_length(text: str) -> None:
    """Checks how long a JSON text is.

    Raises:
        ValueError: If it is longer than any that is read.
    """
    if len(text) > LARGEST_VALUE_BYTES:
        raise ValueError(f"it has {len(text):,} characters, at most {LARGEST_VALUE_BYTES:,} are read")


def check(text: str) -> str:
    """A JSON text without the blanks around it.

    Raises:
        ValueError: If it is none.
    """
    load_value(text)
    return text.strip(BLANKS)


def members(text: str) -> dict[str, str]:
    """The values of a JSON object as texts, by their names.

    Raises:
        ValueError: If the text is no object, or has one name twice.
    """
    return {name: one.text for name, one in parts(text).items()}


def parts(text: str) -> dict[str, JsonPart]:
    """The values of a JSON object by their names, each as it is and as text.

    Raises:
        ValueError: If the text is no object, or has one name twice.
    """
    check_depth(text)
    found: dict[str, JsonPart] = {}
    at = _first(text, "{", "}")
    while at:
        name, at = name_of_member(text, at)
        value, end = _DECODER.raw_decode(text, at)
        if name in found:
            raise ValueError(f"an object has the name {name!r} twice")
        found[name] = JsonPart(value, text[at:end])
        at = _next(text, end, "}")
    return found


def items(text: str) -> list[str]:
    """The items of a JSON array as texts.

    Raises:
        ValueError: If the text is no array.
    """
    check_depth(text)
    found: list[str] = []
    at = _first(text, "[", "]")
    while at:
        _, end = _DECODER.raw_decode(text, at)
        found.append(text[at:end])
        at = _next(text, end, "]")
    return found


def object_of(parts: dict[str, str]) -> str:
    """The JSON object of these members, which are texts."""
    return "{" + ",".join([f"{encode_basestring_ascii(name)}:{value}" for name, value in parts.items()]) + "}"


def name_of_member(text: str, at: int) -> tuple[str, int]:
    """The name of a member that begins here, and the place of its value.

    Raises:
        ValueError: If there is none.
    """
    if not text.startswith('"', at):
        raise ValueError("a member of an object has no name")
    name, at = _DECODER.raw_decode(text, at)
    return name, past(text, at, ":")


def end_of_value(text: str, at: int) -> int:
    """Where the value ends that begins here.

    Raises:
        ValueError: If there is none.
    """
    return _DECODER.raw_decode(text, at)[1]


def _first(text: str, opening: str, closing: str) -> int:
    """The place of the first part of a list or an object; 0: it has none."""
    at = past(text, skip(text, 0), opening)
    if text.startswith(closing, at):
        check_end(text, at + 1)
        return 0
    return at


def _next(text: str, at: int, closing: str) -> int:
    """The place of the part behind one that ends here; 0: it was the last one."""
    at = skip(text, at)
    if text.startswith(",", at):
        return skip(text, at + 1)
    if not text.startswith(closing, at):
        raise ValueError(f"{closing!r} is missing at character {at}")
    check_end(text, at + 1)
    return 0


def check_end(text: str, end: int) -> None:
    """Checks that nothing is behind a value that ends here, but blanks.

    Raises:
        ValueError: If there is more.
    """
    if skip(text, end) != len(text):
        raise ValueError(f"there is more behind the value, at character {end}")


def skip(text: str, at: int) -> int:
    """The place of what comes behind blanks."""
    if text[at : at + 1] > " ":  # nearly always, but for one blank behind a colon or a comma
        return at
    if text[at + 1 : at + 2] > " " and text[at] in BLANKS:
        return at + 1
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def past(text: str, at: int, char: str) -> int:
    """The place of what comes behind a character, and blanks.

    Raises:
        ValueError: If the character is missing.
    """
    at = skip(text, at)
    if not text.startswith(char, at):
        raise ValueError(f"{char!r} is missing at character {at}")
    return skip(text, at + 1)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{shorten(text, _SHOWN_CHARS)} is a number that no double can hold")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
