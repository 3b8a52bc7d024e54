"""Payloads and their marks: the version of a handler, which arguments are secret; and a look at some that wait."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

VERSION_KEY: Final = "@version"
"""The first key of a payload of a version above 1. No argument of a handler has this name."""

SECRET_KEY: Final = "@secret"  # noqa: S105  # it has the names alone
"""The key behind it, of a payload with secret arguments: the list of their names."""

REDACTED: Final = "REDACTED"
"""What is shown in place of the value of a secret argument."""

_MARK: Final = re.compile(
    rf'\s*\{{(?:\s*"{VERSION_KEY}"\s*:\s*([1-9][0-9]{{0,6}})\s*(?:,|(?=\}})))?'
    rf'(?:\s*"{SECRET_KEY}"\s*:\s*\[([^][{{}}]*)\]\s*(?:,|(?=\}})))?'
)
_NAME: Final = re.compile(r'"([^"\\]+)"')


class RedactedPayload(str):
    """A payload as it is shown, and as it is stored. A copy, or what pickle makes of it, is as it is shown.

    Attributes:
        stored: The same with the secret values.
    """

    __slots__ = ("stored",)
    stored: str

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Leaves the secret values behind."""
        return str, (str(self),)


def mark(arguments: str, version: int, secret: Sequence[str] = ()) -> str:
    """The payload of arguments.

    Args:
        arguments: A JSON object.
        version: The version of the handler.
        secret: The names of those that are secret.
    """
    marks = [f'"{VERSION_KEY}":{version}'] if version > 1 else []
    if secret:
        marks.append(f'"{SECRET_KEY}":{json.dumps(secret, ensure_ascii=False, separators=(",", ":"))}')
    rest = arguments[1:]
    return f"{{{','.join(marks)}{',' if marks and rest != '}' else ''}{rest}"


def version_of(payload: str) -> int:
    """The version of the handler for which a payload was made; 1 if it has no mark."""
    found = _MARK.match(payload)
    return 1 if found is None or found[1] is None else int(found[1])


def secret_in(payload: str) -> tuple[str, ...]:
    """The names of the secret arguments of a payload."""
    found = _MARK.match(payload)
    return () if found is None or found[2] is None else tuple(_NAME.findall(found[2]))


def arguments_of(payload: str) -> str:
    """The arguments in a payload, as a JSON object without the marks."""
    found = _MARK.match(payload)
    return payload if found is None or found.lastindex is None else "{" + payload[found.end() :]


def redacted(payload: str) -> str:
    """A payload as it is shown; the same, if it has no secret arguments."""
    secret = secret_in(payload)
    if not secret or isinstance(payload, RedactedPayload):
        return payload
    arguments = dict.fromkeys(secret, REDACTED)
    try:
        decoded = json.loads(arguments_of(payload))
    except (ValueError, RecursionError):  # another program has written it: nothing of it is shown
        decoded = arguments
    if isinstance(decoded, dict):
        arguments = {name: REDACTED if name in secret else value for name, value in decoded.items()}
    text = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
    shown = RedactedPayload(mark(text, version_of(payload), secret))
    shown.stored = payload
    return shown


def stored_payload(payload: str) -> str:
    """A payload as it is stored."""
    return payload.stored if isinstance(payload, RedactedPayload) else payload


class WaitingPayload(NamedTuple):
    """The payload of a pending job."""

    job_id: int
    payload: str
