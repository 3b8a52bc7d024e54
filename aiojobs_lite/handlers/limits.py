"""The limits of a job type: checked at its declaration, and the lane of each job that is enqueued."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from aiojobs_lite.errors import InvalidOption, InvalidPayload
from aiojobs_lite.handlers.event import check_key_field, event_argument, field_of_event, known_fields
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.limits import DECLARED, Declared, Fixed, Limit, Rate
from aiojobs_lite.model.limits import (
    MOST_LIMITS,
    LimitedLane,
    StoredLimit,
    full_name,
    lane_of,
    lane_text,
    meter_key,
    stored_limit,
)
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.sizes import LONGEST_LIMIT_KEY_CHARS

_MISSING: Final = object()
_INTEGERS_END: Final = 2**63
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_EXPECTED: Final = "expected text, a whole number, True, False, None, or a list of these"


class Lanes:
    """Makes the lane of each job of one type.

    Args:
        job_type: The name of the job type.
        limits: Its limits, as given to `@job(limits=...)` or `using(limits=...)`.
        signature: The handler's arguments.
        declared: Those of the type, for which `DECLARED` stands; None: it stands for none.

    Attributes:
        job_type: As given.
        given: The limits as given.
        limits: The limits.
        stored: What a store keeps of each.

    Raises:
        InvalidOption: If they contradict themselves or each other, or count by an argument that there is not.
    """

    def __init__(
        self, job_type: str, limits: object, signature: Signature, declared: Sequence[Limit | Rate] | None = None
    ) -> None:
        self.job_type = job_type
        self._defaults, self._event = signature.defaults, event_argument(signature)
        self.given = _check_limits(limits)
        self.limits = _with_declared(self.given, declared)
        self._own = [limit in self.given for limit in self.limits]
        self.stored: tuple[StoredLimit, ...] = tuple([stored_limit(limit, job_type) for limit in self.limits])
        self._names = [one.name for one in self.stored]
        twice = {name for name in self._names if self._names.count(name) > 1}
        if twice:
            raise InvalidOption("limits", limits, f"another name= for each of the limits {min(twice)!r}")
        if sum(limit.ordered for limit in self.limits) > 1:
            raise InvalidOption("limits", limits, "at most one with ordered=True")
        self._is_ordered = any(limit.ordered for limit in self.limits)
        if self._is_ordered and any(limit.counts == "jobs" for limit in self.limits):
            raise InvalidOption("limits", limits, 'no ordered=True beside a Rate with counts="jobs"')
        if self._is_ordered:
            _check_beside_ordered(self.limits)
        self._counted = list({limit.key: limit for limit in self.limits}.values())  # one for each key
        places = {limit.key: place for place, limit in enumerate(self._counted)}
        self._places = [(name, places[limit.key]) for name, limit in zip(self._names, self.limits, strict=True)]
        for limit in self.limits:
            if not callable(limit.key):
                self.check_fields(fields_of(limit.key), signature)

    def check_fields(self, fields: Collection[str], signature: Signature) -> None:
        """Checks that the handler has an argument for each field of the key of a limit.

        Raises:
            InvalidOption: If it has not.
        """
        for name in fields:
            field = field_of_event(name, self._event)
            if field.partition(".")[0] not in signature.arguments:
                known = known_fields(signature, name)
                raise InvalidOption("key", name, f"an argument of the handler of {self.job_type!r}, {known}")
            check_key_field(field, signature)

    def lane_with_limits(self, payload: str, priority: int) -> str | None:
        """The lane of a job that was enqueued with these limits in place of those of its type; None without any."""
        if not self.limits:
            return None
        lane = self.lane(payload, priority)
        meters = lane_of(lane).meters
        stored = [
            one._replace(key=meter_key(meter))
            for one, meter, is_own in zip(self.stored, meters, self._own, strict=True)
            if is_own
        ]
        return LimitedLane(lane, tuple(stored))

    def lane(self, payload: str, priority: int) -> str:
        """The lane of a job.

        Args:
            payload: Its arguments as JSON.
            priority: Its priority.

        Raises:
            InvalidPayload: If a key cannot be one; see `find_problem`.
        """
        arguments = from_json(arguments_of(payload))
        if self._defaults:
            arguments = {**self._defaults, **arguments}
        keys = [self.key(limit, arguments) for limit in self._counted]
        pairs = [(name, keys[place]) for name, place in self._places]
        return lane_text(self.job_type, priority, pairs, is_ordered=self._is_ordered)

    def key(self, limit: Limit | Rate, arguments: Mapping[str, Any]) -> Any:
        """The key by which a limit counts a job."""
        key: Any = limit.key
        if isinstance(key, str):
            value, path = self._looked_up(key, arguments), key
            if type(value) is int and -_INTEGERS_END < value < _INTEGERS_END:  # nearly always
                return value
        elif isinstance(key, Fixed):
            value, path = key.value, key.by
        elif callable(key):
            value, path = self._called(key, arguments), f"key of {full_name(limit, self.job_type)!r}"
        else:
            value, path = [self._looked_up(one, arguments) for one in key], ", ".join(key)
        problem = find_problem(value)
        if problem is not None:
            raise self._refused(path, f"is the key of a limit, and {problem}")
        return value

    def _called(self, key: Callable[[Mapping[str, Any]], Any], arguments: Mapping[str, Any]) -> Any:
        try:
            return key(arguments)
        except Exception as error:
            name = getattr(key, "__name__", "key")
            raise self._refused(name, f"the function of a limit's key raised {type(error).__name__}") from error

    def _looked_up(self, path: str, arguments: Mapping[str, Any]) -> Any:
        value: Any = arguments
        for part in (path if self._event is None else field_of_event(path, self._event)).split("."):
            value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
        if value is _MISSING:
            raise self._refused(path, "is the key of a limit, and is missing")
        return value

    def _refused(self, path: str, problem: str) -> InvalidPayload:
        return InvalidPayload(self.job_type, [(path, problem)])


def find_problem(key: object) -> str | None:
    """What a value has that no key of a limit may have; None if it can be one."""
    parts = key if isinstance(key, list | tuple) else [key]
    problem = next(filter(None, map(_problem_of, parts)), None)
    if problem is not None:
        return problem
    length = sum(len(str(part)) for part in parts) + max(len(parts) - 1, 0)  # with a comma between two
    if length > LONGEST_LIMIT_KEY_CHARS:
        return f"has {length:,} of at most {LONGEST_LIMIT_KEY_CHARS:,} characters"
    return None


def _problem_of(part: object) -> str | None:
    if isinstance(part, str):
        return None if part.isascii() or _SURROGATE.search(part) is None else "has a lone surrogate"
    if isinstance(part, int):
        return None if -_INTEGERS_END <= part < _INTEGERS_END else "has a number of more than 64 bits"
    return None if part is None else f"has a value of the type {type(part).__name__!r}: {_EXPECTED}"


def _check_limits(value: object) -> tuple[Limit | Rate | Declared, ...]:
    """Limits and rates, at most `MOST_LIMITS`, or none.

    Raises:
        InvalidOption: If they are something else.
    """
    wanted = f"a list of at most {MOST_LIMITS} of Limit and Rate"
    if not isinstance(value, list | tuple) or len(value) > MOST_LIMITS:
        raise InvalidOption("limits", value, wanted)
    if not all(isinstance(one, Limit | Rate | Declared) for one in value):
        raise InvalidOption("limits", value, wanted)
    return tuple(value)


def _with_declared(
    given: Sequence[Limit | Rate | Declared], declared: Sequence[Limit | Rate] | None
) -> tuple[Limit | Rate, ...]:
    """The limits of a job, with those of its type in the place of `DECLARED`."""
    if DECLARED in given and declared is None:
        raise InvalidOption(
            "limits", list(given), "DECLARED in using(limits=...) only: it stands for those declared here"
        )
    limits = [one for limit in given for one in ((declared or ()) if isinstance(limit, Declared) else (limit,))]
    if len(limits) > MOST_LIMITS:
        raise InvalidOption("limits", list(given), f"at most {MOST_LIMITS}, together with those of the type")
    return tuple(limits)


def _check_beside_ordered(limits: Sequence[Limit | Rate]) -> None:
    """Checks that the order of a key is one order, whatever else counts its jobs."""
    (ordered,) = [limit for limit in limits if limit.ordered]
    for limit in limits:
        if limit.key != ordered.key and not fields_of(limit.key) <= fields_of(ordered.key):
            wanted = "the key of the limit with ordered=True, or a part of it: else its jobs have no order"
            raise InvalidOption("key", limit.key, wanted)


def fields_of(key: Any) -> set[Any]:
    """The fields of a key: of a function itself, of one that is given none."""
    if isinstance(key, Fixed):
        return set()
    return {key} if isinstance(key, str) or callable(key) else set(key)
