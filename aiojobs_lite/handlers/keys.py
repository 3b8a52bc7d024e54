"""The key of a job, taken from its payload when it is enqueued: by fields, or by a function of the user's."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic_core import from_json, to_jsonable_python

from aiojobs_lite.errors import InvalidKey, InvalidOption
from aiojobs_lite.handlers.signature import Signature
from aiojobs_lite.model.keys import KeyFunction, KeySpec, Scalar, canonical
from aiojobs_lite.model.payloads import arguments_of
from aiojobs_lite.sizes import LONGEST_KEY_CHARS
from aiojobs_lite.text import show

_MISSING: Final = object()
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

    def __init__(self, option: str, key: KeySpec | None, signature: Signature, handler: Callable[..., Any]) -> None:
        self._job_type = signature.job_type
        self._function: KeyFunction | None = key if callable(key) else None
        self._fields: tuple[tuple[str, ...], ...] | None = None
        if key is not None and not callable(key):
            fields = (key,) if isinstance(key, str) else key
            self._fields = tuple(tuple(field.split(".")) for field in fields)
            for first, *_ in self._fields:
                if first not in signature.arguments:
                    takes = ", ".join(signature.arguments) or "none"
                    raise InvalidOption(option, first, f"fields of the payload of {signature.job_type!r}: {takes}")
        self._defaults = _defaults(signature, handler)

    def read(self, payload: str) -> str:
        """The key of a payload, as text.

        Raises:
            InvalidKey: If the payload has no such field, a value cannot be part of a key, the text is too long, or the
                user's function fails.
        """
        decoded: dict[str, Any] = {**self._defaults, **from_json(arguments_of(payload))}
        if self._function is not None:
            values = self._called(self._function, decoded)
        elif self._fields is not None:
            values = tuple([self._value(decoded, field) for field in self._fields])
        else:
            text = json.dumps(decoded, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            return canonical([hashlib.sha256(text.encode()).hexdigest()])
        key = canonical(values)
        if len(key) > LONGEST_KEY_CHARS:
            raise InvalidKey(self._job_type, f"it has {len(key):,} characters, at most {LONGEST_KEY_CHARS} are allowed")
        return key

    def _value(self, decoded: Mapping[str, Any], field: tuple[str, ...]) -> Scalar:
        found: Any = decoded
        for name in field:
            found = found.get(name, _MISSING) if isinstance(found, dict) else _MISSING
            if found is _MISSING:
                raise InvalidKey(self._job_type, f"the payload has no field {'.'.join(field)!r}")
        return self._checked(found, f"the field {'.'.join(field)!r}")

    def _called(self, function: KeyFunction, decoded: Mapping[str, Any]) -> tuple[Scalar, ...]:
        name = getattr(function, "__name__", repr(function))
        try:
            made: Any = function(decoded)
        except Exception as error:
            raise InvalidKey(self._job_type, f"the function {name!r} raised {show(error)}") from error
        values = made if isinstance(made, tuple) else (made,)
        return tuple([self._checked(value, f"what the function {name!r} returned") for value in values])

    def _checked(self, value: Any, what: str) -> Scalar:
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidKey(self._job_type, f"{what} has a lone surrogate") from None
            return value
        kind = type(value).__name__
        raise InvalidKey(self._job_type, f"{what} is of the type {kind!r}; a key is made of {_SCALARS}")


def _defaults(signature: Signature, handler: Callable[..., Any]) -> dict[str, Any]:
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
