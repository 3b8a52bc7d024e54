"""The endpoint that cancels many messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.handlers.requests import DELIVERY
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.qstash.api import Api, Route, answer, parameters_of, read_json
from aiojobs_lite.qstash.filters import CANCEL_FORM, FilterForm, MessageFilter, read_filter, read_ids


async def cancel_messages(api: Api, request: Request) -> Response:
    """Cancels messages by their ids or by a filter; without either all of them. Says how many."""
    asked = await asked_by(api, request, CANCEL_FORM)
    cancelled = await api.runner.jobs.cancel_many(
        None if asked.ids is None else ids_of(api, asked.ids),
        reason="it was cancelled by the API",
        limit=asked.count,
        type=DELIVERY,
        metadata=asked.metadata,
        created_from=asked.since,
        created_to=asked.until,
    )
    return answer({"cancelled": cancelled})


async def asked_by(api: Api, request: Request, form: FilterForm) -> MessageFilter:
    """What a request for many asks for: by its parameters, or by a list of ids in its body.

    Raises:
        ApiError: 400, if it has both.
        InvalidOption: If something of it cannot work.
    """
    parameters = parameters_of(request)
    body = await read_json(api, request)
    if body is None:
        return read_filter(form, parameters)
    if parameters:
        raise ApiError(400, "send the filter as parameters or as a body, not both")
    given = read_filter(form, read_ids(form.ids[0], body))
    return given if given.is_given else MessageFilter(ids=())


def ids_of(api: Api, keys: Iterable[str]) -> list[int]:
    """The ids of the jobs of messages; what is no id of a message is left out."""
    found = (api.runner.jobs.id_of(key) for key in keys)
    return [one for one in found if one is not None]


BULK_ROUTES: Final = (Route("DELETE", "/v2/messages", cancel_messages),)
