"""The mark of a version within a payload."""

from __future__ import annotations

import json

import pytest

from aiojobs_lite.model.payloads import VERSION_KEY, arguments_of, mark_version, version_of


@pytest.mark.parametrize("version", [2, 9, 1_000_000])
@pytest.mark.parametrize("arguments", ["{}", '{"a":1}', '{"@version":"mine"}', '{"a":{"@version":5}}'])
def test_a_mark_is_the_first_key_and_goes_again(arguments: str, version: int) -> None:
    payload = mark_version(arguments, version)
    assert next(iter(json.loads(payload))) == VERSION_KEY
    assert (version_of(payload), arguments_of(payload)) == (version, arguments)


def test_another_program_may_write_it_with_spaces() -> None:
    assert version_of('{ "@version" : 3 , "a": 1}') == 3
    assert arguments_of(json.dumps({"@version": 3, "a": 1})) == '{ "a": 1}'
    assert json.loads(arguments_of('{"@version": 3 }')) == {}


@pytest.mark.parametrize(
    "payload",
    ["{}", '{"a":1}', '{"a":1,"@version":2}', '{"@version":0}', '{"@version":"2"}', '{"@version":2.5}',
     '{"@version":-1}', '{"@version":99999999}', '["@version"]', '{"@version":2', "", "null"],
)  # fmt: skip
def test_anything_else_is_no_mark(payload: str) -> None:
    assert (version_of(payload), arguments_of(payload)) == (1, payload)
