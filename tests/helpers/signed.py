"""Signed messages, and what a forger makes of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any, Final

import jwt

from aiojobs_lite.http import Signer, SigningKeys, VerifiedMessage, Verifier
from aiojobs_lite.testing import FakeClock

URL: Final = "https://app.example/hooks"
SCHEMES: Final = ("standard", "upstash")
KEYS: Final = {scheme: SigningKeys.generate(scheme) for scheme in SCHEMES}
BODY: Final = b'{"user": 1}'


def signed(
    scheme: str, body: bytes = BODY, message_id: str = "msg_1", clock: FakeClock | None = None
) -> dict[str, str]:
    """The headers of a message."""
    return Signer(KEYS[scheme], scheme=scheme, clock=clock).sign(body, message_id=message_id, url=URL)


def verifier(scheme: str, clock: FakeClock | None = None, url: str = URL) -> Verifier:
    """A receiver of these messages."""
    return Verifier(KEYS[scheme], url=url, scheme=scheme, clock=clock)


def verified(scheme: str, body: bytes, headers: dict[str, str]) -> VerifiedMessage:
    """The message, as a receiver has it."""
    return verifier(scheme).verify(body, headers)


def claims(of: bytes = BODY, **changed: Any) -> dict[str, Any]:
    """The claims of a valid token of Upstash itself; None leaves one out."""
    now = int(time.time())
    digest = base64.urlsafe_b64encode(hashlib.sha256(of).digest()).decode()
    valid = {"iss": "Upstash", "sub": URL, "exp": now + 300, "nbf": now, "iat": now, "jti": "jwt_7", "body": digest}
    return {name: value for name, value in {**valid, **changed}.items() if value is not None}


def token(content: dict[str, Any], key: str = KEYS["upstash"].current, algorithm: str | None = "HS256") -> str:
    """A token, as any JWT library makes it."""
    return jwt.encode(content, key if algorithm else "", algorithm=algorithm)


def odd_token(header: bytes, payload: bytes, key: str = KEYS["upstash"].current, digest: str = "sha256") -> str:
    """A token of any bytes, with the signature of HS256, or by another digest."""
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload)]
    signature = hmac.digest(key.encode(), b".".join(parts), digest)
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def rs256_token(content: dict[str, Any], key: str) -> str:
    """A token whose header says RS256, and whose signature is by HMAC: the confusion of algorithms."""
    return odd_token(b'{"alg":"RS256","typ":"JWT"}', json.dumps(content).encode(), key)
