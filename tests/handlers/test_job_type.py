"""Job types: which handlers can be one, and what they refuse."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from aiojobs_lite.errors import ConfigurationError, InvalidJobType, InvalidOption, InvalidPayload, JobDead
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.job_type import BoundJob, JobType, qualified_name
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Retry
from aiojobs_lite.policy.settle import Policy
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.runner import JobRunner

NOW = 1_700_000_000_000_000


def plain(number: int, text: str = "a") -> str:
    return f"{text}{number}"


async def coroutine(number: int, *, ctx: JobContext = injected) -> str:
    return f"{ctx.id}:{number}"


def numbers() -> Iterator[int]:
    yield 1


async def async_numbers() -> AsyncIterator[int]:
    yield 1


def with_resource(number: int, resource: object = injected) -> None: ...


class Sender:
    async def method(self, number: int, *, ctx: JobContext = injected) -> str:
        return f"{ctx.id}:{number}"

    @staticmethod
    def static(number: int) -> None: ...

    @classmethod
    def of_class(cls, number: int) -> None: ...

    @job
    @staticmethod
    async def declared(number: int) -> int:
        return number + 1


class AsyncCallable:
    async def __call__(self, number: int) -> int:
        return number


class PlainCallable:
    def __call__(self, number: int) -> int:
        return number


class GeneratorCallable:
    def __call__(self) -> Iterator[int]:
        yield 1


def declared(**options: Any) -> JobType[..., Any]:
    return job(**options)(plain)


# Declaring.


def test_a_job_type_is_named_after_its_function_and_has_the_documented_defaults() -> None:
    job_type = job(plain)
    assert job_type.name == "plain"
    assert job_type.handler is plain
    assert job_type.mode == "thread"
    assert job_type.max_attempts == 5
    assert job_type.policy == Policy(Backoff(base="2s", cap="1h"), None, ())
    assert job_type.timeout is None
    assert job_type.concurrency is None
    assert job_type.priority == 1
    assert job_type.result is not None
    assert job_type.signature.returns is str
    assert repr(job_type) == f"<JobType 'plain' of {__name__}.plain>"


def test_every_option_is_kept() -> None:
    job_type = declared(
        name="email.welcome", max_attempts=1, backoff=Backoff(1, 2), timeout="30s", concurrency=3, priority="high",
        retry_on=OSError, abandon_on=[KeyError, ValueError], keep_result=False,
    )  # fmt: skip
    assert job_type.name == "email.welcome"
    assert job_type.max_attempts == 1
    assert job_type.policy == Policy(Backoff(1, 2), (OSError,), (KeyError, ValueError))
    assert job_type.timeout == 30.0
    assert job_type.concurrency == 3
    assert job_type.priority == 0
    assert job_type.result is None


@pytest.mark.parametrize(
    ("handler", "mode"),
    [
        (plain, "thread"),
        (coroutine, "async"),
        (lambda: None, "thread"),
        (Sender().method, "async"),
        (Sender.static, "thread"),
        (Sender.__dict__["static"], "thread"),
        (Sender().of_class, "thread"),
        (Sender.declared.handler, "async"),
        (staticmethod(coroutine), "async"),
        (AsyncCallable(), "async"),
        (PlainCallable(), "thread"),
        (functools.partial(plain, text="b"), "thread"),
        (functools.partial(coroutine, number=1), "async"),
        (functools.partial(AsyncCallable().__call__), "async"),
        (functools.partial(AsyncCallable()), "async"),
        (functools.partial(functools.partial(AsyncCallable())), "async"),
    ],
)
def test_the_mode_follows_from_what_the_handler_is(handler: Callable[..., Any], mode: str) -> None:
    assert JobType(handler, name="t").mode == mode


def test_a_static_method_under_the_decorator_is_the_function_in_it() -> None:
    assert Sender.declared.name == "declared"
    assert Sender.declared.mode == "async"
    assert Sender.declared.signature.dump((1,), {}) == '{"number":1}'


@pytest.mark.parametrize("handler", [functools.partial(plain, 1), PlainCallable()])
def test_what_has_no_name_of_its_own_must_be_given_one(handler: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        job(handler)
    assert str(caught.value) == "name=None: expected text of 1 to 200 printable characters."
    assert job(name="t")(handler).name == "t"


def test_a_lambda_must_be_given_a_name() -> None:
    with pytest.raises(InvalidOption) as caught:
        job(lambda: None)
    assert str(caught.value) == "name='<lambda>': expected a stable name; a lambda has none: job(name=\"...\")."


@pytest.mark.parametrize("handler", ["email", 3, None, int, Sender, job(plain), object()])
def test_what_is_no_function_is_refused(handler: Any) -> None:
    with pytest.raises(InvalidJobType) as caught:
        JobType(handler, name="t")
    assert str(caught.value).startswith(f"job type 't': expected a function, got {handler!r}")


BY_NAME = ". A name is given by name: @job(name='email')"
ADVICE = [
    (lambda: job("email"), f"'email': expected a function, got 'email'{BY_NAME}"),  # type: ignore[call-overload]
    (lambda: job(name="t")("email"), f"'t': expected a function, got 'email'{BY_NAME}"),  # type: ignore[call-overload]
    (lambda: JobRunner(":memory:").job("email"), f"got 'email'{BY_NAME}"),  # type: ignore[call-overload]
    (lambda: JobRunner(":memory:").cron("@daily")("email"), f"got 'email'{BY_NAME}"),  # type: ignore[call-overload]
    (
        lambda: job(job(plain)),
        f"got {job(plain)!r}. It is declared already: once is enough",
    ),
    (lambda: job(Sender), f"'Sender': expected a function, got {Sender!r}. Declare a function that uses the class"),
    (lambda: job(3), "'3': expected a function, got 3. Put @job above a function, or call job(function)"),  # type: ignore[call-overload]
]


@pytest.mark.parametrize(("declares", "text"), ADVICE)
def test_what_is_no_function_is_refused_with_what_was_meant(declares: Callable[[], Any], text: str) -> None:
    with pytest.raises(InvalidJobType, match=re.escape(text) + "$"):
        declares()


@pytest.mark.parametrize("handler", [numbers, async_numbers, GeneratorCallable(), functools.partial(numbers)])
def test_a_generator_is_refused(handler: Callable[..., Any]) -> None:
    with pytest.raises(InvalidJobType) as caught:
        JobType(handler, name="t")
    assert str(caught.value) == "job type 't': a generator cannot be a handler; return a list"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("name", "", "1 to 200 printable characters"),
        ("name", "x" * 201, "1 to 200 printable characters"),
        ("name", "a\nb", "1 to 200 printable characters"),
        ("name", "\ud800", "1 to 200 printable characters"),
        ("name", 3, "text of 1 to 200 printable characters"),
        ("max_attempts", 0, "a whole number from 1 to 1,000,000"),
        ("max_attempts", -1, "a whole number from 1 to 1,000,000"),
        ("max_attempts", 1_000_001, "a whole number from 1 to 1,000,000"),
        ("max_attempts", True, "a whole number from 1 to 1,000,000"),
        ("max_attempts", 2.0, "a whole number from 1 to 1,000,000"),
        ("max_attempts", None, "a whole number from 1 to 1,000,000"),
        ("backoff", 5, 'a Backoff, such as Backoff(base="2s", cap="1h")'),
        ("backoff", Backoff, 'a Backoff, such as Backoff(base="2s", cap="1h")'),
        ("timeout", 0, "from 1ms to a century"),
        ("timeout", "soon", "seconds, a timedelta"),
        ("concurrency", 0, "a whole number from 1 to 1,000,000"),
        ("concurrency", "3", "a whole number from 1 to 1,000,000"),
        ("priority", "urgent", "'high' or 'medium' or 'low'"),
        ("priority", 0, "'high' or 'medium' or 'low'"),
        ("priority", [], "'high' or 'medium' or 'low'"),
        ("retry_on", "OSError", "an exception class, or a list of them"),
        ("retry_on", Retry, "classes of faults; Retry is what a handler raises to decide by itself"),
        ("abandon_on", (Abandon, OSError), "classes of faults; Abandon is what a handler raises to decide by itself"),
        ("retry_on", ["OSError"], "an exception class, or a list of them"),
        ("retry_on", (OSError, int), "an exception class, or a list of them"),
        ("abandon_on", OSError(), "an exception class, or a list of them"),
        ("abandon_on", None, "an exception class, or a list of them"),
        ("keep_result", "no", "True or False"),
        ("process", 1, "True or False"),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(option: str, value: Any, expected: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        declared(**{option: value})
    assert caught.value.option == option
    assert caught.value.value is value
    assert expected in str(caught.value)
    assert isinstance(caught.value, ConfigurationError)


@pytest.mark.parametrize("name", ["x", "x" * 200, "email.welcome", "grüße senden", "<none>"])
def test_any_printable_name_will_do(name: str) -> None:
    assert declared(name=name).name == name


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidOption, match="max_atempts=3: expected the option max_attempts"):
        declared(max_atempts=3)


async def test_an_async_handler_that_a_decorator_hides_fails_and_is_not_taken_for_done() -> None:
    def hide(function: Callable[[int], Any]) -> Callable[[int], Any]:
        def called(number: int) -> Any:
            return function(number)

        return called

    async def handler(number: int) -> None: ...

    hidden = job(name="hidden", max_attempts=1)(hide(handler))
    async with JobRunner(":memory:", jobs=[hidden]) as runner:
        handle = await runner.enqueue(hidden, 1)
        with pytest.raises(JobDead, match="a decorator hides its `async def`"):
            await handle.result("20s")


# In another process.


ASYNC = "process=True is for plain `def`; an `async def` runs on the event loop. Leave out one of both"


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (coroutine, ASYNC),
        (AsyncCallable(), ASYNC),
        (lambda: None, "process=True takes a function at the top of a module, which a new process can import"),
        (PlainCallable(), "process=True takes a function at the top of a module, which a new process can import"),
        (
            functools.partial(plain, 1),
            "process=True takes a function at the top of a module, which a new process can import",
        ),
        (
            Sender().of_class,
            "process=True takes a function at the top of a module, which a new process can import",
        ),
        (
            with_resource,
            "process=True takes no injected parameters, they stay in this process; make them in the handler",
        ),
    ],
)
def test_a_handler_that_another_process_cannot_run_is_refused(handler: Callable[..., Any], problem: str) -> None:
    with pytest.raises(InvalidJobType) as caught:
        JobType(handler, name="t", process=True)
    assert str(caught.value) == f"job type 't': {problem}"


def test_a_function_inside_a_function_cannot_run_in_another_process() -> None:
    def inner() -> None: ...

    with pytest.raises(InvalidJobType, match="at the top of a module"):
        job(process=True)(inner)


@pytest.mark.parametrize("handler", [plain, Sender.static])
def test_a_function_of_a_module_may_run_in_another_process(handler: Callable[..., Any]) -> None:
    assert JobType(handler, process=True).mode == "process"


# What is enqueued of them.


def test_a_bound_job_has_its_arguments_checked_and_may_be_enqueued_again() -> None:
    job_type = job(plain)
    bound = job_type.using(delay=1).bind(1)
    assert isinstance(bound, BoundJob)
    assert {bound, job_type.using(delay=1).bind(1)} == {bound}
    assert bound.job_type is job_type
    assert bound.payload == '{"number":1}'
    assert bound.row(NOW).scheduled_at == NOW + 1_000_000
    assert bound.row(NOW + 5).scheduled_at == NOW + 1_000_005
    with pytest.raises(InvalidPayload, match="number: Input should be a valid integer"):
        job_type.bind("x")  # type: ignore[arg-type]  # what is tested


def test_a_parameter_may_be_called_self() -> None:
    def odd(self: int) -> None: ...

    assert job(odd).bind(self=1).payload == '{"self":1}'


def test_a_handler_is_named_with_its_module() -> None:
    assert qualified_name(Sender.static) == f"{__name__}.Sender.static"
    partial: Callable[[], Coroutine[Any, Any, str]] = functools.partial(plain, 1)  # type: ignore[assignment]  # any
    assert "functools.partial" in qualified_name(partial)
