"""The headers and the body of what is published: checked, and as they are stored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, cast
from urllib.parse import urlencode

from pydantic_core import PydanticSerializationError, to_jsonable_python

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.payloads import REDACTED
from aiojobs_lite.sizes import LARGEST_HEADERS_BYTES, MOST_HEADERS
from aiojobs_lite.text import show

GivenHeaders = Mapping[str, str] | Sequence[tuple[str, str]]
"""Headers by name, or as pairs, if a name comes twice."""

JSON_TYPE: Final = "application/json"
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}", re.ASCII)
_VALUE: Final = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?", re.ASCII)
_OF_THE_CONNECTION: Final = frozenset({
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_HIDDEN: Final = "***"


class NoBody(Enum):
    """Stands for a `json=` that is not given: None is a value of JSON."""

    NO_BODY = "no body"


NO_BODY: Final = NoBody.NO_BODY
"""There is no `json=`."""


def check_headers(option: str, value: object, *, is_secret: bool = False) -> list[tuple[str, str]]:
    """Headers as pairs.

    Raises:
        InvalidOption: If one cannot be sent, or belongs to the connection; the value of a secret one is not shown.
    """
    if value is None:
        return []
    found = []
    for name, text in _pairs(option, value, "names to values", is_secret=is_secret):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InvalidOption(option, name, "the name of a header: letters, digits and hyphens")
        if name.lower() in _OF_THE_CONNECTION:
            raise InvalidOption(option, name, "no header of the connection, which each delivery makes by itself")
        if not isinstance(text, str) or not _VALUE.fullmatch(text):
            shown = "" if is_secret else f", not {show(text)}"
            raise InvalidOption(option, name, f"for it text of printable ASCII without blanks at its ends{shown}")
        found.append((name, text))
    return found


def check_size(headers: Sequence[tuple[str, str]]) -> None:
    """Checks how many headers there are, and how large they are together.

    Raises:
        InvalidOption: If they are too many, or too large.
    """
    if len(headers) > MOST_HEADERS:
        raise InvalidOption("headers", len(headers), f"at most {MOST_HEADERS}, the secret ones among them")
    size = sum(len(name) + len(value) for name, value in headers)
    if size > LARGEST_HEADERS_BYTES:
        raise InvalidOption("headers", size, f"at most {LARGEST_HEADERS_BYTES:,} bytes of names and values")


def has_type(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether one of the headers is the type of the body."""
    return any(name.lower() == "content-type" for name, _ in headers)


def sent_headers(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are sent: an empty type of the body stands for none."""
    return [(name, value) for name, value in headers if value or name.lower() != "content-type"]


def hash_of(value: bytes) -> str:
    """What is shown in place of a secret value, if its SHA-256 may be."""
    return f"{REDACTED}:{hashlib.sha256(value).hexdigest()}"


def body_of(given: Mapping[str, Any], *, is_secret: bool = False) -> tuple[bytes, str | None]:
    """The body, and its type if there is one.

    Args:
        given: What the options `json`, `content` and `form` have.
        is_secret: Whether no error may show it.

    Raises:
        InvalidOption: If there is more than one, or it cannot be sent.
    """
    bodies = {name: value for name, value in given.items() if value is not (NO_BODY if name == "json" else None)}
    if not bodies:
        return b"", None
    (option, value), *more = bodies.items()
    if more:
        second, other = more[0]
        raise InvalidOption(second, _HIDDEN if is_secret else other, f"none together with {option}=: there is one body")
    shown = _HIDDEN if is_secret else value
    if option == "json":
        return _json(value, shown), JSON_TYPE
    if option == "form":
        pairs = _pairs("form", value, "names to texts", is_secret=is_secret)
        if not all(isinstance(part, str) for pair in pairs for part in pair):
            raise InvalidOption("form", shown, "a dict of names to texts, or a list of pairs of both")
        return urlencode(pairs, errors="replace").encode(), "application/x-www-form-urlencoded"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value), "application/octet-stream"
    try:
        if isinstance(value, str):
            return value.encode(), "text/plain; charset=utf-8"
    except UnicodeEncodeError:
        raise InvalidOption("content", shown, "text without lone surrogates, or bytes") from None
    raise InvalidOption("content", shown, "text or bytes; json= takes other values")


def text_of(body: bytes) -> str | None:
    """The body as text, if it is UTF-8 without NUL, which not every database takes."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _json(value: Any, shown: object) -> bytes:
    try:
        plain = to_jsonable_python(value, inf_nan_mode="constants")
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError, PydanticSerializationError) as error:
        why = "" if shown == _HIDDEN else f" ({error})"
        raise InvalidOption("json", shown, f"a value that JSON can hold{why}") from None


def _pairs(option: str, value: object, what: str, *, is_secret: bool) -> list[tuple[Any, Any]]:
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if isinstance(pairs, list | tuple) and all(isinstance(one, list | tuple) and len(one) == 2 for one in pairs):
        return [(first, second) for first, second in cast("Sequence[Any]", pairs)]
    raise InvalidOption(option, _HIDDEN if is_secret else value, f"a dict of {what}, or a list of pairs of both")
