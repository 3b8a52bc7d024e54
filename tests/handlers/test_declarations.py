"""What cannot work is refused where it is declared, with the way out; what can work is taken."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, NotRequired, Optional, Required

import pytest

from aiojobs_lite import JobContext, injected, job
from aiojobs_lite.errors import ConfigurationError, InvalidJobType
from tests.helpers.payloads import handler_of, refused_type

if TYPE_CHECKING:
    from fractions import Fraction


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain function around another one, as a careless decorator makes it."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


async def on_the_loop(x: int) -> int:
    return x


def plain(x: int) -> int:
    return x


def numbers(x: int) -> Iterator[int]:
    yield x


async def later_numbers(x: int) -> AsyncIterator[int]:
    yield x


class Mailer:
    def send(self, x: int) -> int:
        return x

    async def send_later(self, x: int) -> int:
        return x

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @staticmethod
    def alone(x: int) -> int:
        return x

    def __call__(self, x: int) -> int:
        return x


class Hidden:
    """An object whose call is a plain function around an `async def`."""

    __call__ = wrapped(on_the_loop)


@functools.singledispatch
def by_type(x: int) -> int:
    return x


@functools.singledispatch
def by_type_of_first(x: int, /) -> int:
    return x


class Chooser:
    @functools.singledispatchmethod
    def choose(self, x: int) -> int:
        return x


@functools.wraps(by_type)
def on_its_own(x: int) -> int:
    return by_type(x)


DISPATCH = "functools.singledispatch chooses by an argument .* Declare a function of your own that calls it"
HIDDEN = "a decorator hides its `async def`"
GENERATOR = "a generator cannot be a handler; return a list"
PAYLOAD = "self would be a part of the payload: a method is bound to no object while its class is made"


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (wrapped(on_the_loop), HIDDEN),
        (wrapped(wrapped(on_the_loop)), HIDDEN),
        (functools.partial(wrapped(on_the_loop), 1), HIDDEN),
        (functools.lru_cache(on_the_loop), HIDDEN),
        (wrapped(Mailer().send_later), HIDDEN),
        (Hidden(), HIDDEN),
        (numbers, GENERATOR),
        (later_numbers, GENERATOR),
        (wrapped(numbers), GENERATOR),
        (functools.partial(wrapped(later_numbers), 1), GENERATOR),
        (contextmanager(numbers), GENERATOR),
        (asynccontextmanager(later_numbers), GENERATOR),
        (Mailer.send, PAYLOAD),
        (Mailer.send_later, PAYLOAD),
        (wrapped(Mailer.send), PAYLOAD),
        (Mailer.__dict__["of_class"], "expected a function, got <classmethod"),
        (functools.partialmethod(Mailer.send), "expected a function"),
        (Mailer, "expected a function"),
        (by_type, DISPATCH),
        (functools.partial(by_type), DISPATCH),
        (wrapped(by_type), DISPATCH),
        (functools.singledispatch(on_the_loop), DISPATCH),
        (Chooser().choose, "functools.singledispatchmethod chooses by an argument that is given by position"),
    ],
)
@pytest.mark.parametrize("keep_result", [True, False])
def test_what_would_fail_in_each_attempt_is_refused(handler: Any, problem: str, *, keep_result: bool) -> None:
    with pytest.raises(InvalidJobType, match=problem):
        job(name="t", keep_result=keep_result)(handler)


def test_a_method_in_a_class_body_is_refused() -> None:
    with pytest.raises(
        InvalidJobType,
        match=r"declare the bound one, job\(Class\(\)\.method\); the context is `ctx: JobContext = injected`",
    ):

        class Reports:
            @job
            async def make(self, month: str) -> None: ...

    with pytest.raises(InvalidJobType, match="cls would be a part of the payload"):

        @job
        def bound(cls, month: str) -> None: ...  # type: ignore[no-untyped-def]  # what is tested


@pytest.mark.parametrize(
    ("handler", "mode"),
    [
        (on_the_loop, "async"),
        (plain, "thread"),
        (wrapped(plain), "thread"),
        (functools.lru_cache(plain), "thread"),
        (functools.partial(on_the_loop), "async"),
        (Mailer().send, "thread"),
        (Mailer().send_later, "async"),
        (Mailer.of_class, "thread"),
        (Mailer.alone, "thread"),
        (Mailer.__dict__["alone"], "thread"),
        (Mailer(), "thread"),
        (by_type_of_first, "thread"),
        (on_its_own, "thread"),
    ],
)
def test_what_works_is_taken(handler: Any, mode: str) -> None:
    declared = job(name="t")(handler)
    assert declared.mode == mode
    assert declared.signature.dump((1,), {}) == '{"x":1}'


def test_a_parameter_named_self_may_be_meant() -> None:
    @job
    def meant(self: int, x: int = 0) -> None: ...

    assert meant.signature.dump((1,), {}) == '{"self":1}'


def test_a_function_that_wraps_itself_is_refused_and_does_not_hang() -> None:
    def endless(x: int) -> None: ...

    endless.__wrapped__ = endless  # type: ignore[attr-defined]
    with pytest.raises(InvalidJobType, match="its parameters cannot be read"):
        job(endless)


def returns_it(x: int) -> Fraction:
    raise NotImplementedError


async def takes_it(x: Fraction) -> None: ...


def test_the_annotation_of_a_result_that_is_not_kept_need_not_be_there() -> None:
    for handler in (returns_it, wrapped(returns_it), functools.partial(returns_it)):
        declared = job(name="t", keep_result=False)(handler)
        assert declared.signature.load(declared.signature.dump((3,), {})) == ((), {"x": 3})
        with pytest.raises(InvalidJobType, match="name 'Fraction' is not defined"):
            job(name="t")(handler)
    with pytest.raises(InvalidJobType, match="name 'Fraction' is not defined"):
        job(keep_result=False)(takes_it)


def test_the_context_is_found_without_the_annotation_of_the_result() -> None:
    @job(keep_result=False)
    async def makes(x: int, *, ctx: JobContext = injected) -> Fraction:
        raise NotImplementedError

    assert makes.signature.context == "ctx"


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (ClassVar[int], "ClassVar"),
        (Final[int], "Final"),
        (Optional, "Optional"),
        (Required[int], "is for a TypedDict; use a default in its place"),
        (NotRequired[int], "is for a TypedDict"),
        (5, "cannot be stored as JSON"),
        ([int], "cannot be stored as JSON"),
        ({"a": int}, "cannot be stored as JSON"),
    ],
)
def test_an_annotation_that_is_no_type_of_values_is_refused(annotation: Any, problem: str) -> None:
    assert problem in refused_type(handler_of(annotation))


@pytest.mark.parametrize("annotation", [ClassVar[int], Final[int]])
def test_an_annotation_that_is_no_type_of_values_is_refused_with_advice(annotation: Any) -> None:
    assert refused_type(handler_of(annotation)).endswith(". Use a type of values")


def test_every_refusal_is_a_typed_error_on_one_line() -> None:
    for wrong in (None, 5, "x", int, Mailer, object(), len([]), job(plain), print):
        with pytest.raises(ConfigurationError) as caught:
            job(name="t")(wrong)  # type: ignore[call-overload]
        assert "\n" not in str(caught.value)
