"""A dependency of FastAPI that verifies the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request

from aiojobs_lite.http.signing.bodies import REFUSED, TOO_LARGE, collect
from aiojobs_lite.http.signing.schemes import VerifiedMessage


def dependency_of(
    admit: Callable[[bytes, list[tuple[bytes, bytes]]], VerifiedMessage | None], largest_body: int
) -> Callable[[Request], Awaitable[VerifiedMessage]]:
    """The function that FastAPI calls with the request; `admit` gives the message if its signature holds."""

    async def verified_message(request: Request) -> VerifiedMessage:
        body = await collect(request.stream(), largest_body)
        if body is None:
            raise HTTPException(413, TOO_LARGE)
        message = admit(body, request.headers.raw)
        if message is None:
            raise HTTPException(401, REFUSED)
        request._body = body  # noqa: SLF001  # so that the endpoint may read it again: Starlette keeps it there itself
        return message

    return verified_message
