"""What a function of the user's makes of the arguments of a job: its priority, or when it may run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.callables import check_plain
from aiojobs_lite.clock import after, to_micros
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption, InvalidPayload
from aiojobs_lite.handlers.checks import check_aware
from aiojobs_lite.handlers.keys import json_defaults
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.text import show

DelayFunction = Callable[[Mapping[str, Any]], Duration | datetime]
"""Says how long from its enqueue a job may run, or when, by its arguments, plain JSON values by name."""

_EARLIEST_S: Final = -86_400.0  # a job that is due before its enqueue goes before others that wait


class ByArguments:
    """Calls a function with the arguments of each job of one type.

    Args:
        function: The user's function.
        signature: The parameters of the handler.
        handler: The handler, for the defaults of its parameters.
        what: What it gives each job, for errors.
    """

    def __init__(
        self, function: Callable[..., Any], signature: Signature, handler: Callable[..., Any], what: str
    ) -> None:
        self._function, self._what = function, what
        self._job_type, self._shown = signature.job_type, signature.shown
        self._defaults = json_defaults(signature, handler)

    def call(self, payload: str) -> Any:
        """What the function returns.

        Raises:
            InvalidPayload: If it raises.
        """
        try:
            return self._function({**self._defaults, **from_json(arguments_of(payload))})
        except Exception as error:
            raise self._refused(f"raised {self._shown(error)}") from error

    def refused(self, made: object, expected: str) -> InvalidPayload:
        """The error about what it returned."""
        return self._refused(f"returned {show(made)}: expected {expected}")

    def _refused(self, problem: str) -> InvalidPayload:
        name = getattr(self._function, "__name__", repr(self._function))
        return InvalidPayload(self._job_type, [(name, f"the function of its {self._what} {problem}")])


class Delays:
    """Says when each job of one type may run.

    Args:
        function: The user's function.
        signature: The parameters of the handler.
        handler: The handler.

    Raises:
        InvalidOption: If the function is a coroutine function.
    """

    def __init__(self, function: DelayFunction, signature: Signature, handler: Callable[..., Any]) -> None:
        check_plain("delay", function, "a duration or an aware datetime")
        self._function = ByArguments(function, signature, handler, "delay")

    def due(self, payload: str, now: int) -> int:
        """The earliest time that a job may run which is enqueued now, in microseconds.

        Raises:
            InvalidPayload: If the function fails, or returns something else.
        """
        made = self._function.call(payload)
        try:
            if isinstance(made, datetime):
                return to_micros(check_aware("delay", made))
            return after(now, seconds(made, "delay", least=_EARLIEST_S))
        except InvalidOption:
            raise self._function.refused(made, "a duration, from a day before, or an aware datetime") from None
