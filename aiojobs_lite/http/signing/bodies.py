"""Reads bodies up to a size; and what requests are answered that reach no handler."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

REFUSED: Final = "the message has no valid signature"
TOO_LARGE: Final = "the body is too large"


async def collect(chunks: AsyncGenerator[bytes, None], largest: int) -> bytes | None:
    """The chunks of a body as one, or None as soon as they have more bytes than `largest`."""
    body = bytearray()
    async with aclosing(chunks):
        async for chunk in chunks:
            body += chunk
            if len(body) > largest:
                return None
    return bytes(body)
