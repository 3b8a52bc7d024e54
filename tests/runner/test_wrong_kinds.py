"""Every public entrance with arguments of a wrong kind: a typed error, never a bare one of Python's."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    Abandon,
    Backoff,
    Cancel,
    ConfigurationError,
    CronSchedule,
    EnqueueError,
    JobClient,
    JobContext,
    JobError,
    JobHandle,
    JobRunner,
    JobType,
    Retry,
    Snooze,
    StoreRefused,
    job,
    testing,
)
from aiojobs_lite.errors import EventError, ScheduleError
from aiojobs_lite.events import Event, EventToSend, On
from aiojobs_lite.handlers.options import EnqueueOptions, JobOptions
from aiojobs_lite.handlers.publish import PublishOptions
from aiojobs_lite.http import Breaker, Http, Publish
from aiojobs_lite.http.group import HttpOptions
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.runner.children import DurableAccess
from aiojobs_lite.runner.enqueuer import Enqueuer
from aiojobs_lite.runner.filters import JobFilters, PendingFilters
from aiojobs_lite.runner.jobs import StoredJobs
from aiojobs_lite.runner.redriving import RedriveOptions
from aiojobs_lite.runner.schedules import Schedules
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import FakeClock, JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.documents import DOCS, rows, section, spans
from tests.helpers.rings import depth, drawn, first_of

pytestmark = drawn(2)


async def handler(number: int = 0) -> None: ...


async def listener(event: Event[Any]) -> None: ...


class Plain: ...


class Unhashable:
    __hash__ = None  # type: ignore[assignment]  # what is tested


DECLARED: Any = job(handler)
WRONG: list[Any] = [
    None, True, 7, -1, 10**30, 1.5, float("nan"), "x", "", "\ud800", b"x", [], ["x"], [[]], (), {}, {"a": []}, {1},
    print,
    handler, Plain, Plain(), Unhashable(), lambda: None, len, int, DECLARED, DECLARED.bind(), DECLARED.using(delay=1),
    FakeClock(), FakeClock, ValueError("x"), range(1),
]  # fmt: skip
NOW = FakeClock().time
NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001  # what is tested
BEYOND = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
WRONG = [*depth(WRONG[::4], WRONG), NAIVE, BEYOND]
ALLOWED = (ConfigurationError, EnqueueError, EventError, JobError, ScheduleError, StoreRefused)


NONE: Any = None  # no connection
URL = "https://example.com/hook"


class Entrance:
    """A public call with one argument to be put in."""

    def __init__(self, name: str, call: Callable[[JobRunner, Any], Any]) -> None:
        self.name = name
        self.call = call

    def __repr__(self) -> str:
        return self.name


def new_runner(**options: Any) -> JobRunner:
    return JobRunner(**{"database": ":memory:", "clock": FakeClock(), **options})


def options_of(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.name != "self" and one.kind is not one.VAR_KEYWORD]


def by_name(
    name: str, function: Callable[[JobRunner], Callable[..., Any]], *options: str, **fixed: Any
) -> list[Entrance]:
    """One entrance for each option of a call."""
    """One entrance for each option of a call."""

    def made(option: str) -> Entrance:
        return Entrance(f"{name}({option}=)", lambda runner, value: function(runner)(**fixed, **{option: value}))

    return [made(option) for option in options]


def context(runner: JobRunner | None = None) -> JobContext:
    parts = {} if runner is None else {Enqueuer: runner, DurableAccess: Probe(runner).durables}
    return JobContext(Claimed(7, "t", "{}", 1, 0, 1, 5, 0, 0, 0, 0, 0, None, "me"), parts)


async def replaced(runner: JobRunner, **given: Any) -> None:
    with runner.replaced(**{"database": ":memory:", "clock": FakeClock(), "deps": {}, **given}):
        async with runner:
            pass


def client_replaced(**given: Any) -> None:
    with JobClient(":memory:").replaced(**{"database": ":memory:", "clock": FakeClock(), **given}):
        pass


def kit_replaced(**given: Any) -> None:
    with JobKit() as kit:
        kit.replace(**given)


async def fixed(**given: Any) -> None:
    async with JobKit()(**given):
        pass


async def in_thread(call: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(call)


async def in_client(call: Callable[[JobClient], Any]) -> Any:
    with JobClient(":memory:", jobs=[DECLARED, Http()]) as client:
        return await asyncio.to_thread(call, client)


BEFORE = [  # the start
    *by_name("JobRunner", lambda _: new_runner, *options_of(JobRunner)),
    *by_name("runner.job", lambda runner: lambda **given: runner.job(**given)(handler), *JobOptions.__annotations__),
    *by_name("job", lambda _: lambda **given: job(**given)(handler), *JobOptions.__annotations__),
    *by_name("JobType", lambda _: JobType, *JobOptions.__annotations__, handler=handler),
    Entrance("runner.job(handler)", lambda runner, value: runner.job(value)),
    Entrance("runner.job()(handler)", lambda runner, value: runner.job()(value)),
    Entrance("job(handler)", lambda _, value: job(value)),
    Entrance("JobType(handler)", lambda _, value: JobType(value)),
    *by_name(
        "runner.cron", lambda runner: lambda **given: runner.cron(**{"expression": "@daily", **given})(handler),
        *options_of(JobRunner.cron)[:4], *JobOptions.__annotations__,
    ),
    Entrance("runner.cron(...)(handler)", lambda runner, value: runner.cron("@daily")(value)),
    Entrance("runner.cron(handler)", lambda runner, value: runner.cron(value)(handler)),
    Entrance("runner.on", lambda runner, value: runner.on(value)(listener)),
    Entrance("runner.on(when=)", lambda runner, value: runner.on("a", when=value)(listener)),
    Entrance("runner.on(...)(handler)", lambda runner, value: runner.on("a")(value)),
    *by_name("On", lambda _: lambda **given: On(**{"event": "a", **given}), *options_of(On)),
    *by_name("Step", lambda _: lambda **given: Step(**{"name": "a", **given}), *options_of(Step)),
    Entrance("runner.on_dead", lambda runner, value: runner.on_dead(value)),
    *by_name("JobClient", lambda _: lambda **given: JobClient(**{"database": ":memory:", **given}),
             *options_of(JobClient)),
    *by_name("client.replaced", lambda _: lambda **given: client_replaced(**given), "database", "clock"),
    Entrance("runner.register", lambda runner, value: runner.register(value)),
    *by_name("runner.replaced", lambda runner: lambda **given: replaced(runner, **given), "database", "clock", "deps"),
    *by_name("job_kit", lambda _: fixed, "runner", "jobs", "deps", "database", "run", "raise_errors"),
    Entrance("job_kit.wait_for", lambda _, value: JobKit().wait_for(value)),
    Entrance("job_kit.refute_enqueued", lambda _, value: JobKit().refute_enqueued(value)),
    *by_name("job_kit.replace", lambda runner: lambda **given: kit_replaced(**{"runner": runner, **given}), "runner",
             "deps", "database", "run", "raise_errors"),
    *by_name("job_type.using", lambda _: DECLARED.using, *EnqueueOptions.__annotations__),
    Entrance("job_type.bind", lambda _, value: DECLARED.bind(value)),
    Entrance("job_type.bind(number=)", lambda _, value: DECLARED.bind(number=value)),
    *by_name("Backoff", lambda _: Backoff, *options_of(Backoff)),
    *by_name("Retry", lambda _: Retry, "reason", "after"),
    *by_name("Snooze", lambda _: lambda **given: Snooze(**{"delay": 1, **given}), "delay", "reason"),
    Entrance("Abandon", lambda _, value: Abandon(value)),
    Entrance("Cancel", lambda _, value: Cancel(value)),
    *by_name("CronSchedule", lambda _: lambda **given: CronSchedule(**{"expression": "@daily", **given}),
             "expression", "tz", "hash_id"),
    *by_name("schedule.next_after", lambda _: CronSchedule("@daily").next_after, "instant"),
    *by_name("schedule.upcoming", lambda _: lambda **given: CronSchedule("@daily").upcoming(
        **{"instant": FakeClock().time, "count": 1, **given}), "instant", "count"),
    *by_name("schedule.latest_between", lambda _: lambda **given: CronSchedule("@daily").latest_between(
        **{"start": FakeClock().time, "end": FakeClock().time, "most": 1, **given}), "start", "end", "most"),
    *by_name("ctx.progress", lambda _: lambda **given: context().progress(**{"fraction": 0.5, **given}),
             "fraction", "text"),
    Entrance("ctx.log", lambda _, value: context().log(value)),
    Entrance("ctx.get", lambda _, value: context().get(value)),
    *by_name("testing.context", lambda _: testing.context, *options_of(testing.context)[1:]),
    Entrance("FakeClock", lambda _, value: FakeClock(value)),
    *by_name("Http", lambda _: Http, *HttpOptions.__annotations__),
    *by_name("Breaker", lambda _: Breaker, *options_of(Breaker)),
    Entrance("http.request", lambda _, value: Http().request(value)),
    *by_name("http.request", lambda _: lambda **given: Http().request(URL, **given), *PublishOptions.__annotations__),
    *by_name("Publish", lambda _: lambda **given: Publish(**{"url": URL, **given}), "url", "headers", "form"),
    Entrance("clock.advance", lambda _, value: FakeClock().advance(value)),
    Entrance("clock.jump_to", lambda _, value: FakeClock().jump_to(value)),
]  # fmt: skip

AFTER = [  # it
    Entrance("runner.enqueue", lambda runner, value: runner.enqueue(value)),
    Entrance("runner.enqueue(job, value)", lambda runner, value: runner.enqueue(DECLARED, value)),
    Entrance("runner.enqueue(job, number=)", lambda runner, value: runner.enqueue(DECLARED, number=value)),
    Entrance("runner.publish", lambda runner, value: runner.publish(value)),
    Entrance("runner.publish_many", lambda runner, value: runner.publish_many(value)),
    Entrance("runner.publish_many([value])", lambda runner, value: runner.publish_many([value])),
    Entrance("client.publish", lambda _, value: in_client(lambda client: client.publish(value))),
    Entrance("client.publish_many", lambda _, value: in_client(lambda client: client.publish_many(value))),
    Entrance("client.publish_many([value])", lambda _, value: in_client(lambda client: client.publish_many([value]))),
    Entrance("runner.publish_cron(name)", lambda runner, value: runner.publish_cron(value, "@daily", URL)),
    Entrance("runner.publish_cron(expression)", lambda runner, value: runner.publish_cron("a", value, URL)),
    Entrance("runner.publish_cron(url)", lambda runner, value: runner.publish_cron("a", "@daily", value)),
    Entrance("client.publish_cron(url)", lambda _, value: in_client(
        lambda client: client.publish_cron("a", "@daily", value))),
    Entrance("ctx.enqueue_with_end", lambda runner, value: context(runner).enqueue_with_end(value)),
    Entrance("runner.enqueue_named", lambda runner, value: runner.enqueue_named(value)),
    Entrance("runner.enqueue_many", lambda runner, value: runner.enqueue_many(value)),
    Entrance("runner.enqueue_many([value])", lambda runner, value: runner.enqueue_many([value])),
    Entrance("runner.enqueue_threadsafe", lambda runner, value: in_thread(lambda: runner.enqueue_threadsafe(value))),
    Entrance("runner.enqueue_in", lambda runner, value: runner.enqueue_in(value, DECLARED)),
    Entrance("runner.enqueue_in(connection, value)", lambda runner, value: runner.enqueue_in(NONE, value)),
    Entrance("runner.enqueue_many_in", lambda runner, value: runner.enqueue_many_in(value, [DECLARED.bind()])),
    Entrance("runner.enqueue_many_in(connection, value)", lambda runner, value: runner.enqueue_many_in(NONE, value)),
    Entrance("ctx.enqueue_many_in", lambda runner, value: context(runner).enqueue_many_in(NONE, value)),
    Entrance("client.enqueue_many_in", lambda _, value: in_client(lambda client: client.enqueue_many_in(NONE, value))),
    Entrance("ctx.enqueue_in", lambda runner, value: context(runner).enqueue_in(value, DECLARED)),
    Entrance("client.enqueue_in", lambda _, value: in_client(lambda client: client.enqueue_in(value, DECLARED))),
    Entrance("ctx.enqueue", lambda runner, value: context(runner).enqueue(value)),
    Entrance("ctx.enqueue_once", lambda runner, value: context(runner).enqueue_once(value, DECLARED)),
    Entrance("ctx.enqueue_once(name, value)", lambda runner, value: context(runner).enqueue_once("a", value)),
    Entrance("ctx.enqueue_named", lambda runner, value: context(runner).enqueue_named(value)),
    Entrance("ctx.enqueue_many", lambda runner, value: context(runner).enqueue_many(value)),
    Entrance("ctx.enqueue_threadsafe", lambda runner, value: in_thread(
        lambda: context(runner).enqueue_threadsafe(value))),
    Entrance("client.enqueue", lambda _, value: in_client(lambda client: client.enqueue(value))),
    Entrance("client.enqueue(job, value)", lambda _, value: in_client(lambda client: client.enqueue(DECLARED, value))),
    Entrance("client.enqueue_named", lambda _, value: in_client(lambda client: client.enqueue_named(value))),
    Entrance("client.enqueue_many", lambda _, value: in_client(lambda client: client.enqueue_many(value))),
    Entrance("client.enqueue_many([value])", lambda _, value: in_client(lambda client: client.enqueue_many([value]))),
    *by_name("client.send", lambda _: lambda **given: in_client(lambda client: client.send(**{"name": "a", **given})),
             "name", "data", "id"),
    Entrance("client.send_many", lambda _, value: in_client(lambda client: client.send_many(value))),
    Entrance("client.send_many([value])", lambda _, value: in_client(lambda client: client.send_many([value]))),
    Entrance("client.get", lambda _, value: in_client(lambda client: client.get(value))),
    *by_name("runner.send", lambda runner: lambda **given: runner.send(**{"name": "a", **given}), "name", "data", "id"),
    Entrance("runner.events.send_many", lambda runner, value: runner.events.send_many(value)),
    Entrance("runner.events.send_many([value])", lambda runner, value: runner.events.send_many([value])),
    Entrance("runner.events.send_many([EventToSend])", lambda runner, value: runner.events.send_many(
        [EventToSend(value)])),
    Entrance("client.send", lambda _, value: in_client(lambda client: client.send(value))),
    Entrance("client.send(name, value)", lambda _, value: in_client(lambda client: client.send("a", value))),
    Entrance("client.send(id=)", lambda _, value: in_client(lambda client: client.send("a", id=value))),
    Entrance("client.send_many", lambda _, value: in_client(lambda client: client.send_many(value))),
    Entrance("client.send_many([value])", lambda _, value: in_client(lambda client: client.send_many([value]))),
    *by_name("runner.events.list", lambda runner: runner.events.list, "name", "before", "limit"),
    *by_name("runner.events.get", lambda runner: runner.events.get, "number"),
    *by_name("runner.events.started", lambda runner: runner.events.started, "number"),
    *by_name("runner.events.replay", lambda runner: lambda **given: runner.events.replay(
        **{"number": 1, "job_type": DECLARED, **given}), "number", "job_type"),
    Entrance("ctx.step", lambda runner, value: context(runner).step(value, handler)),
    Entrance("ctx.step(name, value)", lambda runner, value: context(runner).step("a", value)),
    *by_name("ctx.sleep", lambda runner: lambda **given: context(runner).sleep(
        **{"name": "a", "duration": 1, **given}), "name", "duration"),
    *by_name("ctx.sleep_until", lambda runner: lambda **given: context(runner).sleep_until(
        **{"name": "a", "at": NOW, **given}), "name", "at"),
    *by_name("ctx.wait_for_event", lambda runner: lambda **given: context(runner).wait_for_event(
        **{"name": "a", "event": "e", **given}), "name", "event", "match", "timeout"),
    Entrance("ctx.invoke", lambda runner, value: context(runner).invoke(value, DECLARED)),
    Entrance("ctx.invoke(name, value)", lambda runner, value: context(runner).invoke("a", value)),
    Entrance("ctx.gather", lambda runner, value: context(runner).gather(value, [DECLARED.bind()])),
    Entrance("ctx.gather(name, value)", lambda runner, value: context(runner).gather("a", value)),
    *by_name("ctx.send", lambda runner: lambda **given: context(runner).send(
        **{"name": "a", "event": "e", **given}), "name", "event", "data", "id"),
    *by_name("runner.jobs.get", lambda runner: runner.jobs.get, "job_id"),
    Entrance("runner.jobs.marks", lambda runner, value: runner.jobs.marks(value)),
    *by_name("runner.jobs.log", lambda runner: runner.jobs.log, "job_id"),
    *by_name("runner.jobs.steps", lambda runner: runner.jobs.steps, "job_id"),
    *by_name("runner.jobs.parent", lambda runner: runner.jobs.parent, "job_id"),
    *by_name("runner.jobs.watch", lambda runner: lambda **given: anext(runner.jobs.watch(**{"job_id": 99, **given})),
             "job_id", "from_start"),
    *by_name("runner.jobs.list", lambda runner: runner.jobs.list, "limit", "after",
             *sorted(JobFilters.__annotations__)),
    *by_name("runner.jobs.count", lambda runner: runner.jobs.count, "most", "within"),
    *by_name("runner.jobs.cancel", lambda runner: lambda **given: runner.jobs.cancel(**{"job_id": 1, **given}),
             "job_id", "reason"),
    Entrance("runner.jobs.edit", lambda runner, value: runner.jobs.edit(value)),
    *by_name("runner.jobs.edits", lambda runner: runner.jobs.edits, "job_id"),
    *by_name("runner.jobs.redrive", lambda runner: runner.jobs.redrive, "job_id"),
    *by_name("runner.jobs.redrive_all", lambda runner: runner.jobs.redrive_all, "type"),
    *by_name("runner.jobs.redrive_as_new", lambda runner: lambda **given: runner.jobs.redrive_as_new(
        **{"job_id": 1, **given}), "job_id", *sorted(RedriveOptions.__optional_keys__)),
    *by_name("runner.jobs.cancel_many", lambda runner: lambda **given: runner.jobs.cancel_many(
        **{"ids": [99], **given}), "reason", "limit", *sorted(PendingFilters.__optional_keys__)),
    *by_name("runner.jobs.delete_many", lambda runner: lambda **given: runner.jobs.delete_many(
        **{"ids": [99], **given}), "ids", "limit"),
    *by_name("runner.jobs.redrive_many", lambda runner: lambda **given: runner.jobs.redrive_many(
        **{"ids": [99], **given}), "ids", "limit"),
    *by_name("runner.jobs.redrive_many_as_new", lambda runner: lambda **given: runner.jobs.redrive_many_as_new(
        **{"ids": [99], **given}), "ids", "limit"),
    *by_name("runner.jobs.get_many", lambda runner: runner.jobs.get_many, "ids"),
    *by_name("runner.jobs.moments", lambda runner: lambda **given: runner.jobs.moments(
        **{"type": DECLARED.name, **given}), *options_of(StoredJobs.moments)),
    *by_name("runner.jobs.id_of", lambda runner: runner.jobs.id_of, "key"),
    *by_name("runner.jobs.delete", lambda runner: runner.jobs.delete, "job_id"),
    *by_name("runner.jobs.explain", lambda runner: runner.jobs.explain, "job_id"),
    *by_name("runner.jobs.run_now", lambda runner: runner.jobs.run_now, "job_id"),
    *by_name("runner.jobs.reschedule", lambda runner: lambda **given: runner.jobs.reschedule(
        **{"job_id": 1, "at": NOW, **given}), "job_id", "at"),
    *by_name("runner.jobs.handle", lambda runner: lambda **given: runner.jobs.handle(
        **{"job_type": DECLARED, "job_id": 1, **given}), "job_type", "job_id"),
    *by_name("runner.jobs.key_of", lambda runner: runner.jobs.key_of, "job_id"),
    Entrance("runner.asgi(app)", lambda runner, value: runner.asgi(value)),
    *by_name("runner.jobs.wait", lambda runner: runner.jobs.wait, "job_id"),
    *by_name("runner.jobs.peek", lambda runner: runner.jobs.peek, "job_id"),
    *by_name("runner.types.expect_more", lambda runner: runner.types.expect_more, "is_expected"),
    Entrance("runner.types.add", lambda runner, value: runner.types.add(value)),
    Entrance("runner.types.replace", lambda runner, value: runner.types.replace(value)),
    Entrance("runner.types.remove", lambda runner, value: runner.types.remove(value)),
    *by_name("runner.types.pause", lambda runner: lambda **given: runner.types.pause(
        **{"job": DECLARED, **given}), "job", "by"),
    *by_name("runner.types.resume", lambda runner: runner.types.resume, "job"),
    *by_name("runner.schedules.preview", lambda runner: lambda **given: runner.schedules.preview(
        **{"name": "tick", **given}), "name", "count"),
    *by_name("runner.schedules.put", lambda runner: lambda **given: runner.schedules.put(
        **{"name": "x", "expression": "@daily", "job": DECLARED.bind(), **given}), *options_of(Schedules.put)),
    *by_name("runner.schedules.get", lambda runner: runner.schedules.get, "name"),
    *by_name("runner.schedules.list", lambda runner: runner.schedules.list, *options_of(Schedules.list)),
    *by_name("runner.schedules.delete", lambda runner: runner.schedules.delete, "name"),
    *by_name("runner.schedules.pause", lambda runner: lambda **given: runner.schedules.pause(
        **{"name": "tick", **given}), "name", "by"),
    *by_name("runner.schedules.resume", lambda runner: runner.schedules.resume, "name"),
    *by_name("runner.schedules.run_now", lambda runner: runner.schedules.run_now, "name"),
    *by_name("runner.schedules.upcoming", lambda runner: lambda **given: runner.schedules.upcoming(
        **{"name": "tick", **given}), "name", "count"),
    *by_name("handle.result", lambda runner: JobHandle(DECLARED, runner.jobs, 999, is_new=True).result, "timeout"),
    *by_name("handle.watch", lambda runner: JobHandle(DECLARED, runner.jobs, 1, is_new=True).watch, "from_start"),
    *by_name("handle.cancel", lambda runner: JobHandle(DECLARED, runner.jobs, 1, is_new=True).cancel, "reason"),
]  # fmt: skip


async def refusals(entrance: Entrance, runner: Callable[[], JobRunner]) -> tuple[int, dict[str, str]]:
    """How many wrong values are refused as they must, and what is raised for others."""
    refused, odd = 0, {}
    for value in WRONG:
        try:
            answer = entrance.call(runner(), value)
            if inspect.isawaitable(answer):
                await answer
        except ALLOWED:
            refused += 1
        except Exception as error:
            odd[repr(value)] = repr(error)
    return refused, odd


TAKES_ANYTHING = {
    "Retry(reason=)", "Snooze(reason=)", "Abandon", "Cancel",  # as every exception does
    "Http(resolver=)", "http.request(json=)",
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("entrance", first_of(30, BEFORE), ids=repr)
async def test_a_wrong_kind_of_argument_is_refused_by_name(entrance: Entrance) -> None:
    refused, odd = await refusals(entrance, new_runner)
    assert odd == {}
    assert refused > len(WRONG) / 2 or entrance.name in TAKES_ANYTHING


@pytest.fixture
async def runner() -> AsyncIterator[JobRunner]:
    runner = new_runner(jobs=[DECLARED, Http()], max_running=0)

    @runner.cron("@daily")
    async def tick() -> None: ...

    async with runner:
        yield runner


@pytest.mark.parametrize("entrance", first_of(20, AFTER), ids=repr)
async def test_a_wrong_kind_of_argument_is_refused_by_a_runner_that_runs(entrance: Entrance, runner: JobRunner) -> None:
    refused, odd = await refusals(entrance, lambda: runner)
    assert odd == {}
    assert refused > len(WRONG) / 2


PARTS = {
    "JobRunner": "runner",
    "runner.jobs": "runner.jobs",
    "runner.types": "runner.types",
    "runner.schedules": "runner.schedules",
    "runner.events": "runner.events",
    "JobClient": "client",
    "JobType": "job_type",
    "JobHandle": "handle",
    "JobContext": "ctx",
    "CronSchedule": "schedule",
}


@pytest.mark.parametrize(("title", "part"), PARTS.items())
def test_every_method_of_the_page_of_names_is_an_entrance(title: str, part: str) -> None:
    spelled = [name for row in rows(section(DOCS / "reference" / "names.md", title)) for name in spans(row[0])]
    taking = {found[1] for name in spelled if (found := re.fullmatch(r"(\w+)\(.+\)", name))}
    tried = {entrance.name.partition("(")[0] for entrance in (*BEFORE, *AFTER)}
    assert taking
    assert {f"{part}.{name}" for name in taking} - tried == set()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: new_runner(jobs=print), "expected a list of job types, groups or modules."),
        (lambda: new_runner(jobs=DECLARED), "expected a list of job types, groups or modules."),
        (lambda: new_runner(jobs="shop.mail"), "jobs='shop.mail': expected a list of job types, groups or modules, no"),
        (lambda: new_runner(jobs=[handler]), "groups (Jobs()) or modules that have some."),
        (lambda: new_runner(deps=[1]), "deps=[1]: expected a dict, type -> resource."),
        (lambda: new_runner(deps={"Plain": Plain()}), "such as deps={Session: ...}, not 'Plain'."),
        (lambda: new_runner(clock=FakeClock), "expected a clock, such as SystemClock() or a FakeClock() in tests."),
        (lambda: new_runner(max_running=-1), "max_running=-1: expected a whole number from 0 to 100,000."),
        (lambda: Retry(5), "reason=5: expected text; the delay goes by name, Retry(after=...)."),  # type: ignore[arg-type]
        (lambda: CronSchedule(handler), "expression: it is no text; write five fields"),  # type: ignore[arg-type]
        (lambda: CronSchedule("@daily", hash_id=7), "hash_id=7: expected the name of the schedule."),  # type: ignore[arg-type]
        (lambda: CronSchedule("@daily").next_after(BEYOND), "lies outside of the calendar in UTC"),
        (lambda: CronSchedule("@daily").next_after(NAIVE), "it is naive; pass datetime.now(UTC)"),
        (lambda: CronSchedule("@daily").next_after(7), "instant: it is 7; pass datetime.now(UTC)"),  # type: ignore[arg-type]
        (lambda: CronSchedule("@daily").upcoming(NOW, 10**7), "count=10000000: expected a whole number, at most"),
    ],
)  # fmt: skip
def test_what_is_expected_instead_is_said(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(text)):
        call()


def test_a_method_that_is_assigned_is_refused_with_the_call() -> None:
    with pytest.raises(AttributeError, match=r"on_dead is a method: call it, runner\.on_dead\(handler\), or use it"):
        new_runner().on_dead = handler  # type: ignore[assignment, method-assign]  # what is tested


async def test_what_is_enqueued_together_is_a_list_of_bound_jobs(runner: JobRunner) -> None:
    given: Any
    for given in (DECLARED, DECLARED.bind(), [DECLARED], 7):
        with pytest.raises(
            ConfigurationError, match=r"^jobs(\[0\])?=.* bound jobs?, made by job_type\.bind\(\.\.\.\)\.$"
        ):
            await runner.enqueue_many(given)
    with pytest.raises(ConfigurationError, match=r"a job type \(a function with @runner.job or @job\)\.$"):
        await runner.enqueue(handler)  # type: ignore[arg-type]  # what is tested


async def test_an_error_of_the_callers_own_iterable_is_the_callers(runner: JobRunner) -> None:
    def faulty() -> Iterator[Any]:
        yield DECLARED.bind()
        raise TypeError("the caller's")

    with pytest.raises(TypeError, match="the caller's"):
        await runner.enqueue_many(faulty())
