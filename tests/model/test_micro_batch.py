"""The value of `batch=`, and payloads whose items are put together."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.flow import Batch
from aiojobs_lite.model.micro_batch import Appended, Capacity, append_items, is_full, items_of, without_more
from tests.helpers.stores import at, new

PLENTY = Capacity(9, 999)


def test_times_are_seconds_and_a_key_is_optional() -> None:
    plain = Batch(100, max_wait="5s")
    assert (plain.size, plain.max_wait, plain.key) == (100, 5, ())
    keyed = Batch(2, max_wait=0.001, key=("a", "b.c"))
    assert (keyed.size, keyed.max_wait, keyed.key) == (2, 0.001, ("a", "b.c"))
    assert repr(plain) == "Batch(100, max_wait='5s')"
    assert repr(keyed) == "Batch(2, max_wait='1ms', key=('a', 'b.c'))"


@pytest.mark.parametrize(
    ("size", "options", "option"),
    [
        (1, {}, "size"),
        (0, {}, "size"),
        (10_001, {}, "size"),
        (True, {}, "size"),
        (5.0, {}, "size"),
        ("5", {}, "size"),
        (5, {"max_wait": 0.0009}, "max_wait"),
        (5, {"max_wait": 0}, "max_wait"),
        (5, {"max_wait": None}, "max_wait"),
        (5, {"max_wait": "soon"}, "max_wait"),
        (5, {"key": ""}, "key"),
        (5, {"key": 5}, "key"),
    ],
)
def test_what_cannot_work_is_refused_with_the_option(size: Any, options: Any, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        Batch(size, **{"max_wait": "5s", **options})
    assert caught.value.option == option


def test_the_bounds_of_the_size_are_named() -> None:
    with pytest.raises(InvalidOption, match="size=1: expected a whole number from 2 to 10,000"):
        Batch(1, max_wait="5s")
    assert Batch(10_000, max_wait="5s").size == 10_000


@pytest.mark.parametrize(
    ("payload", "items"),
    [
        ('{"x":[]}', []),
        ('{"@version":3,"x":[1,{"y":[2]}]}', [1, {"y": [2]}]),
        ('{"x":1}', None),
        ("{}", None),
        ('{"x":[1],"y":[2]}', None),
        ("[1]", None),
        ("no JSON", None),
    ],
)
def test_the_items_are_the_list_that_is_the_only_argument(payload: str, items: list[Any] | None) -> None:
    assert items_of(payload) == items
    assert is_full(payload, Capacity(2, 99)) is (items is None or len(items) >= 2)


@pytest.mark.parametrize(
    ("payload", "more", "together"),
    [
        ('{"x":[1]}', '{"x":[2,3]}', '{"x":[1,2,3]}'),
        ('{"x":["]"]}', '{"x":["["]}', '{"x":["]","["]}'),
        ('{"x":[]}', '{"x":[2]}', '{"x":[2]}'),
        ('{"x":[2]}', '{"x":[ ]}', '{"x":[2]}'),
        ('{ "x" : [ 1.50 ] }', '{"x":[1e2]}', '{ "x" : [ 1.50 ,1e2] }'),
        ('{"@version":2,"x":[1]}', '{"@version":2,"x":[2]}', '{"@version":2,"x":[1,2]}'),
    ],
)
def test_items_are_appended_as_they_were_written(payload: str, more: str, together: str) -> None:
    assert append_items(payload, more, PLENTY) == Appended(together, is_full=False)


def test_one_that_has_enough_says_so_and_more_than_enough_is_refused() -> None:
    assert append_items('{"x":[1]}', '{"x":[2]}', Capacity(2, 99)) == Appended('{"x":[1,2]}', is_full=True)
    assert append_items('{"x":[1]}', '{"x":[2,3]}', Capacity(2, 99)) is None
    assert append_items('{"x":1}', '{"x":[2,3]}', PLENTY) is None
    assert append_items('{"x":[1]}', '{"x":2}', PLENTY) is None


def test_bytes_are_those_of_the_arguments_without_the_version() -> None:
    size = len('{"x":["é","é"]}'.encode())
    for payload in ('{"x":["é"]}', '{"@version":2,"x":["é"]}'):
        assert append_items(payload, '{"x":["é"]}', Capacity(9, size)) is not None
        assert append_items(payload, '{"x":["é"]}', Capacity(9, size - 1)) is None


def test_a_job_without_more_is_due_and_has_no_key() -> None:
    row = new(due=5, unique_key="[1]", unique_scope="pending")
    assert without_more(row, at(3)) == new(due=3)
    assert without_more(row, at(9)) == new(due=5)
