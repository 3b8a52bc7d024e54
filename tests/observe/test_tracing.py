"""Spans of enqueues and attempts, as the SDK of OpenTelemetry has them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from aiojobs_lite import Cancel, InvalidOption, JobContext, JobRunner, Snooze, injected
from aiojobs_lite.errors import QueueFull
from aiojobs_lite.observe import Tracing
from aiojobs_lite.testing import JobKit


class Rig:
    """A runner with traces.

    Attributes:
        runner: The runner.
        tracer: Makes spans of the application.
    """

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("shop")
        self.runner = JobRunner(":memory:", middleware=[Tracing(provider)])

    def spans(self, kind: SpanKind) -> list[ReadableSpan]:
        """Those that have ended, in order."""
        return [span for span in self._exporter.get_finished_spans() if span.kind is kind]

    def processed(self) -> list[tuple[Any, ...]]:
        """Outcome, status and attempt of each attempt."""
        return [
            (shown["aiojobs_lite.outcome"], span.status.status_code, shown["aiojobs_lite.attempt"])
            for span in self.spans(SpanKind.CONSUMER)
            if (shown := span.attributes or {})
        ]


def span_id(span: ReadableSpan) -> int:
    return span.context.span_id if span.context else 0


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_each_attempt_is_a_trace_of_its_own_that_is_linked_to_the_enqueue(rig: Rig, job_kit: JobKit) -> None:
    inner: list[Any] = []

    @rig.runner.job(name="mail", max_attempts=2)
    async def mail(address: str, ctx: JobContext = injected) -> None:
        inner.append(get_current_span().get_span_context())
        with rig.tracer.start_as_current_span("smtp"):
            if ctx.attempt == 1:
                raise ConnectionError(address)

    async with job_kit(rig.runner):
        with rig.tracer.start_as_current_span("request") as request:
            handle = await rig.runner.enqueue(mail, "a@example.org")
        await job_kit.run_to_end()
    (sent,), attempts = rig.spans(SpanKind.PRODUCER), rig.spans(SpanKind.CONSUMER)
    assert sent.parent == request.get_span_context()
    assert (sent.name, dict(sent.attributes or {})) == (
        "send mail",
        {
            "messaging.system": "aiojobs_lite", "messaging.operation.name": "enqueue",
            "messaging.operation.type": "send", "messaging.destination.name": "mail",
            "messaging.message.id": handle.key,
        },
    )  # fmt: skip
    assert [span.name for span in attempts] == ["process mail"] * 2
    assert [span.parent for span in attempts] == [None, None]
    assert len({span.context.trace_id for span in (sent, *attempts) if span.context}) == 3
    assert [linked(span) for span in attempts] == [[span_id(sent)]] * 2
    assert [span.context for span in attempts] == inner
    assert [span.parent for span in rig.spans(SpanKind.INTERNAL) if span.name == "smtp"] == inner
    first, second = attempts
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "ConnectionError: a@example.org")
    assert (first.attributes or {})["error.type"] == "ConnectionError"
    assert [event.name for event in first.events] == ["exception"]
    assert (second.status.status_code, [*second.events]) == (StatusCode.UNSET, [])
    assert rig.processed() == [("failed", StatusCode.ERROR, 1), ("succeeded", StatusCode.UNSET, 2)]
    assert {(span.attributes or {})["messaging.message.id"] for span in attempts} == {handle.key}


@pytest.mark.parametrize(
    ("raised", "outcome"), [(Snooze("1h"), "snoozed"), (Cancel("gone"), "cancelled"), (None, "suspended")]
)
async def test_what_is_no_fault_is_no_error(rig: Rig, job_kit: JobKit, raised: Exception | None, outcome: str) -> None:
    @rig.runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        if raised is not None:
            raise raised
        await ctx.sleep("a while", "1h")

    async with job_kit(rig.runner):
        await rig.runner.enqueue(handler)
        await rig.runner.run_until_idle()
    assert rig.processed() == [(outcome, StatusCode.UNSET, 1)]


async def test_a_call_of_a_step_is_a_span_within_the_attempt(rig: Rig, job_kit: JobKit) -> None:
    seen: list[Any] = []

    async def fetch() -> str:
        seen.append(get_current_span().get_span_context())
        return "user"

    def send() -> None:
        seen.append(get_current_span().get_span_context())
        if len(seen) == 2:
            raise ConnectionError("closed")

    @rig.runner.job(name="mail")
    async def mail(ctx: JobContext = injected) -> None:
        await ctx.step("fetch", fetch)
        await ctx.step("send", send)

    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(mail)
        await job_kit.run_to_end()
    steps, attempts = rig.spans(SpanKind.INTERNAL), rig.spans(SpanKind.CONSUMER)
    assert [(span.name, span.status.status_code) for span in steps] == [
        ("step fetch", StatusCode.UNSET), ("step send", StatusCode.ERROR), ("step send", StatusCode.UNSET),
    ]  # fmt: skip
    assert [span.context for span in steps] == seen
    assert [span.parent for span in steps] == [attempts[0].context, attempts[0].context, attempts[1].context]
    assert (steps[1].status.description, (steps[1].attributes or {})["error.type"]) == (
        "ConnectionError: closed", "ConnectionError",
    )  # fmt: skip
    assert {**(steps[0].attributes or {})} == {
        "messaging.destination.name": "mail", "messaging.message.id": handle.key, "aiojobs_lite.step": "fetch",
        "aiojobs_lite.outcome": "succeeded",
    }  # fmt: skip


async def test_a_time_out_is_an_error(rig: Rig, job_kit: JobKit) -> None:
    @rig.runner.job(max_attempts=1, timeout="5s")
    async def slow() -> None:
        await asyncio.Event().wait()

    async with job_kit(rig.runner):
        await rig.runner.enqueue(slow)
        await job_kit.run_to_end()
    assert rig.processed() == [("timed_out", StatusCode.ERROR, 1)]


async def test_many_jobs_of_one_call_have_one_span(rig: Rig, job_kit: JobKit) -> None:
    @rig.runner.job(name="a")
    async def first() -> None: ...

    @rig.runner.job(name="b")
    async def second() -> None: ...

    async with job_kit(rig.runner):
        await rig.runner.enqueue_many([first.bind(), first.bind()])
        await rig.runner.enqueue_many([first.bind(), second.bind()])
        await job_kit.run_to_end()
    same, mixed = rig.spans(SpanKind.PRODUCER)
    assert (same.name, (same.attributes or {})["messaging.batch.message_count"]) == ("send a", 2)
    assert (mixed.name, (mixed.attributes or {})["messaging.batch.message_count"]) == ("send", 2)
    assert "messaging.destination.name" not in (mixed.attributes or {})
    found = [number for span in rig.spans(SpanKind.CONSUMER) for number in linked(span)]
    assert sorted(found) == sorted([span_id(same), span_id(same), span_id(mixed), span_id(mixed)])


async def test_an_enqueue_that_is_refused_is_an_error_of_its_span(rig: Rig, job_kit: JobKit) -> None:
    @rig.runner.job(max_pending=1)
    async def small() -> None: ...

    async with job_kit(rig.runner, run=False):
        await rig.runner.enqueue(small)
        with pytest.raises(QueueFull):
            await rig.runner.enqueue(small)
    assert [span.status.status_code for span in rig.spans(SpanKind.PRODUCER)] == [StatusCode.UNSET, StatusCode.ERROR]


async def test_a_job_that_no_caller_has_enqueued_has_no_link(rig: Rig, job_kit: JobKit) -> None:
    @rig.runner.cron("@hourly")
    async def tick() -> None: ...

    async with job_kit(rig.runner):
        job_kit.clock.advance(3600)
        await rig.runner.run_until_idle()
    assert [linked(span) for span in rig.spans(SpanKind.CONSUMER)] == [[]]


@pytest.mark.parametrize("metadata", [{"traceparent": "nonsense"}, {"traceparent": 7}, {"tracestate": "a=b"}])
async def test_metadata_that_are_no_trace_are_no_link(
    job_kit: JobKit, tmp_path: Path, metadata: dict[str, Any]
) -> None:
    runner, rig = JobRunner(":memory:"), Rig()

    @runner.job(name="mail")
    async def sent() -> None: ...

    @rig.runner.job(name="mail")
    async def mail() -> None: ...

    async with job_kit(runner, database=tmp_path / "jobs.db", run=False):
        await runner.enqueue(sent.using(metadata=metadata))
    async with job_kit(rig.runner, database=tmp_path / "jobs.db"):
        await rig.runner.run_until_idle()
    assert [linked(span) for span in rig.spans(SpanKind.CONSUMER)] == [[]]


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(InvalidOption, match=r'pip install "aiojobs_lite\[otel\]"'):
        Tracing()
