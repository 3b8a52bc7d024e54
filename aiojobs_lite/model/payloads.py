"""Payloads of several versions of a handler: the mark within a payload, and a look at some that wait."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

VERSION_KEY: Final = "@version"
"""The first key of a payload of a version above 1. No argument of a handler has this name."""

_MARK: Final = re.compile(r'\s*\{\s*"@version"\s*:\s*([1-9][0-9]{0,6})\s*(,|(?=\}))')


def mark_version(arguments: str, version: int) -> str:
    """The payload of arguments, given as a JSON object, of a version above 1."""
    rest = arguments[1:]
    return f'{{"{VERSION_KEY}":{version}{"" if rest == "}" else ","}{rest}'


def version_of(payload: str) -> int:
    """The version of the handler for which a payload was made; 1 if it has no mark."""
    found = _MARK.match(payload)
    return 1 if found is None else int(found[1])


def arguments_of(payload: str) -> str:
    """The arguments in a payload, as a JSON object without the mark."""
    found = _MARK.match(payload)
    return payload if found is None else "{" + payload[found.end() :]


class WaitingPayload(NamedTuple):
    """The payload of a pending job."""

    job_id: int
    payload: str
