"""The endpoints of the signing keys."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.http.signing.keys import SigningKeys
from aiojobs_lite.qstash.api import Api, Route, answer


async def get_keys(api: Api, request: Request) -> Response:
    """The current key and the next one."""
    del request
    return _shown(await api.signer.keys(api.runner.documents))


async def rotate_keys(api: Api, request: Request) -> Response:
    """Makes the next key the current one, and a fresh one the next."""
    del request
    if api.settings.is_development:
        raise ApiError(400, "the keys of development mode are fixed: clients know them by heart")
    return _shown(await api.signer.rotate(api.runner.documents))


def _shown(keys: SigningKeys) -> Response:
    return answer({"current": keys.current, "next": keys.next})


KEY_ROUTES: Final = (
    Route("GET", "/v2/keys", get_keys, needs_token=True),
    Route("POST", "/v2/keys/rotate", rotate_keys),
)
