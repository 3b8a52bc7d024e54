"""Events: an app, a browser or a person sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest.api.door import InngestRoute, check_event_key, decoded, respond, status_of
from aiojobs_lite.inngest.events import to_stored
from aiojobs_lite.inngest.flow import LARGEST_EVENT_BYTES
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.ids import event_id, seeded_id
from aiojobs_lite.runner.events import MOST_EVENTS, EventToSend
from aiojobs_lite.sizes import LARGEST_REQUEST_BYTES

_FORM: Final = "application/x-www-form-urlencoded"  # which curl says of JSON as well
_PARTS: Final = "multipart/"
_NO_PARTS: Final = "a form of several parts is no event: send JSON, an object with name and data or a list of them"
_OF_JSON: Final = (b"{", b"[")
_MOST_FIELDS: Final = 100
_SENT_TOGETHER: Final = 50  # in a transaction, and in a turn of the event loop


class _Said(NamedTuple):
    """What came of some events: the ids of those that were sent, what is wrong with the next one, and its status."""

    ids: Sequence[str] = ()
    problem: str | None = None
    status: int = 400


async def take_events(hub: Hub, request: Request) -> Response:
    """Takes events: one, or a list. Those before a bad one are taken, and none behind it; those before a fault of the
    database as well, so that a sender repeats all with the same ids.
    """
    check_event_key(hub, request.path_params["key"])
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith(_PARTS):  # a webhook of the service takes its fields by a transform, and these are none
        return respond(hub, {"ids": [], "status": 415, "error": _NO_PARTS}, 415)
    body = await read_body(request, LARGEST_REQUEST_BYTES)
    is_form = kind.startswith(_FORM) and not body.lstrip().startswith(_OF_JSON)
    given: Any = _form(body) if is_form else decoded(body)
    found = [given] if isinstance(given, Mapping) else given
    if not isinstance(found, list) or len(found) > MOST_EVENTS:
        return respond(hub, {"ids": [], "status": 400, "error": f"an event, or a list of at most {MOST_EVENTS:,}"}, 400)
    seed = request.headers.get("x-inngest-event-id-seed")
    ids, said = list[str](), _Said()
    for first in range(0, len(found), _SENT_TOGETHER):
        some = partial(_send, hub, found[first : first + _SENT_TOGETHER], first + 1, seed)
        said = await (some() if len(found) <= _SENT_TOGETHER else hub.in_no_hurry(some))
        ids += said.ids
        if said.problem is not None:
            return respond(hub, {"ids": ids, "status": said.status, "error": said.problem}, said.status)
    return respond(hub, {"ids": ids, "status": 200})


async def _send(hub: Hub, found: Sequence[Any], first: int, seed: str | None) -> _Said:
    """Sends events in one transaction; the first of them has this place in the request."""
    events, problem = _checked(found, first, seed)
    try:
        sent = await hub.runner.events.send_many(events, largest=LARGEST_EVENT_BYTES) if events else []
    except AiojobsError as error:  # none of these was sent
        return _Said((), str(error), status_of(error))
    return _Said([event_id(to_micros(one.sent_at), one.number) for one in sent], problem)


def _checked(found: Sequence[Any], first: int, seed: str | None) -> tuple[list[EventToSend], str | None]:
    """The events before a bad one, and what is wrong with that; the first one has this place in the request."""
    events = list[EventToSend]()
    for place, one in enumerate(found, first):
        try:
            events.append(to_stored(one, default_id=seed and seeded_id(seed, place)))
        except AiojobsError as error:
            return events, str(error)
    return events, None


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise ApiError(400, f"the form has more than {_MOST_FIELDS} fields", more={"ids": [], "status": 400}) from None


SENDING_ROUTES: Final = (InngestRoute(("POST",), "/e/{key}", take_events, needs_key=False),)
"""The endpoint of events."""
