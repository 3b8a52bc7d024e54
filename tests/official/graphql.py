"""The part of the development server's GraphQL that the suites of Inngest ask, over what a reader finds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from graphql import build_schema, graphql
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_SCHEMA: Final = build_schema("""
    scalar ULID
    scalar Values
    input EventQuery { eventId: ID! }
    type Query {
        run(runID: String!): Run
        runTrigger(runID: String!): Trigger
        runTraceSpanOutputByID(outputID: String!): Output
        event(query: EventQuery!): Event
        eventV2(id: ULID!): EventV2
    }
    type Run { id: ID! status: String! output: String trace(preview: Boolean): RunTraceSpan }
    type Trigger { payloads: [String!]! }
    type RunTraceSpan {
        name: String! stepID: String spanID: String! status: String! outputID: String
        metadata: [Metadata!]! childrenSpans: [RunTraceSpan!]!
    }
    type Metadata { scope: String! kind: String! values: Values! updatedAt: String! }
    type Output { data: String error: Error }
    type Error { message: String! name: String stack: String }
    type Event { functionRuns: [Run!]! }
    type EventV2 { idempotencyKey: String name: String! raw: String! }
""")


class Output(NamedTuple):
    """What a run or a step gave.

    Attributes:
        data: As JSON; None: nothing yet, or an error.
        error: Its `name`, `message` and `stack`, or None.
    """

    data: str | None = None
    error: dict[str, Any] | None = None


class TracedStep(NamedTuple):
    """A step of a run: its display name, and what it gave."""

    name: str
    output: Output


class TracedRun(NamedTuple):
    """A run as it stands.

    Attributes:
        id: As the SDK knows it.
        status: `RUNNING`, `COMPLETED`, `FAILED` or `CANCELLED`.
        output: What it gave.
        ended_with: The same as one JSON text, an error as the object that the SDK answered; None: it runs.
        events: Those that started it, as the SDK has them, in JSON.
        steps: In the order in which they began.
    """

    id: str
    status: str
    output: Output
    ended_with: str | None
    events: Sequence[str]
    steps: Sequence[TracedStep]


class TracedEvent(NamedTuple):
    """An event: its id, which its sender may have given, its name, itself as JSON, and the runs that it started."""

    id: str
    name: str
    raw: str
    runs: Sequence[str]


class Reader(Protocol):
    """Where runs and events are read."""

    async def run(self, run_id: str) -> TracedRun | None:
        """A run by the id that the SDK has."""

    async def event(self, event_id: str) -> TracedEvent | None:
        """An event by the id that its sender was answered."""


def graphql_route(reader: Reader) -> Route:
    """The endpoint: `POST /v0/gql`."""

    async def answer(request: Request) -> JSONResponse:
        asked = await request.json()
        result = await graphql(_SCHEMA, asked["query"], _Root(reader), variable_values=asked.get("variables"))
        return JSONResponse(result.formatted)

    return Route("/v0/gql", answer, methods=["POST"])


class _Root:
    """Each field of the query by a method of its name."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def run(self, _info: Any, runID: str) -> dict[str, Any] | None:  # noqa: N803  # the schema's name
        run = await self._reader.run(runID)
        if run is None:
            return None
        return {"id": run.id, "status": run.status, "output": run.ended_with, "trace": partial(_trace, run)}

    async def runTrigger(self, _info: Any, runID: str) -> dict[str, Any] | None:  # noqa: N802, N803  # of GraphQL
        run = await self._reader.run(runID)
        return run and {"payloads": run.events}

    async def runTraceSpanOutputByID(self, _info: Any, outputID: str) -> dict[str, Any] | None:  # noqa: N802, N803  # as well
        run_id, _, at = outputID.partition("/")
        run = await self._reader.run(run_id)
        return run and (run.steps[int(at)].output if at else run.output)._asdict()

    async def event(self, _info: Any, query: dict[str, str]) -> dict[str, Any] | None:
        event = await self._reader.event(query["eventId"])
        return event and {"functionRuns": [await self.run(_info, run_id) for run_id in event.runs]}

    async def eventV2(self, _info: Any, id: str) -> dict[str, Any] | None:  # noqa: A002, N802  # the schema's names
        event = await self._reader.event(id)
        return event and {"idempotencyKey": event.id, "name": event.name, "raw": event.raw}


def _trace(run: TracedRun, _info: Any, preview: bool = False) -> dict[str, Any]:
    ended = run.ended_with is not None
    steps = [
        _span(step.name, f"{run.id}/{at}", "COMPLETED", step.output != Output()) for at, step in enumerate(run.steps)
    ]
    return {**_span("run", run.id, run.status, ended), "childrenSpans": steps}


def _span(name: str, output_id: str, status: str, ended: bool) -> dict[str, Any]:
    return {
        "name": name, "stepID": None, "spanID": output_id, "status": status,
        "outputID": output_id if ended else None, "metadata": [], "childrenSpans": [],
    }  # fmt: skip
