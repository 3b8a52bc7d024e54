"""Events: an app, a browser or a person sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import AiojobsError, InvalidEvent, InvalidOption
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest.api.door import InngestRoute, check_event_key, decoded, respond
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


async def take_events(hub: Hub, request: Request) -> Response:
    """Takes events: one, or a list. Those before a bad one are taken, and none behind it."""
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
    events, problem = list[EventToSend](), None
    for place, one in enumerate(found, 1):
        try:
            events.append(to_stored(one, default_id=seed and seeded_id(seed, place)))
        except AiojobsError as error:
            problem = str(error)
            break
    try:
        sent = await hub.runner.events.send_many(events, largest=LARGEST_EVENT_BYTES) if events else []
    except (InvalidEvent, InvalidOption) as error:  # none of them was sent
        return respond(hub, {"ids": [], "status": 400, "error": str(error)}, 400)
    ids = [event_id(to_micros(one.sent_at), one.number) for one in sent]
    if problem is not None:
        return respond(hub, {"ids": ids, "status": 400, "error": problem}, 400)
    return respond(hub, {"ids": ids, "status": 200})


def _form(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(errors="replace"), max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise ApiError(400, f"the form has more than {_MOST_FIELDS} fields", more={"ids": [], "status": 400}) from None


SENDING_ROUTES: Final = (InngestRoute(("POST",), "/e/{key}", take_events, needs_key=False),)
"""The endpoint of events."""
