"""The application: lets clients in, finds the endpoint of a request, and turns errors into answers."""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from aiojobs_lite.errors import (
    AiojobsError,
    JobNotFound,
    PayloadTooLarge,
    QueueFull,
    RunnerError,
    ScheduleNotFound,
    StoreUnavailable,
    UnknownJobType,
    UnknownLimit,
)
from aiojobs_lite.http.group import Http
from aiojobs_lite.http.serving import ApiError, answer_other
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.http.this_machine import is_request_of_this_machine
from aiojobs_lite.qstash.api import Api, Route, answer
from aiojobs_lite.qstash.bulk import BULK_ROUTES
from aiojobs_lite.qstash.description import DESCRIPTION_ROUTES
from aiojobs_lite.qstash.destination import path_below
from aiojobs_lite.qstash.dlq import DLQ_ROUTES
from aiojobs_lite.qstash.events import EVENT_ROUTES
from aiojobs_lite.qstash.flow import FLOW_ROUTES
from aiojobs_lite.qstash.groups import GROUP_ROUTES
from aiojobs_lite.qstash.keys import KEY_ROUTES
from aiojobs_lite.qstash.messages import MESSAGE_ROUTES
from aiojobs_lite.qstash.queues import QUEUE_ROUTES
from aiojobs_lite.qstash.schedules import SCHEDULE_ROUTES
from aiojobs_lite.qstash.settings import QStashSettings
from aiojobs_lite.runner.asgi import Message, Receive, Send
from aiojobs_lite.runner.runner import JobRunner

ALL_ROUTES: Final[tuple[Route, ...]] = (
    *MESSAGE_ROUTES, *KEY_ROUTES, *GROUP_ROUTES, *QUEUE_ROUTES, *FLOW_ROUTES, *SCHEDULE_ROUTES,
    *BULK_ROUTES, *DLQ_ROUTES, *EVENT_ROUTES, *DESCRIPTION_ROUTES,
)  # fmt: skip
"""Of all endpoints. Of two that fit a path the first counts."""

_STATUSES: Final[tuple[tuple[type[AiojobsError], int], ...]] = (
    (JobNotFound, 404), (ScheduleNotFound, 404), (UnknownLimit, 404), (PayloadTooLarge, 413), (QueueFull, 429),
    (UnknownJobType, 500), (StoreUnavailable, 503), (RunnerError, 503), (AiojobsError, 400),
)  # fmt: skip
"""What the errors of the library are answered; the first class that fits counts."""

_READING: Final = frozenset({"GET"})
_PART: Final = re.compile(r"\{(\w+)(?::(rest|raw))?\}")
_NO_PATH: Final = (
    "there is no such path: QSTASH_URL of a client is the URL of the mount, without /v2, and a slash at the end counts"
)
_OTHER_DELIVERIES: Final = (
    "the runner has other deliveries, or none: JobRunner(jobs=[http]) and qstash_app(runner, http) take the same Http"
)
_FAULT: Final = "this is a fault of the server: the log of the application says more"


def app_of(runner: JobRunner, http: Http, settings: QStashSettings) -> QStashApp:
    """The application of a runner, which signs its deliveries from now on."""
    signer = StoredSigner(settings.keys)
    http.sign_qstash_by(signer)
    return QStashApp(Api(runner, http, settings, signer))


class QStashApp:
    """The ASGI application.

    Args:
        api: What its endpoints work with.
        routes: They.
    """

    def __init__(self, api: Api, routes: Iterable[Route] = ALL_ROUTES) -> None:
        self._api = api
        self._routes = [(_pattern(route.path), route) for route in routes]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one request, or the lifespan."""
        if scope["type"] == "http":
            try:
                response = await self._respond(Request(scope, receive))
            except ClientDisconnect:  # before the end of its body: there is nothing to answer
                return
            except Exception:  # the server logs it, and would answer no JSON
                await answer({"error": _FAULT}, 500)(scope, receive, send)
                raise
            await response(scope, receive, send)
        else:
            await answer_other(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            if self._api.settings.is_development:
                _check_is_local(request)
            route = self._admit(request)
            return await route.endpoint(self._api, request)
        except ApiError as error:
            return answer({"error": error.text}, error.status, error.headers)
        except AiojobsError as error:
            status = next(status for kind, status in _STATUSES if isinstance(error, kind))
            after = error.retry_after if isinstance(error, QueueFull) else math.inf
            headers = {"Retry-After": str(math.ceil(after))} if math.isfinite(after) else None
            text = _OTHER_DELIVERIES if isinstance(error, UnknownJobType) else str(error)
            return answer({"error": text}, status, headers)

    def _admit(self, request: Request) -> Route:
        """The route of a request whose client is let in."""
        may_write = self._may_write(request)
        route = self._find(request)
        if not may_write and (request.method not in _READING or route.needs_token):
            raise ApiError(403, "this token only reads: send the token of the application")
        return route

    def _may_write(self, request: Request) -> bool:
        """Checks the token of a client, in a time that tells nothing of it; whether it is more than that for reading.

        Raises:
            ApiError: 401, if it is wrong or missing.
        """
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            # A page of another site can send a parameter to this machine, but no header.
            given = "" if self._api.settings.is_development else request.query_params.get("qstash_token", "")
        settings, token = self._api.settings, given.strip().encode()
        may_write = hmac.compare_digest(token, settings.token.encode())
        may_read = settings.read_token is not None and hmac.compare_digest(token, settings.read_token.encode())
        if not may_write and not may_read:
            raise ApiError(401, "the token is wrong or missing: send Authorization: Bearer <token>")
        return may_write

    def _find(self, request: Request) -> Route:
        path = path_below(request.scope)
        allowed: list[str] = []
        for pattern, route in self._routes:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if route.method == request.method:
                request.scope["path_params"] = _parameters(found)
                return route
            allowed.append(route.method)
        if allowed:
            raise ApiError(405, f"{request.method} is not for this path", {"Allow": ", ".join(sorted({*allowed}))})
        raise ApiError(404, _NO_PATH)


def _pattern(path: str) -> re.Pattern[str]:
    """The pattern of the path of a route; how a part is read stands in the name of its group."""
    text, place = "", 0
    for part in _PART.finditer(path):
        kind = part[2] or "one"
        text += re.escape(path[place : part.start()]) + f"(?P<{kind}_{part[1]}>{'[^/]+' if kind == 'one' else '.+'})"
        place = part.end()
    return re.compile(text + re.escape(path[place:]), re.DOTALL)


def _parameters(found: re.Match[str]) -> dict[str, Any]:
    parts = {}
    for group, text in found.groupdict().items():
        kind, _, name = group.partition("_")
        parts[name] = text if kind == "raw" else unquote(text)
    return parts


def _check_is_local(request: Request) -> None:
    """Checks that a client is on this machine, and means it.

    Raises:
        ApiError: 403, if not.
    """
    if not is_request_of_this_machine(request.scope, request.headers.get("host", "")):
        raise ApiError(403, "development mode serves clients on this machine alone, at http://127.0.0.1 or localhost")
