"""The scheme of Standard Webhooks 1.0.0.

The package `standardwebhooks` is not used, but to compare with it in the tests:

- It signs and verifies text alone, and a body is bytes: one that is no UTF-8 raises `UnicodeDecodeError` there.
- Its `verify` raises `ValueError` for a signature without a comma: any stranger could cause an error 500.
- Its `sign` takes a naive or an aware datetime, and replaces the zone of the latter instead of converting it.
- It knows one key, and a rotation has two.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import ClassVar, Final

from aiojobs_lite.errors import SignatureRefused
from aiojobs_lite.http.signing.keys import STANDARD, SigningKeys, secret_of
from aiojobs_lite.http.signing.schemes import VerifiedMessage, check_sent_at
from aiojobs_lite.sizes import LONGEST_MESSAGE_ID_CHARS
from aiojobs_lite.text import show

_VERSION: Final = "v1,"
_TIMESTAMP: Final = re.compile("[0-9]{1,12}")


class StandardWebhooks:
    """`webhook-signature` over id, timestamp and body, by HMAC-SHA256."""

    name: ClassVar[str] = STANDARD
    headers: ClassVar[tuple[str, ...]] = ("webhook-id", "webhook-timestamp", "webhook-signature")

    def sign(self, keys: SigningKeys, body: bytes, message_id: str, url: str, now: int) -> dict[str, str]:
        """The headers of a message, signed with both keys."""
        del url  # this scheme does not sign it
        timestamp = str(now)
        signatures = [_signature(key, message_id, timestamp, body) for key in keys.both]
        return dict(zip(self.headers, (message_id, timestamp, " ".join(signatures)), strict=True))

    def verify(self, keys: SigningKeys, body: bytes, headers: Mapping[str, str], url: str, now: int) -> VerifiedMessage:
        """The message, if one of its signatures is by one of the keys."""
        del url
        message_id, timestamp, signatures = (headers[name] for name in self.headers)
        # With a dot in the id, `a.1.b` could be cut in two ways: a part of the body would pass for the timestamp.
        if "." in message_id or not 1 <= len(message_id) <= LONGEST_MESSAGE_ID_CHARS:
            expected = f"1 to {LONGEST_MESSAGE_ID_CHARS} characters without a dot are expected"
            raise SignatureRefused(f"webhook-id is {show(message_id)}: {expected}")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise SignatureRefused(f"webhook-timestamp is {show(timestamp)}: whole seconds are expected")
        sent_at = check_sent_at(int(timestamp), now)
        given = signatures.encode().split(b" ")
        for key in keys.both:
            signature = _signature(key, message_id, timestamp, body).encode()
            if any(hmac.compare_digest(signature, one) for one in given):
                return VerifiedMessage(message_id, sent_at, body)
        raise SignatureRefused("webhook-signature has no signature of these keys over this id, timestamp and body")


def _signature(key: str, message_id: str, timestamp: str, body: bytes) -> str:
    content = b".".join([message_id.encode(), timestamp.encode(), body])
    return _VERSION + base64.b64encode(hmac.digest(secret_of(key), content, hashlib.sha256)).decode()
