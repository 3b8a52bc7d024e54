"""The driver of an attempt that has resources of its own: no step is given one, which ends with the attempt."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from aiojobs_lite.durable.attempt import DurableAttempt
from aiojobs_lite.durable.step import Step, miswritten
from aiojobs_lite.engine.results import PLAIN

_EXPECTED: Final = (
    "none of PerAttempt, which ends with this attempt, while the step stays done: at a suspension or a failure its "
    "rows would be rolled back for good. Let the function of step {name!r} open a session of its own, and commit it"
)


class OwningAttempt(DurableAttempt):
    """The operations of an attempt to which `PerAttempt` resources belong.

    Attributes:
        own: These resources, by the name of the parameter that gets them.
    """

    own: Mapping[str, object]

    def step(
        self, step: Step, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Coroutine[Any, Any, Any]:
        """See `DurableAttempt.step`.

        Raises:
            InvalidOption: If the step is given such a resource, or is a method of one.
        """
        for given in (*args, *kwargs.values(), getattr(function, "__self__", None)):
            if type(given) not in PLAIN and any(given is one for one in self.own.values()):
                raise miswritten("resource", given, _EXPECTED.format(name=step.name))
        return super().step(step, function, args, kwargs)
