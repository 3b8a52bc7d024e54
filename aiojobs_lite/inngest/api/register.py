"""Registration: an app says which functions it has."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest.api.door import InngestRoute, check_signing_key, decoded, respond
from aiojobs_lite.inngest.hub import Hub

_LARGEST_BYTES: Final = 4 * 1024 * 1024


async def register(hub: Hub, request: Request) -> Response:
    """Takes the functions of an app."""
    try:
        return await _registered(hub, request)
    except (ApiError, AiojobsError) as error:
        hub.refused.report(request.client and request.client.host, str(error))
        raise


async def _registered(hub: Hub, request: Request) -> Response:
    check_signing_key(hub, request)
    expected = request.headers.get("x-inngest-expected-server-kind", hub.settings.mode)
    if expected != hub.settings.mode:
        raise ApiError(400, f"this server is in the mode {hub.settings.mode!r}, and the app expects {expected!r}")
    is_new = await hub.apps.register(decoded(await read_body(request, _LARGEST_BYTES)))
    if is_new:
        hub.refused.forget()
    return respond(hub, {"ok": True, "modified": is_new})


REGISTER_ROUTES: Final = (InngestRoute(("POST",), "/fn/register", register, needs_key=False),)
"""The endpoint of registrations. It checks the key itself, to report each one that is refused."""
