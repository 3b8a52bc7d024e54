"""The destination of a message, which stands unescaped in the path of the request.

ASGI's `path` is decoded, so only `raw_path` still tells `%2F` from `/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus

from aiojobs_lite.errors import InvalidOption

_URL = re.compile(r"(https?):/{1,2}(?=[^/])", re.IGNORECASE)  # proxies merge slashes
_GROUP = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Destination:
    """Where a message goes.

    Attributes:
        text: The URL with its query, or the name of a URL group.
        is_url: Whether it is a URL.
        settings: The `upstash-*` parameters of the request's query, which stand for headers; their names in lower case.
    """

    text: str
    is_url: bool
    settings: tuple[tuple[str, str], ...] = ()


def path_below(scope: Mapping[str, Any]) -> str:
    """The path of a request below the place where the application is mounted, with its escapes as they arrived."""
    raw = scope.get("raw_path")
    path = quote(scope["path"], safe="/:@!$&'()*+,;=~") if raw is None else raw.partition(b"?")[0].decode("latin-1")
    root = scope.get("root_path", "").rstrip("/")
    for prefix in (root, quote(root)):
        if path == prefix or path.startswith(f"{prefix}/"):
            return path.removeprefix(prefix)
    return path


def destination(rest: str, query: str) -> Destination:
    """Reads what stands behind `/v2/publish/`, and gives a URL the rest of the query.

    Args:
        rest: The end of the path, as it arrived.
        query: The query of the request, as it arrived: `qstash_token` and `upstash-*` are taken out of it.

    Raises:
        InvalidOption: If it is neither a URL nor a name.
    """
    kept, settings = list[str](), list[tuple[str, str]]()
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        name = unquote_plus(name).lower()
        if name.startswith("upstash-"):
            settings.append((name, unquote_plus(value)))
        elif name != "qstash_token":
            kept.append(part)
    text = _URL.sub(r"\1://", rest, count=1) if _URL.match(rest) else rest
    is_url = text != rest or bool(_URL.match(rest))
    if kept:
        text += "?" + "&".join(kept)
    if not is_url and not _GROUP.fullmatch(text):
        raise InvalidOption("destination", text, "a URL with http:// or https://, or the name of a URL group")
    return Destination(text, is_url, tuple(settings))
