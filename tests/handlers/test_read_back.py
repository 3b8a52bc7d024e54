"""What arrives is what was sent, in types and keys; else it is refused at the declaration or at the enqueue."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    RootModel,
    StringConstraints,
    Tag,
    TypeAdapter,
)
from typing_extensions import TypedDict

from aiojobs_lite.errors import InvalidJobType, InvalidPayload
from aiojobs_lite.handlers.read_back import find_changed, is_exact, is_readable
from aiojobs_lite.handlers.result import Result
from aiojobs_lite.handlers.signature import Signature
from tests.helpers.payloads import handler_of, refused_type
from tests.helpers.rings import depth


class Refund(BaseModel):
    id: int
    amount: int = 0


class Charge(BaseModel):
    id: int
    amount: int = 0
    currency: str = "EUR"


class Credit(BaseModel):
    id: int
    amount: int = 0


class PartOfRefund(Refund):
    part: int = 1


@dataclass
class Move:
    x: int


@dataclass
class Step:
    x: int


@dataclass
class LongMove(Move):
    y: int = 0


class Pair(NamedTuple):
    left: int
    right: int


class Wish(TypedDict):
    what: str


class Hope(TypedDict):
    what: str


class Level(IntEnum):
    HIGH = 1


class Word(StrEnum):
    YES = "yes"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Painted:
    colour: Colour


class PaintedModel(BaseModel):
    colour: Colour


class PaintedPair(NamedTuple):
    colour: Colour
    other: Colour | None


class Names(RootModel[list[str]]):
    pass


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    _cache: dict[str, int] = PrivateAttr(default_factory=dict)
    id: int


@dataclass
class Counted:
    value: int
    seen: list[int] = field(default_factory=list, compare=False)


class Node(BaseModel):
    value: int | str
    next: Node | None = None


def kind_of(value: Any) -> str:
    name = value.get("kind") if isinstance(value, dict) else type(value).__name__
    return str(name).lower()


HUGE = 10**5000  # of more digits than Python writes
SENT = [
    (Refund | Charge, Charge(id=1, currency="USD")),
    (Refund | Charge, Refund(id=1)),
    (int | str | float | bool | None, True),
    (int | str | float | bool | None, 1),
    (int | str | float | bool | None, 1.0),
    (int | str | float | bool | None, "1"),
    (UUID | str, UUID(int=1)),
    (float | Decimal, Decimal("1.50")),
    (list[int | str], [1, "1"]),
    (dict[str, Any], {"a": [1, None, {"b": True}], "1": 1.5}),
    (dict[int, str], {1: "a"}),
    (dict[UUID, list[Refund]], {UUID(int=1): [Refund(id=1)]}),
    (Any, {"a": [1, 1.0, True, None, "x"]}),
    (str, Word.YES),
    (int, Level.HIGH),
    (Any, Level.HIGH),
    (dict[str, int], OrderedDict(a=1)),
    (Any, OrderedDict(a=1)),
    (Move | Refund, Move(3)),
    (Wish | Hope, {"what": "peace"}),
    (Pair, Pair(1, 2)),
    (Names, Names(["a"])),
    (Open, Open(id=1, more=[1, 2])),  # type: ignore[call-arg]  # what it allows
    (Counted, Counted(1)),
    (set[int | str], {1, "2"}),
    (deque[int | str], deque([1, "2"])),
    (Path | int, Path("a")),
    (Node, Node(value="1", next=Node(value=1))),
    (Node, Node(value=1)),
    (Painted, Painted(Colour.RED)),
    (PaintedModel, PaintedModel(colour=Colour.RED)),
    (PaintedPair, PaintedPair(Colour.RED, None)),
]


@pytest.mark.parametrize(("annotation", "value"), SENT)
def test_what_arrives_as_it_was_is_taken(annotation: Any, value: Any) -> None:
    signature = Signature("t", handler_of(annotation))
    _, kwargs = signature.load(signature.dump((), {"value": value}))
    assert kwargs["value"] == value
    result = Result("t", annotation)
    assert result.load(result.dump(value)) == value


@pytest.mark.parametrize(
    ("annotation", "value", "path", "problem"),
    [
        (Refund, PartOfRefund(id=1), "value", "a PartOfRefund would arrive as a Refund. Give a union of models a disc"),
        (list[Refund], [Refund(id=1), PartOfRefund(id=2)], "value.1", "a PartOfRefund would arrive as a Refund"),
        (BaseModel, Refund(id=1), "value", "a Refund would arrive as a BaseModel"),
        (Move, LongMove(1), "value", "a LongMove would arrive as a Move"),
        (Any, (1, 2), "value", "a tuple would arrive as a list"),
        (Any, {"a": {"b": {1}}}, "value.a.b", "a set would arrive as a list"),
        (Any, Refund(id=1), "value", "a Refund would arrive as a dict"),
        (Any, Pair(1, 2), "value", "a Pair would arrive as a list"),
        (dict[str, Any], {"at": date(2026, 1, 1)}, "value.at", "a date would arrive as a str"),
        (Any, Colour.RED, "value", "a Colour would arrive as a str"),
        (dict, {1: "a"}, "value.1", "its key would arrive as text"),
        (dict[int | str, int], {1: 1, "2": 2}, "value.1", "its key would arrive as text"),
        (dict[str | None, int], {None: 1}, "value.None", "its key would arrive as text"),
        (str | datetime, datetime(2026, 1, 1, tzinfo=UTC), "value", "a datetime would arrive as a str"),
        (list[int] | set[int], {1}, "value", "a set would arrive as a list"),
        (list[int] | tuple[int, ...], (1,), "value", "a tuple would arrive as a list"),
        (Open, Open(id=1, more=(1, 2)), "value.more", "a tuple would arrive as a list"),  # type: ignore[call-arg]
    ],
)
def test_what_would_arrive_as_something_else_is_refused_with_the_way_out(
    annotation: Any, value: Any, path: str, problem: str
) -> None:
    with pytest.raises(InvalidPayload, match="annotate the parameter with the type") as caught:
        Signature("t", handler_of(annotation)).dump((), {"value": value})
    ((found, message),) = caught.value.problems
    assert found == path
    assert message.startswith(problem)


@pytest.mark.parametrize(
    ("annotation", "names"),
    [
        (Refund | Credit, "a Refund or a Credit"),
        (Credit | Refund | None, "a Credit or a Refund"),
        (dict[str, list[Charge | Refund | Credit]], "a Refund or a Credit"),
        (Move | Step, "a Move or a Step"),
    ],
)
def test_a_union_of_models_that_json_cannot_tell_apart_is_refused_where_it_is_declared(
    annotation: Any, names: str
) -> None:
    problem = refused_type(handler_of(annotation))
    assert f"may be {names}, whose JSON is the same: each would be read as the first" in problem
    assert "Field(discriminator=...)" in problem
    with pytest.raises(InvalidJobType, match=r"Field\(discriminator=\.\.\.\), or declare it with keep_result=False"):
        Result("t", annotation)


def test_a_discriminator_is_the_way_out() -> None:
    class Plus(BaseModel):
        kind: Literal["plus"] = "plus"
        amount: int

    class Minus(BaseModel):
        kind: Literal["minus"] = "minus"
        amount: int

    tagged = Annotated[Annotated[Plus, Tag("plus")] | Annotated[Minus, Tag("minus")], Discriminator(kind_of)]
    signature = Signature("t", handler_of(tagged))
    assert signature.load(signature.dump((Minus(amount=1),), {})) == ((), {"value": Minus(amount=1)})


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (bytes, "has the type bytes, which JSON does not have"),
        (str | bytes, "has the type bytes, which JSON does not have"),
        (dict[str, list[bytes]], "has the type bytes, which JSON does not have"),
        (Iterable[int], "can be read only once. Use a list"),
        (type[int], "is a class, which JSON does not have. Use its name"),
    ],
)
def test_a_type_that_fails_with_some_values_is_refused_where_it_is_declared(annotation: Any, problem: str) -> None:
    assert problem in refused_type(handler_of(annotation))
    with pytest.raises(InvalidJobType, match="or declare it with keep_result=False"):
        Result("t", annotation)


def test_bytes_in_a_model_need_one_way_to_be_written_and_read() -> None:
    class Half(BaseModel):
        model_config = ConfigDict(ser_json_bytes="base64")
        data: bytes

    assert "(value.data) has the type bytes" in refused_type(handler_of(Half))


def test_a_type_whose_own_code_fails_is_refused_where_it_is_declared() -> None:
    class Failing:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: object) -> Any:
            raise KeyError("no")

    assert "cannot be stored as JSON: 'no'" in refused_type(handler_of(Failing))


# Results.


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Refund, PartOfRefund(id=1), "a PartOfRefund would arrive as a Refund"),
        (str | date, date(2026, 1, 1), "a date would arrive as a str"),
        (int, HUGE, "a number of more than 4,300 digits cannot be read back"),
        (Any, {"n": [10**5000]}, "a number of more than 4,300 digits cannot be read back"),
        (dict[str, Any], {"refund": Refund}, "another type was expected|Unable to serialize"),
    ],
    ids=range(5),
)
def test_a_result_that_would_arrive_as_something_else_is_not_kept(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Result("t", annotation).dump(value)


@pytest.mark.parametrize(
    ("annotation", "value", "arrives"),
    [
        (Any, (1, 2), [1, 2]),
        (Any, Refund(id=1), {"id": 1, "amount": 0}),
        (dict[str, Any], {"at": date(2026, 1, 1), "pair": (1, {2})}, {"at": "2026-01-01", "pair": [1, [2]]}),
        (list, [Colour.RED], ["red"]),
    ],
)
def test_a_result_of_no_annotated_type_is_read_as_plain_json(annotation: Any, value: Any, arrives: Any) -> None:
    result = Result("t", annotation)
    assert result.load(result.dump(value)) == arrives


# What is compared.


@pytest.mark.parametrize(
    "annotation",
    [int, str, bool, float, str | None, list[int], dict[str, list[date]], tuple[int, str], Wish, Decimal, Colour, UUID],
)
def test_plain_types_need_no_comparison(annotation: Any) -> None:
    assert Signature("t", handler_of(annotation))._is_exact  # noqa: SLF001  # what it costs


@pytest.mark.parametrize("annotation", [Any, Refund, int | str, dict, list, list[Any], dict[str | None, int], Open])
def test_what_may_change_is_compared(annotation: Any) -> None:
    assert not Signature("t", handler_of(annotation))._is_exact  # noqa: SLF001  # the same


@dataclass
class Extensible:
    values: tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Sealed:
    values: tuple[int, ...]
    name: str = field(default="", kw_only=True)


@final
@dataclass
class Derived:
    value: int

    def __post_init__(self) -> None:
        self.value += 1


@final
@dataclass
class Counting:
    value: int
    count: int = field(default=0, init=False)


@final
@dataclass
class Renamed:
    value: Annotated[int, Field(alias="Value")]


@final
@dataclass
class OfAnything:
    value: Any


@pytest.mark.parametrize("annotation", [Sealed, list[Sealed], Sealed | None])
def test_a_final_dataclass_of_plain_fields_needs_no_comparison(annotation: Any) -> None:
    result = Result("t", annotation)
    assert result._is_exact  # noqa: SLF001  # what it costs
    value: Any = [Sealed((1, 2), name="a")] if annotation == list[Sealed] else Sealed((1, 2), name="a")
    assert result.load(result.dump(value)) == value


@pytest.mark.parametrize("annotation", [Extensible, Derived, Counting, Renamed, OfAnything])
def test_any_other_dataclass_is_compared(annotation: Any) -> None:
    assert not Result("t", annotation)._is_exact  # noqa: SLF001  # the same


def test_a_schema_that_is_none_is_exact() -> None:
    assert is_exact("a string in a schema")


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value


class Slotted:
    __slots__ = ()


class Incomparable:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]


class Cyclic(Plain):
    """Refers to itself."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.me = self


@pytest.mark.parametrize(
    ("sent", "arrived", "found"),
    [
        (Plain(1), Plain(1), None),
        (Plain(1), Plain(2), ("value", "a int would arrive with another value")),
        (Slotted(), Slotted(), None),
        (Incomparable(), Incomparable(), None),
        (Cyclic(1), Cyclic(1), None),
        (Colour.RED, Colour.RED, None),
        (Colour.RED, Colour.BLUE, ("value", "a Colour would arrive with another value")),
        (Painted(Colour.RED), Painted(Colour.BLUE), ("colour", "a Colour would arrive with another value")),
        ([1, 2], [1], ("1", "would be lost")),
        ([1], [1, 2], ("1", "would arrive without having been sent")),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", "would arrive without having been sent")),
        ({"a": {"b": 1}}, {"a": {}}, ("a.b", "would be lost")),
        ({1}, {True}, ("value", "a set would arrive with another value")),
        (1, True, ("value", "a int would arrive as a bool")),
        (True, 1, ("value", "a bool would arrive as a int")),
        (1, 2, ("value", "a int would arrive with another value")),
    ],
)
def test_the_first_difference_is_found(sent: Any, arrived: Any, found: Any) -> None:
    assert find_changed(sent, arrived) == found


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
    ),
    lambda parts: st.one_of(st.lists(parts, max_size=3), st.dictionaries(st.text(max_size=3), parts, max_size=3)),
    max_leaves=10,
)
ODD = st.one_of(
    JSON,
    st.tuples(JSON, JSON),
    st.dictionaries(st.one_of(st.integers(), st.none(), st.booleans(), st.text(max_size=2)), JSON, max_size=3),
    st.dates(),
    st.decimals(allow_nan=False),
    st.sampled_from([Colour.RED, Level.HIGH, Refund(id=1), Charge(id=1), PartOfRefund(id=1), Move(1), Pair(1, 2)]),
    st.uuids(),
)
ANNOTATIONS = [
    Any, int | str | float | bool | None, dict[str, Any], dict[Any, Any], list[Any], Refund | Charge, UUID | str,
    tuple[Any, ...], str | date, float | Decimal, Refund | Move | dict[str, int], Pair | list[int],
]  # fmt: skip


@settings(max_examples=depth(50, 150), deadline=None)
@given(annotation=st.sampled_from(ANNOTATIONS), value=ODD)
def test_whatever_is_sent_arrives_as_it_was_validated_or_is_refused(annotation: Any, value: Any) -> None:
    signature = Signature("t", handler_of(annotation))
    try:
        stored = signature.dump((), {"value": value})
    except InvalidPayload:
        return
    _, kwargs = signature.load(stored)
    arrived = kwargs["value"]
    again = signature.dump((), {"value": arrived})
    assert signature.load(again)[1] == kwargs
    if isinstance(value, type(arrived)) or annotation is Any:
        assert arrived == value


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, True),
        (str | None, True),
        (bool, True),
        (float | None, True),
        (Annotated[str, Field(pattern="^a")], False),
        (Annotated[str, StringConstraints(to_upper=True, pattern="^a+$")], False),  # upper case does not fit again
        (Annotated[int, Field(exclude=True)], False),
        (Annotated[int, Field(gt=1)], False),
        (list[int], False),
        (int | str, False),
        (Refund, False),
        (Any, False),
    ],
    ids=str,
)
def test_the_json_of_plain_scalars_is_surely_read_back(annotation: Any, *, expected: bool) -> None:
    class Arguments(TypedDict):
        given: annotation

    assert is_readable(TypeAdapter(Arguments).core_schema) is expected


def test_only_typed_dicts_are_surely_read_back() -> None:
    assert not is_readable(TypeAdapter(int).core_schema)
