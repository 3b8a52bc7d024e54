"""The wait before a retry as an expression, such as `max(1000, pow(2, retried) * 100)`, in milliseconds.

It comes from outside, so nothing of it is run: it becomes a list of steps for a stack of floats. A float has a largest
value, so no power takes long; the text and its brackets are bounded.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from aiojobs_lite.errors import InvalidOption

_DAY_S = 86400.0
_SIZE = 256  # characters
_DEPTH = 16  # brackets in brackets
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]*)?|\.[0-9]+)|([a-z]+)|([-+*/(),]))")
_EXPECTED = (
    "at most 256 characters of numbers, + - * / ( ), retried, and pow, sqrt, abs, exp, floor, ceil, round, min, max, "
    "such as pow(2, retried) * 1000"
)
_Function = Callable[..., float]
_Step = float | str | tuple[_Function, int]


def _round(value: float) -> float:
    return float(math.floor(value + 0.5))


_FUNCTIONS: dict[str, tuple[_Function, int | None]] = {  # with the number of arguments; None is one or more
    "pow": (math.pow, 2), "sqrt": (math.sqrt, 1), "abs": (abs, 1), "exp": (math.exp, 1),
    "floor": (math.floor, 1), "ceil": (math.ceil, 1), "round": (_round, 1),
    "min": (lambda *values: min(values), None), "max": (lambda *values: max(values), None),
}  # fmt: skip
_SUM: dict[str, _Function] = {"+": operator.add, "-": operator.sub}
_PRODUCT: dict[str, _Function] = {"*": operator.mul, "/": operator.truediv}


@dataclass(frozen=True)
class RetryDelay:
    """How long a delivery waits before its next attempt, as QStash has it: an expression for milliseconds.

    Numbers, + - * / ( ), `retried` (retries so far: 0 before the first), and pow, sqrt, abs, exp, floor, ceil, round,
    min, max. It is parsed, and never run as code.

    Args:
        expression: The expression.

    Raises:
        InvalidOption: If the expression is malformed, too long or too deep.
    """

    expression: str
    _steps: tuple[_Step, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.__dict__["_steps"] = _Parser(self.expression).steps()  # it is frozen

    def seconds(self, retried: int) -> float | None:
        """The wait before the next retry, at most a day.

        Args:
            retried: Retries so far.

        Returns:
            Seconds, or None where the expression has no value that could be waited for (negative, not a number, too
            large, a division by zero): the default backoff holds.
        """
        stack = list[float]()
        try:
            for step in self._steps:
                if isinstance(step, tuple):
                    call, count = step
                    stack[-count:] = [float(call(*stack[-count:]))]
                    if not math.isfinite(stack[-1]):
                        return None  # here, since max(1, NaN) is 1
                else:
                    stack.append(float(retried) if isinstance(step, str) else step)
        except (ArithmeticError, ValueError):  # such as 1 / 0, pow(10, 400), sqrt(-1)
            return None
        [value] = stack
        return min(value / 1000, _DAY_S) if value >= 0 else None


class _Parser:
    """Turns the text into steps: operands first, then what is done with them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._steps = list[_Step]()
        self._depth = 0

    def steps(self) -> tuple[_Step, ...]:
        self._sum()
        if self._tokens:
            raise self._refusal()
        return tuple(self._steps)

    def _refusal(self) -> InvalidOption:
        return InvalidOption("expression", self._text, _EXPECTED)

    def _split(self) -> list[str]:
        """The tokens, the last one first."""
        text, place, found = self._text.rstrip(), 0, list[str]()
        if len(self._text) > _SIZE:
            raise self._refusal()
        while place < len(text):
            token = _TOKEN.match(text, place)
            if token is None:
                raise self._refusal()
            found.append(token[0].strip())
            place = token.end()
        return found[::-1]

    def _take(self, *wanted: str) -> str | None:
        return self._tokens.pop() if self._tokens and self._tokens[-1] in wanted else None

    def _need(self, wanted: str) -> None:
        if self._take(wanted) is None:
            raise self._refusal()

    def _sum(self) -> None:
        self._chain(_SUM, lambda: self._chain(_PRODUCT, self._signed))

    def _chain(self, operators: dict[str, _Function], operand: Callable[[], None]) -> None:
        operand()
        while sign := self._take(*operators):
            operand()
            self._steps.append((operators[sign], 2))

    def _signed(self) -> None:
        negative = False
        while sign := self._take("-", "+"):
            negative ^= sign == "-"
        self._operand()
        if negative:
            self._steps.append((operator.neg, 1))

    def _operand(self) -> None:
        word = self._tokens.pop() if self._tokens else ""
        if word == "(":
            self._within(self._sum)
        elif word == "retried":
            self._steps.append(word)
        elif word in _FUNCTIONS:
            self._need("(")
            self._within(lambda: self._call(word))
        elif any(map(str.isdecimal, word)):
            self._steps.append(float(word))
        else:
            raise self._refusal()

    def _within(self, inner: Callable[[], None]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._refusal()
        inner()
        self._need(")")
        self._depth -= 1

    def _call(self, name: str) -> None:
        function, wanted = _FUNCTIONS[name]
        self._sum()
        count = 1
        while self._take(","):
            self._sum()
            count += 1
        if wanted not in {None, count}:
            raise self._refusal()
        self._steps.append((function, count))
