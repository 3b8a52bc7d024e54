"""What the application of the QStash API is set to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypedDict, cast

from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_flag, check_text, check_whole
from aiojobs_lite.handlers.habits import refuse_unknown
from aiojobs_lite.http.signing.keys import UPSTASH, SigningKeys
from aiojobs_lite.sizes import LARGEST_REQUEST_BYTES, LARGEST_VALUE_BYTES

DEVELOPMENT_TOKEN: Final = "eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0="  # noqa: S105  # public
"""The token of the development server of Upstash. It is public: clients in development mode send it by themselves."""

_SHORTEST_TOKEN_CHARS: Final = 16
_LONGEST_TOKEN_CHARS: Final = 1_000
_SHORTEST_WINDOW_S: Final = 0.001
_HIDDEN: Final = "***"
_HABITS: Final = dict.fromkeys(("keys", "signing_keys", "signer"), 'current_key="sig_...", next_key="sig_..."')


class QStashOptions(TypedDict, total=False):
    """What `qstash_app` takes by name.

    Attributes:
        token: What clients send to be let in: their `QSTASH_TOKEN`, 16 to 1,000 characters.
        read_token: The same for requests that only read; default: there is none.
        current_key: The key that signs deliveries, `sig_` and 28 characters; default: one is made, and kept in the
            database. `GET /v2/keys` tells it.
        next_key: The key that signs after the next rotation; only together with `current_key`.
        development: Whether the public token and keys of Upstash's development server are used, by clients on this
            machine alone; without `token` and keys.
        deduplicate_for: How long the id of a deduplication counts; default 10 minutes.
        largest_request: Most bytes of a request that has a list or an object as its body, such as a batch; default
            16 MiB. The body of a message may have as many as `Http(largest_body=...)` says.
    """

    token: str | None
    read_token: str | None
    current_key: str | None
    next_key: str | None
    development: bool
    deduplicate_for: Duration
    largest_request: int


QSTASH_DEFAULTS: Final[QStashOptions] = {
    "token": None, "read_token": None, "current_key": None, "next_key": None, "development": False,
    "deduplicate_for": 600.0, "largest_request": LARGEST_REQUEST_BYTES,
}  # fmt: skip
"""What `qstash_app` takes that is not given."""


@dataclass(frozen=True, slots=True)
class QStashSettings:
    """The checked options of `qstash_app`.

    Attributes:
        token: Lets a client in.
        read_token: Lets a client read; None: there is none.
        keys: Sign deliveries; None: those that the database has, or fresh ones.
        is_development: Whether it serves clients on this machine alone.
        deduplicate_for: Seconds that the id of a deduplication counts.
        largest_request: Most bytes of a body of JSON.
    """

    token: str = field(repr=False)
    read_token: str | None = field(default=None, repr=False)
    keys: SigningKeys | None = None
    is_development: bool = False
    deduplicate_for: float = 600.0
    largest_request: int = LARGEST_REQUEST_BYTES


def settings_of(options: QStashOptions) -> QStashSettings:
    """The options of `qstash_app`, checked.

    Raises:
        InvalidOption: If one of them cannot work, or there is none of this name. No token and no key is shown.
    """
    refuse_unknown(options, QStashOptions.__optional_keys__, _HABITS)
    given = cast("QStashOptions", {**QSTASH_DEFAULTS, **options})
    is_development = check_flag("development", given["development"])
    if is_development:
        for option in ("token", "read_token", "current_key", "next_key"):
            if given.get(option) is not None:
                raise InvalidOption(option, _HIDDEN, "none with development=True, which has those that are public")
    token = DEVELOPMENT_TOKEN if is_development else _token("token", given["token"])
    read_token = None if given["read_token"] is None else _token("read_token", given["read_token"])
    if read_token == token:
        raise InvalidOption("read_token", _HIDDEN, "another one than token")
    window = seconds(given["deduplicate_for"], "deduplicate_for", least=_SHORTEST_WINDOW_S)
    largest = check_whole("largest_request", given["largest_request"], LARGEST_VALUE_BYTES)
    return QStashSettings(token, read_token, _keys(given), is_development, window, largest)


def _token(option: str, value: object) -> str:
    expected = f"text of {_SHORTEST_TOKEN_CHARS} to {_LONGEST_TOKEN_CHARS:,} characters without blanks, hard to guess"
    try:
        token = check_text(option, value, _LONGEST_TOKEN_CHARS)
    except InvalidOption:
        raise InvalidOption(option, _HIDDEN, expected) from None
    if len(token) < _SHORTEST_TOKEN_CHARS or not token.isascii() or " " in token:
        raise InvalidOption(option, _HIDDEN, expected)
    if token == DEVELOPMENT_TOKEN:
        raise InvalidOption(option, _HIDDEN, "a token of your own: this one is public. Or give development=True")
    return token


def _keys(given: QStashOptions) -> SigningKeys | None:
    current, following = given["current_key"], given["next_key"]
    if given["development"]:
        return SigningKeys.for_development()
    if current is None:
        if following is not None:
            raise InvalidOption("next_key", _HIDDEN, "none without current_key")
        return None
    try:
        keys = SigningKeys(current, following)
    except InvalidOption as error:
        raise InvalidOption(f"{error.option}_key", _HIDDEN, error.expected) from None
    if keys.scheme != UPSTASH:
        raise InvalidOption("current_key", _HIDDEN, "a key of Upstash: sig_ and at least 28 characters")
    return keys
