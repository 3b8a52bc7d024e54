"""Words of other libraries: each is answered with the word of this one."""

from __future__ import annotations

import copy
import inspect
import re
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, InvalidPayload, JobClient, JobHandle, JobRunner, JobType, job
from aiojobs_lite.handlers import habits
from aiojobs_lite.handlers.options import EnqueueOptions, JobOptions
from aiojobs_lite.testing import context
from aiojobs_lite.testing.clock import FakeClock


async def welcome(user_id: int, email: str) -> None: ...


JOB: Any = job(welcome)
RUNNER: Any = JobRunner(":memory:")
CLIENT: Any = JobClient(":memory:")
CLASS: Any = JobRunner
CLIENT_CLASS: Any = JobClient
TYPE: Any = JobType

# What users of Celery, arq, SAQ, huey, APScheduler, dramatiq, procrastinate and taskiq write.
CALLS = [
    (lambda: JOB.using(countdown=5), "countdown", "job_type.using(delay=...)"),
    (lambda: JOB.using(_defer_by=5), "_defer_by", "job_type.using(delay=...)"),
    (lambda: JOB.using(eta=5), "eta", "job_type.using(at=...)"),
    (lambda: JOB.using(run_at=5), "run_at", "job_type.using(at=...)"),
    (lambda: JOB.using(_job_id="a"), "_job_id", "job_type.using(idempotency_key=...)"),
    (lambda: JOB.using(retries=3), "retries", "@job(max_attempts=...), which counts the first attempt too"),
    (lambda: JOB.using(timeout=3), "timeout", "@job(timeout=...)"),
    (lambda: JOB.using(queue="high"), "queue", "@job(priority=...) or @job(concurrency=...): there is one queue"),
    (lambda: JOB.using(prio="high"), "prio", "the option priority."),
    (lambda: JOB.using(migrate=1), "migrate", "@job(upgrade={1: from_1_to_2})."),
    (
        lambda: JOB.using(zzz=1),
        "zzz",
        "one of after, after_failed, at, batch, debounce, delay, expires, idempotency_key, label, limits, ",
    ),
    (lambda: JOB.using(priority="low", zzz=1), "zzz", "one of after, "),
    (lambda: RUNNER.job(retries=3), "retries", "@job(max_attempts=...), which counts the first attempt too"),
    (lambda: RUNNER.job(ignore_result=True), "ignore_result", "@job(keep_result=...)"),
    (lambda: RUNNER.job(countdown=5), "countdown", "job_type.using(delay=...)"),
    (lambda: RUNNER.job(max_attemps=5), "max_attemps", "the option max_attempts."),
    (lambda: RUNNER.job(tz="UTC"), "tz", "@runner.cron(tz=...)"),
    (lambda: job(max_retries=3), "max_retries", "@job(max_attempts=...)"),  # type: ignore[call-overload]
    (lambda: job(bind=True), "bind", "a parameter `ctx: JobContext = injected` of the handler"),  # type: ignore[call-overload]
    (lambda: RUNNER.on("a", idempotency="event.data.id"), "idempotency", '@job(unique=Unique("user_id", scope="24h"))'),
    (
        lambda: RUNNER.on("a", rate_limit={"limit": 1}),
        "rate_limit",
        '@job(throttle=Throttle("1m")), which drops, or @job(',
    ),
    (
        lambda: RUNNER.on("a", timeouts={"start": "1m"}),
        "timeouts",
        "@job(expires=...) for its start, @job(timeout=...)",
    ),
    (lambda: RUNNER.job(on_failure=welcome), "on_failure", "@job(on_dead=...)"),
    (lambda: TYPE(welcome, retries=3), "retries", "@job(max_attempts=...)"),
    (lambda: RUNNER.cron("0 9 * * *", max_retries=3), "max_retries", "@job(max_attempts=...)"),
    (lambda: RUNNER.cron("0 9 * * *", timezone="UTC"), "timezone", "@runner.cron(tz=...)"),
    (lambda: RUNNER.cron("0 9 * * *", misfire_grace_time=3), "misfire_grace_time", "@runner.cron(catch_up=...)"),
    (lambda: CLASS(retries=3), "retries", "@job(max_attempts=...)"),
    (lambda: CLASS(concurrency=3), "concurrency", "JobRunner(max_running=...)"),
    (lambda: CLASS(max_jobs=3), "max_jobs", "JobRunner(max_running=...)"),
    (lambda: CLASS(functions=[]), "functions", "JobRunner(jobs=...)"),
    (lambda: CLASS(keep_result=3), "keep_result", "JobRunner(keep_completed=...)"),
    (lambda: CLASS(on_startup=3), "on_startup", "JobRunner(deps=...), or code before and after `async with runner:`"),
    (lambda: CLASS(databse="a.db"), "databse", "the option database."),
    (lambda: CLIENT_CLASS(broker_url="a.db"), "broker_url", "JobClient(database=...)"),
    (lambda: CLIENT_CLASS(max_running=3), "max_running", "JobRunner(max_running=...)"),
    (lambda: CLIENT_CLASS(databse="a.db"), "databse", "the option database."),
]


@pytest.mark.parametrize(("call", "option", "ours"), CALLS)
def test_an_option_by_habit_is_answered_with_ours(call: Any, option: str, ours: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        call()
    assert caught.value.option == option
    assert f": expected {ours}" in str(caught.value)


ARGUMENTS = {
    "delay": "welcome.using(delay=...)",
    "countdown": "welcome.using(delay=...)",
    "eta": "welcome.using(at=...)",
    "priority": "welcome.using(priority=...)",
    "retries": "@job(max_attempts=...), which counts the first attempt too",
    "queue": "@job(priority=...) or @job(concurrency=...): there is one queue",
    "migrate": "@job(upgrade={1: from_1_to_2})",
    "job_id": "welcome.using(idempotency_key=...)",
}


@pytest.mark.parametrize(("word", "ours"), ARGUMENTS.items())
async def test_an_option_among_the_arguments_is_answered_with_its_place(word: str, ours: str) -> None:
    problem = f"the handler has no such argument; as an option it is {ours}"
    with pytest.raises(InvalidPayload) as caught:
        JOB.bind(1, email="a", **{word: 1})
    assert caught.value.problems == ((word, problem),)
    async with JobRunner(":memory:", jobs=[JOB], max_running=0, clock=FakeClock()) as runner:
        with pytest.raises(InvalidPayload) as caught:
            await runner.enqueue(JOB, user_id=1, email="a", **{word: 1})
    assert str(caught.value) == (
        f"'welcome' cannot take these arguments: {word}: {problem}. Nothing was enqueued: fix the call."
    )


def test_an_argument_of_a_habits_name_is_an_argument_where_the_handler_has_it() -> None:
    @job
    async def waits(delay: int, queue: str) -> None: ...

    assert waits.bind(1, queue="a").payload == '{"delay":1,"queue":"a"}'
    with pytest.raises(InvalidPayload, match="delay: Input should be a valid integer"):
        waits.bind("a", queue="a")  # type: ignore[arg-type]  # what is tested


METHODS = [
    (lambda: JOB.delay(1), "await runner.enqueue(job_type, ...)"),
    (lambda: JOB.apply_async(1), "await runner.enqueue(job_type.using(delay=...), ...)"),
    (lambda: JOB.using(delay=1).send(1), "await runner.enqueue(job_type, ...)"),
    (lambda: JOB.s(1), "job_type.using(...) or job_type.bind(...)"),
    (lambda: JOB.call_local(1), "a plain call, job_type(...)"),
    (lambda: RUNNER.add_job(welcome), "await runner.enqueue(job_type, ...)"),
    (lambda: RUNNER.task, "@runner.job"),
    (lambda: CLIENT.delay(1), "client.enqueue(job_type, ...)"),
    (lambda: CLIENT.apply_async(1), "client.enqueue(job_type.using(delay=...), ...)"),
    (lambda: CLIENT.get_job(1), "client.get(job_id)"),
    (lambda: CLIENT.shutdown(), "client.close()"),
    (lambda: RUNNER.on_failure(welcome), "runner.on_dead(...) or runner.watch()"),
    (
        lambda: RUNNER.run(),
        "`async with runner:`, await runner.start() and runner.stop(), or await runner.run_forever()",
    ),
]


@pytest.mark.parametrize(("call", "ours"), METHODS)
def test_a_method_by_habit_is_answered_with_ours(call: Any, ours: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"; in aiojobs_lite it is {ours}")):
        call()


HANDLE_WORDS = {
    "get": "await handle.result(timeout=...)",
    "status": "(await handle.job()).status",
    "revoke": "await handle.cancel()",
    "retry": "await runner.jobs.redrive(handle.id)",
}


@pytest.mark.parametrize(("word", "ours"), HANDLE_WORDS.items())
def test_a_word_for_a_handle_is_answered_with_ours(word: str, ours: str) -> None:
    handle: JobHandle[None] = JobHandle(JOB, RUNNER.jobs, 7, is_new=True)
    with pytest.raises(AttributeError, match=re.escape(f"; in aiojobs_lite it is {ours}")):
        getattr(handle, word)
    assert word not in dir(handle)
    assert [name for name in habits.HABITS_OF_HANDLES if name in dir(handle)] == []
    with pytest.raises(AttributeError):
        handle.strange = 1  # type: ignore[attr-defined]  # what is tested


@pytest.mark.parametrize(
    ("block", "place"),
    [
        (RUNNER.batches.open(), "`async with runner.batches.open(...) as batch:`"),
        (CLIENT.batches.open(), "`with client.batches.open(...) as batch:`"),
    ],
)
def test_a_block_that_is_not_entered_says_where_its_batch_is(block: Any, place: str) -> None:
    with pytest.raises(
        AttributeError, match=re.escape(f"; in aiojobs_lite it is an attribute of the batch of {place}")
    ):
        block.enqueue(JOB, 1, "a")
    assert "enqueue" not in dir(block)


def test_options_are_not_called() -> None:
    with pytest.raises(TypeError) as caught:
        JOB.using(delay=1)(1, email="a")
    assert str(caught.value) == (
        "<JobType 'welcome' with delay='1s'> is not called: await runner.enqueue(welcome.using(...), ...) makes a job, "
        "and welcome(...) is a plain call, without options"
    )


def test_any_other_attribute_is_missed_as_ever() -> None:
    for owner in (JOB, RUNNER):
        with pytest.raises(AttributeError, match=r"object has no attribute 'strange'$") as caught:
            owner.strange()
        assert (caught.value.name, caught.value.obj) == ("strange", owner)
        assert not hasattr(owner, "delay")
        assert "delay" not in dir(owner)  # no completion offers it
    assert copy.copy(JOB).name == "welcome"


# The table.


def options(function: Any) -> set[str]:
    return {name for name, one in inspect.signature(function).parameters.items() if one.kind != one.VAR_KEYWORD}


OURS = {
    ".using": set(EnqueueOptions.__annotations__),
    "@job": set(JobOptions.__annotations__),
    "@runner.cron": options(JobRunner.cron) - {"self"},
    "JobRunner": options(JobRunner),
    "JobClient": options(JobClient),
}


def test_every_option_of_ours_is_in_the_table_and_the_table_names_no_other() -> None:
    named = [
        found
        for ours in {*habits.HABITS.values(), *habits.HABITS_OF_A_RUNNER.values(), *habits.HABITS_OF_A_CLIENT.values()}
        for found in re.findall(r"(@?[\w.]+|\.using)\((\w+)=", ours.replace("{job}", ""))
        if found[0] != "Backoff"
    ]
    assert {(place, name) for place, name in named if name not in OURS[place]} == set()
    assert set().union(*OURS.values()) - habits.HABITS.keys() == set()


def test_the_options_of_a_runner_are_listed() -> None:
    with pytest.raises(InvalidOption, match=re.escape(f"one of {', '.join(sorted(options(JobRunner)))}.")):
        CLASS(zzz=1)


def test_no_method_of_ours_is_taken_for_a_habit() -> None:
    assert [name for name in habits.HABITS_OF_METHODS if name in dir(RUNNER) and name not in ("enqueue", "send")] == []
    assert [name for name in habits.HABITS_OF_METHODS if name in dir(JOB) and name != "schedule"] == []
    ours = ("enqueue", "send", "close")
    assert [name for name in habits.HABITS_OF_METHODS_OF_CLIENTS if name in dir(CLIENT) and name not in ours] == []


async def test_a_context_answers_words_of_other_libraries() -> None:
    ctx: Any = context()
    for word, ours in (
        ("run", "await ctx.step(name, function, ...)"),
        ("sleepUntil", "await ctx.sleep_until(name, at)"),
    ):
        with pytest.raises(AttributeError, match=re.escape(f"has no attribute {word!r}; in aiojobs_lite it is {ours}")):
            getattr(ctx, word)
        assert not hasattr(ctx, word)
    assert {"step", "id"} < set(dir(ctx))
    assert set(habits.HABITS_OF_CONTEXTS).isdisjoint(dir(ctx))


STEP_WORDS = [
    ("run", "await ctx.step(name, function, ...)"),
    ("sleep", "await ctx.sleep(name, duration)"),
    ("sleep_until", "await ctx.sleep_until(name, at)"),
    ("wait_for_event", "await ctx.wait_for_event(name, event, match=..., timeout=...)"),
    ("invoke", "await ctx.invoke(name, job_type, ...)"),
    ("send_event", "await ctx.send(name, event, data)"),
    ("parallel", "asyncio.gather(ctx.step(...), ...)"),
]


@pytest.mark.parametrize(("word", "ours"), STEP_WORDS)
async def test_a_word_for_a_step_is_answered_with_ours(word: str, ours: str) -> None:
    ctx: Any = context()
    problem = re.escape(f"ctx.step has no attribute {word!r}; in aiojobs_lite it is {ours}")
    with pytest.raises(AttributeError, match=f"^{problem}$"):
        await getattr(ctx.step, word)("fetch", welcome)
    with pytest.raises(AttributeError, match=f"^{problem}$"):  # ctx.step.ai.infer(...)
        getattr(ctx.step, word).infer("fetch")


async def test_what_the_words_for_a_step_are_answered_with_is_there() -> None:
    ctx = context()
    for ours in habits.HABITS_OF_STEPS.values():
        (word,) = set(re.findall(r"ctx\.(\w+)\(", ours))
        assert callable(getattr(ctx, word))
    assert await ctx.step("fetch", len, "abc") == 3
