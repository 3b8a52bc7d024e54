"""SignalWaits: a message to the one run that waits for it by its name."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.clock import to_micros
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest.api.door import InngestRoute, decoded, respond_listed
from aiojobs_lite.inngest.call import SIGNAL_EVENT
from aiojobs_lite.inngest.given import Given
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.ids import run_id
from aiojobs_lite.inngest.signals import SignalWaits
from aiojobs_lite.runner.events import EventToSend
from aiojobs_lite.sizes import LARGEST_REQUEST_BYTES


async def send_signal(hub: Hub, request: Request) -> Response:
    """Sends a signal; the run that waits for it goes on."""
    given = Given(decoded(await read_body(request, LARGEST_REQUEST_BYTES)), "signal")
    name = given.get("signal")
    if not isinstance(name, str):
        raise ApiError(400, "signal: the name of the signal is missing")
    signals = SignalWaits(hub)
    mark = await signals.waiter_of(name)
    if mark is None:
        raise _nothing_waits(name)
    event = EventToSend(SIGNAL_EVENT, {"signal": name, "data": given.get("data"), "waiter": mark})
    (sent,) = await hub.runner.events.send_many([event])
    if not sent.woken:
        raise _nothing_waits(name)
    await signals.release(name, mark)
    job = await hub.runner.jobs.get(sent.woken[0])
    return respond_listed(hub, {"run_id": run_id(to_micros(job.created_at), job.id)})


def _nothing_waits(name: str) -> ApiError:
    return ApiError(404, f"no run waits for the signal {name!r}")


SIGNAL_ROUTES: Final = (InngestRoute(("POST",), "/v1/signals", send_signal),)
"""The endpoint of signals."""
