"""The application: lets clients in, finds the endpoint of a request, and turns errors into answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router

from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.operations import StepRan
from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.handlers.group import Jobs
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.inngest.api.cancellations import CANCELLATION_ROUTES
from aiojobs_lite.inngest.api.checkpoints import CHECKPOINT_ROUTES
from aiojobs_lite.inngest.api.door import InngestRoute, check_signing_key, respond, status_of
from aiojobs_lite.inngest.api.events import SENDING_ROUTES
from aiojobs_lite.inngest.api.invoke import INVOKE_ROUTES
from aiojobs_lite.inngest.api.register import REGISTER_ROUTES
from aiojobs_lite.inngest.api.runs import RUN_ROUTES
from aiojobs_lite.inngest.api.signals import SIGNAL_ROUTES
from aiojobs_lite.inngest.apps import Apps
from aiojobs_lite.inngest.call import CallSettings, Target
from aiojobs_lite.inngest.cancellers import Cancellers
from aiojobs_lite.inngest.driver import DriverSettings, HttpDriver
from aiojobs_lite.inngest.ends import make_ends
from aiojobs_lite.inngest.flow import FlowSettings
from aiojobs_lite.inngest.functions import FunctionConfig
from aiojobs_lite.inngest.gateway import HostGateway
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.invocables import Invocables
from aiojobs_lite.inngest.operations import Helpers
from aiojobs_lite.inngest.settings import InngestSettings
from aiojobs_lite.inngest.signals import SignalWaits
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.runner.asgi import AsgiApp
from aiojobs_lite.runner.checkpoints import save_checkpoint
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.sizes import LONGEST_PROBLEM_SHOWN_CHARS
from aiojobs_lite.text import shorten

ROUTES: Final[tuple[InngestRoute, ...]] = (
    *SENDING_ROUTES, *REGISTER_ROUTES, *CHECKPOINT_ROUTES, *RUN_ROUTES, *SIGNAL_ROUTES, *CANCELLATION_ROUTES,
    *INVOKE_ROUTES,
)  # fmt: skip
"""Of all endpoints."""

_LEAST_REFUSED: Final = 400
_NOT_FOUND: Final = 404


def make_app(runner: JobRunner, settings: InngestSettings) -> AsgiApp:
    """The application of checked options."""
    hub = Hub(runner, settings)
    group = Jobs(deps={Hub: hub.opened})
    functions: dict[str, FunctionConfig] = {}
    flow = FlowSettings(settings.backoff, make_ends(group, functions), settings.app_concurrency)
    driver = partial(_driver, hub, CallSettings(settings.mode, settings.signing_keys))
    hub.apps = Apps(runner, settings, flow, driver, hub.now, Cancellers(runner, hub.ask_store), functions)
    runner.register(group)
    runner.types.expect_more()
    return application(hub)


def _driver(hub: Hub, call: CallSettings, config: FunctionConfig, app: str) -> HttpDriver:
    hosts, timeout = hub.settings.gateway, hub.settings.timeout
    functions = Invocables(hub.apps, hub.runner.durables.children, hub.settings.invocable)
    pace = hub.pace_of(app)
    helpers = Helpers(functions, HostGateway(hub, hosts, timeout, pace) if hosts else None, SignalWaits(hub))
    settings = DriverSettings(call, helpers, hub.now, hub.ask_store, pace, timeout, save=partial(_save, hub))
    return HttpDriver(Target(config.id, config.url), hub, settings)


async def _save(hub: Hub, run: Claimed, notes: Sequence[StepRan]) -> None:
    await save_checkpoint(hub.runner.durables, RunFence(run.id, run.attempt, run.owner), notes)


def application(hub: Hub) -> AsgiApp:
    """The endpoints of a hub."""
    routes = [StarletteRoute(one.path, _served(hub, one), methods=list(one.methods)) for one in ROUTES]
    router = Router(routes, redirect_slashes=False)
    app = Starlette(exception_handlers={HTTPException: partial(_refuse, hub)})
    app.router = router
    return app


async def _refuse(hub: Hub, request: Request, error: Exception) -> Response:
    """An answer of JSON, which SDKs expect, for a path or a method that nothing serves."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = f"{request.method} {request.url.path}: there is no such endpoint"
    if request.method == "GET" and status == _NOT_FOUND:  # a person may look for pages, as the service has them
        problem += "; this server has no pages: `aiojobs-lite web FILE` shows what runs in its database"
    return respond(hub, {"error": shorten(problem, LONGEST_PROBLEM_SHOWN_CHARS)}, status)


def _served(hub: Hub, route: InngestRoute) -> Any:
    async def serve(request: Request) -> Response:
        answer = await answered(request)
        if answer.status_code >= _LEAST_REFUSED:
            await hub.refusals.hold_up()
        return answer

    async def answered(request: Request) -> Response:
        try:
            if route.needs_key:
                check_signing_key(hub, request)
            return await route.endpoint(hub, request)
        except ClientDisconnect:  # before the end of its body: nothing gets the answer
            return Response(status_code=400)
        except ApiError as error:
            return respond(hub, {"error": error.text, **error.more}, error.status)
        except AiojobsError as error:
            return respond(hub, {"error": str(error)}, status_of(error))

    return serve
