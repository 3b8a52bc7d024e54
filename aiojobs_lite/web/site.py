"""What every page works with: the runner, the templates, the hook that redacts; and how a page becomes a response."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.web import shown
from aiojobs_lite.web.asked import Asked
from aiojobs_lite.web.assets import version_of_assets

POLLED_EVERY_S: Final = 3
"""An open page asks so often whether anything has changed."""

RENDERED_EVERY_S: Final = 30
"""So often it is made anew although nothing has: its ages go on."""

NAVIGATION: Final = (
    ("", "Overview"), ("jobs", "Jobs"), ("types", "Types"), ("schedules", "Schedules"), ("events", "Events"),
    ("deliveries", "Deliveries"), ("lanes", "Lanes"),
)  # fmt: skip
"""The pages: path and name."""

MARK_HEADER: Final = "Jobs-Mark"
"""The header by which an open page says which state of the database it shows."""


@dataclass(frozen=True, slots=True)
class Site:
    """What each page works with.

    Attributes:
        runner: Reads and moves the jobs.
        title: The name of the application.
        redact: See `jobs_dashboard`.
        instance: Random: marks of other processes are of no use here.
    """

    runner: JobRunner
    title: str = "Jobs"
    redact: Callable[[str, str, Any], Any] | None = None
    instance: str = field(default_factory=lambda: secrets.token_hex(4))

    async def mark(self) -> str:
        """A mark of what there is to see: another one as soon as something may have changed."""
        stats, slot = self.runner.stats(), shown.now_utc().timestamp() // RENDERED_EVERY_S
        state = f"{stats.draining:d}{stats.stuck}{stats.degraded is not None:d}"
        return f"{self.instance}.{await self.runner.jobs.change_mark()}.{state}.{slot:.0f}"

    def redacted(self, what: str, name: str, value: Any) -> Any:
        """A value as it is shown. Nothing is shown of one for which the hook raises."""
        if self.redact is None:
            return value
        try:
            return self.redact(what, name, value)
        except Exception as error:  # noqa: BLE001  # the user's code
            return f"hidden: redact= raised {type(error).__name__}"

    async def show(self, asked: Asked, template: str, status: int = 200, **view: Any) -> Response:
        """A page; only what is live of it, if an open page asks for that."""
        found = templates().get_template(template)
        given = {
            "site": self, "asked": asked, "base": asked.base, "now": shown.now_utc(), "navigation": NAVIGATION,
            "here": asked.path.partition("/")[0], "mark": await self.mark() if status == 200 else "",
            "polled_every_s": POLLED_EVERY_S, "version": version_of_assets(), "link": _linker(asked), **view,
        }  # fmt: skip
        if asked.header(MARK_HEADER) and "live" in found.blocks:
            return HTMLResponse("".join(found.blocks["live"](found.new_context(given))), status)
        return HTMLResponse(found.render(given), status)


class View(NamedTuple):
    """Which function serves a request.

    Attributes:
        method: GET, or POST for what changes something.
        path: Its path below the mount; `{}` stands for a number.
        endpoint: The function.
    """

    method: str
    path: str
    endpoint: Callable[[Site, Asked], Awaitable[Response]]


def go_to(asked: Asked, path: str, **parameters: str) -> Response:
    """Leads to a page after something was done."""
    return RedirectResponse(_url(asked.base, path, parameters), 303)


@cache
def templates() -> Environment:
    """The templates of the package: all that they show is escaped."""
    loader = PackageLoader("aiojobs_lite.web")
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=shown.text,
    )  # fmt: skip
    made.filters.update(shown.FILTERS)
    made.globals.update(age=shown.age, between=shown.between)
    return made


def _linker(asked: Asked) -> Callable[..., str]:
    """The function by which a template links to a page: `link("jobs", status="dead")`."""

    def link(path: str, given: Mapping[str, str] | None = None, **parameters: object) -> str:
        return _url(asked.base, path, {**(given or {}), **parameters})

    return link


def _url(base: str, path: str, parameters: Mapping[str, object]) -> str:
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, "")})
    return f"{base}{path}{'?' if query else ''}{query}"
