"""The priority of each job of a type, by a function of the user's that is given its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiojobs_lite.callables import check_plain
from aiojobs_lite.handlers.by_arguments import ByArguments
from aiojobs_lite.handlers.checks import check_priority
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.job import PRIORITIES, Priority

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
        self._function = ByArguments(function, signature, handler, "priority")

    def of(self, payload: str) -> int:
        """The priority of a job.

        Raises:
            InvalidPayload: If the function fails, or returns something else.
        """
        made = self._function.call(payload)
        if not isinstance(made, str) or made not in PRIORITIES:
            raise self._function.refused(made, " or ".join(map(repr, PRIORITIES)))
        return PRIORITIES[made]


def priority_of_type(priority: object) -> int:
    """The priority of a type; that of one with a function is medium, where no job is at hand."""
    if callable(priority):
        check_plain("priority", priority, " or ".join(map(repr, PRIORITIES)))
        return PRIORITIES["medium"]
    return check_priority("priority", priority)
