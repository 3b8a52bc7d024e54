"""Events as handlers get them, and which of them a job type listens to."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar, cast, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, PydanticUserError, ValidationError
from pydantic_core import from_json

from aiojobs_lite.callables import check_plain, plain_function
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import InvalidJobType, InvalidOption
from aiojobs_lite.handlers.checks import check_text
from aiojobs_lite.handlers.data_fields import explain_path
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.event_match import EventMatch, json_values
from aiojobs_lite.model.events import fits
from aiojobs_lite.model.keys import is_field
from aiojobs_lite.text import name_of

T = TypeVar("T")
LONGEST_EVENT_NAME_CHARS: Final = 200
MOST_PATTERNS: Final = 10
"""Of the names and patterns that a job type listens to."""

_ANY: Final = "*"
_IN_FULL: Final = "event.data."
_OF_OTHERS: Final = "async.data."
_DATA: Final = "data."
_ANSWER: Final = "True or False"


def _instant(value: object) -> object:
    """As events are stored: in microseconds."""
    return to_datetime(value) if type(value) is int else value


class Event(BaseModel, Generic[T]):
    """Something that has happened, as it was sent by `runner.send`.

    Attributes:
        id: What its sender gave it, or a random one.
        name: Its name.
        data: What it says, in the type that the handler gives for it: `Event[SignedUp]`.
        sent_at: When it was sent, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)  # data may be secret

    id: str
    name: str
    data: T
    sent_at: Annotated[AwareDatetime, BeforeValidator(_instant)]


def event_of(data: type[T] | None) -> type[Event[T]]:
    """The event whose data are of a type; None: plain JSON values.

    Raises:
        InvalidOption: If it is no type that pydantic knows.
    """
    try:
        found = Event[Any] if data is None else Event[data]  # type: ignore[valid-type]  # known at run time
        return cast("type[Event[T]]", found)
    except (TypeError, PydanticUserError):
        raise InvalidOption("data", data, "the type of the event's data, such as a model") from None


@dataclass(frozen=True, slots=True)
class Listening:
    """Which events a job type listens to.

    Attributes:
        patterns: Their names, or the beginnings of names with an asterisk.
        when: Of those the ones for which this is true; None: all.
        argument: The argument of the handler that takes the event.
        kind: Its annotation.
        gathers: Whether the handler takes a list of events: one job has those of many.
    """

    patterns: tuple[str, ...]
    when: Callable[[Event[Any]], bool] | None
    argument: str
    kind: Any
    gathers: bool = False

    def starts(self, name: str, memo: str) -> bool:
        """Whether an event starts the job type. One whose data do not fit does: its job is held.

        Args:
            name: The name of the event.
            memo: The event as JSON.

        Raises:
            TypeError: If `when` returns an awaitable, which is true whatever it would say.
            Exception: What `when` raises.
        """
        if not any(fits(pattern, name) for pattern in self.patterns):
            return False
        if self.when is None:
            return True
        try:
            event = self.kind.model_validate_json(memo)
        except ValidationError:
            return True
        answer = self.when(event)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()  # else Python warns that it was never awaited
            raise TypeError(f"it returned an awaitable, and has to be {plain_function(_ANSWER)}")
        return bool(answer)

    def starts_by(self, memo: str) -> bool:
        """The same as `starts`, of an event of which only the JSON is at hand."""
        return self.starts(from_json(memo)["name"], memo)

    def payload(self, memo: str) -> str:
        """The arguments of the job that an event starts, as JSON."""
        given = f"[{memo}]" if self.gathers else memo
        return f"{{{json.dumps(self.argument)}:{given}}}"


def check_listening(
    names: Sequence[object], when: Callable[[Event[Any]], bool] | None, signature: Signature, *, gathers: bool
) -> Listening:
    """Checks what `on(...)` was given.

    Raises:
        InvalidOption: If a name or `when` cannot work.
        InvalidJobType: If the handler does not take one event, or one list of events if it gathers, and nothing else.
    """
    given = [one for name in names for one in (name if isinstance(name, list | tuple) else [name])]
    if not 1 <= len(given) <= MOST_PATTERNS:
        raise InvalidOption("names", given, f"1 to {MOST_PATTERNS} names of events")
    if when is not None and not callable(when):
        raise InvalidOption("when", when, "a function of the event that returns whether it starts the handler")
    check_plain("when", when, _ANSWER)
    patterns = tuple(dict.fromkeys([_check_pattern(one) for one in given]))
    argument, kind = _events_argument(signature) if gathers else (event_argument(signature), None)
    if argument is None:
        annotated = "`list[Event[...]]`, as it has batch=" if gathers else "`Event` or `Event[...]`"
        takes = f"it takes exactly one argument that is not injected, annotated as {annotated}"
        found = ", ".join([f"`{name}: {name_of(kind)}`" for name, kind in signature.hints.items()]) or "none"
        raise InvalidJobType(signature.job_type, f"it listens to events, so {takes}; it has {found}")
    if signature.secret:
        problem = "it listens to events, which are stored and shown as they were sent: leave out secret="
        raise InvalidJobType(signature.job_type, problem)
    return Listening(patterns, when, argument, kind or signature.hints[argument], gathers)


def field_of_event(field: str, argument: str | None) -> str:
    """A dotted field of an option as a field of the payload: of a handler of events it may begin with `event`, however
    its argument is named, or be one of the event itself, such as `data.user_id`.

    Args:
        field: The field.
        argument: The argument that takes the event, or None: then the field is one of the payload.
    """
    first, _, rest = field.partition(".")
    if argument is None or first == argument:
        return field
    if first == "event" and rest:
        return f"{argument}.{rest}"
    return f"{argument}.{field}" if first in Event.model_fields else field


def known_fields(signature: Signature, field: str) -> str:
    """What a job type has in place of a field that an option names, for the text of an error."""
    takes = ", ".join(map(repr, signature.arguments)) or "no arguments"
    if event_argument(signature) is None:
        return f"which takes {takes}"
    return f"which takes {takes}: a field in the data of the event is {f'data.{field}'!r}"


def check_key_field(field: str, signature: Signature) -> None:
    """Checks that a field of a key, one of an argument that there is, may be part of a key.

    Raises:
        InvalidOption: If it is a secret argument, or the data of the event never have it.
    """
    first, _, rest = field.partition(".")
    if first in signature.secret:
        raise InvalidOption("key", field, "an argument that is not secret: a key is stored, and shown, beside the job")
    problem = explain_path(signature.hints[first], rest) if rest and first == event_argument(signature) else None
    if problem is not None:
        raise InvalidOption("key", field, problem)


def check_event_name(name: object) -> str:
    """The name of one event."""
    if isinstance(name, Mapping) or hasattr(name, "data"):
        raise InvalidOption("name", name, "the name of the event, and behind it its data; several: `send_many([...])`")
    checked = check_text("name", name, LONGEST_EVENT_NAME_CHARS)
    if _ANY in checked:
        raise InvalidOption("name", name, f"the name of one event, without {_ANY!r}")
    return checked


def path_in_data(path: str, kind: Any = Any) -> str:
    """A dotted path of a match, as one into the data of an event. It may be given in full: `event.data.user_id`.

    Args:
        path: As given.
        kind: The type of the data, if it is known.

    Raises:
        InvalidOption: If the data never have anything there.
    """
    inner = path.removeprefix(_IN_FULL)
    rest = path.removeprefix(_OF_OTHERS).removeprefix(_DATA)
    problem = explain_path(kind, inner)
    if kind is Any and rest != path:
        own = f"{_IN_FULL}{_DATA}{rest}"
        problem = f"a field in the data of the event: {rest!r}, or {own!r} if the data have a field 'data' themselves"
    if problem is not None:
        raise InvalidOption("match", path, problem)
    return inner


def data_kind(event: Any) -> Any:
    """The type of the data of an event, of its annotation: `SignedUp` of `Event[SignedUp]`; Any: it says nothing."""
    kind = event.model_fields["data"].annotation
    return Any if isinstance(kind, TypeVar) else kind


def make_match(event: object, values: object, kind: Any = Any) -> EventMatch:
    """What an operation waits for: an event by its name, and scalars in its data by their dotted paths.

    Args:
        event: The name of the event.
        values: The scalars by their paths, or None.
        kind: The type of its data, if it is known.

    Raises:
        InvalidOption: If one of them cannot be, or never matches.
    """
    name = check_event_name(event)
    if values is None:
        return EventMatch(name)
    expected = "a dict of dotted paths into the data and the scalars there, such as {'user_id': 7}"
    if not isinstance(values, Mapping) or not values or not all(map(is_field, values)):
        raise InvalidOption("match", values, expected)
    if not all(isinstance(value, str | int | float | None) for value in values.values()):
        raise InvalidOption("match", values, expected)
    by_path = {path_in_data(path, kind): value for path, value in values.items()}
    if len(by_path) < len(values):
        raise InvalidOption("match", values, f"{expected}; each once")
    fields = tuple(sorted(by_path))
    return EventMatch(name, fields, json_values([by_path[path] for path in fields]))


def _check_pattern(pattern: object) -> str:
    checked = check_text("names", pattern, LONGEST_EVENT_NAME_CHARS)
    if _ANY in checked[:-1]:
        raise InvalidOption(
            "names", pattern, f"the name of an event, or the beginning of names with {_ANY!r} at the end"
        )
    return checked


def event_argument(signature: Signature) -> str | None:
    """The argument that takes the event, of a handler that takes one and nothing else; else None."""
    if len(signature.arguments) != 1:
        return None
    ((argument, kind),) = signature.hints.items()
    return argument if _is_event(kind) else None


def _events_argument(signature: Signature) -> tuple[str | None, Any]:
    """The argument that takes a list of events, and what annotates each; None if there is none."""
    ((argument, kind),) = signature.hints.items()  # as batch= has checked
    while get_origin(kind) is Annotated:
        kind, *_ = get_args(kind)
    (each, *_) = get_args(kind) or (None,)
    return (argument, each) if _is_event(each) else (None, None)


def _is_event(kind: Any) -> bool:
    metadata = getattr(kind, "__pydantic_generic_metadata__", {})
    return (metadata.get("origin") or kind) is Event
