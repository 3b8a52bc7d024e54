"""Verifies the signatures of messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from aiojobs_lite.clock import MICROSECONDS, Clock, SystemClock
from aiojobs_lite.errors import InvalidOption, SignatureRefused
from aiojobs_lite.handlers.checks import check_clock, check_whole, missing_extra
from aiojobs_lite.http.signing.keys import STANDARD, SigningKeys
from aiojobs_lite.http.signing.schemes import NotRead, VerifiedMessage
from aiojobs_lite.http.signing.signer import check_body, scheme_of
from aiojobs_lite.logs import get_log
from aiojobs_lite.sizes import LARGEST_SIGNED_BODY_BYTES, LARGEST_VALUE_BYTES

_HEADERS: Final = "names and values as text or bytes, a mapping or pairs of them"

_log = get_log("http")

Headers = Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
"""Headers of a request: a mapping, or pairs of name and value as ASGI has them."""


class Verifier:
    """Tells messages of a sender from forged ones.

    Args:
        keys: The keys of the sender; a message that one of them has signed is accepted.
        url: The url that the sender sends to, as the sender has it: behind a proxy not the one that the application
            sees. Upstash signs it. Standard Webhooks does not: give each endpoint keys of its own.
        scheme: `standard` (Standard Webhooks) or `upstash`; it must be that of the keys.
        clock: The clock; default: the machine's.

    Attributes:
        url: As given.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    def __init__(self, keys: SigningKeys, *, url: str, scheme: str = STANDARD, clock: Clock | None = None) -> None:
        self._keys = keys
        self._scheme = scheme_of(keys, scheme)
        self._clock = SystemClock() if clock is None else check_clock("clock", clock)
        self.url = _check_url(url)

    def verify(self, body: bytes, headers: Headers) -> VerifiedMessage:
        """The message, if its signature holds; it was made less than five minutes ago by this clock.

        Args:
            body: The bytes of the body, as they were received.
            headers: The headers of the request, in any case.

        Raises:
            SignatureRefused: If the signature does not hold, whatever the reason.
        """
        body = check_body(body)
        found = _picked(headers, self._scheme.headers)
        now = self._clock.now() // MICROSECONDS
        return self._scheme.verify(self._keys, body, found, self.url, now)

    def admit(self, body: bytes, headers: Headers) -> VerifiedMessage | None:
        """The message, if its signature holds; else None, and the log has the reason, which no answer says."""
        try:
            return self.verify(body, headers)
        except SignatureRefused as refused:
            _log.warning("a message to %s was refused: %s", self.url, refused.reason)
            return None

    def dependency(
        self, *, largest_body: Annotated[int, NotRead] = LARGEST_SIGNED_BODY_BYTES
    ) -> Callable[..., Awaitable[VerifiedMessage]]:
        """A dependency of FastAPI that gives an endpoint the verified message.

        `message: Annotated[VerifiedMessage, Depends(verifier.dependency())]`. A request without a valid signature is
        answered 401, and one with a larger body 413, in the form of the application's other errors.

        Args:
            largest_body: Most bytes of a body; no more are read.

        Raises:
            InvalidOption: If it cannot be that, or the extra is not installed.
        """
        try:
            from aiojobs_lite.http.signing.dependency import dependency_of  # noqa: PLC0415  # it needs Starlette
        except ModuleNotFoundError as error:
            raise missing_extra("verifier", self, "http") from error
        return dependency_of(self.admit, check_largest_body(largest_body))


def check_largest_body(largest: object) -> int:
    """Most bytes of a body.

    Raises:
        InvalidOption: If it cannot be that.
    """
    return check_whole("largest_body", largest, LARGEST_VALUE_BYTES)


def _check_url(url: object) -> str:
    try:
        if isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url:
            parts = urlsplit(url)
            if parts.scheme in ("http", "https") and parts.hostname and parts.username is None:
                return url
    except ValueError:  # of an address in brackets
        pass
    raise InvalidOption("url", url, "the url that the sender sends to, such as https://app.example/hooks")


def _picked(headers: Headers, names: tuple[str, ...]) -> dict[str, str]:
    """These headers, each of which must be there once."""
    if not isinstance(headers, Iterable):
        raise InvalidOption("headers", headers, _HEADERS)
    pairs: Iterable[tuple[Any, Any]] = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str] = {}
    for given, value in pairs:
        name = _text(given).lower()
        if name in names:
            if name in found:
                raise SignatureRefused(f"the header {name} is there twice")
            found[name] = _text(value)
    for name in names:
        if not found.get(name):
            raise SignatureRefused(f"the header {name} is missing or empty")
        if not (found[name].isascii() and found[name].isprintable()):
            raise SignatureRefused(f"the header {name} has other characters than printable ASCII")
    return found


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    raise InvalidOption("headers", value, _HEADERS)
