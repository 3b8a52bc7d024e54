"""What the endpoints of the API have in common: what they work with, how they read a request, how they answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.http.group import Http
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.qstash.limits import MessageLimits
from aiojobs_lite.qstash.settings import QStashSettings
from aiojobs_lite.runner.documents import StoredDocument
from aiojobs_lite.runner.runner import JobRunner

LISTED_AT_ONCE: Final = 1000  # that is read at once, of a list without a cursor
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Api:
    """What each endpoint works with.

    Attributes:
        runner: Stores the messages.
        http: The deliveries.
        settings: What the application is set to.
        signer: Signs the deliveries; has the keys.
        limits: Makes the limits of messages.
    """

    runner: JobRunner
    http: Http
    settings: QStashSettings
    signer: StoredSigner
    limits: MessageLimits = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", MessageLimits(self.runner.limits))


Endpoint = Callable[[Api, Request], Awaitable[Response]]


class Route(NamedTuple):
    """Which endpoint serves a request.

    Attributes:
        method: The method.
        path: The path below the mount, from `/v2` on. `{name}` stands for one segment without its escapes,
            `{name:rest}` for all that comes, with slashes, `{name:raw}` for the same with its escapes as they arrived.
            The endpoint finds them in `request.path_params`.
        endpoint: It.
        needs_token: Whether a GET needs the token of the application, and that for reading is not enough.
    """

    method: str
    path: str
    endpoint: Endpoint
    needs_token: bool = False


def answer(content: Any = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON, in which absent values (None, empty text) of objects are left out; None: without a body."""
    if content is None:
        return Response(status_code=status, headers=headers)
    text = json.dumps(_without_absent(content), ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, _JSON)


def caller_ip(request: Request) -> str | None:
    """The address of the client."""
    return None if request.client is None else request.client.host


def parameters_of(request: Request) -> list[tuple[str, str]]:
    """The parameters of the query by name, without the token that may stand there."""
    return [pair for pair in request.query_params.multi_items() if pair[0] != "qstash_token"]


async def read_json(api: Api, request: Request) -> Any:
    """The body of a request as JSON; None if there is none.

    Raises:
        ApiError: 413 if it is too large, 400 if it is no JSON.
    """
    body = await read_body(request, api.settings.largest_request)
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is no JSON: send an object or a list as JSON") from None


async def all_documents(api: Api, kind: str) -> list[StoredDocument]:
    """All documents of a kind, by name."""
    found: list[StoredDocument] = []
    while True:
        page = await api.runner.documents.list(kind, after=found[-1].name if found else None, limit=LISTED_AT_ONCE)
        found += page
        if len(page) < LISTED_AT_ONCE:
            return found


def _without_absent(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {name: _without_absent(value) for name, value in content.items() if value is not None and value != ""}
    return [_without_absent(value) for value in content] if isinstance(content, list | tuple) else content
