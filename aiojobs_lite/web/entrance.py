"""`jobs_dashboard`: the dashboard as an ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_text, missing_extra
from aiojobs_lite.runner.asgi import AsgiApp
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.web.auth import Auth

_LONGEST_TITLE_CHARS = 80


def jobs_dashboard(
    runner: JobRunner,
    *,
    auth: Auth | None = None,
    title: str = "Jobs",
    redact: Callable[[str, str, Any], Any] | None = None,
) -> AsgiApp:
    """The dashboard of a runner's database, as an ASGI application to mount below any path.

    Needs the extra: `pip install "aiojobs_lite[web]"`. The application does not start the runner: `runner.lifespan` and
    `runner.asgi(...)` do.

    Args:
        runner: Reads and moves the jobs, of all processes that share its database. One with `max_running=0` runs none.
        auth: Decides what a request may do: a function of it, plain or async, that returns `"read"`, `"admin"`, or None
            (nothing). There is no default: `basic_auth(...)` asks for a password, `loopback_only()` serves this machine
            alone, and `lambda request: "admin"` leaves it to what is before the application.
        title: The name of the application, at the top of each page.
        redact: Makes of a value the one that is shown: a function of what it is (`payload`, `result`, `metadata`,
            `step`, `event`), the name of its job type or event, and the value, as plain JSON.

    Raises:
        InvalidOption: If one of them cannot work, or the extra is not installed.
    """
    if not isinstance(runner, JobRunner):
        raise InvalidOption("runner", runner, "a JobRunner")
    if not callable(auth):
        wanted = "a function of a request that returns None, 'read' or 'admin'; or basic_auth(...), loopback_only()"
        raise InvalidOption("auth", auth, wanted)
    if redact is not None and not callable(redact):
        raise InvalidOption("redact", redact, "a function of what is shown, the name of its type, and the value")
    check_text("title", title, _LONGEST_TITLE_CHARS)
    try:
        from aiojobs_lite.web.app import dashboard_of  # noqa: PLC0415  # it needs starlette and jinja2
    except ModuleNotFoundError as error:
        raise missing_extra("web", error.name, "web") from error
    return dashboard_of(runner, auth, title, redact)
