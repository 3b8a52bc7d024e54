"""What every endpoint works with: the hub, the errors and the shape of answers."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import (
    AiojobsError,
    EventNotFound,
    JobNotFound,
    PayloadTooLarge,
    QueueFull,
    RunnerError,
    StoreUnavailable,
)
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.inngest import raw_json
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.sizes import LONGEST_PROBLEM_SHOWN_CHARS
from aiojobs_lite.text import shorten

InngestEndpoint = Callable[[Hub, Request], Awaitable[Response]]
_JSON: Final = "application/json"
_DEEPEST_BODY: Final = 100  # an event is within others, of the end of its run for one, when the same limit is for these

_STATUSES: Final[tuple[tuple[type[AiojobsError], int], ...]] = (
    (JobNotFound, 404), (EventNotFound, 404), (PayloadTooLarge, 413), (QueueFull, 429),
    (StoreUnavailable, 503), (RunnerError, 503), (AiojobsError, 400),
)  # fmt: skip
"""What the errors of the library are answered; the first class that fits counts."""


class InngestRoute(NamedTuple):
    """Which endpoint serves a request.

    Attributes:
        methods: The methods.
        path: The path below the mount; `{name}` stands for one segment.
        endpoint: It.
        needs_key: Whether the signing key proves the client, in the mode `cloud`.
    """

    methods: tuple[str, ...]
    path: str
    endpoint: InngestEndpoint
    needs_key: bool = True


def respond(hub: Hub, content: Any, status: int = 200) -> Response:
    """An answer of JSON. SDKs want to know which kind of server they talk to."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, {"x-inngest-server-kind": hub.settings.mode}, _JSON)


def status_of(error: AiojobsError) -> int:
    """The status of the answer that an error of the library is."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def respond_listed(hub: Hub, content: Any) -> Response:
    """An answer of the REST API: what was asked for, and when."""
    fetched_at = to_datetime(hub.now()).isoformat()
    return respond(hub, {"data": content, "metadata": {"fetched_at": fetched_at, "cached_until": None}})


def decoded(body: bytes) -> Any:
    """A body as JSON.

    Raises:
        ApiError: 400, if it is none.
    """
    try:
        return raw_json.load_value(raw_json.whole(body.decode()), _DEEPEST_BODY)
    except ValueError as error:
        raise ApiError(400, f"the body is no JSON: {shorten(str(error), LONGEST_PROBLEM_SHOWN_CHARS)}") from None


def check_signing_key(hub: Hub, request: Request) -> None:
    """Checks the signing key that a client proves to have, in the mode `cloud`.

    Raises:
        ApiError: 401, if it is wrong or missing.
    """
    if hub.settings.is_dev:
        return
    keys = hub.settings.signing_keys
    if keys is None or not keys.allows(request.headers.get("authorization")):
        raise ApiError(401, "the signing key is wrong or missing: set INNGEST_SIGNING_KEY in the app")


def check_event_key(hub: Hub, given: str) -> None:
    """Checks the key of a sender of events, in the mode `cloud`.

    Raises:
        ApiError: 401, if it is wrong.
    """
    if hub.settings.is_dev:
        return
    is_right = [hmac.compare_digest(given.encode(), key.encode()) for key in hub.settings.event_keys]
    if not any(is_right):
        raise ApiError(401, "the event key is wrong or missing: set INNGEST_EVENT_KEY in the app", more={"status": 401})
