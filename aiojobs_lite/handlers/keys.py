"""The key of a job, taken from its payload when it is enqueued: by fields, or by a function of the user's."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json, to_jsonable_python

from aiojobs_lite.errors import InvalidKey, InvalidOption
from aiojobs_lite.handlers.event import check_key_field, event_argument, field_of_event, known_fields
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.keys import KeyFunction, KeySpec, Scalar, canonical
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.sizes import LONGEST_KEY_CHARS

_MISSING: Final = object()
_BITS_TOO_MANY: Final = 4 * LONGEST_KEY_CHARS  # a number of more has more digits than a key has characters
_SCALARS: Final = "text, a whole number, True, False or None"


class KeyReader:
    """Takes the key from payloads of one job type.

    Args:
        option: The option that the key belongs to, for errors.
        key: What it is made of; None: of all of the payload.
        signature: The parameters of the handler.
        handler: The handler, for the defaults of its parameters.

    Raises:
        InvalidOption: If a field is no argument of the handler.
    """

    owner = "the payload"
    """What has the fields, for errors."""

    def __init__(self, option: str, key: KeySpec | None, signature: Signature, handler: Callable[..., Any]) -> None:
        self.job_type, self._shown = signature.job_type, signature.shown
        self.function: KeyFunction | None = key if callable(key) else None
        self.fields: tuple[tuple[str, ...], ...] | None = None
        if key is not None and not callable(key):
            fields = (key,) if isinstance(key, str) else key
            event = event_argument(signature)
            self.fields = tuple(tuple(field_of_event(field, event).split(".")) for field in fields)
            self.check_fields(option, self.fields, signature)
        self._defaults = json_defaults(signature, handler)

    def check_fields(self, option: str, fields: Sequence[Sequence[str]], signature: Signature) -> None:
        """Checks that the payload may have each field.

        Raises:
            InvalidOption: If it has not.
        """
        for first, *rest in fields:
            if first not in signature.arguments:
                known = known_fields(signature, first)
                wanted = f"a field of the payload of {signature.job_type!r} for {option}=, {known}"
                raise InvalidOption("key", first, wanted)
            check_key_field(".".join([first, *rest]), signature)

    def read(self, payload: str) -> str:
        """The key of a payload, as text.

        Raises:
            InvalidKey: If the payload has no such field, a value cannot be part of a key, the text is too long, or the
                user's function fails.
        """
        values = self.values({**self._defaults, **from_json(arguments_of(payload))})
        if any(isinstance(value, int) and value.bit_length() > _BITS_TOO_MANY for value in values):
            raise InvalidKey(self.job_type, f"a number in it has more than {LONGEST_KEY_CHARS} digits")
        key = canonical(values)
        if len(key) > LONGEST_KEY_CHARS:
            raise InvalidKey(self.job_type, f"it has {len(key):,} characters, at most {LONGEST_KEY_CHARS} are allowed")
        return key

    def values(self, decoded: Mapping[str, Any]) -> tuple[Scalar, ...]:
        """What the key of a payload is made of."""
        if self.function is not None:
            return self._called(self.function, decoded)
        if self.fields is not None:
            return self.values_in(decoded)
        text = json.dumps(decoded, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return (hashlib.sha256(text.encode()).hexdigest(),)

    def values_in(self, fields: Any) -> tuple[Scalar, ...]:
        """The values of the fields of the key."""
        return tuple([self._value(fields, field) for field in self.fields or ()])

    def _value(self, decoded: Any, field: tuple[str, ...]) -> Scalar:
        found = decoded
        for name in field:
            found = found.get(name, _MISSING) if isinstance(found, dict) else _MISSING
            if found is _MISSING:
                raise InvalidKey(self.job_type, f"{self.owner} has no field {'.'.join(field)!r}")
        return self._checked(found, f"the field {'.'.join(field)!r}")

    def _called(self, function: KeyFunction, decoded: Mapping[str, Any]) -> tuple[Scalar, ...]:
        name = getattr(function, "__name__", repr(function))
        try:
            made: Any = function(decoded)
        except Exception as error:
            raise InvalidKey(self.job_type, f"the function {name!r} raised {self._shown(error)}") from error
        values = made if isinstance(made, tuple | list) else (made,)
        return tuple([self._checked(value, f"the result of the function {name!r}") for value in values])

    def _checked(self, value: Any, what: str) -> Scalar:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidKey(self.job_type, f"{what} has a lone surrogate") from None
            return value
        kind = type(value).__name__
        raise InvalidKey(self.job_type, f"{what} is of the type {kind!r}; a key is made of {_SCALARS}")


def json_defaults(signature: Signature, handler: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of the arguments as JSON: a payload leaves them out. Those that are no JSON are left out, too."""
    found: dict[str, Any] = {}
    parameters = inspect.signature(handler).parameters
    for name in signature.arguments:
        default = parameters[name].default
        if default is not inspect.Parameter.empty:
            try:
                found[name] = to_jsonable_python(default, by_alias=False)
            except ValueError:
                continue
    return found
