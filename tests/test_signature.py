"""Which handlers can be job types, and their results as JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Never, NoReturn
from uuid import UUID

import pytest
from pydantic import Secret, SecretBytes, SecretStr

from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.context import JobContext
from aiojobs_lite.handlers.signature import Result, Signature
from tests.helpers.payloads import (
    INFINITY,
    NAN,
    SECRET,
    Account,
    Aliased,
    Box,
    Computed,
    Login,
    Opaque,
    Order,
    OwnSecret,
    Point,
    Unfinished,
    Vault,
    handler_of,
    nested,
    refused,
    refused_type,
)

if TYPE_CHECKING:
    from fractions import Fraction


# What cannot be a job type.


@pytest.mark.parametrize(
    ("annotation", "path"),
    [
        (SecretStr, "value"),
        (SecretBytes, "value"),
        (OwnSecret, "value"),
        (Secret[int], "value"),
        (list[SecretStr | None], "value"),
        (dict[str, SecretBytes], "value"),
        (Login, "value.password"),
        (Account, "value.logins.password"),
        (Vault, "value.opened_with"),
        (Box[tuple[Login, int]], "value.content.password"),
    ],
)
def test_a_secret_is_refused_wherever_it_hides(annotation: Any, path: str) -> None:
    assert refused_type(handler_of(annotation)) == (
        f"job type 't': an argument ({path}) has a secret type, which would be stored as asterisks. "
        "Use a key to look it up"
    )


@pytest.mark.parametrize("annotation", [Opaque, Callable[[], int], Opaque | None, list[Opaque], 5])
def test_a_type_that_json_cannot_hold_is_refused(annotation: Any) -> None:
    text = refused_type(handler_of(annotation))
    assert text.startswith("job type 't': an argument has a type that cannot be stored as JSON: ")
    assert text.endswith(". Use a type that pydantic knows")
    assert "arbitrary_types_allowed" not in text


def test_a_model_that_is_not_finished_is_refused() -> None:
    assert "not fully defined" in refused_type(handler_of(Unfinished))


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


def test_a_handler_whose_parameters_cannot_be_seen_is_refused() -> None:
    handler = handler_of(int)
    handler.__dict__["__signature__"] = "nonsense"
    assert refused_type(handler) == "job type 't': its parameters cannot be seen; wrap it in a function of your own"


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
    assert signature.takes_context
    assert signature.returns is str
    assert signature.dump((3,), {}) == '{"value":3}'
    assert refused(handler, value="x")[0][0] == "value"


def test_what_a_partial_binds_by_name_becomes_a_default() -> None:
    signature = Signature("t", functools.partial(wide, prefix="a"))
    assert signature.dump((), {"value": 3}) == '{"value":3}'
    assert signature.dump((), {"value": 3, "prefix": "b"}) == '{"prefix":"b","value":3}'


# Results.


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3),
        (Any, {"a": [1, None]}),
        (Order, Order(id=UUID(int=1), lines=[])),
        (Aliased, Aliased(userId=3)),
        (Computed, Computed(width=3)),
        (list[Point], [Point(1.0)]),
        (datetime, datetime(2026, 3, 1, tzinfo=UTC)),
        (float | None, None),
    ],
)
def test_a_result_comes_back_as_it_went(annotation: Any, value: Any) -> None:
    result = Result("t", annotation)
    assert result.load(result.dump(value)) == value


@pytest.mark.parametrize("annotation", [NoReturn, Never, None])
def test_a_handler_that_never_returns_may_say_so(annotation: Any) -> None:
    assert Result("t", annotation).dump(None) == "null"


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (int, SECRET, "this str does not fit the return annotation: another type was expected"),
        (None, [SECRET], "this list does not fit the return annotation: another type was expected"),
        (Any, Opaque(), "this Opaque does not fit the return annotation: Unable to serialize unknown type: "),
        (Any, f"{SECRET}\ud800", "this str does not fit the return annotation: Error serializing to JSON: Unicode"),
        (float, NAN, "value: must be a finite number, JSON has no other"),
        (Any, {"a": [INFINITY]}, "a.0: must be a finite number, JSON has no other"),
        (Any, nested(300), "this list does not fit the return annotation: Error serializing to JSON: ValueError: "),
    ],
    ids=["wrong type", "not none", "opaque", "surrogate", "nan", "infinity", "deep"],
)
def test_a_result_that_json_cannot_hold_is_refused_without_its_value(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=r"fi(t|nite)") as caught:
        Result("t", annotation).dump(value)
    assert str(caught.value).startswith(problem)
    assert SECRET not in str(caught.value)


def test_a_stored_result_that_no_longer_fits_is_refused_without_its_value() -> None:
    with pytest.raises(ValueError, match="result") as caught:
        Result("t", int).load(f'"{SECRET}"')
    assert str(caught.value) == "result: Input should be a valid integer, unable to parse string as an integer"
    stored = json.dumps({"id": str(UUID(int=1)), "lines": [{"article": "a", "price": SECRET}]})
    with pytest.raises(ValueError, match=r"^lines\.0\.price: ") as caught:
        Result("t", Order).load(stored)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (SecretStr, "its result has a secret type"),
        (Login, r"its result \(password\) has a secret type"),
        (Opaque, "its result has a type that cannot be stored as JSON"),
    ],
)
def test_a_return_type_that_json_cannot_hold_is_refused_with_the_way_out(annotation: Any, problem: str) -> None:
    with pytest.raises(InvalidJobType, match=f"^job type 't': {problem}") as caught:
        Result("t", annotation)
    assert str(caught.value).endswith(", or declare it with keep_result=False")
