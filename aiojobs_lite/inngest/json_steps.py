"""Large JSON texts, read step by step: the decoder of Python, in C, would hold the event loop for all of one.

What is read with this module is what `raw_json` reads otherwise, which reads small texts here as well. Of a large one
no value is built but those that are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from aiojobs_lite.inngest import raw_json
from aiojobs_lite.inngest.slices import Steps

LARGEST_QUICK_CHARS: Final = 64 * 1024
"""Of a text that is read at once."""

# What is repeated and may fail half way is in an atomic group: behind a possessive repeat, Python before 3.11.5 goes on
# at a wrong place (gh-106052).
_BLANKS: Final = r"[ \t\n\r]*+"
_COMMA: Final = rf"{_BLANKS},{_BLANKS}"
_ESCAPE: Final = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_PLAIN: Final = r'[^"\\\x00-\x1f]'
_SHORT_TEXT: Final = rf'"{_PLAIN}{{0,500}}+(?>(?:{_ESCAPE}{_PLAIN}{{0,500}}+){{0,20}})"'
_NAME: Final = rf"{_SHORT_TEXT}{_BLANKS}:{_BLANKS}"
_EXPONENT: Final = r"(?:[eE](?:-[0-9]{1,3}|\+?(?:1[0-9]{2}|[0-9]{1,2})))"
_NUMBER: Final = rf"-?(?:0|[1-9][0-9]{{0,99}}+)(?:\.[0-9]{{1,500}}+)?{_EXPONENT}?(?![0-9.eE])"  # in each double
_SCALAR: Final = rf"(?:{_SHORT_TEXT}|{_NUMBER}|true|false|null)"


def _with_short(value: str) -> str:
    """What matches one of these values, or a short list or object of them."""
    member = rf"{_NAME}{value}"
    a_list = rf"\[{_BLANKS}(?>(?:{value}(?>(?:{_COMMA}{value}){{0,29}}){_BLANKS})?)\]"
    an_object = rf"\{{{_BLANKS}(?>(?:{member}(?>(?:{_COMMA}{member}){{0,29}}){_BLANKS})?)\}}"
    return rf"(?:{_SCALAR}|{a_list}|{an_object})"


def _runs(value: str) -> dict[str, re.Pattern[str]]:
    """What matches a run of such values, in a list or an object, by what closes that."""
    found = {"]": rf"(?>(?:{value}{_COMMA}){{1,100}})", "}": rf"(?>(?:{_NAME}{value}{_COMMA}){{1,100}})"}
    return {closing: re.compile(run) for closing, run in found.items()}


_SCALARS: Final = _runs(_SCALAR)
_VALUES: Final = _runs(_with_short(_with_short(_SCALAR)))
_DEPTH_OF_VALUES: Final = 2
_ESCAPES_AT_ONCE: Final = 2_000
_PIECE: Final = re.compile(rf"(?>(?:{_PLAIN}{{1,500}}+|{_ESCAPE}){{1,500}})")
_TEXT: Final = re.compile(rf'"{_PLAIN}*+(?>(?:{_ESCAPE}{_PLAIN}*+)*)"')
_MOST_MEMBERS: Final = 1_000  # of an object that is taken apart: an SDK makes it
_CLOSING: Final = {"[": "]", "{": "}"}


class _Openings:
    """Counts the lists and objects of a text, unless they are few, whatever is text among its brackets."""

    def __init__(self, text: str) -> None:
        self._is_few = text.count("[") + text.count("{") <= raw_json.MOST_JSON_PARTS
        self._count = 0

    def count(self, values: str) -> None:
        """Counts those of some values."""
        if not self._is_few:
            bare = _TEXT.sub("", values) if '"' in values else values
            self.add(bare.count("[") + bare.count("{"))

    def add(self, count: int) -> None:
        """Adds so many; raises `ValueError` if there are too many."""
        self._count += count
        raw_json.check_nesting(0, self._count)


class _Unbuilt:
    """Gets the pieces of a value that is scanned, each as text, and makes nothing of them."""

    @property
    def value(self) -> Any:
        """The value, when all of it was scanned; None if it is not made."""
        return None

    def add(self, text: str) -> None:
        """A value comes that is no list and no object, or the name of the next one."""

    def add_run(self, text: str) -> None:
        """Values come, or members of an object, with a comma behind each."""

    def open(self, opening: str) -> None:
        """A list or an object begins."""

    def close(self, count: int = 1) -> None:
        """So many of them end."""


class _Built(_Unbuilt):
    """Makes the value of them."""

    def __init__(self) -> None:
        self._inside: list[Any] = [[]]  # the lists and objects in which the next value is
        self._name: str | None = None

    @property
    def value(self) -> Any:
        """See `_Unbuilt`."""
        return self._inside[0][0]

    def add(self, text: str) -> None:
        """See `_Unbuilt`."""
        self._put(raw_json.read_value(text))

    def add_run(self, text: str) -> None:
        """See `_Unbuilt`."""
        around, values = self._inside[-1], text.rstrip(raw_json.BLANKS)[:-1]
        if isinstance(around, list):
            around += raw_json.read_value(f"[{values}]")
        else:
            around |= raw_json.read_value(f"{{{values}}}")

    def open(self, opening: str) -> None:
        """See `_Unbuilt`."""
        begun: Any = [] if opening == "[" else {}
        self._put(begun)
        self._inside.append(begun)

    def close(self, count: int = 1) -> None:
        """See `_Unbuilt`."""
        del self._inside[len(self._inside) - count :]

    def _put(self, value: Any) -> None:
        around = self._inside[-1]
        if isinstance(around, list):
            around.append(value)
        elif self._name is None:
            self._name = value
        else:
            around[self._name], self._name = value, None


_UNBUILT: Final = _Unbuilt()


def whole_in_steps(text: str) -> Steps[str]:
    """The same as `raw_json.whole`."""
    if len(text) <= LARGEST_QUICK_CHARS or not raw_json.may_have_halves(text):
        return raw_json.whole(text)
    found, done = list[str](), 0
    for number, escape in enumerate(raw_json.ESCAPE.finditer(text), 1):
        if escape[1]:
            found += (text[done : escape.start()], raw_json.REPLACEMENT)
            done = escape.end()
        if number % _ESCAPES_AT_ONCE == 0:
            yield
    return "".join(found) + text[done:]


def check_in_steps(text: str) -> Steps[str]:
    """A JSON text without the blanks around it.

    Raises:
        ValueError: If it is none.
    """
    if len(text) <= LARGEST_QUICK_CHARS:
        return raw_json.check(text)
    raw_json.check_length(text)
    found = text.strip(raw_json.BLANKS)
    raw_json.check_end(found, (yield from _scan(found, 0, _Openings(found))))
    return found


def objects_in_steps(text: str, most: int, wanted: Collection[str]) -> Steps[list[dict[str, raw_json.JsonPart]]]:
    """The objects of a JSON array, each as of `raw_json.parts`.

    Raises:
        ValueError: If the text is no array of them, or has more than `most`.
    """
    if len(text) <= LARGEST_QUICK_CHARS:
        found = raw_json.items(text)
        _check_count(len(found), most)
        return [raw_json.parts(one) for one in found]
    raw_json.check_length(text)
    read, openings = list[dict[str, raw_json.JsonPart]](), _Openings(text)
    at = raw_json.past(text, 0, "[")
    is_empty = text.startswith("]", at)
    while not is_empty:
        one, at = yield from _parts_at(text, at, wanted, openings, 1)
        read.append(one)
        _check_count(len(read), most)
        at = raw_json.skip(text, at)
        if text.startswith("]", at):
            break
        at = raw_json.past(text, at, ",")
    raw_json.check_end(text, at + 1)
    return read


def members_in_steps(text: str) -> Steps[dict[str, str]]:
    """The values of a JSON object as texts, by their names.

    Raises:
        ValueError: As of `parts_in_steps`.
    """
    return {name: one.text for name, one in (yield from parts_in_steps(text, ())).items()}


def parts_in_steps(text: str, wanted: Collection[str]) -> Steps[dict[str, raw_json.JsonPart]]:
    """The values of a JSON object by their names, each as text; as it is only if it is wanted, or the text is small.

    Raises:
        ValueError: If the text is no object, or has very many values, or one name twice.
    """
    if len(text) <= LARGEST_QUICK_CHARS:
        return raw_json.parts(text)
    raw_json.check_length(text)
    found, end = yield from _parts_at(text, 0, wanted, _Openings(text))
    raw_json.check_end(text, end)
    return found


def _parts_at(
    text: str, at: int, wanted: Collection[str], openings: _Openings, around: int = 0
) -> Steps[tuple[dict[str, raw_json.JsonPart], int]]:
    """The parts of an object that begins here, and where it ends."""
    found: dict[str, raw_json.JsonPart] = {}
    at = raw_json.past(text, at, "{")
    is_empty = text.startswith("}", at)
    while not is_empty:
        name, at = raw_json.name_of_member(text, at)
        made = _Built() if name in wanted else _UNBUILT
        end = yield from _scan(text, at, openings, around + 1, made)
        if name in found:
            raise ValueError(f"an object has the name {name!r} twice")
        found[name] = raw_json.JsonPart(made.value, text[at:end])
        _check_count(len(found), _MOST_MEMBERS)
        at = raw_json.skip(text, end)
        if text.startswith("}", at):
            break
        at = raw_json.past(text, at, ",")
        yield
    return found, at + 1


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise ValueError(f"a list or an object of it has more than {most:,} parts")


def _scan(text: str, at: int, openings: _Openings, around: int = 0, made: _Unbuilt = _UNBUILT) -> Steps[int]:
    """Checks the value that begins here; returns where it ends.

    Args:
        text: The text.
        at: Where.
        openings: Counts lists and objects.
        around: In how many of them the value is.
        made: Gets its pieces.
    """
    inside = list[str]()  # what closes the lists and objects in which this place is
    while True:
        if inside:
            is_deep = around + len(inside) + _DEPTH_OF_VALUES > raw_json.DEEPEST_JSON
            run = (_SCALARS if is_deep else _VALUES)[inside[-1]].match(text, at)
            if run is not None:
                at = run.end()
                openings.count(run.group())
                made.add_run(run.group())
            if inside[-1] == "}":
                at = raw_json.past(text, (yield from _scan_part(text, at, made, is_text=True)), ":")
        opening = text[at : at + 1]
        if opening in _CLOSING:
            inside.append(_CLOSING[opening])
            openings.add(1)
            raw_json.check_nesting(around + len(inside))
            made.open(opening)
            at = raw_json.skip(text, at + 1)
            if not text.startswith(inside[-1], at):
                yield
                continue
        else:
            at = yield from _scan_part(text, at, made, is_text=opening == '"')
        depth = len(inside)
        at = _behind(text, at, inside)
        made.close(depth - len(inside))
        if not inside:
            return at
        yield


def _behind(text: str, at: int, inside: list[str]) -> int:
    """The place of the next value, behind one that ends here, and behind the lists and objects that end with it."""
    while inside:
        at = raw_json.skip(text, at)
        if text.startswith(",", at):
            return raw_json.skip(text, at + 1)
        if not text.startswith(inside[-1], at):
            raise ValueError(f"{inside[-1]!r} is missing at character {at}")
        inside.pop()
        at += 1
    return at


def _scan_part(text: str, at: int, made: _Unbuilt, *, is_text: bool) -> Steps[int]:
    """The same of a value, or a name, in which no other is."""
    end = (yield from _scan_text(text, at)) if is_text else raw_json.end_of_value(text, at)
    made.add(text[at:end])
    return end


def _scan_text(text: str, at: int) -> Steps[int]:
    if not text.startswith('"', at):
        raise ValueError("a member of an object has no name")
    at += 1
    while (piece := _PIECE.match(text, at)) is not None:
        at = piece.end()
        yield
    if not text.startswith('"', at):
        raise ValueError(f"a text does not end, or has what none may have, at character {at}")
    return at + 1
