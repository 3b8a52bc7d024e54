"""Objects that are given as Python values and kept as text."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.model.json_object import dump_object


def test_an_object_becomes_json_with_all_its_values() -> None:
    given = MappingProxyType({"a": [1, None, "\N{SNOWMAN}"], "b": {"c": (True,)}})
    assert dump_object("metadata", given, 100) == '{"a":[1,null,"\N{SNOWMAN}"],"b":{"c":[true]}}'


@pytest.mark.parametrize("given", [None, "{}", [], {1: 2}, {"a": object()}, {"a": float("inf")}, {"a": "\udc80"}])
def test_what_is_no_object_of_json_is_refused_by_its_name(given: Any) -> None:
    with pytest.raises(InvalidOption, match="of at most 1,000 bytes as JSON") as caught:
        dump_object("details", given, 1_000)
    assert caught.value.option == "details"


def test_the_size_is_counted_in_bytes() -> None:
    assert dump_object("metadata", {"a": "\N{SNOWMAN}"}, 11) == '{"a":"\N{SNOWMAN}"}'
    with pytest.raises(InvalidOption):
        dump_object("metadata", {"a": "\N{SNOWMAN}"}, 10)
