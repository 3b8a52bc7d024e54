"""`Tracing`: a span of OpenTelemetry for each enqueue, each attempt and each step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.handlers.checks import missing_extra
from aiojobs_lite.observe.verdicts import is_fault, outcome_of
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.middleware import JobToEnqueue, Middleware

# By the semantic conventions of OpenTelemetry for messaging; its package of constants marks them as not stable.
_SYSTEM: Final = "messaging.system"
_DESTINATION: Final = "messaging.destination.name"
_OPERATION: Final = "messaging.operation.name"
_OPERATION_TYPE: Final = "messaging.operation.type"
_MESSAGE: Final = "messaging.message.id"
_BATCH_SIZE: Final = "messaging.batch.message_count"
_ERROR_TYPE: Final = "error.type"
_ATTEMPT: Final = "aiojobs_lite.attempt"
_OUTCOME: Final = "aiojobs_lite.outcome"
_STEP: Final = "aiojobs_lite.step"
_NAME: Final = "aiojobs_lite"


class Tracing(Middleware):
    """Middleware for `JobRunner(middleware=[Tracing()])`: spans by the conventions of messaging.

    - Each call that enqueues is a span of kind `PRODUCER`, whose context the metadata of its jobs keep.
    - Each attempt is a span of kind `CONSUMER` in a trace of its own, linked to that of the enqueue, which may be a
      month old.
    - Each call of the function of a `ctx.step(...)` is a span within that.
    - Only what failed or took too long is an error; `aiojobs_lite.outcome` says how it ended.

    Needs the extra: `pip install "aiojobs_lite[otel]"`.

    Args:
        tracer_provider: A `TracerProvider`, which makes the spans; None: the global one of OpenTelemetry.

    Raises:
        InvalidOption: If the extra is not installed.
    """

    def __init__(self, tracer_provider: Any = None) -> None:
        try:
            from opentelemetry import propagate, trace  # noqa: PLC0415  # the extra
        except ModuleNotFoundError as error:
            raise missing_extra("middleware", "Tracing()", "otel") from error
        self._trace, self._propagate = trace, propagate
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)

    async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
        """Has the jobs bear the context of a new span; see `Middleware.around_enqueue`."""
        types = {job.type for job in jobs}
        where = {} if len(types) > 1 else {_DESTINATION: jobs[0].type}
        name = " ".join(["send", *where.values()])
        given: dict[str, Any] = {_SYSTEM: _NAME, _OPERATION: "enqueue", _OPERATION_TYPE: "send", **where}
        if len(jobs) > 1:
            given[_BATCH_SIZE] = len(jobs)
        with self._tracer.start_as_current_span(name, kind=self._trace.SpanKind.PRODUCER, attributes=given) as span:
            for job in jobs:
                self._propagate.inject(job.metadata)
            await proceed()
            if len(jobs) == 1 and jobs[0].handle is not None:
                span.set_attribute(_MESSAGE, jobs[0].handle.key)

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Has the handler run in a new span; see `Middleware.around_attempt`."""
        span = self._tracer.start_span(
            f"process {ctx.type}",
            self._trace.set_span_in_context(self._trace.INVALID_SPAN),
            self._trace.SpanKind.CONSUMER,
            {
                _SYSTEM: _NAME, _OPERATION: "process", _OPERATION_TYPE: "process", _DESTINATION: ctx.type,
                _MESSAGE: ctx.key, _ATTEMPT: ctx.attempt,
            },
            self._links(ctx.metadata),
        )  # fmt: skip
        return await self._within(span, proceed)

    async def around_step(self, ctx: JobContext, name: str, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Has the function of a step run in a new span; see `Middleware.around_step`."""
        given = {_DESTINATION: ctx.type, _MESSAGE: ctx.key, _STEP: name}
        return await self._within(self._tracer.start_span(f"step {name}", attributes=given), proceed)

    async def _within(self, span: Any, proceed: Callable[[], Awaitable[Any]]) -> Any:
        with self._trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                value = await proceed()
            except BaseException as error:
                self._note(span, error)
                raise
            self._note(span, None)
            return value

    def _links(self, metadata: Mapping[str, Any]) -> list[Any]:
        """The span of the enqueue, if it is known."""
        carrier = {name: value for name, value in metadata.items() if isinstance(value, str)}
        context = self._trace.get_current_span(self._propagate.extract(carrier)).get_span_context()
        return [self._trace.Link(context)] if context.is_valid else []

    def _note(self, span: Any, raised: BaseException | None) -> None:
        outcome = outcome_of(raised)
        span.set_attribute(_OUTCOME, outcome.value)
        if raised is not None and is_fault(outcome):
            span.set_attribute(_ERROR_TYPE, type(raised).__qualname__)
            span.record_exception(raised)
            span.set_status(self._trace.StatusCode.ERROR, f"{type(raised).__qualname__}: {raised}")
