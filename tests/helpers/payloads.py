"""Types that handlers take and return, for the tests of payloads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, Secret, SecretStr, computed_field, field_validator
from typing_extensions import TypedDict

from aiojobs_lite.errors import InvalidJobType, InvalidPayload
from aiojobs_lite.handlers.signature import Signature

NAN, INFINITY = float("nan"), float("inf")
SECRET = "hunter2"
T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    article: str
    price: Decimal


class Order(BaseModel):
    id: UUID
    lines: list[Line]
    note: str | None = None


@dataclass
class Point:
    x: float
    y: float = 0.0


class Pair(NamedTuple):
    left: int
    right: str


class Wish(TypedDict):
    what: str


class Box(BaseModel, Generic[T]):
    content: T


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


class ReadAsAnother(BaseModel):
    user_id: int = Field(validation_alias="userId", serialization_alias="uid")


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int

    @computed_field
    def area(self) -> int:
        return self.width**2


class Forgetful(BaseModel):
    token: str = Field(exclude=True)


class Loose(BaseModel):
    model_config = ConfigDict(frozen=True)
    number: float | None = 0.0


class Talkative(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    number: float = 0.0


class Many(BaseModel):
    numbers: set[float] = set()
    queue: deque[float] = deque()
    pairs: tuple[tuple[str, float], ...] = ()
    named: dict[str, list[float]] = {}
    loose: frozenset[Loose] = frozenset()


@dataclass
class Measured:
    values: list[float] = field(default_factory=list)


class Raw(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    data: bytes


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Login(BaseModel):
    user: str
    password: SecretStr = SecretStr("")


@dataclass
class Account:
    logins: dict[str, list[Login]]


class Vault(BaseModel):
    opened_with: Secret[int]


class OwnSecret(SecretStr):
    pass


class OddDefault(BaseModel):
    anything: Any = object()


class Unfinished(BaseModel):
    later: NotThereYet  # type: ignore[name-defined]  # noqa: F821  # that it is missing is what is tested


class Opaque: ...


class Strict(BaseModel):
    word: str

    @field_validator("word")
    @classmethod
    def short(cls, word: str) -> str:
        if len(word) > 3:
            raise ValueError("at most 3 letters")
        return word


def refused(handler: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[tuple[str, str], ...]:
    """The problems of a call, whose text is checked for values."""
    with pytest.raises(InvalidPayload) as caught:
        Signature("t", handler).dump(args, kwargs)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or not caught.value.__context__  # a validation error shows values
    return caught.value.problems


def refused_type(handler: Callable[..., Any]) -> str:
    with pytest.raises(InvalidJobType) as caught:
        Signature("t", handler)
    assert caught.value.job_type == "t"
    return str(caught.value)


def handler_of(annotation: Any) -> Callable[..., Any]:
    """A handler with one argument, `value`, of a type."""

    def handler(value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return handler


def nested(depth: int) -> list[Any]:
    """A list in a list in a list."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value
