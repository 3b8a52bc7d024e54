"""Functions of apps by their ids, for `ctx.invoke` of a handler in Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from typing_extensions import TypeVar

from aiojobs_lite.durable.step import miswritten
from aiojobs_lite.handlers.event_data import dump_data
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.reference import JobReference
from aiojobs_lite.inngest.events import memo_text
from aiojobs_lite.inngest.flow import LARGEST_EVENT_BYTES
from aiojobs_lite.inngest.ids import fresh
from aiojobs_lite.inngest.run_events import EVENT, EVENTS, INVOKED

R = TypeVar("R", default=Any)
_DATA: Final = "data"
_MICROS: Final = 1_000  # in a millisecond


def reference_function(function_id: str, returns: type[R] | None = None) -> JobReference[..., R]:
    """A function of an app by its id, for `ctx.invoke(name, reference, data={...})`.

    Args:
        function_id: The composite id, `<app>-<function>`. The app need not be registered yet.
        returns: What the function returns, such as a model; None: plain JSON values.

    Raises:
        InvalidOption: If it cannot be an id.
        InvalidJobType: If what it returns cannot be stored as JSON.
    """
    return _FunctionReference(function_id, Any if returns is None else returns)


class _FunctionReference(JobReference[..., R]):
    __slots__ = ()

    def payload(self, job_type: JobType[..., Any], now: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """See `JobReference`: the one argument is what the event says that the function gets."""
        argument = job_type.signature.arguments[:1]
        if argument not in ((EVENT,), (EVENTS,)):
            raise miswritten(
                "function_id", self.name, "the id of a function of an app; a job type is invoked by itself"
            )
        given = [*args, *kwargs.values()]
        if len(given) > 1 or not kwargs.keys() <= {_DATA}:
            raise miswritten(_DATA, given, "one object, as in ctx.invoke(name, reference, data={...})")
        data = json.loads(dump_data(INVOKED, given[0] if given else None, LARGEST_EVENT_BYTES))
        memo = memo_text({"id": fresh(now // _MICROS), "name": INVOKED, "data": data}, now)
        return f'{{"{EVENT}":{memo}}}' if argument == (EVENT,) else f'{{"{EVENTS}":[{memo}]}}'
