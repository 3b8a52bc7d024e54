"""The marks within a payload: the version, and which arguments are secret."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from aiojobs_lite.model.payloads import (
    VERSION_KEY,
    RedactedPayload,
    arguments_of,
    mark,
    redacted,
    secret_in,
    stored_payload,
    version_of,
)

ARGUMENTS = pytest.mark.parametrize(
    "arguments", ["{}", '{"a":1}', '{"@version":"mine"}', '{"a":{"@version":5}}', '{"@secret":5}', '{"a":["@secret"]}']
)


@pytest.mark.parametrize("version", [2, 9, 1_000_000])
@ARGUMENTS
def test_a_version_is_the_first_key_and_goes_again(arguments: str, version: int) -> None:
    payload = mark(arguments, version)
    assert next(iter(json.loads(payload))) == VERSION_KEY
    assert (version_of(payload), secret_in(payload), arguments_of(payload)) == (version, (), arguments)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("secret", [("a",), ("token", "clé")])
@ARGUMENTS
def test_the_names_of_secret_arguments_stand_behind_it(arguments: str, version: int, secret: tuple[str, ...]) -> None:
    payload = mark(arguments, version, secret)
    assert json.loads(payload)["@secret"] in (list(secret), 5)  # the last of equal keys counts
    assert (version_of(payload), secret_in(payload), arguments_of(payload)) == (version, secret, arguments)


def test_a_payload_without_a_mark_is_its_arguments() -> None:
    assert mark('{"a":1}', 1) == '{"a":1}'
    assert arguments_of('{"a":1}') == '{"a":1}'


def test_another_program_may_write_it_with_spaces() -> None:
    assert version_of('{ "@version" : 3 , "a": 1}') == 3
    assert arguments_of(json.dumps({"@version": 3, "a": 1})) == '{ "a": 1}'
    assert json.loads(arguments_of('{"@version": 3 }')) == {}
    payload = json.dumps({"@version": 3, "@secret": ["a", "b"], "a": 1}, indent=1)
    assert (version_of(payload), secret_in(payload)) == (3, ("a", "b"))
    assert json.loads(arguments_of(payload)) == {"a": 1}


@pytest.mark.parametrize(
    "payload",
    ["{}", '{"a":1}', '{"a":1,"@version":2}', '{"@version":0}', '{"@version":"2"}', '{"@version":2.5}',
     '{"@version":-1}', '{"@version":99999999}', '["@version"]', '{"@version":2', "", "null",
     '{"a":1,"@secret":["a"]}', '{"@secret":"a"}', '{"@secret":{}}', '["@secret"]', '{"@secret":["a"]'],
)  # fmt: skip
def test_anything_else_is_no_mark(payload: str) -> None:
    assert (version_of(payload), secret_in(payload), arguments_of(payload)) == (1, (), payload)
    assert redacted(payload) is payload


def test_a_redacted_payload_shows_no_secret_value() -> None:
    stored = mark('{"token":"s3cret","n":1.5,"deep":{"token":"open"},"keys":["s3cret"]}', 2, ("token", "keys", "gone"))
    shown = redacted(stored)
    assert shown == (
        '{"@version":2,"@secret":["token","keys","gone"],'
        '"token":"REDACTED","n":1.5,"deep":{"token":"open"},"keys":"REDACTED"}'
    )
    for one in (shown, redacted(shown)):
        assert "s3cret" not in repr(one)
        assert (one, stored_payload(one)) == (shown, stored)
    assert isinstance(shown, RedactedPayload)
    assert stored_payload('{"a":1}') == '{"a":1}'


@pytest.mark.parametrize("rest", ['"token":"s3cret"', "5,s3cret}", '"a":' + "[" * 100_000 + '"s3cret"'])
def test_of_what_is_no_json_nothing_is_shown(rest: str) -> None:
    assert redacted('{"@secret":["token"],' + rest) == '{"@secret":["token"],"token":"REDACTED"}'


def test_neither_a_copy_nor_a_pickle_of_a_redacted_payload_has_the_secret_value() -> None:
    shown = redacted('{"@secret":["token"],"token":"hush","n":1}')
    assert stored_payload(shown).count("hush") == 1
    for made in (copy.copy(shown), copy.deepcopy(shown), pickle.loads(pickle.dumps(shown))):
        assert made == shown
        assert stored_payload(made) == shown
    assert b"hush" not in pickle.dumps(shown)
