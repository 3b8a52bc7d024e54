"""What is of this machine: hosts, and requests that come from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PORT: Final = re.compile(r":\d+$")


def is_loopback(host: str) -> bool:
    """Whether a host, an address or `localhost`, is this machine and is reached from it alone."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_request_of_this_machine(scope: Mapping[str, Any], host: str) -> bool:
    """Whether a request comes from this machine, and by a name of it: a page of another site may lead here by its own.

    Args:
        scope: Of the request, by ASGI.
        host: Its header `Host`.
    """
    ends = scope.get("client"), scope.get("server")
    return _PORT.sub("", host.lower()) in _NAMES and all(end is not None and is_loopback(end[0]) for end in ends)
