"""The endpoints of messages: publish, enqueue, batch; read one, cancel one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.errors import AiojobsError, JobNotAllowed, RunnerError, StoreError
from aiojobs_lite.handlers.requests import DELIVERY
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.model.job import Job
from aiojobs_lite.qstash.api import Api, Route, answer, caller_ip, read_json
from aiojobs_lite.qstash.destination import destination
from aiojobs_lite.qstash.filters import MARK, OF_API
from aiojobs_lite.qstash.headers import message_options
from aiojobs_lite.qstash.objects import message_object
from aiojobs_lite.qstash.outgoing import Delivery, Outgoing, deliveries_of
from aiojobs_lite.qstash.schedules import make_schedule

MOST_BATCHED: Final = 10_000
_AT_A_STRETCH: Final = 100  # items of a batch, before others have a turn on the event loop
_FORM: Final = 'send [{"destination": "https://...", "headers": {}, "body": "..."}]'


async def publish_message(api: Api, request: Request) -> Response:
    """Publishes a message to a URL or to a URL group."""
    return await _publish(api, request, None)


async def enqueue_message(api: Api, request: Request) -> Response:
    """Publishes a message into a queue."""
    return await _publish(api, request, request.path_params["queue"])


async def publish_batch(api: Api, request: Request) -> Response:
    """Publishes many messages in one transaction. An item that cannot be published has its error in its place."""
    items = await read_json(api, request)
    if not isinstance(items, list) or len(items) > MOST_BATCHED:
        raise ApiError(400, f"the body is no list of at most {MOST_BATCHED:,} messages: {_FORM}")
    made = []
    for place, item in enumerate(items):
        if place % _AT_A_STRETCH == 0:
            await asyncio.sleep(0)
        made.append(await _made_of(api, item, caller_ip(request)))
    published = iter(await _enqueue(api, [one for found in made for one in found.deliveries]))
    return answer([
        {"error": found.error} if found.outgoing is None
        else _answer_of(found.outgoing, [next(published) for _ in found.deliveries])
        for found in made
    ])  # fmt: skip


async def get_message(api: Api, request: Request) -> Response:
    """One message."""
    job, key = await message_of(api, request.path_params["id"])
    return answer(message_object(job, key))


async def cancel_message(api: Api, request: Request) -> Response:
    """Cancels a message; one that is being delivered is asked to stop."""
    job, _ = await message_of(api, request.path_params["id"])
    try:
        await api.runner.jobs.cancel(job.id, "it was cancelled by the API")
    except JobNotAllowed as error:
        raise ApiError(404, str(error)) from None
    return answer({"cancelled": 1})


async def message_of(api: Api, message_id: str) -> tuple[Job, str]:
    """The job of a message, and its key.

    Raises:
        ApiError: 404, if there is none.
    """
    job_id = api.runner.jobs.id_of(message_id)
    if job_id is not None:
        job = await api.runner.jobs.get(job_id)
        if job.type == DELIVERY and job.metadata.get(MARK) == OF_API:
            return job, message_id
    raise ApiError(404, f"there is no message {message_id!r}")


async def _publish(api: Api, request: Request, queue: str | None) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    where = destination(request.path_params["destination"], query)
    options = message_options(request.headers.items(), where.settings)
    body = await read_body(request, api.http.largest_body)
    outgoing = Outgoing(where, options, body, caller_ip(request), queue)
    if options.cron is not None:
        return answer({"scheduleId": await make_schedule(api, outgoing)})
    published = await _enqueue(api, await deliveries_of(api, outgoing))
    is_repeat = bool(published) and all("deduplicated" in one for one in published)
    return answer(_answer_of(outgoing, published), 202 if is_repeat else 200)


async def _enqueue(api: Api, deliveries: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Makes deliveries durable, in one transaction; what is said of each."""
    handles = await api.runner.enqueue_many([one.request.bind() for one in deliveries])
    return [
        {"messageId": handle.key, "url": one.url} | ({} if handle.is_new else {"deduplicated": True})
        for handle, one in zip(handles, deliveries, strict=True)
    ]


def _answer_of(outgoing: Outgoing, published: list[dict[str, Any]]) -> Any:
    return published[0] if outgoing.destination.is_url else published


class _Made(NamedTuple):
    """What an item of a batch has become: deliveries, or an error."""

    outgoing: Outgoing | None = None
    deliveries: Sequence[Delivery] = ()
    error: str = ""


async def _made_of(api: Api, item: Any, caller_ip: str | None) -> _Made:
    try:
        outgoing = _outgoing_of_item(item, caller_ip)
        return _Made(outgoing, await deliveries_of(api, outgoing))
    except (RunnerError, StoreError):  # nothing is wrong with the item: clients repeat the batch, and look at no item
        raise
    except (ApiError, AiojobsError) as error:
        return _Made(error=str(error))


def _outgoing_of_item(item: Any, caller_ip: str | None) -> Outgoing:
    """An item of a batch, in which an absent value may be null."""
    given = item if isinstance(item, dict) else {}
    to, headers, body, queue = (given.get(name) for name in ("destination", "headers", "body", "queue"))
    headers = headers or {}
    if not isinstance(to, str) or not isinstance(headers, dict) or not all(map(_is_text_or_none, (body, queue))):
        raise ApiError(400, f"an item of a batch has another form: {_FORM}")
    pairs = [(name, value) for name, value in headers.items() if value is not None]
    if not all(isinstance(value, str) for _, value in pairs):
        raise ApiError(400, f"the headers of an item of a batch are no texts: {_FORM}")
    options = message_options(pairs)
    if options.cron is not None:
        raise ApiError(400, "an item of a batch makes no schedule: POST it to /v2/schedules")
    try:
        content = (body or "").encode()
    except UnicodeEncodeError:
        raise ApiError(400, "the body of an item of a batch has a lone surrogate, which is no text") from None
    return Outgoing(destination(to, ""), options, content, caller_ip, queue or None)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


MESSAGE_ROUTES: Final = (
    Route("POST", "/v2/publish/{destination:raw}", publish_message),
    Route("POST", "/v2/enqueue/{queue}/{destination:raw}", enqueue_message),
    Route("POST", "/v2/batch", publish_batch),
    Route("GET", "/v2/messages/{id}", get_message),
    Route("DELETE", "/v2/messages/{id}", cancel_message),
)
