"""The job types of one runner."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from aiojobs_lite.errors import DuplicateJobType, UnknownJobType
from aiojobs_lite.handlers.decorators import job
from aiojobs_lite.handlers.registry import Registry


def plain(number: int) -> None: ...


def other_plain(number: int) -> None: ...


def test_a_registry_knows_its_types_by_name_in_the_order_they_came() -> None:
    registry = Registry()
    types = [job(name=name)(plain) for name in ("b", "a", "c")]
    for job_type in types:
        registry.add(job_type)
    registry.add(types[0])  # the same one twice is fine
    assert registry.names() == ("b", "a", "c")
    assert list(registry) == types
    assert len(registry) == 3
    assert registry.get("a") is types[1]
    assert registry.find("a") is types[1]
    assert registry.find("d") is None


def test_a_registry_knows_the_limits_of_its_types() -> None:
    registry = Registry()
    registry.add(job(name="b", concurrency=3)(plain))
    registry.add(job(name="a")(plain))
    assert registry.limits == {"b": 3, "a": None}


def test_two_handlers_under_one_name_are_refused_and_the_first_stays() -> None:
    registry = Registry()
    first = job(name="t")(plain)
    registry.add(first)
    with pytest.raises(DuplicateJobType) as caught:
        registry.add(job(name="t")(other_plain))
    assert str(caught.value) == (
        f"job type 't' is declared twice, by {__name__}.plain and by {__name__}.other_plain. "
        'Give one of them another name: @job(name="...").'
    )
    assert list(registry) == [first]


SAME_CODE = (
    "It is the same code, which ran twice: import its module under one name only, and make a group such as Http() "
    "once; after a reload, or in a notebook, run the line again that makes the JobRunner."
)
ANOTHER_NAME = 'Give one of them another name: @job(name="...").'


def made_in(module: str, source: str, filename: str = "tasks.py") -> Any:
    """The function `collect` of a module with this source."""
    names: dict[str, Any] = {"__name__": module, "wraps": functools.wraps}
    exec(compile(source, filename, "exec"), names)
    return names["collect"]


COLLECT = "async def collect(number: int) -> None: ..."
DECORATED = """
def through(handler):
    @wraps(handler)
    async def wrapper(*args, **kwargs):
        return await handler(*args, **kwargs)
    return wrapper
async def inner(number: int) -> None: ...
collect = through(inner)
"""


@pytest.mark.parametrize(
    ("first", "second", "advice"),
    [
        (made_in("app.tasks", COLLECT), made_in("tasks", COLLECT), SAME_CODE),  # imported under two names
        (made_in("tasks", COLLECT), made_in("tasks", COLLECT), SAME_CODE),  # reloaded
        (made_in("tasks", DECORATED), made_in("tasks", DECORATED), SAME_CODE),
        (made_in("__main__", COLLECT, "cell 1"), made_in("__main__", f"\n{COLLECT}", "cell 2"), SAME_CODE),
        (made_in("tasks", COLLECT), made_in("tasks", f"\n{COLLECT}"), ANOTHER_NAME),
        (made_in("tasks", COLLECT, "a.py"), made_in("tasks", COLLECT, "b.py"), ANOTHER_NAME),
        (plain, plain, ANOTHER_NAME),  # one function as two job types
        (functools.partial(plain, 1), functools.partial(plain, 2), ANOTHER_NAME),
    ],
)
def test_of_code_that_ran_twice_the_error_says_so(first: Any, second: Any, advice: str) -> None:
    registry = Registry()
    registry.add(job(name="t")(first))
    with pytest.raises(DuplicateJobType) as caught:
        registry.add(job(name="t")(second))
    assert str(caught.value).partition(". ")[2] == advice


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    registry = Registry()
    registry.add(job(name="email.send")(plain))
    with pytest.raises(UnknownJobType) as caught:
        registry.get("emial.send")
    assert str(caught.value) == "'emial.send' is not registered (known: email.send). Did you mean 'email.send'?"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", [None, 3, [], {}])
def test_what_is_no_name_is_unknown(name: Any) -> None:
    with pytest.raises(UnknownJobType, match="is not registered"):
        Registry().get(name)


def test_only_the_very_job_type_that_is_registered_passes_the_check() -> None:
    registry = Registry("Write it down.")
    mine, other = job(name="t")(plain), job(name="t")(plain)
    with pytest.raises(UnknownJobType, match=r"is not registered \(known: none\)\. Write it down\.$"):
        registry.check(mine)
    registry.add(mine)
    registry.check(mine)
    with pytest.raises(UnknownJobType, match=r"Another handler is registered under this name: enqueue that one\.$"):
        registry.check(other)
