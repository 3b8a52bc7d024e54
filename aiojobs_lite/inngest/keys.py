"""Signing keys of Inngest: what calls are signed with, and by what an SDK proves that it knows the key.

A key is never shown: not by `repr`, in no log line, and in no error.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final
from urllib.parse import parse_qs

from aiojobs_lite.errors import InvalidOption, SignatureRefused
from aiojobs_lite.inngest import raw_json

LONGEST_SIGNATURE_AGE_S: Final = 300
"""How far the instant of a signature may be from now."""

_KEY: Final = re.compile(r"(signkey-\w+-)((?:[0-9a-fA-F]{2})+)", re.ASCII)
_EXPECTED: Final = "a signing key of Inngest, such as signkey-prod- and an even count of hexadecimal digits"
_BEARER: Final = "bearer "
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class SigningKey:
    """One signing key.

    Args:
        text: The key, `signkey-<environment>-<hexadecimal digits>`.

    Raises:
        InvalidOption: If it is none.
    """

    __slots__ = ("_bearer", "_bearer_of_python", "_secret")

    def __init__(self, text: str) -> None:
        found = _KEY.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise InvalidOption("signing_key", "***", _EXPECTED)
        prefix, rest = found.groups()
        self._secret = rest.encode()  # as text: it is not unhexed
        self._bearer_of_python = hashlib.sha256(bytes.fromhex(rest)).hexdigest()
        self._bearer = prefix + self._bearer_of_python

    def __repr__(self) -> str:
        return "SigningKey(***)"

    @property
    def bearer(self) -> str:
        """What an SDK that knows the key says in `Authorization`, behind `Bearer`: a hash of the key."""
        return self._bearer

    @property
    def bearers(self) -> tuple[str, str]:
        """Both forms of that: the SDK for Python leaves out the prefix of the key."""
        return self._bearer, self._bearer_of_python

    def sign(self, body: bytes, now: int) -> str:
        """The header `x-inngest-signature` of a body.

        Args:
            body: The body, as it is sent.
            now: The present instant, in seconds since 1970.
        """
        return f"t={now}&s={self.digest(body, str(now))}"

    def digest(self, body: bytes, at: str) -> str:
        """The signature of a body at an instant, which is text."""
        return hmac.new(self._secret, body + at.encode(), hashlib.sha256).hexdigest()


class AppKeys:
    """The current signing key, and perhaps the one to which an app falls back.

    Args:
        current: The key that calls are signed with.
        fallback: A further key that is taken from SDKs, or None.

    Raises:
        InvalidOption: If one of them is no signing key.
    """

    __slots__ = ("_keys",)

    def __init__(self, current: str, fallback: str | None = None) -> None:
        further = [] if fallback is None else [fallback]
        self._keys = [SigningKey(one) for one in (current, *further)]

    def __repr__(self) -> str:
        return "AppKeys(***)"

    @property
    def bearer(self) -> str:
        """See `SigningKey.bearer`, of the current key."""
        return self._keys[0].bearer

    def sign(self, body: bytes, now: int) -> str:
        """See `SigningKey.sign`, by the current key."""
        return self._keys[0].sign(body, now)

    def allows(self, authorization: str | None) -> bool:
        """Whether the header `Authorization` of a request is that of an SDK that knows one of the keys."""
        given = authorization or ""
        if given[: len(_BEARER)].lower() != _BEARER:
            return False
        token = given[len(_BEARER) :].strip().encode()
        known = [bearer for key in self._keys for bearer in key.bearers]
        return any(hmac.compare_digest(token, bearer.encode()) for bearer in known)

    def verify(self, body: bytes, signature: str | None, now: int) -> None:
        """Checks the header `x-inngest-signature` of a body.

        Args:
            body: The body, as it came.
            signature: The header, or None.
            now: The present instant, in seconds since 1970.

        Raises:
            SignatureRefused: If it has none, or none that holds now.
        """
        if not signature:
            raise SignatureRefused("it has no header x-inngest-signature")
        parts = parse_qs(signature)
        at, given = parts.get("t", [""])[-1], parts.get("s", [""])[-1]
        if not _SECONDS.fullmatch(at) or not given:
            raise SignatureRefused("its header x-inngest-signature is not of the form t=...&s=...")
        if abs(now - int(at)) > LONGEST_SIGNATURE_AGE_S:
            raise SignatureRefused("its signature is older than 5 minutes, or of the future: compare the clocks")
        if not any(hmac.compare_digest(given.encode(), key.digest(body, at).encode()) for key in self._keys):
            raise SignatureRefused("its signature is by none of the signing keys")


def canonical_body(text: str) -> bytes:
    """A JSON text in the one form of RFC 8785, which an SDK makes of what it was sent to check the signature.

    Raises:
        ValueError: If it is no JSON, or has a number that no double can hold.
    """
    from jcs import canonicalize  # noqa: PLC0415  # the extra: imported where it is used

    try:
        return bytes(canonicalize(raw_json.load_value(text)))
    except (OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None
