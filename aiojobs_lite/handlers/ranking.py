"""The priority of each job of a type, by a function of the user's that is given its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from aiojobs_lite.callables import check_plain
from aiojobs_lite.errors import InvalidPayload
from aiojobs_lite.handlers.checks import check_priority
from aiojobs_lite.handlers.keys import json_defaults
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.job import PRIORITIES, Priority
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.text import show

PriorityFunction = Callable[[Mapping[str, Any]], Priority]
"""Makes the priority of a job of its arguments, plain JSON values by name."""


class Ranking:
    """Makes the priority of each job of one type.

    Args:
        function: The user's function.
        signature: The parameters of the handler.
        handler: The handler, for the defaults of its parameters.
    """

    def __init__(self, function: PriorityFunction, signature: Signature, handler: Callable[..., Any]) -> None:
        self._function = function
        self._job_type, self._shown = signature.job_type, signature.shown
        self._defaults = json_defaults(signature, handler)

    def of(self, payload: str) -> int:
        """The priority of a job.

        Raises:
            InvalidPayload: If the function fails, or returns something else.
        """
        name = getattr(self._function, "__name__", repr(self._function))
        try:
            made = self._function({**self._defaults, **from_json(arguments_of(payload))})
        except Exception as error:
            raise self._refused(name, f"the function of its priority raised {self._shown(error)}") from error
        if not isinstance(made, str) or made not in PRIORITIES:
            expected = " or ".join(map(repr, PRIORITIES))
            raise self._refused(name, f"the function of its priority returned {show(made)}: expected {expected}")
        return PRIORITIES[made]

    def _refused(self, name: str, problem: str) -> InvalidPayload:
        return InvalidPayload(self._job_type, [(name, problem)])


def priority_of_type(priority: object) -> int:
    """The priority of a type; that of one with a function is medium, where no job is at hand."""
    if callable(priority):
        check_plain("priority", priority, " or ".join(map(repr, PRIORITIES)))
        return PRIORITIES["medium"]
    return check_priority("priority", priority)
