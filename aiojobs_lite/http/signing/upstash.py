"""The scheme of Upstash QStash: a JWT in the header `Upstash-Signature`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from aiojobs_lite.errors import InvalidOption, SignatureRefused
from aiojobs_lite.http.signing.keys import UPSTASH, SigningKeys
from aiojobs_lite.http.signing.schemes import WINDOW_S, VerifiedMessage, check_sent_at
from aiojobs_lite.sizes import LONGEST_MESSAGE_ID_CHARS
from aiojobs_lite.text import show

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "Upstash"
_HEADER: Final = "upstash-signature"
_BACKDATED_S: Final = 60  # PyJWT refuses an `iat` after the receiver's clock, be it by two seconds
_NONCE_BYTES: Final = 8
_BEFORE_NONCE: Final = "~"
_TOKEN_ID: Final = re.compile(r"[ -~]+")
_TOKEN_ID_CHARS: Final = LONGEST_MESSAGE_ID_CHARS + len(_BEFORE_NONCE) + 2 * _NONCE_BYTES


class Upstash:
    """`Upstash-Signature`: a JWT over the url and the hash of the body, by HMAC-SHA256.

    `jti` is unique for each attempt, and the message's own header `Upstash-Message-Id` is not signed. So a token of
    this library has the id of the message in its `jti`, before a tilde. The id of a message whose sender is another
    program is the whole `jti`.

    Raises:
        InvalidOption: If PyJWT is not installed.
    """

    name: ClassVar[str] = UPSTASH
    headers: ClassVar[tuple[str, ...]] = (_HEADER,)

    def __init__(self) -> None:
        try:
            import jwt  # noqa: PLC0415  # of an extra, which the other scheme does not need
        except ImportError as error:
            expected = 'another scheme, or PyJWT installed: pip install "aiojobs_lite[http]"'
            raise InvalidOption("scheme", UPSTASH, expected) from error
        self._jws = jwt.PyJWS([_ALGORITHM])
        self._wrong_key: type[Exception] = jwt.InvalidSignatureError
        self._no_token: type[Exception] = jwt.PyJWTError

    def sign(self, keys: SigningKeys, body: bytes, message_id: str, url: str, now: int) -> dict[str, str]:
        """The header of a message, signed with the current key."""
        claims = {
            "iss": _ISSUER,
            "sub": url,
            "exp": now + WINDOW_S,
            "nbf": 0,
            "iat": now - _BACKDATED_S,
            "jti": f"{message_id}{_BEFORE_NONCE}{secrets.token_hex(_NONCE_BYTES)}",
            "body": _hash_of(body),
        }
        return {"Upstash-Signature": self._jws.encode(json.dumps(claims).encode(), keys.current, _ALGORITHM)}

    def verify(self, keys: SigningKeys, body: bytes, headers: Mapping[str, str], url: str, now: int) -> VerifiedMessage:
        """The message, if its token is signed with one of the keys, and is about this url, this body and this time."""
        claims = self._claims(headers[_HEADER], keys)
        if claims.get("iss") != _ISSUER:
            raise SignatureRefused(f"iss is {show(claims.get('iss'))}, and not {_ISSUER!r}")
        if claims.get("sub") != url:
            raise SignatureRefused(f"sub is {show(claims.get('sub'))}, and the url of the receiver {show(url)}")
        body_hash = claims.get("body")
        if not isinstance(body_hash, str) or not _is_same(body_hash.rstrip("="), _hash_of(body)):
            raise SignatureRefused("the body is another one than was signed")
        for name in ("nbf", "iat"):
            if _number(claims, name) > now + WINDOW_S:
                raise SignatureRefused(f"{name} lies more than {WINDOW_S} s after the clock of the receiver")
        sent_at = check_sent_at(_number(claims, "exp") - WINDOW_S, now)  # both this library and Upstash sign so
        return VerifiedMessage(_message_id(claims.get("jti")), sent_at, body)

    def _claims(self, token: str, keys: SigningKeys) -> dict[str, Any]:
        for key in keys.both:
            try:
                claims = json.loads(self._jws.decode_complete(token, key, [_ALGORITHM])["payload"])
            except self._wrong_key:
                continue
            except (self._no_token, ValueError, RecursionError) as error:  # of which PyJWT lets some through
                raise SignatureRefused(f"it is no token: {show(error)}") from None
            if isinstance(claims, dict):
                return claims
            raise SignatureRefused("the claims of the token are no object")
        raise SignatureRefused("the token is signed with none of these keys")


def _hash_of(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, int | float):
        return value
    raise SignatureRefused(f"{name} is {show(value)}, and no number")


def _message_id(token_id: object) -> str:
    if isinstance(token_id, str) and len(token_id) <= _TOKEN_ID_CHARS and _TOKEN_ID.fullmatch(token_id):
        return token_id.partition(_BEFORE_NONCE)[0] or token_id
    raise SignatureRefused(f"jti is {show(token_id)}: 1 to {_TOKEN_ID_CHARS} printable ASCII characters are expected")
