"""Which requests may read, and which may act: `basic_auth` and `loopback_only`, two ways to decide it."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_choice
from aiojobs_lite.http.this_machine import is_request_of_this_machine

Role = Literal["read", "admin"]
"""What a request may do: look, or look and act."""

Auth = Callable[[Any], Role | Awaitable[Role | None] | None]
"""Decides what a request (of Starlette) may do; None: nothing."""

ROLES: Final = ("read", "admin")
USER: Final = "aiojobs_lite.user"
"""Where a scope has the name of the user, if an auth knows it: it stands beside what that user pauses or cancels."""

_OF_A_PROXY: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


class BasicAuth:
    """Lets in users by name and password (RFC 7617); made by `basic_auth`.

    Attributes:
        challenge: What a refused request is answered in `WWW-Authenticate`.
    """

    challenge: Final = 'Basic realm="jobs", charset="UTF-8"'

    def __init__(self, admins: Mapping[str, str], readers: Mapping[str, str]) -> None:
        self._key = secrets.token_bytes(32)
        given: list[tuple[Role, Mapping[str, str]]] = [("read", readers), ("admin", admins)]
        self._users = [(self._digest(name, text), name, role) for role, users in given for name, text in users.items()]

    def __call__(self, request: Any) -> Role | None:
        """The role of the user of a request. Takes as long for a wrong name as for a wrong password."""
        name, password = _credentials(request.headers.get("authorization", ""))
        digest, found = self._digest(name, password), None
        for known, user, role in self._users:
            if hmac.compare_digest(known, digest):
                found = user, role
        if found is None:
            return None
        request.scope[USER] = found[0]
        return found[1]

    def _digest(self, name: str, password: str) -> bytes:
        text = f"{len(name)}:{name}:{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")


def basic_auth(admins: Mapping[str, str], readers: Mapping[str, str] | None = None) -> BasicAuth:
    """Lets in users that give a name and a password, as browsers ask for them. Only behind HTTPS: they are sent as
    text.

    Args:
        admins: The passwords of those that may act, by name.
        readers: The passwords of those that may only look, by name.

    Raises:
        InvalidOption: If there is no user, or a name or a password cannot be one.
    """
    both = {"admins": admins, "readers": {} if readers is None else readers}
    for option, users in both.items():
        if not isinstance(users, Mapping) or not all(map(_is_user, users.items())):
            raise InvalidOption(option, "...", "passwords by the names of users, neither empty, no name with a colon")
    if not any(both.values()):
        raise InvalidOption("admins", {}, "at least one user with a password")
    return BasicAuth(admins, both["readers"])


def loopback_only(role: Role = "admin") -> Auth:
    """Lets in what comes from this machine, by a name of this machine, and through no proxy.

    Args:
        role: What it may do.

    Raises:
        InvalidOption: If there is no such role.
    """
    check_choice("role", role, ROLES)

    def auth(request: Any) -> Role | None:
        is_near = is_request_of_this_machine(request.scope, request.headers.get("host", ""))
        is_direct = not any(header in request.headers for header in _OF_A_PROXY)
        return role if is_near and is_direct else None

    return auth


def _is_user(user: tuple[object, object]) -> bool:
    name, password = user
    return isinstance(name, str) and isinstance(password, str) and bool(name and password) and ":" not in name


def _credentials(header: str) -> tuple[str, str]:
    """The name and the password of a request; empty ones if it has none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
