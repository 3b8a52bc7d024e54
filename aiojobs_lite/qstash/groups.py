"""URL groups ("topics"): several URLs by one name, each of which gets every message to the group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.handlers.urls import check_url
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.qstash.api import Api, Route, all_documents, answer, read_json
from aiojobs_lite.qstash.names import given_name
from aiojobs_lite.qstash.times import milliseconds
from aiojobs_lite.runner.documents import StoredDocument

GROUP: Final = "qstash.group"
"""The kind of the documents of groups."""

MOST_ENDPOINTS: Final = 100
_FORM: Final = 'send {"endpoints": [{"url": "https://...", "name": "..."}]}'


class GroupEndpoint(NamedTuple):
    """A member of a group.

    Attributes:
        url: Where its messages go, as it was given.
        name: Its name, one of the group, or None.
    """

    url: str
    name: str | None = None


async def endpoints_of(api: Api, name: str) -> list[GroupEndpoint]:
    """The endpoints of a group.

    Raises:
        ApiError: 404, if there is none of this name.
        InvalidOption: If it cannot be a name.
    """
    return [GroupEndpoint(one["url"], one.get("name")) for one in (await _group(api, name)).body]


def with_endpoints(known: Sequence[Mapping[str, Any]], given: Sequence[GroupEndpoint]) -> list[dict[str, Any]]:
    """The endpoints of a group after some were added: one of a known name has the new URL, and one of a known URL the
    new name.
    """
    kept = [dict(one) for one in known]
    for endpoint in given:
        same = [one for one in kept if endpoint.name is not None and one.get("name") == endpoint.name]
        same = same or [one for one in kept if one["url"] == endpoint.url]
        kept = [one for one in kept if one in same[:1] or one["url"] != endpoint.url]
        if not same:
            kept.append({})
        changed = same[0] if same else kept[-1]
        name = endpoint.name or changed.get("name")
        changed |= {"url": endpoint.url} | ({} if name is None else {"name": name})
    return kept


def without_endpoints(known: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The endpoints of a group without those that have a given name, or a given URL."""
    return [dict(one) for one in known if not any(_is_meant(one, gone) for gone in given)]


async def add_endpoints(api: Api, request: Request) -> Response:
    """Adds endpoints to a group, or changes them; makes the group if there is none."""
    name, given = _name(request), [_endpoint(one) for one in await _endpoints(api, request)]

    def change(known: Any) -> Any:
        changed = with_endpoints(known or (), given)
        if len(changed) > MOST_ENDPOINTS:
            raise ApiError(400, f"a url group has at most {MOST_ENDPOINTS} endpoints: use another group")
        return changed or known

    await _update(api, name, change)
    return answer()


async def remove_endpoints(api: Api, request: Request) -> Response:
    """Takes endpoints from a group; a group without any is deleted."""
    name, given = _name(request), await _endpoints(api, request)
    if not all(one.get("name") or one.get("url") for one in given):
        raise ApiError(400, f"an endpoint has neither a name nor a url: {_FORM}")

    def change(known: Any) -> Any:
        if known is None:
            raise _missing(name)
        return without_endpoints(known, given) or None

    await _update(api, name, change)
    return answer()


async def list_groups(api: Api, request: Request) -> Response:
    """All groups, by name."""
    del request
    return answer([_shown(one) for one in await all_documents(api, GROUP)])


async def get_group(api: Api, request: Request) -> Response:
    """One group."""
    return answer(_shown(await _group(api, _name(request))))


async def delete_group(api: Api, request: Request) -> Response:
    """Deletes a group, if there is one."""
    await api.runner.documents.delete(GROUP, _name(request))
    return answer()


def _name(request: Request) -> str:
    return given_name("url group", request.path_params["group"])


async def _group(api: Api, name: str) -> StoredDocument:
    found = await api.runner.documents.get(GROUP, given_name("url group", name))
    if found is None:
        raise _missing(name)
    return found


def _missing(name: str) -> ApiError:
    return ApiError(404, f"there is no url group {name!r}: POST /v2/topics/{name}/endpoints makes it")


async def _endpoints(api: Api, request: Request) -> list[dict[str, str]]:
    """The endpoints that a request names."""
    body = await read_json(api, request)
    given = body.get("endpoints") if isinstance(body, dict) else None
    if not isinstance(given, list) or len(given) > MOST_ENDPOINTS or not all(isinstance(one, dict) for one in given):
        raise ApiError(400, f"there is no list of at most {MOST_ENDPOINTS} endpoints: {_FORM}")
    return given


def _endpoint(given: Mapping[str, Any]) -> GroupEndpoint:
    url, name = given.get("url"), given.get("name")
    if not isinstance(url, str):
        raise ApiError(400, f"an endpoint has no url: {_FORM}")
    check_url("url", url)
    return GroupEndpoint(url, None if name is None or name == "" else given_name("name of an endpoint", name))


def _is_meant(one: Mapping[str, Any], gone: Mapping[str, str]) -> bool:
    name = gone.get("name")
    return one.get("name") == name if name else one["url"] == gone.get("url")


async def _update(api: Api, name: str, change: Callable[[Any], Any]) -> None:
    await api.runner.documents.update(GROUP, name, change)


def _shown(group: StoredDocument) -> dict[str, Any]:
    return {
        "name": group.name, "createdAt": milliseconds(group.created_at), "updatedAt": milliseconds(group.updated_at),
        "endpoints": group.body,
    }  # fmt: skip


GROUP_ROUTES: Final = (
    Route("GET", "/v2/topics", list_groups),
    Route("GET", "/v2/topics/{group}", get_group),
    Route("DELETE", "/v2/topics/{group}", delete_group),
    Route("POST", "/v2/topics/{group}/endpoints", add_endpoints),
    Route("DELETE", "/v2/topics/{group}/endpoints", remove_endpoints),
)
