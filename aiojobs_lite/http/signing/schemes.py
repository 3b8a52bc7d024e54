"""What both schemes of signatures have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, NoReturn, Protocol

from aiojobs_lite.clock import MICROSECONDS, to_datetime
from aiojobs_lite.errors import InvalidOption, SignatureRefused
from aiojobs_lite.http.signing.keys import SigningKeys
from aiojobs_lite.sizes import LONGEST_MESSAGE_ID_CHARS
from aiojobs_lite.text import show

WINDOW_S: Final = 300
"""How far the instant of a signature may lie before and after the receiver's clock, in seconds."""

_ID: Final = re.compile(r"[!-\-/-}]+")


class NotRead:
    """What FastAPI must not read from a request, as it does where the dependency is forgotten, or is not called.

    Without it such an endpoint would run unverified: with a message of the forger's own, or with none.
    """

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> NoReturn:
        """Refuses it.

        Raises:
            InvalidOption: Always, where the endpoint is declared.
        """
        expected = "Annotated[VerifiedMessage, Depends(verifier.dependency())] in an endpoint"
        raise InvalidOption("annotation", VerifiedMessage, expected)


@dataclass(frozen=True, slots=True)
class VerifiedMessage(NotRead):
    """A message whose signature holds.

    Attributes:
        id: Its id, the same in each attempt of the sender: the key by which a receiver knows a repeat.
        sent_at: When this attempt was signed; aware, UTC.
        body: The body, as it was signed.
    """

    id: str
    sent_at: datetime
    body: bytes = field(repr=False)


class Scheme(Protocol):
    """One way to sign messages.

    Attributes:
        name: Its name, as options have it.
        headers: The headers of a signature, in small letters.
    """

    name: ClassVar[str]
    headers: ClassVar[tuple[str, ...]]

    def sign(self, keys: SigningKeys, body: bytes, message_id: str, url: str, now: int) -> dict[str, str]:
        """The headers of a message; `now` is in seconds since 1970 UTC."""

    def verify(self, keys: SigningKeys, body: bytes, headers: Mapping[str, str], url: str, now: int) -> VerifiedMessage:
        """The message, if one of the keys has signed it; `headers` has all that the scheme names.

        Raises:
            SignatureRefused: If not.
        """


def check_message_id(message_id: object) -> str:
    """An id that every scheme can sign.

    Raises:
        InvalidOption: If it cannot be one.
    """
    if (
        isinstance(message_id, str)
        and len(message_id) <= LONGEST_MESSAGE_ID_CHARS
        and _ID.fullmatch(message_id) is not None
    ):
        return message_id
    expected = f"1 to {LONGEST_MESSAGE_ID_CHARS} printable ASCII characters other than a blank, a dot and a tilde"
    raise InvalidOption("message_id", message_id, expected)


def check_sent_at(sent_at: float, now: int) -> datetime:
    """The instant of a signature, if it lies within the window around `now`; both are seconds since 1970 UTC.

    Raises:
        SignatureRefused: If it lies outside of it.
    """
    age = now - sent_at
    if abs(age) <= WINDOW_S:  # not so for what is no number
        return to_datetime(round(sent_at * MICROSECONDS))
    where = "before" if age > 0 else "after"
    raise SignatureRefused(f"it was signed {show(abs(age))} s {where} the clock of the receiver, {WINDOW_S} s at most")
