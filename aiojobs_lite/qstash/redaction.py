"""What `Upstash-Redact-Fields` hides: `body`, `header` or `headers` (all of them), `header[Name]`, comma-separated.

Hidden parts are shown as `REDACTED:<sha256>`; deliveries have the true values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiojobs_lite.errors import InvalidOption

_NAMED = re.compile(r"headers?\[([!#$%&'*+.^_`|~0-9A-Za-z-]+)\]")
_ALL_HEADERS = {"header", "headers"}


@dataclass(frozen=True)
class Redaction:
    """The parts of a message that nothing shows.

    Attributes:
        body: Whether the body is hidden.
        all_headers: Whether every header is.
        headers: The names of hidden headers, in lower case.
    """

    body: bool = False
    all_headers: bool = False
    headers: frozenset[str] = frozenset()

    def shown_body(self, body: bytes) -> bytes:
        """The body, or what stands for it; encode it as base64 after this."""
        return _hidden(body).encode() if self.body else body

    def shown_headers(self, headers: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """The headers, with what stands for the hidden values."""
        return {
            name: [_hidden(value.encode()) for value in values] if self._hides(name) else [*values]
            for name, values in headers.items()
        }

    def _hides(self, name: str) -> bool:
        return self.all_headers or name.lower() in self.headers


def redaction(value: str) -> Redaction:
    """Reads the value of the header.

    Raises:
        InvalidOption: If a part of it is of another form.
    """
    fields = {field for part in value.split(",") if (field := part.strip())}
    named = {field: match[1].lower() for field in fields if (match := _NAMED.fullmatch(field))}
    if fields - named.keys() - _ALL_HEADERS - {"body"}:
        raise InvalidOption("Upstash-Redact-Fields", value, "body, header or header[Name], comma-separated")
    return Redaction("body" in fields, bool(fields & _ALL_HEADERS), frozenset(named.values()))


def _hidden(value: bytes) -> str:
    return f"REDACTED:{hashlib.sha256(value).hexdigest()}"
