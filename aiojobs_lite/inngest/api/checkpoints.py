"""Checkpoints: an app stores the steps of a run while its call is still open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.operations import Operation, Recorded, RunReturned, StepPlanned, StepRaised, StepRan
from aiojobs_lite.errors import RunTooLarge, StepError
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest import json_steps, raw_json
from aiojobs_lite.inngest.answers import SdkOperation, operations_in
from aiojobs_lite.inngest.api.door import InngestRoute, respond
from aiojobs_lite.inngest.defers import DEFERS, log_unfit_defers
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.ids import Item, item_of_text, job_of_run
from aiojobs_lite.inngest.operations import Answering, Helpers, Unfit, names_of, operations_of
from aiojobs_lite.inngest.slices import Slices, Steps
from aiojobs_lite.model.steps import ListSteps, StepRow
from aiojobs_lite.policy.verdict import Verdict, Wish
from aiojobs_lite.runner.checkpoints import save_checkpoint

LARGEST_CHECKPOINT_BYTES: Final = 8 * 1024 * 1024
"""Of the body of a checkpoint: two results of steps at their largest."""

_TAKEN: Final = frozenset({"StepRun", "Step", "StepPlanned", "StepFailed"}) | DEFERS
_RECORDED: Final = (StepRan, StepRaised, StepPlanned)
_HELPERS: Final = Helpers()
_END: Final = "RunComplete"
_STALE: Final = "this call is stale: another one runs the run by now"


async def take_checkpoint(hub: Hub, request: Request) -> Response:
    """Stores steps of the call whose item the app names; 409 if it is stale, and then the app stops at once."""
    body = await read_body(request, LARGEST_CHECKPOINT_BYTES)
    try:
        item, found = await Slices().run(_read(body.decode()))
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(400, f"this is no checkpoint: {error}") from error
    if item is None or job_of_run(request.path_params["run"]) != item.id:
        raise ApiError(400, "qi_id: it is not that of a call of this run")
    rows = await hub.durable.store.ask(ListSteps(item.id))
    operations, end = await _operations(hub, item, found, rows)
    try:
        stored = await save_checkpoint(hub.runner.durables, RunFence(*item), operations, end)
    except RunTooLarge as error:
        raise ApiError(413, str(error)) from error
    except StepError as error:
        raise ApiError(400, str(error)) from error
    if stored is None:
        raise ApiError(409, _STALE)
    ended = {row.name for row in rows if row.place is not None}
    if end is None and all(operation.name in ended for operation in operations):
        await hub.refusals.hold_up()  # a replay
    return respond(hub, {})


def _read(text: str) -> Steps[tuple[Item | None, Sequence[SdkOperation]]]:
    """The call whose item a checkpoint names, and its operations."""
    given = yield from json_steps.members_in_steps((yield from json_steps.whole_in_steps(text)))
    item = item_of_text(raw_json.load_value(given["qi_id"]))
    return item, (yield from operations_in(given["steps"]))


async def _operations(
    hub: Hub, item: Item, found: Sequence[SdkOperation], rows: Sequence[StepRow]
) -> tuple[list[Recorded], RunReturned | None]:  # fmt: skip
    """What a checkpoint has: steps, and perhaps the end of the run."""
    answering = Answering(item.id, "", "{}", names_of(rows), Verdict(Wish.NEVER), hub.now())
    operations, end, unfit, slices = list[Recorded](), None, 0, Slices()
    for one in found:
        await slices.rest()
        if one.op == _END:
            end = RunReturned(one.data)
        elif one.op in _TAKEN:
            made = await _made(one, answering)
            unfit += one.op in DEFERS and not made
            operations += [operation for operation in made if isinstance(operation, _RECORDED)]
        else:
            raise ApiError(400, f"{one.op!r} is no operation of a checkpoint")
    log_unfit_defers(unfit, item.id)
    return operations, end


async def _made(one: SdkOperation, answering: Answering) -> Sequence[Operation]:
    try:
        return await operations_of(one, answering, _HELPERS)
    except Unfit as error:
        raise ApiError(400, str(error)) from error


CHECKPOINT_ROUTES: Final = (InngestRoute(("POST",), "/v1/checkpoint/{run}/async", take_checkpoint),)
"""The endpoint of checkpoints."""
