"""Answers of HTTP/1.0 that have a header of HTTP/1.1 which that version does not know: the rest of them is the body.

Proxies that speak HTTP/1.0 and copy the headers of another answer send these. aiohttp looks for chunks there.
"""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any, Final

_VERSION: Final = b"HTTP/1.0 "
_END: Final = b"\r\n\r\n"
_BUFFERED_BYTES: Final = 64 * 1024  # of headers: aiohttp refuses them by then
_TRANSFER_ENCODING: Final = re.compile(rb"\r\nTransfer-Encoding:[^\r\n]*", re.IGNORECASE)


def read_old_answers(connector: Any) -> None:
    """Has the connections of a connector of aiohttp read such answers; they are closed behind them."""
    from aiohttp.client_proto import ResponseHandler  # noqa: PLC0415  # the extra: imported where it is used

    class Reading(ResponseHandler):
        """A connection, whose first bytes are looked at."""

        begin: bytes | None = b""

        def data_received(self, data: bytes) -> None:
            if self.begin is not None:
                self.begin += data
                if is_unfinished(self.begin):
                    return
                data, self.begin = without_chunks(self.begin), None
            super().data_received(data)

    connector._factory = partial(Reading, loop=asyncio.get_running_loop())  # noqa: SLF001  # there is no other way


def is_unfinished(begin: bytes) -> bool:
    """Whether these first bytes may be of HTTP/1.0, and its headers go on."""
    is_old = _VERSION.startswith(begin[: len(_VERSION)])
    return is_old and _END not in begin and len(begin) < _BUFFERED_BYTES


def without_chunks(begin: bytes) -> bytes:
    """The first bytes of a connection; those of HTTP/1.0 without the header `Transfer-Encoding`."""
    if not begin.startswith(_VERSION):
        return begin
    head, end, body = begin.partition(_END)
    return _TRANSFER_ENCODING.sub(b"", head) + end + body
