"""The key of a payload: from fields, functions and defaults; and what gives none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite.errors import InvalidKey, InvalidOption
from aiojobs_lite.handlers.keys import KeyReader
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.keys import KeySpec


class Customer(BaseModel):
    id: int
    tags: list[str] = []


class Order(BaseModel):
    customer: Customer
    note: str | None = None


def handler(
    user_id: int, order: Order | None = None, region: str = "eu", ratio: float = 0.5, raw: Any = None
) -> None: ...


SIGNATURE = Signature("job", handler)


def read(key: KeySpec | None, **arguments: Any) -> str:
    """The key of a call."""
    return KeyReader("unique", key, SIGNATURE, handler).read(SIGNATURE.dump((), arguments))


ORDER = Order(customer=Customer(id=7))


@pytest.mark.parametrize(
    ("key", "arguments", "expected"),
    [
        ("user_id", {"user_id": 1}, [1]),
        (("user_id",), {"user_id": 1}, [1]),
        (("region", "user_id"), {"user_id": 1}, ["eu", 1]),
        (("user_id", "region"), {"user_id": 1, "region": "us"}, [1, "us"]),
        ("order.customer.id", {"user_id": 1, "order": ORDER}, [7]),
        (("user_id", "order.note"), {"user_id": 1, "order": ORDER}, [1, None]),
        ("order", {"user_id": 1}, [None]),
        (lambda payload: payload["region"].upper(), {"user_id": 1}, ["EU"]),
        (lambda payload: (payload["user_id"], True), {"user_id": 1}, [1, True]),
        (lambda _payload: None, {"user_id": 1}, [None]),
        (lambda _payload: (), {"user_id": 1}, []),
        (["user_id", "region"], {"user_id": 1, "region": "us"}, [1, "us"]),
        (lambda payload: [payload["user_id"], True], {"user_id": 1}, [1, True]),
    ],
)
def test_a_key_is_taken_from_fields_or_by_a_function(key: Any, arguments: dict[str, Any], expected: list[Any]) -> None:
    assert json.loads(read(key, **arguments)) == expected


def test_an_instant_counts_as_it_is_stored_with_the_offset_of_its_zone() -> None:
    def due(at: datetime) -> None: ...

    def instant(payload: Mapping[str, Any]) -> str:
        return datetime.fromisoformat(payload["at"]).astimezone(UTC).isoformat()

    signature = Signature("due", due)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    payloads = [signature.dump((at,), {}) for at in (noon, noon.astimezone(timezone(timedelta(hours=2))))]
    by_field, by_function = KeyReader("unique", "at", signature, due), KeyReader("unique", instant, signature, due)
    assert [json.loads(by_field.read(one)) for one in payloads] == [
        ["2026-03-01T12:00:00Z"], ["2026-03-01T14:00:00+02:00"],
    ]  # fmt: skip
    assert [json.loads(by_function.read(one)) for one in payloads] == [["2026-03-01T12:00:00+00:00"]] * 2


def test_without_fields_all_of_the_payload_counts_defaults_included() -> None:
    key = read(None, user_id=1)
    assert key == read(None, user_id=1, region="eu") != read(None, user_id=1, region="us")
    assert len(read(None, user_id=1, region="x" * 10_000)) == len(key)


@pytest.mark.parametrize("field", ["nothing", "nothing.user_id", "self"])
def test_a_field_that_the_handler_does_not_have_is_refused_where_it_is_declared(field: str) -> None:
    with pytest.raises(
        InvalidOption,
        match="a field of the payload of 'job' for unique=, which takes 'user_id', 'order', 'region'",
    ) as caught:
        KeyReader("unique", field, SIGNATURE, handler)
    assert (caught.value.option, caught.value.value) == ("key", field.partition(".")[0])


def fails(payload: Any) -> str:
    raise KeyError(payload["user_id"])


@pytest.mark.parametrize(
    ("key", "arguments", "problem"),
    [
        ("order.customer.id", {"user_id": 1}, "the payload has no field 'order.customer.id'"),
        ("order.customer.name", {"user_id": 1, "order": ORDER}, "the payload has no field 'order.customer.name'"),
        ("user_id.x", {"user_id": 1}, "the payload has no field 'user_id.x'"),
        ("order.customer", {"user_id": 1, "order": ORDER}, "the field 'order.customer' is of the type 'dict'"),
        ("order.customer.tags", {"user_id": 1, "order": ORDER}, "is of the type 'list'"),
        ("ratio", {"user_id": 1}, "the field 'ratio' is of the type 'float'; a key is made of text, a whole number"),
        ("region", {"user_id": 1, "region": "x" * 497}, "it has 501 characters, at most 500 are allowed"),
        (lambda payload: 10**5000, {"user_id": 1}, "a number in it has more than 500 digits"),
        (fails, {"user_id": 1}, "the function 'fails' raised KeyError(1)"),
        (lambda _payload: {}, {"user_id": 1}, "the result of the function '<lambda>' is of the type 'dict'"),
        (lambda _payload: [[1]], {"user_id": 1}, "the result of the function '<lambda>' is of the type 'list'"),
        (lambda _payload: "\ud800", {"user_id": 1}, "has a lone surrogate"),
    ],
)  # fmt: skip
def test_a_payload_that_gives_no_key_is_refused(key: Any, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        read(key, **arguments)
    assert problem in caught.value.problem
    assert caught.value.job_type == "job"
    assert "Nothing was enqueued" in str(caught.value)


def test_the_longest_key_is_a_key() -> None:
    assert len(read("region", user_id=1, region="x" * 496)) == 500


def test_a_function_cannot_change_the_payload() -> None:
    def changes(payload: Any) -> int:
        return int(payload.pop("user_id"))

    reader = KeyReader("unique", changes, SIGNATURE, handler)
    assert reader.read('{"user_id":1}') == reader.read('{"user_id":1}') == "[1]"


class Opaque:
    """No JSON."""


def odd(user_id: int, thing: Any = Opaque()) -> None: ...  # noqa: B008  # what is tested


def test_a_default_that_is_no_json_is_not_there() -> None:
    reader = KeyReader("unique", ("thing",), Signature("odd", odd), odd)
    with pytest.raises(InvalidKey, match="no field 'thing'"):
        reader.read('{"user_id":1}')
