"""Where commands that serve listen."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final

import typer

_LAST_PORT: Final = 65_535

Port = Annotated[int, typer.Option(min=0, max=_LAST_PORT, help="The port to listen on.")]


def is_of_this_machine(host: str) -> bool:
    """Whether a server that listens on an address is reached from this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
