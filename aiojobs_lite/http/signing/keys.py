"""The keys by which messages are signed: a current one, and the next one."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, NamedTuple

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_choice, check_flag

STANDARD: Final = "standard"
UPSTASH: Final = "upstash"

_STANDARD_PREFIX: Final = "whsec_"
_UPSTASH_PREFIX: Final = "sig_"
_SECRET_BYTES: Final = range(24, 65)
_FRESH_BYTES: Final = 32
_UPSTASH_KEY: Final = re.compile(r"sig_[!-~]{28,200}")  # at least 32 bytes in all, as many as HS256 asks for
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_FRESH_CHARS: Final = 28
_HIDDEN: Final = "***"  # in place of a key in an error

# Everyone knows these: they are constants of the development server of Upstash.
_PUBLIC_KEYS: Final = ("sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r", "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs")


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of one sender.

    Both are of one scheme: `whsec_` and base64 of 24 to 64 bytes (Standard Webhooks), or `sig_` and at least 28
    characters (Upstash). No `repr` and no error shows them.

    A rotation loses no message: a receiver accepts both keys, so that the sender may take the next one as its current
    one at any time.

    Args:
        current: The key that signs.
        next: The key that signs after the next rotation. With Standard Webhooks it signs, too.
        is_development: Whether the two public keys of Upstash's development server are allowed.

    Attributes:
        scheme: `standard` or `upstash`.

    Raises:
        InvalidOption: If a key cannot be one.
    """

    current: str = field(repr=False)
    next: str | None = field(default=None, repr=False)
    _: KW_ONLY
    is_development: bool = False
    scheme: str = field(init=False)

    def __post_init__(self) -> None:
        check_flag("is_development", self.is_development)
        scheme = _scheme_of("current", self.current)
        object.__setattr__(self, "scheme", scheme)
        if self.next is not None:
            if _scheme_of("next", self.next) != scheme:
                raise InvalidOption("next", _HIDDEN, "a key of the same scheme as the current one")
            if self.next == self.current:
                raise InvalidOption("next", _HIDDEN, "another key than the current one")
        if not self.is_development and not {self.current, self.next}.isdisjoint(_PUBLIC_KEYS):
            expected = "keys of your own: these are public. On a developer's machine SigningKeys.for_development()"
            raise InvalidOption("current", _HIDDEN, expected)

    @classmethod
    def generate(cls, scheme: str = STANDARD) -> SigningKeys:
        """Two fresh keys of a scheme, `standard` or `upstash`."""
        fresh = _FORMS[check_choice("scheme", scheme, _FORMS)].fresh
        return cls(fresh(), fresh())

    @classmethod
    def for_development(cls) -> SigningKeys:
        """The two public keys of Upstash's development server: for a developer's machine, never for a server."""
        return cls(*_PUBLIC_KEYS, is_development=True)

    @property
    def both(self) -> tuple[str, ...]:
        """The keys that a receiver accepts."""
        return (self.current,) if self.next is None else (self.current, self.next)

    def rotated(self) -> SigningKeys:
        """The keys after a rotation: the next key is the current one, and a fresh one is the next.

        Without a next key the current one stays, for no receiver knows another one yet.
        """
        fresh = _FORMS[self.scheme].fresh()
        return SigningKeys(self.next or self.current, fresh, is_development=self.is_development)


def secret_of(key: str) -> bytes:
    """The bytes that a key of Standard Webhooks stands for.

    Raises:
        ValueError: If it is no base64.
    """
    text = key.removeprefix(_STANDARD_PREFIX).rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _is_standard(key: str) -> bool:
    try:
        return key.startswith(_STANDARD_PREFIX) and len(secret_of(key)) in _SECRET_BYTES
    except ValueError:
        return False


def _is_upstash(key: str) -> bool:
    return _UPSTASH_KEY.fullmatch(key) is not None


def _fresh_standard() -> str:
    return _STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(_FRESH_BYTES)).decode()


def _fresh_upstash() -> str:
    return _UPSTASH_PREFIX + "".join([secrets.choice(_BASE58) for _ in range(_FRESH_CHARS)])


class _Form(NamedTuple):
    """How the keys of a scheme look."""

    fits: Callable[[str], bool]
    fresh: Callable[[], str]


_FORMS: Final[Mapping[str, _Form]] = {
    STANDARD: _Form(_is_standard, _fresh_standard),
    UPSTASH: _Form(_is_upstash, _fresh_upstash),
}


def _scheme_of(option: str, key: object) -> str:
    if isinstance(key, str):
        for scheme, form in _FORMS.items():
            if form.fits(key):
                return scheme
    expected = "whsec_ and base64 of 24 to 64 bytes, or sig_ and 28 to 200 characters, such as of "
    raise InvalidOption(option, _HIDDEN, f"{expected}SigningKeys.generate()")
