"""The URL of a delivery: checked and brought into one form, which is stored, signed and sent as it is."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, Final

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.sizes import LONGEST_URL_CHARS

_URL: Final = re.compile(r"(?i:(?P<scheme>https?))://(?P<authority>[^/?#]*)(?P<rest>[^#]*)(?:#.*)?", re.DOTALL)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?", re.ASCII)
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_NUMBER_AT_END: Final = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$", re.ASCII)  # then it is no name
_KEPT: Final = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+", re.ASCII)  # the others are percent-encoded
_LONGEST_NAME_CHARS: Final = 253
_LAST_PORT: Final = 65535
_EXAMPLE: Final = '"https://example.com/hook"'


def check_url(option: str, value: object) -> str:
    """A URL of http or https in one form: scheme and host in lower case, the host in ASCII, no fragment, and what is no
    character of a URL percent-encoded. Its path and query stay as they are.

    Raises:
        InvalidOption: If it is none, or has a user, a blank, a control character, a backslash, or an address in a form
            of its own, such as `0x7f.1`.
    """
    if not isinstance(value, str):
        raise InvalidOption(option, value, f"a URL as text, such as {_EXAMPLE}")
    if len(value) > LONGEST_URL_CHARS:
        raise InvalidOption(option, value, f"a URL of at most {LONGEST_URL_CHARS:,} characters")
    if not value.isprintable() or any(char.isspace() or char == "\\" for char in value):
        problem = "without blanks, control characters and backslashes: percent-encode them"
        raise InvalidOption(option, value, f"a URL {problem}")
    found = _URL.fullmatch(value)
    if found is None:
        raise InvalidOption(option, value, f"a URL that begins with https:// or http://, such as {_EXAMPLE}")
    if "@" in found["authority"]:
        problem = "without a user and a password, which every list would show; give secret_headers={...}"
        raise InvalidOption(option, value, f"a URL {problem}")
    authority = _AUTHORITY.fullmatch(found["authority"])
    if authority is None:
        raise InvalidOption(option, value, f"a URL with a host, and perhaps a port, such as {_EXAMPLE}")
    host, port = _host(option, value, authority["host"]), authority["port"]
    if port is not None and not 1 <= int(port) <= _LAST_PORT:
        raise InvalidOption(option, value, f"a URL with a port from 1 to {_LAST_PORT}")
    place = host if port is None else f"{host}:{int(port)}"
    return f"{found['scheme'].lower()}://{place}{_encoded(found['rest'])}"


@lru_cache(maxsize=1024)
def host_of(url: str) -> str:
    """The host of a checked URL, without its port; an IPv6 address without its brackets."""
    place = re.split(r"[/?]", url.partition("://")[2], maxsplit=1)[0]
    return place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]


def _host(option: str, url: str, host: str) -> str:
    if host.startswith("["):
        try:
            return f"[{IPv6Address(_without_zone(host[1:-1])).compressed}]"
        except AddressValueError:
            raise InvalidOption(option, url, "a URL with an IPv6 address without a zone between its brackets") from None
    name = host.lower() if host.isascii() else _to_ascii(option, url, host)
    if len(name) > _LONGEST_NAME_CHARS or not _NAME.fullmatch(name):
        raise InvalidOption(option, url, f"a URL with the name of a host, such as {_EXAMPLE}")
    if _NUMBER_AT_END.search(name):
        try:
            IPv4Address(name)
        except AddressValueError:
            raise InvalidOption(option, url, "a URL with an address as four numbers from 0 to 255") from None
    return name


def _without_zone(address: str) -> str:
    return "" if "%" in address else address


def _to_ascii(option: str, url: str, host: str) -> str:
    """The name of a host in letters that are not ASCII, as DNS has it (IDNA 2008)."""
    try:
        import idna  # noqa: PLC0415  # of the extra `http`; most hosts do not need it
    except ImportError:
        problem = 'a host in ASCII, such as "xn--...", or the extra: pip install "aiojobs_lite[http]"'
        raise InvalidOption(option, url, f"a URL with {problem}") from None
    try:
        encoded: Any = idna.encode(host, uts46=True, transitional=False)
    except idna.IDNAError as error:
        raise InvalidOption(option, url, f"a URL with the name of a host: {error}") from None
    name: str = encoded.decode("ascii")
    return name.lower()


def _encoded(rest: str) -> str:
    """Path and query in the characters that a URL may have; escapes stay as they are."""
    if not rest or _KEPT.fullmatch(rest):
        return rest
    return "".join([char if _KEPT.fullmatch(char) else _escaped(char) for char in rest])


def _escaped(char: str) -> str:
    return "".join([f"%{byte:02X}" for byte in char.encode()])
