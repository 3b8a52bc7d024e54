"""Handlers' arguments as JSON, both ways."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Base64Bytes, Field, Json, SecretStr
from starlette.requests import Request

from aiojobs_lite.errors import InvalidJobType, InvalidPayload, PayloadTooLarge
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES
from tests.helpers.payloads import (
    INFINITY,
    NAN,
    SECRET,
    Aliased,
    Box,
    Cat,
    Colour,
    Computed,
    Dog,
    Forgetful,
    Line,
    Loose,
    Many,
    Measured,
    OddDefault,
    Opaque,
    Order,
    Pair,
    Point,
    Raw,
    ReadAsAnother,
    Strict,
    Talkative,
    Wish,
    handler_of,
    nested,
    refused,
    refused_type,
)
from tests.helpers.rings import slow
from tests.helpers.waiting import unmeasured

if TYPE_CHECKING:
    from fractions import Fraction


LOOP: list[Any] = []
LOOP.append(LOOP)


def there_and_back(handler: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    signature = Signature("t", handler)
    stored = signature.dump(args, kwargs)
    json.loads(stored, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))
    return signature.load(stored)


# Round trips.


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 5),
        (int, 10**100),
        (float, 0.1),
        (str, "ä\u2028\x00\U0001f600"),
        (bool, True),
        (Base64Bytes, b"YWJj"),
        (Raw, Raw(data=b"\xff\x00")),
        (None, None),
        (str | None, None),
        (Literal["a", 3], 3),
        (datetime, datetime(2026, 3, 1, 12, 30, 0, 17, tzinfo=UTC)),
        (date, date(2026, 3, 1)),
        (timedelta, timedelta(days=2, microseconds=3)),
        (Decimal, Decimal("0.10")),
        (Colour, Colour.RED),
        (UUID, UUID(int=7)),
        (Path, Path("a/b")),
        (Order, Order(id=UUID(int=1), lines=[Line(article="pen", price=Decimal("1.20"))])),
        (Point, Point(1.5)),
        (Pair, Pair(1, "a")),
        (Wish, {"what": "peace"}),
        (Box[Point], Box[Point](content=Point(1.0, 2.0))),
        (list[Order | Point], [Point(1.0)]),
        (dict[str, tuple[int, ...]], {"a": (1, 2)}),
        (dict[int, set[str]], {1: {"a"}}),
        (Annotated[int, Field(ge=3)], 3),
        (Annotated[Cat | Dog, Field(discriminator="kind")], Dog(kind="dog")),
        (Any, {"a": [1, None, "x", {"b": 0.5}]}),
        (Aliased, Aliased(userId=3)),
        (ReadAsAnother, ReadAsAnother.model_validate({"userId": 3})),
        (Computed, Computed(width=3)),
        (Json[list[int]], "[1, 2]"),
        (OddDefault, OddDefault(anything=3)),
    ],
)
def test_an_argument_comes_back_as_it_went(annotation: Any, value: Any) -> None:
    expected = {Json[list[int]]: [1, 2], Base64Bytes: b"abc"}.get(annotation, value)
    args, kwargs = there_and_back(handler_of(annotation), value=value)
    assert args == ()
    assert kwargs == {"value": expected}
    assert type(kwargs["value"]) is type(expected)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    )
)  # fmt: skip
def test_any_json_comes_back_as_it_went(value: Any) -> None:
    assert there_and_back(handler_of(Any), value=value) == ((), {"value": value})


def test_what_is_given_is_stored_as_what_it_is_declared() -> None:
    signature = Signature("t", handler_of(Order))
    given = {"id": str(UUID(int=1)), "lines": [{"article": "pen", "price": "1.20"}]}
    stored = signature.dump((), {"value": given})
    assert json.loads(stored) == {"value": {**given, "note": None}}
    assert signature.load(stored)[1]["value"].lines[0].price == Decimal("1.20")


@pytest.mark.parametrize(
    "handler",
    [
        lambda value: None,
        lambda number=1, *, value=None: None,
        functools.partial(lambda number, value: None, 1),
    ],
)
def test_a_parameter_without_annotation_is_refused_with_what_it_may_be(handler: Callable[..., Any]) -> None:
    with pytest.raises(InvalidJobType) as caught:
        Signature("t", handler)
    name = "number" if "number" in str(caught.value) else "value"
    assert str(caught.value) == (
        f"job type 't': {name} has no annotation, by which a value is checked and stored. Write `{name}: int` or its "
        f"other type, `{name}: Any` for every JSON value, or `{name}: Smtp = injected` for the Smtp of deps="
    )

    def takes_any(value: Any) -> None: ...

    assert there_and_back(takes_any, [1, "a"]) == ((), {"value": [1, "a"]})


# How arguments find their names.


def mixed(a: int, b: int = 2, *, c: int = 3, ctx: JobContext = injected) -> None: ...


def only_by_position(a: int = 1, b: int = 2, /, c: int = 3) -> None: ...


def with_resource(a: int, point: Point = injected, b: int = 2, *, order: Order = injected) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs", "stored"),
    [
        ((1,), {}, {"a": 1}),
        ((1, 5), {}, {"a": 1, "b": 5}),
        ((1,), {"c": 4}, {"a": 1, "c": 4}),
        ((), {"c": 4, "a": 1, "b": 2}, {"a": 1, "b": 2, "c": 4}),
    ],
)
def test_arguments_are_stored_by_name_and_defaults_are_left_out(args: Any, kwargs: Any, stored: Any) -> None:
    signature = Signature("t", mixed)
    assert signature.context == "ctx"
    assert json.loads(signature.dump(args, kwargs)) == stored
    assert signature.load(json.dumps(stored)) == ((), stored)


@pytest.mark.parametrize(
    ("stored", "args", "kwargs"),
    [
        ("{}", (1, 2), {}),
        ('{"a":7}', (7, 2), {}),
        ('{"b":7}', (1, 7), {}),
        ('{"b":7,"c":8}', (1, 7), {"c": 8}),
    ],
)
def test_arguments_that_go_by_position_keep_their_places(
    stored: str, args: tuple[int, ...], kwargs: dict[str, int]
) -> None:
    assert Signature("t", only_by_position).load(stored) == (args, kwargs)
    assert Signature("t", only_by_position).dump((), json.loads(stored)) == stored


def test_the_context_is_found_by_its_annotation_wherever_it_stands() -> None:
    def first(where: JobContext, a: int) -> None: ...

    def with_default(where: JobContext = injected, a: int = 1) -> None: ...

    def second(a: int, where: JobContext) -> None: ...

    def between(a: int, where: JobContext = injected, b: int = 2) -> None: ...

    def by_name(a: int, *, where: JobContext) -> None: ...

    def documented(a: int, *, where: JobContext = injected) -> None: ...

    for handler in (first, with_default, second, between, by_name, documented):
        signature = Signature("t", handler)
        assert signature.context == "where"
        assert signature.injected == {}
        assert signature.dump((3,), {}) == '{"a":3}'
        assert signature.load('{"a":3}') == ((), {"a": 3})
    assert Signature("t", lambda: None).context is None
    assert Signature("t", handler_of(int)).context is None
    assert Signature("t", handler_of(JobContext)).dump((), {}) == "{}"


def test_a_context_that_cannot_be_given_is_refused() -> None:
    def only_by_position(ctx: JobContext, /, a: int) -> None: ...

    def twice(ctx: JobContext, a: int, again: JobContext = injected) -> None: ...

    assert refused_type(only_by_position) == "job type 't': ctx is injected by name; put it behind the /"
    assert refused_type(twice) == "job type 't': again is the context a second time, after ctx. Leave it out"


LEFT_OUT = "(what is injected is left out)"
INJECTED = "is injected: the runner fills it, so leave it out of the call"


def test_injected_parameters_are_no_part_of_the_payload() -> None:
    signature = Signature("t", with_resource)
    assert signature.injected == {"point": Point, "order": Order}
    assert signature.dump((1, 5), {}) == '{"a":1,"b":5}'
    assert refused(with_resource, 1, point=Point(1.0)) == (("point", INJECTED),)
    assert refused(with_resource, 1, order=None) == (("order", INJECTED),)
    assert refused(mixed, 1, ctx=None) == (("ctx", INJECTED),)
    assert refused(mixed, 1, 2, None) == (("arguments", f"takes 2 arguments by position {LEFT_OUT}, 3 were given"),)


def test_an_injected_parameter_without_annotation_is_refused() -> None:
    def handler(smtp=injected) -> None: ...  # type: ignore[no-untyped-def]  # as untyped code has it

    expected = "job type 't': smtp is injected by its annotation, and has none. Write `smtp: Smtp = injected`"
    assert refused_type(handler) == expected


def test_an_injected_parameter_that_cannot_be_named_is_refused() -> None:
    def handler(smtp: Opaque = injected, /) -> None: ...

    assert refused_type(handler) == "job type 't': smtp is injected by name; put it behind the /"


def test_star_arguments_are_refused() -> None:
    def stars(*users: int) -> None: ...

    def more(**options: int) -> None: ...

    assert refused_type(stars) == "job type 't': *users cannot be stored by name; take a list instead"
    assert refused_type(more) == "job type 't': **options cannot be validated; take a dict instead"


# What does not fit.


@pytest.mark.parametrize(
    ("args", "kwargs", "problems"),
    [
        ((), {}, [("a", "Field required")]),
        ((), {"a": 1, "emial": 2}, [("emial", "Extra inputs are not permitted")]),
        ((1, 2, 3), {}, [("arguments", f"takes 2 arguments by position {LEFT_OUT}, 3 were given")]),
        ((1,), {"a": 1}, [("a", "given twice, by position and by name")]),
        ((SECRET,), {}, [("a", "Input should be a valid integer, unable to parse string as an integer")]),
        ((None,), {}, [("a", "Input should be a valid integer")]),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_is_refused_with_every_fault(args: Any, kwargs: Any, problems: Any) -> None:
    assert sorted(refused(mixed, *args, **kwargs)) == problems


def test_the_path_to_a_fault_is_shown_and_never_its_value() -> None:
    order = {"id": SECRET, "lines": [{"article": "pen", "price": 1}, {"article": "ink", "price": SECRET}]}
    assert [path for path, _ in refused(handler_of(Order), value=order)] == ["value.id", "value.lines.1.price"]


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Literal["a"], SECRET, "Input should be 'a'"),
        (Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": SECRET}, "Input has none of the expected tags"),
        (Strict, {"word": SECRET}, "Value error, at most 3 letters"),
        (Colour, SECRET, "Input should be 'red'"),
        (Decimal, "NaN", "Input should be a finite number"),
        (str, f"{SECRET}\ud800", "cannot be stored as JSON: Error serializing to JSON: UnicodeEncodeError"),
        (Any, {f"{SECRET}\ud800": 1}, "cannot be stored as JSON: Error serializing to JSON: UnicodeEncodeError"),
        (Any, Opaque(), "cannot be stored as JSON: Unable to serialize unknown type"),
        (list[int], [SECRET], "Input should be a valid integer"),
        (Any, [10**5000], "has a number of more than 4,300 digits, which cannot be read back: pass it as text"),
        (Forgetful, Forgetful(token=SECRET), "cannot be read back from JSON: Field required"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_the_reason(annotation: Any, value: Any, problem: str) -> None:
    ((_, message),) = refused(handler_of(annotation), value=value)
    assert message.startswith(problem)


@pytest.mark.parametrize("value", ["\ud800", [1, 10**5000]], ids=["surrogate", "huge"])
def test_what_cannot_be_written_is_named(value: Any) -> None:
    ((path, _),) = refused(handler_of(Any), value={"deep": value})
    assert path == ("value.deep.1" if isinstance(value, list) else "value.deep")


def test_an_argument_that_is_close_to_another_one_is_asked_for() -> None:
    problem = "the handler has no such argument; perhaps 'value'"
    assert ("values", problem) in refused(handler_of(int), values=3)


@pytest.mark.parametrize("annotation", [int, str, list[int], int | None, Cat])
@pytest.mark.parametrize("value", [Request({"type": "http", "path": SECRET}), Opaque()])
def test_an_object_of_the_application_is_refused_with_what_is_to_be_passed(annotation: Any, value: Any) -> None:
    (_, message), *_ = refused(handler_of(annotation), value=value)
    advice = "pass what identifies it, such as its id, and let the handler look it up"
    assert message.endswith(f", not a {type(value).__name__}: {advice}")
    assert SECRET not in message


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Opaque(), "value"),
        ({"order": [1, Opaque()]}, "value.order.1"),
        (lambda: 1, "value"),
        (Box[Any](content=Opaque()), "arguments"),
        ([Box[Any](content=Opaque()), LOOP], "arguments"),
    ],
)
def test_an_object_in_a_parameter_that_takes_anything_is_found(value: Any, path: str) -> None:
    ((found, message),) = refused(handler_of(Any), value=value)
    assert found == path
    assert message.startswith("cannot be stored as JSON: Unable to serialize unknown type: <class '")
    assert message.endswith(">: pass what identifies it, such as its id, and let the handler look it up")


@pytest.mark.parametrize("value", [{"a": 1}, [1], b"\xff", Decimal("1.5"), Cat(kind="cat"), None, int])
def test_data_of_another_type_has_no_such_advice(value: Any) -> None:
    ((_, message),) = refused(handler_of(int), value=value)
    assert "identifies" not in message


@pytest.mark.parametrize("depth", [220, 300, 100_000])
def test_what_is_nested_too_deeply_to_be_read_again_is_refused(depth: int) -> None:
    ((path, message),) = refused(handler_of(Any), value=nested(depth))
    assert path == "arguments"
    assert "depth" in message or "recursion limit" in message


def test_what_is_nested_deeply_enough_to_be_read_again_is_taken() -> None:
    assert there_and_back(handler_of(Any), value=nested(150)) == ((), {"value": nested(150)})


def test_what_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    ((_, message),) = refused(handler_of(Any), value=loop)
    assert "Circular reference" in message


# Numbers that JSON does not have.


@pytest.mark.parametrize("number", [NAN, INFINITY, -INFINITY])
@pytest.mark.parametrize(
    ("annotation", "make", "path"),
    [
        (float, lambda number: number, "value"),
        (float | None, lambda number: number, "value"),
        (list[float], lambda number: [1.0, number], "value.1"),
        (dict[str, float], lambda number: {"a": number}, "value.a"),
        (Point, lambda number: Point(1.0, number), "value.y"),
        (Measured, lambda number: Measured([number]), "value.values.0"),
        (Loose, lambda number: Loose(number=number), "value.number"),
        (Talkative, lambda number: Talkative(number=number), "value.number"),
        (Many, lambda number: Many(numbers={number}), "value.numbers.0"),
        (Many, lambda number: Many(queue=deque([number])), "value.queue.0"),
        (Many, lambda number: Many(pairs=(("a", number),)), "value.pairs.0.1"),
        (Many, lambda number: Many(named={"a": [number]}), "value.named.a.0"),
        (Many, lambda number: Many(loose=frozenset([Loose(number=number)])), "value.loose.0.number"),
        (Any, lambda number: number, "value"),
        (Any, lambda number: [{"a": (1, number)}], "value.0.a.1"),
        (Any, lambda number: {number}, "value.0"),
        (Any, lambda number: {"a": Loose(number=number)}, "value.a.number"),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_nan_and_infinity_are_refused_wherever_they_are(
    annotation: Any, make: Callable[[float], Any], path: str, number: float
) -> None:
    ((found, message),) = refused(handler_of(annotation), value=make(number))
    assert found == path
    assert "finite number" in message


def test_an_honest_none_next_to_numbers_is_taken() -> None:
    value = {"none": None, "text": "null NaN Infinity", "numbers": [0.5, None], "loose": {"number": None}}
    assert there_and_back(handler_of(Any), value=value) == ((), {"value": value})
    many = Many(loose=frozenset([Loose(number=None)]))
    assert there_and_back(handler_of(Many), value=many) == ((), {"value": many})


# How big.


def test_a_payload_may_have_256_kib_and_no_byte_more() -> None:
    assert LARGEST_PAYLOAD_BYTES == 262_144
    signature = Signature("t", handler_of(str))
    space = LARGEST_PAYLOAD_BYTES - len('{"value":""}')
    assert len(signature.dump((), {"value": "x" * space})) == LARGEST_PAYLOAD_BYTES
    with pytest.raises(PayloadTooLarge) as caught:
        signature.dump((), {"value": "x" * (space + 1)})
    assert (caught.value.size, caught.value.limit) == (LARGEST_PAYLOAD_BYTES + 1, LARGEST_PAYLOAD_BYTES)


def test_the_size_of_a_payload_is_that_of_its_bytes() -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        Signature("t", handler_of(str)).dump((), {"value": "ä" * 131_072})
    assert caught.value.size == 262_144 + len('{"value":""}')


# Stored payloads.


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        ("{}", ("a", "Field required")),
        ('{"a":"x"}', ("a", "Input should be a valid integer, unable to parse string as an integer")),
        ('{"a":1,"old":2}', ("old", "Extra inputs are not permitted")),
        ("[]", ("arguments", "Input should be an object")),
        ("nonsense", ("arguments", "Invalid JSON: expected ident at line 1 column 2")),
    ],
)
def test_a_stored_payload_that_no_longer_fits_differs_from_a_wrong_call(stored: str, problem: tuple[str, str]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        Signature("t", mixed).load(stored)
    assert caught.value.problems == (problem,)
    assert str(caught.value).endswith(
        "The job waits for a handler that takes them: each runner looks again every few seconds."
    )
    assert "enqueued" not in str(caught.value)


def test_a_stored_payload_that_is_too_long_is_not_read() -> None:
    with pytest.raises(InvalidPayload, match="arguments: have 1,001 characters, at most 1,000 bytes are read"):
        Signature("t", mixed, 1_000).load("x" * 1_001)


@pytest.mark.parametrize("annotation", [Any, object, dict[str, Any]])
def test_a_secret_that_no_annotation_tells_of_is_refused(annotation: Any) -> None:
    problem = refused(handler_of(annotation), {"password": SecretStr(SECRET)})
    assert problem == (("value.password", "is a secret, which would be stored as asterisks"),)
    Signature("t", handler_of(annotation)).dump(({"password": "**********"},), {})  # asterisks of the user's own


def test_a_context_without_its_annotation_is_refused() -> None:
    def bare(ctx, n: int) -> None: ...  # type: ignore[no-untyped-def]  # what is tested

    def optional(context: JobContext | None, n: int) -> None: ...

    problem = "the context is found by its annotation, which is JobContext alone: `ctx: JobContext = injected`"
    assert refused_type(bare) == f"job type 't': ctx: {problem}"
    assert refused_type(optional) == f"job type 't': context: {problem}"


# Annotations that cannot be resolved.


def for_type_checkers_only(value: Fraction) -> None: ...


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (for_type_checkers_only, "name 'Fraction' is not defined"),
        (handler_of("1 +"), "Forward reference must be an expression -- got '1 +'"),
        (handler_of("Opaque.Nothing"), "type object 'Opaque' has no attribute 'Nothing'"),
    ],
)
def test_an_annotation_that_cannot_be_resolved_is_refused(handler: Callable[..., Any], why: str) -> None:
    assert refused_type(handler) == (
        f"job type 't': an annotation cannot be resolved: {why}. Import its names where the handler is defined"
    )


def test_a_handler_whose_parameters_cannot_be_read_is_refused() -> None:
    handler = handler_of(int)
    handler.__dict__["__signature__"] = "nonsense"
    assert refused_type(handler) == "job type 't': its parameters cannot be read; wrap it in a function of your own"


# Other callables.


class Sender:
    def __call__(self, ctx: JobContext, value: int) -> str:
        return ""

    def method(self, ctx: JobContext, value: int) -> str:
        return ""


def wide(ctx: JobContext, prefix: str, value: int) -> str:
    return ""


@pytest.mark.parametrize(
    "handler",
    [Sender(), Sender().method, functools.partial(Sender()), functools.partial(Sender().method)],
    ids=["object", "method", "partial of an object", "partial of a method"],
)
def test_other_callables_have_a_signature_too(handler: Callable[..., Any]) -> None:
    signature = Signature("t", handler)
    assert signature.context == "ctx"
    assert signature.returns is str
    assert signature.dump((3,), {}) == '{"value":3}'
    assert refused(handler, value="x")[0][0] == "value"


def test_what_a_partial_binds_by_name_becomes_a_default() -> None:
    signature = Signature("t", functools.partial(wide, prefix="a"))
    assert signature.dump((), {"value": 3}) == '{"value":3}'
    assert signature.dump((), {"value": 3, "prefix": "b"}) == '{"prefix":"b","value":3}'


@slow
def test_the_first_enqueue_imports_nothing() -> None:
    """While a thread imports, a fork of another leaves the lock of that import locked in the forked process."""
    source = """
import builtins
from aiojobs_lite import job

@job
async def note(text: str) -> None: ...

imported, load = [], builtins.__import__
builtins.__import__ = lambda name, *args, **kwargs: (imported.append(name), load(name, *args, **kwargs))[1]
note.bind("x")
print(imported)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env=unmeasured(), timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
