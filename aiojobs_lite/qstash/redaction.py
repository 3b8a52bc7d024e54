"""What `Upstash-Redact-Fields` hides: `body`, `header` or `headers` (all of them), `header[Name]`, comma-separated.

Hidden parts are shown as `REDACTED:<sha256>`; deliveries have the true values.
"""

from __future__ import annotations

import re
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

    def hides(self, name: str) -> bool:
        """Whether the header of a name is hidden."""
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
