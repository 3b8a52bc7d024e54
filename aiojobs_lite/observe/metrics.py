"""`metrics_app`: the figures of a database as an ASGI application for Prometheus."""

from __future__ import annotations

import hmac
from typing import Any, Final

from aiojobs_lite.errors import AiojobsError, InvalidOption
from aiojobs_lite.handlers.checks import check_text, missing_extra
from aiojobs_lite.observe.measures import Reading, families
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.text import escape

_LONGEST_TOKEN_CHARS: Final = 200


def metrics_app(runner: JobRunner, *, token: str | None = None) -> Any:
    """Makes an ASGI application that answers each GET with the metrics of a runner's database, in the format that the
    scraper asks for.

    Counters and histograms are those of all processes, for ever: any one of them may be scraped, and a restart sets
    nothing back. `docs/guides/observing.md` lists them.

    Needs the extra: `pip install "aiojobs_lite[prometheus]"`.

    Args:
        runner: A runner that is started when metrics are asked for; else the answer is 503.
        token: What a request must bring, in the header `Authorization: Bearer ...`; None: each request is answered.

    Raises:
        InvalidOption: If an argument cannot work, or the extra is not installed.
    """
    if not isinstance(runner, JobRunner):
        raise InvalidOption("runner", runner, "a JobRunner")
    wanted = None if token is None else f"Bearer {check_text('token', token, _LONGEST_TOKEN_CHARS)}".encode()
    try:
        from prometheus_client import core  # noqa: PLC0415  # the extra
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415
        from starlette.applications import Starlette  # noqa: PLC0415
        from starlette.requests import Request  # noqa: PLC0415
        from starlette.responses import PlainTextResponse, Response  # noqa: PLC0415
        from starlette.routing import Route  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise missing_extra("metrics_app", "runner", "prometheus") from error

    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if wanted is not None and not hmac.compare_digest(given, wanted):
            return PlainTextResponse("Authorization: Bearer ... is wanted\n", 401, {"WWW-Authenticate": "Bearer"})
        try:
            figures = runner.figures
            reading = Reading(await figures.now(), await figures.totals(), runner.stats())
        except AiojobsError as error:
            return PlainTextResponse(f"{escape(str(error))}\n", 503)
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        found: Any = _Collected([*families(reading, core)])
        return Response(encode(found), headers={"Content-Type": kind})

    return Starlette(routes=[Route("/{path:path}", answer, methods=["GET"])])


class _Collected:
    """Metrics that were read before: the client library asks for them at once, and reading awaits."""

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    def collect(self) -> list[Any]:
        """Gives them."""
        return self._found
