"""Queues: messages by one name that are delivered in order, or so many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.handlers.checks import check_flag, check_whole
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.limit_values import UNLIMITED
from aiojobs_lite.limits import LimitUse
from aiojobs_lite.model.documents import ABSENT
from aiojobs_lite.qstash.api import Api, Route, all_documents, answer, read_json
from aiojobs_lite.qstash.limits import QUEUES
from aiojobs_lite.qstash.names import given_name
from aiojobs_lite.qstash.times import milliseconds
from aiojobs_lite.runner.documents import StoredDocument

QUEUE: Final = "qstash.queue"
"""The kind of the documents of queues."""

_FORM: Final = 'send {"queueName": "...", "parallelism": 1, "paused": false}'


async def parallelism_of(api: Api, name: str) -> int:
    """The parallelism of a queue, which is made with that of 1 if there is none.

    Raises:
        InvalidOption: If it cannot be a name.
    """
    found = await api.runner.documents.get(QUEUE, given_name("queue", name))
    if found is None:
        await api.runner.documents.put(QUEUE, name, {"parallelism": 1}, expected=ABSENT)
        return await parallelism_of(api, name)  # another client may have made it meanwhile
    return int(found.body["parallelism"])


async def upsert_queue(api: Api, request: Request) -> Response:
    """Makes a queue, or changes what is given of it."""
    body = await read_json(api, request)
    if not isinstance(body, dict) or "queueName" not in body:
        raise ApiError(400, f"the body names no queue: {_FORM}")
    name, parallelism, paused = given_name("queueName", body["queueName"]), body.get("parallelism"), body.get("paused")
    if parallelism is not None:
        check_whole("parallelism", parallelism, UNLIMITED)
    if paused is not None:
        check_flag("paused", paused)
    if paused:  # first: nothing starts in between
        await _pause(api, name, paused=True)
    await api.runner.documents.update(QUEUE, name, lambda known: _changed(known, parallelism))
    await _settle(api, name)
    if paused is False:
        await _pause(api, name, paused=False)
    return answer()


async def list_queues(api: Api, request: Request) -> Response:
    """All queues, by name."""
    del request
    return answer(await _shown(api, await all_documents(api, QUEUE)))


async def get_queue(api: Api, request: Request) -> Response:
    """One queue."""
    return answer((await _shown(api, [await _queue(api, request)]))[0])


async def delete_queue(api: Api, request: Request) -> Response:
    """Deletes a queue, if there is one. Its messages are delivered."""
    name = given_name("queue", request.path_params["queue"])
    await _pause(api, name, paused=False)  # first: what is gone cannot be resumed
    await api.runner.documents.delete(QUEUE, name)
    await (await api.limits.declared()).reset(QUEUES, key=name)
    return answer()


async def pause_queue(api: Api, request: Request) -> Response:
    """Has a queue deliver nothing until it is resumed. It takes further messages."""
    await _pause(api, (await _queue(api, request)).name, paused=True)
    return answer()


async def resume_queue(api: Api, request: Request) -> Response:
    """Has a queue deliver again."""
    await _pause(api, (await _queue(api, request)).name, paused=False)
    return answer()


def _changed(known: Mapping[str, Any] | None, parallelism: int | None) -> dict[str, Any]:
    return {"parallelism": 1, **(known or {}), **({} if parallelism is None else {"parallelism": parallelism})}


async def _pause(api: Api, name: str, *, paused: bool) -> None:
    limits = await api.limits.declared()
    if paused:
        await limits.pause(QUEUES, key=name)
    else:
        await limits.resume(QUEUES, key=name)


async def _queue(api: Api, request: Request) -> StoredDocument:
    name = given_name("queue", request.path_params["queue"])
    found = await api.runner.documents.get(QUEUE, name)
    if found is None:
        raise ApiError(404, f"there is no queue {name!r}: POST /v2/queues makes it")
    return found


async def _settle(api: Api, name: str) -> None:
    """Has the limit of a queue say what its document says. They are two writes: another client may come between them,
    and a program that ends there leaves the second one to the next that reads the queue.
    """
    limits, documents = await api.limits.declared(), api.runner.documents
    found, settled = await documents.get(QUEUE, name), 0
    while found is not None and found.version != settled:
        await limits.change(QUEUES, found.body["parallelism"], key=name)
        settled = found.version
        found = await documents.get(QUEUE, name)


async def _shown(api: Api, queues: Sequence[StoredDocument]) -> list[dict[str, Any]]:
    limits, names = await api.limits.declared(), [one.name for one in queues]
    uses = await limits.get_many(QUEUES, names)
    for one, use in zip(queues, uses, strict=True):
        if use.state.most not in {one.body["parallelism"], UNLIMITED}:  # without a value, its next message gives it one
            await _settle(api, one.name)
    return [_object(one, use) for one, use in zip(queues, uses, strict=True)]


def _object(queue: StoredDocument, use: LimitUse) -> dict[str, Any]:
    return {
        "name": queue.name, "parallelism": queue.body["parallelism"], "createdAt": milliseconds(queue.created_at),
        "updatedAt": milliseconds(queue.updated_at), "lag": use.taken + use.pending, "paused": use.state.is_paused,
    }  # fmt: skip


QUEUE_ROUTES: Final = (
    Route("POST", "/v2/queues", upsert_queue),
    Route("GET", "/v2/queues", list_queues),
    Route("GET", "/v2/queues/{queue}", get_queue),
    Route("DELETE", "/v2/queues/{queue}", delete_queue),
    Route("POST", "/v2/queues/{queue}/pause", pause_queue),
    Route("POST", "/v2/queues/{queue}/resume", resume_queue),
)
