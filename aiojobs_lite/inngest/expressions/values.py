"""What operators make of JSON values. A missing value is None; so is what cannot be worked out. Nothing here raises.

Besides JSON values there are datetimes and timedeltas, which functions make.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from aiojobs_lite.inngest.expressions.moments import text_of_duration, text_of_instant
from aiojobs_lite.inngest.expressions.scope import Scope

_FIRST_INTEGER: Final = -(2**63)
_INTEGERS_END: Final = 2**64  # of CEL's uint
_EXACT_AS_TEXT: Final = 10**21  # a whole number of this size or more is shown with an exponent
_COMPARABLE: Final = frozenset({str, int, float, bool, datetime, timedelta})
_NUMBERS: Final = frozenset({int, float})
_READ: Final = 10  # powers of two, of a step: characters that are compared
_BUILT: Final = 6  # that are built or searched
_DIGITS: Final = 5  # binary digits that become decimal ones

ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def is_true(value: Any) -> bool:
    """Whether a condition with this value holds: all do but null, false, 0 and the empty string."""
    return not (value is None or value == 0 or value == "")  # noqa: PLR1714  # what a set asks has a hash


def is_number(value: Any) -> bool:
    """Whether a value is a number; a boolean is none."""
    return type(value) in _NUMBERS


def equal(scope: Scope, left: Any, right: Any) -> bool:
    """Whether two values are the same; 1 and 1.0 are, 1 and true are not."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, str):
            scope.spend(len(one) >> _READ)
            if one != other:
                return False
        elif isinstance(one, list):
            if not isinstance(other, list) or len(one) != len(other):
                return False
            scope.spend(len(one))
            pairs.extend(zip(one, other, strict=True))
        elif isinstance(one, dict):
            if not isinstance(other, dict) or len(one) != len(other):
                return False
            scope.spend(len(one))
            if one.keys() != other.keys():
                return False
            pairs.extend([(one[key], other[key]) for key in one])
        elif (type(one) is bool) is not (type(other) is bool) or one != other:
            return False
    return True


def contains(scope: Scope, item: Any, container: Any) -> bool:
    """Whether a list has an item, or a map a key."""
    if isinstance(container, list):
        scope.spend(len(container))
        if isinstance(item, str):
            return item in container
        return any(equal(scope, item, one) for one in container)
    return isinstance(container, dict) and isinstance(item, str) and item in container


def ordered(sign: str, left: Any, right: Any) -> bool | None:
    """Whether one value comes before another. A missing one comes before each; of others, those of one type compare."""
    if left is None:
        return sign in ("<", "<=")
    if right is None:
        return sign in (">", ">=")
    kind, other = type(left), type(right)
    if (kind is other and kind in _COMPARABLE) or (kind in _NUMBERS and other in _NUMBERS):
        return ORDERS[sign](left, right)
    return None


def item_of(target: Any, index: Any) -> Any:
    """The item of a list or of a map; None if it has none."""
    if isinstance(target, dict):
        return target.get(index) if isinstance(index, str) else None
    if isinstance(target, list) and is_number(index) and 0 <= index < len(target) and index == int(index):
        return target[int(index)]
    return None


def added(scope: Scope, left: Any, right: Any) -> Any:
    """The sum; of a string and another value the text of both; of a missing value and another one the other."""
    if left is None or right is None:
        return right if left is None else left
    if isinstance(left, str) or isinstance(right, str):
        one, other = as_text(scope, left), as_text(scope, right)
        if one is None or other is None:
            return None
        scope.spend(len(one) + len(other) >> _BUILT)
        return one + other
    if isinstance(left, list) and isinstance(right, list):
        scope.spend(len(left) + len(right))
        return left + right
    return calculated("+", left, right)


def calculated(sign: str, left: Any, right: Any) -> Any:
    """The result of an arithmetic operation on two numbers, or on instants and durations."""
    try:
        if type(left) is int and type(right) is int:
            if not (_is_integer(left) and _is_integer(right)):
                return None
            result = _WHOLE[sign](left, right)
            return result if _is_integer(result) else None
        if is_number(left) and is_number(right):
            result = _FRACTIONS[sign](float(left), float(right))
            return result if isfinite(result) else None
        if isinstance(left, datetime | timedelta) and isinstance(right, datetime | timedelta) and sign in "+-":
            return _WHOLE[sign](left, right)
    except (ArithmeticError, TypeError, KeyError):  # no such number, no such sum, no such operation
        return None
    return None


def negative(value: Any) -> Any:
    """The number below zero."""
    return -value if is_number(value) and (type(value) is float or _is_integer(-value)) else None


def as_text(scope: Scope, value: Any) -> str | None:
    """A value as it stands in a longer text: a list and a map as JSON; None if it has no text."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _EXACT_AS_TEXT:
            return str(int(value))
        case datetime() | timedelta():
            return text_of_moment(value)
    _spend_items(scope, value)
    try:
        return built(scope, _JSON.encode(value))
    except (ValueError, RecursionError):  # a whole number of too many digits, lists too deep within each other
        return None


def _spend_items(scope: Scope, value: Any) -> None:
    """Counts the items of all lists and maps of a value, and the digits of a number, as steps."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | dict):
            scope.spend(len(one))
            waiting.extend(one if isinstance(one, list) else one.values())
        elif isinstance(one, int):
            scope.spend(one.bit_length() >> _DIGITS)


def text_of_moment(value: datetime | timedelta) -> str:
    """An instant or a duration as a string."""
    return text_of_instant(value) if isinstance(value, datetime) else text_of_duration(value)


def read(scope: Scope, text: str) -> str:
    """A text that is compared: its length counts as steps."""
    scope.spend(len(text) >> _READ)
    return text


def built(scope: Scope, text: str) -> str:
    """A text that is searched or made anew: its length counts as steps."""
    scope.spend(len(text) >> _BUILT)
    return text


def _is_integer(number: int) -> bool:
    return _FIRST_INTEGER <= number < _INTEGERS_END


def _quotient(left: int, right: int) -> int:
    return left // right if (left < 0) is (right < 0) else -(-left // right)


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


_WHOLE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _quotient, "%": _remainder,
}  # fmt: skip
_FRACTIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip

_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=text_of_moment)
