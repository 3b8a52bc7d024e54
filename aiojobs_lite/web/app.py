"""The application: lets requests in, finds the page of each, and turns errors into pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from aiojobs_lite.errors import (
    AiojobsError,
    EventNotFound,
    InvalidOption,
    JobNotAllowed,
    JobNotFound,
    RunnerError,
    ScheduleNotFound,
    StoreUnavailable,
    UnknownJobType,
    UnknownLimit,
)
from aiojobs_lite.http.serving import ApiError, answer_other
from aiojobs_lite.runner.asgi import Message, Receive, Send
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.web.asked import Asked, asked_path, check_same_origin, with_slash
from aiojobs_lite.web.assets import asset_response
from aiojobs_lite.web.auth import ROLES, Auth, BasicAuth, Role
from aiojobs_lite.web.bulk import BULK_VIEWS
from aiojobs_lite.web.deliveries import DELIVERY_VIEWS
from aiojobs_lite.web.events import EVENT_VIEWS
from aiojobs_lite.web.job import JOB_VIEWS
from aiojobs_lite.web.job_edit import JOB_EDIT_VIEWS
from aiojobs_lite.web.jobs import JOBS_VIEWS
from aiojobs_lite.web.lanes import LANE_VIEWS
from aiojobs_lite.web.notices import NOTICE_VIEWS
from aiojobs_lite.web.overview import OVERVIEW_VIEWS
from aiojobs_lite.web.schedules import SCHEDULE_VIEWS
from aiojobs_lite.web.site import MARK_HEADER, Site, View
from aiojobs_lite.web.types import TYPE_VIEWS

ALL_VIEWS: Final[tuple[View, ...]] = (
    *OVERVIEW_VIEWS, *JOBS_VIEWS, *BULK_VIEWS, *JOB_VIEWS, *JOB_EDIT_VIEWS, *NOTICE_VIEWS, *TYPE_VIEWS,
    *SCHEDULE_VIEWS, *EVENT_VIEWS, *DELIVERY_VIEWS, *LANE_VIEWS,
)  # fmt: skip

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says of no form which page it is of
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every response."""

_STATUSES: Final[tuple[tuple[type[AiojobsError], int], ...]] = (
    (JobNotFound, 404), (ScheduleNotFound, 404), (UnknownLimit, 404), (UnknownJobType, 404),
    (EventNotFound, 404), (JobNotAllowed, 409),
    (StoreUnavailable, 503), (RunnerError, 503), (AiojobsError, 400),
)  # fmt: skip
_HEADINGS: Final = {
    400: "This cannot be done", 403: "Not allowed", 404: "Not found", 405: "Not allowed", 409: "Not any more",
    413: "Too large", 503: "Not now",
}  # fmt: skip


def dashboard_of(
    runner: JobRunner, auth: Auth, title: str, redact: Callable[[str, str, Any], Any] | None
) -> DashboardApp:
    """The dashboard of a runner; see `jobs_dashboard`."""
    return DashboardApp(Site(runner, title, redact), auth)


class DashboardApp:
    """The ASGI application.

    Args:
        site: What its pages work with.
        auth: Decides what a request may do.
        views: The pages and actions.
    """

    def __init__(self, site: Site, auth: Auth, views: Iterable[View] = ALL_VIEWS) -> None:
        self._site = site
        self._auth = auth
        self._views = [
            (re.compile(re.escape(view.path).replace(r"\{\}", r"([1-9][0-9]{0,18})")), view) for view in views
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serves one request, or the lifespan."""
        if scope["type"] == "http":
            try:
                response = await self._respond(Request(scope, receive))
            except ClientDisconnect:  # before the end of its form: there is nothing to answer
                return
            response.headers.update(HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            await response(scope, receive, send)
        else:
            await answer_other(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        role = await self._role_of(request)
        if role is None:
            return self._refusal()
        if (place := with_slash(request.scope)) is not None:
            return RedirectResponse(place, 307)
        asked = Asked(request, role, asked_path(request.scope))
        try:
            return await self._serve(asked)
        except ApiError as error:
            return await self._problem(asked, error.status, error.text)
        except AiojobsError as error:
            status = next(status for kind, status in _STATUSES if isinstance(error, kind))
            return await self._problem(asked, status, str(error))

    async def _serve(self, asked: Asked) -> Response:
        request = asked.request
        reads = request.method in {"GET", "HEAD"}
        if reads and (file := asset_response(asked.path)) is not None:
            return file
        view, numbers = self._find(asked.path, "GET" if reads else request.method)
        asked = Asked(request, asked.role, asked.path, numbers)
        if not reads:
            check_same_origin(request)
            if not asked.may_act:
                raise ApiError(403, "this user may look, and change nothing")
        elif asked.header(MARK_HEADER) and asked.header(MARK_HEADER) == await self._site.mark():
            return Response(status_code=204)
        return await view.endpoint(self._site, asked)

    def _find(self, path: str, method: str) -> tuple[View, tuple[int, ...]]:
        is_known = False
        for pattern, view in self._views:
            found = pattern.fullmatch(path)
            if found is not None and view.method == method:
                return view, tuple(map(int, found.groups()))
            is_known = is_known or found is not None
        if is_known:
            raise ApiError(405, f"{method} is not for this page")
        raise ApiError(404, "there is no such page")

    async def _role_of(self, request: Request) -> Role | None:
        decided = self._auth(request)
        role = await decided if inspect.isawaitable(decided) else decided
        if role is not None and role not in ROLES:
            raise InvalidOption("auth", role, "a function that returns None, 'read' or 'admin'")
        return role

    def _refusal(self) -> Response:
        if isinstance(self._auth, BasicAuth):
            return PlainTextResponse("name and password, please\n", 401, {"WWW-Authenticate": self._auth.challenge})
        return PlainTextResponse("this request is not let in\n", 403)

    async def _problem(self, asked: Asked, status: int, problem: str) -> Response:
        heading = _HEADINGS.get(status, "This cannot be done")
        return await self._site.show(asked, "problem.html", status, heading=heading, problem=problem)
