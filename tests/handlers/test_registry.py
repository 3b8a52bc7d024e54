"""The job types of one runner."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite.errors import DuplicateJobType, InvalidOption, UnknownJobType
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


@pytest.mark.parametrize("wrong", [plain, "plain", None, job(plain).using(delay=1)])
def test_only_job_types_can_be_registered(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match=r"expected job types, made by @job\.$"):
        Registry().add(wrong)


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
    registry = Registry()
    mine, other = job(name="t")(plain), job(name="t")(plain)
    with pytest.raises(UnknownJobType, match=r"Register it: JobRunner\(jobs=\[\.\.\.\]\)"):
        registry.check(mine)
    registry.add(mine)
    registry.check(mine)
    with pytest.raises(UnknownJobType, match=r"Another handler is registered under this name: enqueue that one\.$"):
        registry.check(other)
