"""Paths into the data of an event: which of them never have a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from aiojobs_lite.events import Event
from aiojobs_lite.handlers.data_fields import explain_path


class Customer(BaseModel):
    id: int
    tags: dict[str, str] = {}


class Order(BaseModel):
    customer: Customer | None
    note: str = ""


class Invoice(BaseModel):
    number: int
    customer: Annotated[Customer, Field(description="pays")]


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


class ByBoth(Aliased):
    model_config = ConfigDict(populate_by_name=True)


class Several(BaseModel):
    user_id: int = Field(validation_alias=AliasChoices("userId", "uid"))


class Wide(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: int


class Renamed(BaseModel):
    id: int

    @model_validator(mode="before")
    @classmethod
    def rename(cls, data: Any) -> Any:
        return {"id": data["number"]}


class Typed(TypedDict):
    id: int


class OpenTyped(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # as pydantic has it

    id: int


@dataclass
class Plain:
    id: int


@pydantic_dataclass(config=ConfigDict(extra="allow"))
class OpenPlain:
    id: int


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (Any, "a.b"), (dict[str, int], "a"), (Order, "customer.id"), (Order, "customer.tags.any"), (Order, "note"),
        (Order | Invoice, "number"), (Order | Invoice | None, "customer.id"), (Order | dict[str, Any], "other"),
        (Annotated[Order, "marked"], "note"), (RootModel[Order], "note"), (Aliased, "userId"), (ByBoth, "user_id"),
        (ByBoth, "userId"), (Several, "uid"), (Wide, "other"), (Renamed, "number"), (Typed, "id"), (OpenTyped, "other"),
        (Plain, "id"), (OpenPlain, "other"), (Event[Order], "data.note"), (Event[Any], "data.any"), (Event, "data.any"),
    ],
)  # fmt: skip
def test_a_path_that_may_have_a_value_is_not_explained(kind: Any, path: str) -> None:
    assert explain_path(kind, path) is None


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        (Order, "nte", "a field of Order. Did you mean 'note'? It has 'customer', 'note'"),
        (Order, "customer.ident", "a field of Customer | None, which has 'id', 'tags'"),
        (Order, "custmer.id", "a field of Order. Did you mean 'customer.id'? It has 'customer', 'note'"),
        (Order, "custmer.x", "a field of Order, which has 'customer', 'note'"),
        (Order, "data.note", "a field of Order. Did you mean 'note'? It has 'customer', 'note'"),
        (Order | Invoice, "zzz", "a field of Order | Invoice, which has 'customer', 'note', 'number'"),
        (RootModel[Order], "zzz", "a field of RootModel[Order], which has 'customer', 'note'"),
        (Aliased, "user_id", "a field of Aliased. Did you mean 'userId'? It has 'userId'"),
        (Typed, "other", "a field of Typed, which has 'id'"),
        (Plain, "other", "a field of Plain, which has 'id'"),
        (Event[Order], "note", "a field of Event[Order]. Did you mean 'data.note'? It has 'id', 'name', 'data'"),
    ],
)  # fmt: skip
def test_a_path_that_never_has_a_value_is_explained(kind: Any, path: str, expected: str) -> None:
    assert (explain_path(kind, path) or "").startswith(expected)


def test_a_type_without_fields_says_so() -> None:
    class Nothing(BaseModel):
        pass

    assert (explain_path(Nothing, "x") or "").endswith("Nothing, which has none")
