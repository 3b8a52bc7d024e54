"""What an event says: what would arrive as another value is refused, as in a payload."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr

from aiojobs_lite import InvalidPayload
from aiojobs_lite.errors import InvalidEvent
from aiojobs_lite.handlers.event_data import JsonText, dump_data
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.sizes import MOST_DIGITS


class Paid(BaseModel):
    at: datetime
    amount: Decimal
    tags: set[str] = set()
    user: int = Field(0, alias="userId")


@dataclass
class Left:
    user: UUID
    why: float | None = None


class Colour(Enum):
    RED = "red"


CHANGED: list[Any] = [
    {1}, (1, 2), b"bytes", Decimal("1.1"), {1: 2}, date(2026, 1, 1), UUID(int=1), Colour.RED, frozenset("a"),
    Left(UUID(int=1)), [{"deep": {"er": (1,)}}],
]  # fmt: skip


def nothing(data: dict[str, Any]) -> None: ...


@pytest.mark.parametrize("value", CHANGED, ids=repr)
def test_what_would_arrive_as_another_value_is_refused_as_in_a_payload(value: Any) -> None:
    with pytest.raises(InvalidPayload) as refused:
        Signature("nothing", nothing).dump(({"a": value},), {})
    ((path, problem),) = refused.value.problems
    advice = "Send JSON values (dicts with text as keys, lists, text, numbers), or a model that declares the type."
    with pytest.raises(InvalidEvent, match=re.escape(f"event 'a/b' was not sent: {path}: {problem}. {advice}")):
        dump_data("a/b", {"a": value})


@pytest.mark.parametrize("data", [{"a": [math.nan]}, {"a": [-math.inf]}])
def test_a_number_that_json_has_not_is_refused(data: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"data\.a\.0 must be a finite number, .*or send None or text in its place"):
        dump_data("a/b", data)


def test_what_a_model_or_a_dataclass_hides_or_loses_is_refused() -> None:
    class Login(BaseModel):
        password: SecretStr

    with pytest.raises(InvalidEvent, match=r"data\.password is a secret, which would be stored as asterisks"):
        dump_data("a/b", Login(password=SecretStr("open")))
    with pytest.raises(InvalidEvent, match=r"data\.why must be a finite number"):
        dump_data("a/b", Left(UUID(int=1), math.nan))


def test_a_number_of_very_many_digits_is_refused_and_text_of_as_many_is_not() -> None:
    with pytest.raises(
        InvalidEvent, match=r"a number of more than 4,300 digits, which cannot be read back\. Send it as text"
    ):
        dump_data("a/b", {"a": 10**MOST_DIGITS})
    digits = "1" * (MOST_DIGITS + 1)
    assert dump_data("a/b", {"a": digits}) == f'{{"a":"{digits}"}}'


def test_an_object_is_named_by_its_place() -> None:
    with pytest.raises(
        InvalidEvent, match=r"data\.a\.0 cannot be stored as JSON: .*'object'>: pass what identifies it"
    ):
        dump_data("a/b", {"a": [object()]})
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidEvent, match=r"was not sent: data cannot be stored as JSON"):
        dump_data("a/b", {"a": loop})


@pytest.mark.parametrize(
    ("data", "stored"),
    [
        (None, "{}"),
        ({"a": [1, 1.5, True, None, "x", {"b": []}]}, '{"a":[1,1.5,true,null,"x",{"b":[]}]}'),
        (
            Paid(at=datetime(2026, 1, 1, tzinfo=UTC), amount=Decimal("1.10"), tags={"a"}, userId=7),
            '{"at":"2026-01-01T00:00:00Z","amount":"1.10","tags":["a"],"userId":7}',
        ),
        (Left(UUID(int=1)), '{"user":"00000000-0000-0000-0000-000000000001","why":null}'),
    ],
    ids=["nothing", "JSON", "model", "dataclass"],
)
def test_json_values_models_and_dataclasses_are_stored(data: Any, stored: str) -> None:
    assert dump_data("a/b", data) == stored


def test_what_is_json_already_is_stored_word_for_word_up_to_the_same_size() -> None:
    text = JsonText('{"a": 1.0,"b":"\\u00e9"}')
    assert dump_data("paid", text) == text
    assert type(dump_data("paid", text)) is str
    with pytest.raises(InvalidEvent, match="its data have 24 bytes, at most 23 are stored"):
        dump_data("paid", JsonText('{"a": "' + "é" * 7 + '1"}'), 23)
