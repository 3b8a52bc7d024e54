"""Signs messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from aiojobs_lite.clock import MICROSECONDS, Clock, SystemClock
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_choice, check_clock
from aiojobs_lite.http.signing.keys import STANDARD, UPSTASH, SigningKeys
from aiojobs_lite.http.signing.schemes import Scheme, check_message_id
from aiojobs_lite.http.signing.standard_webhooks import StandardWebhooks
from aiojobs_lite.http.signing.upstash import Upstash

_SCHEMES: Final[Mapping[str, Callable[[], Scheme]]] = {STANDARD: StandardWebhooks, UPSTASH: Upstash}


class Signer:
    """Gives messages their signatures: what a sender does, and a test of a receiver.

    Args:
        keys: The keys.
        scheme: `standard` (Standard Webhooks) or `upstash`; it must be that of the keys.
        clock: The clock; default: the machine's.

    Raises:
        InvalidOption: If an argument has a value that cannot work.
    """

    def __init__(self, keys: SigningKeys, *, scheme: str = STANDARD, clock: Clock | None = None) -> None:
        self._keys = keys
        self._scheme = scheme_of(keys, scheme)
        self._clock = SystemClock() if clock is None else check_clock("clock", clock)

    def sign(self, body: bytes, *, message_id: str, url: str) -> dict[str, str]:
        """The headers that sign a message at this moment: each attempt needs new ones.

        Args:
            body: The bytes that are sent.
            message_id: The id of the message, the same in each attempt.
            url: The url that they are sent to.
        """
        now = self._clock.now() // MICROSECONDS
        return self._scheme.sign(self._keys, check_body(body), check_message_id(message_id), url, now)


def scheme_of(keys: object, scheme: str) -> Scheme:
    """A scheme by its name, if keys are of this scheme.

    Raises:
        InvalidOption: If not.
    """
    check_choice("scheme", scheme, _SCHEMES)
    if not isinstance(keys, SigningKeys):
        raise InvalidOption("keys", "***", 'SigningKeys(current="...", next="...")')
    if keys.scheme != scheme:
        raise InvalidOption("scheme", scheme, f"{keys.scheme!r}, which the keys are of")
    return _SCHEMES[scheme]()


def check_body(body: object) -> bytes:
    """The bytes of a body.

    Raises:
        InvalidOption: If it is anything else.
    """
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    raise InvalidOption("body", body, "bytes, as they are sent and received")
