"""Which events cancel the jobs of a type: the option `cancel_on=`, and what it makes of each job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.event import check_event_name, data_kind, event_argument, path_in_data
from aiojobs_lite.handlers.keys import json_defaults
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.event_match import EventMatch, values_at
from aiojobs_lite.model.keys import is_field
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.words import WORDS_OF_CANCELS, answers

MOST_CANCELS: Final = 5
"""Of the events that cancel the jobs of a type."""

_EXPECTED: Final = f'On("user/deleted", match="user_id"), or a list of 1 to {MOST_CANCELS} of them'
_FIELDS: Final = (
    'a field such as "user_id" or "user.id", a list of them, or a dict from the field of the event to that of the job'
)

_OTHERS: Final = "if the event names it otherwise, a dict from its field to that of the job"


@answers(WORDS_OF_CANCELS)
class On:
    """Events that cancel the unfinished jobs of a type.

    Args:
        event: Their name.
        match: The field that has the same value in the data of the event and in the job: in its arguments, or in the
            data of the event that started it. Dotted: one within another, or in full (`event.data.user_id`); several as
            a list, or as a dict from the field of the event to that of the job. None: an event cancels all of them.

    Attributes:
        event: As given.
        match: From the field of the event to that of the job.

    Raises:
        InvalidOption: If one of them cannot work.
    """

    __slots__ = ("event", "match")

    def __init__(self, event: str, *, match: str | Sequence[str] | Mapping[str, str] | None = None) -> None:
        self.event = check_event_name(event)
        self.match: Mapping[str, str] = _fields(match)

    def __repr__(self) -> str:
        return f"On({self.event!r}, match={dict(self.match)!r})" if self.match else f"On({self.event!r})"


class Cancels:
    """The events that cancel the jobs of one type.

    Args:
        given: The value of the option.
        signature: The parameters of the handler.
        handler: The handler.

    Attributes:
        given: The value of the option, as a tuple.

    Raises:
        InvalidOption: If it cannot work.
    """

    def __init__(self, given: object, signature: Signature, handler: Callable[..., Any]) -> None:
        self.given = _checked(given)
        self._event = event_argument(signature)
        self._defaults = json_defaults(signature, handler)
        fields = [field for one in self.given for field in one.match.values()]
        if self._event is not None:
            kind = data_kind(signature.hints[self._event])
            self._paths = {field: path_in_data(field, kind) for field in fields}
            return
        self._paths = {field: field for field in fields}
        for field in fields:
            if field.partition(".")[0] not in signature.arguments:
                takes = ", ".join(signature.arguments) or "none"
                wanted = f"a field of the arguments of {signature.job_type!r} ({takes}); {_OTHERS}"
                raise InvalidOption("match", field, wanted)

    def of(self, payload: str) -> tuple[EventMatch, ...]:
        """The events that cancel a job; none for a field that it does not have."""
        fields: Any = {**self._defaults, **from_json(arguments_of(payload))}
        if self._event is not None:
            fields = fields[self._event]["data"]
        found = []
        for one in self.given:
            paths = tuple(sorted(one.match))
            values = values_at(fields, [self._paths[one.match[path]] for path in paths])
            if values is not None:
                found.append(EventMatch(one.event, paths, values))
        return tuple(found)


def _checked(given: object) -> tuple[On, ...]:
    found = [given] if isinstance(given, On) else given
    if not isinstance(found, list | tuple) or not 1 <= len(found) <= MOST_CANCELS:
        raise InvalidOption("cancel_on", given, _EXPECTED)
    if not all(isinstance(one, On) for one in found):
        raise InvalidOption("cancel_on", given, _EXPECTED)
    return tuple(found)


def _fields(match: object) -> dict[str, str]:
    if match is None:
        return {}
    listed = [match] if isinstance(match, str) else match
    if isinstance(listed, list | tuple):
        listed = dict(zip(listed, listed, strict=True)) if all(map(is_field, listed)) else None
    if not isinstance(listed, dict) or not listed or not all(map(is_field, [*listed, *listed.values()])):
        raise InvalidOption("match", match, _FIELDS)
    found = {path_in_data(path): field for path, field in listed.items()}
    if len(found) < len(listed):
        raise InvalidOption("match", match, f"{_FIELDS}; each once")
    return found
