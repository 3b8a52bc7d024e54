"""What a function may invoke: the functions of all apps, and job types of Python, as those of an app `native`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiojobs_lite.handlers.job_type import Enqueueable
from aiojobs_lite.inngest.operations import Functions
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.runner.children import Children

NATIVE: Final = "native"
"""The app whose functions the job types of Python are."""

_BESIDES: Final = "_inngest"


class Invocables:
    """Makes the jobs that functions invoke.

    Args:
        functions: The functions of apps.
        children: Makes jobs of Python's job types.
        natives: The job types that functions may invoke.
    """

    def __init__(self, functions: Functions, children: Children, natives: Iterable[Enqueueable[..., Any]]) -> None:
        self._functions = functions
        self._children = children
        self._natives = {f"{NATIVE}-{one.job_type.name}": one for one in natives}

    def invoked(self, function_id: str, memo: str) -> Candidate | None:
        """See `Functions`. Of a job type of Python the data of the event are the arguments; a listener gets the event.

        Raises:
            InvalidPayload: If the data do not fit the handler.
        """
        native = self._natives.get(function_id)
        if native is None:
            return self._functions.invoked(function_id, memo)
        event = json.loads(memo)
        event["data"].pop(_BESIDES, None)
        return self._children.candidate(native, (), _arguments(native, event))


def _arguments(native: Enqueueable[..., Any], event: Mapping[str, Any]) -> Mapping[str, Any]:
    listening = native.job_type.listening
    if listening is None:
        data: Mapping[str, Any] = event["data"]
        return data
    return {listening.argument: [event] if listening.gathers else event}
