"""Handlers' arguments as JSON: a schema made from the signature by pydantic, used both ways."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, Required, cast, get_type_hints

from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict  # pydantic brings it; it needs this one below Python 3.12

from aiojobs_lite.context import JobContext, injected
from aiojobs_lite.errors import InvalidJobType, InvalidPayload, PayloadTooLarge

LARGEST_PAYLOAD = 256 * 1024  # bytes of JSON

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_REFUSED_KINDS = {
    inspect.Parameter.VAR_POSITIONAL: "*{name} cannot be stored by name; take a list instead",
    inspect.Parameter.VAR_KEYWORD: "**{name} cannot be validated; take a dict instead",
}


class Signature:
    """A handler's parameters: which come from the payload, which are injected, whether the context comes first.

    Args:
        job_type: The name of the job type, for errors.
        handler: The user's function.

    Raises:
        InvalidJobType: If a parameter cannot be stored as JSON, with the reason.
    """

    def __init__(self, job_type: str, handler: Callable[..., Any]) -> None:
        self.job_type = job_type
        parameters = list(inspect.signature(handler).parameters.values())
        try:
            hints = get_type_hints(handler, include_extras=True)
        except NameError as error:
            raise InvalidJobType(job_type, f"an annotation cannot be resolved: {error}") from error
        self.takes_context = bool(parameters) and _is_context(parameters[0], hints)
        if self.takes_context:
            del parameters[0]
        self.injected: dict[str, Any] = {}
        self._positional_only: list[str] = []
        self._names: list[str] = []
        fields: dict[str, Any] = {}
        for parameter in parameters:
            self._add(parameter, hints, fields)
        self._adapter = _adapter(job_type, fields)
        self.returns = hints.get("return", Any)

    def dump(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The payload of a call: a JSON object, argument name -> value; defaults are left to the handler.

        Raises:
            InvalidPayload: If the arguments do not fit.
            PayloadTooLarge: If they take more than 256 KiB.
        """
        given = self._by_name(args, kwargs) if args else kwargs
        try:
            validated = self._adapter.validator.validate_python(given)
            stored = self._adapter.serializer.to_json(validated)
        except ValidationError as error:
            raise InvalidPayload(self.job_type, problems(error)) from None
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            raise InvalidPayload(self.job_type, [("arguments", f"cannot be stored as JSON: {error}")]) from None
        if b"null" in stored:  # NaN and infinity are dumped as null
            _refuse_nan(self.job_type, self._adapter.serializer.to_python(validated))
        if len(stored) > LARGEST_PAYLOAD:
            raise PayloadTooLarge(self.job_type, len(stored), LARGEST_PAYLOAD)
        return stored.decode()

    def load(self, payload: str) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a stored payload: by position for those that the handler takes only so, else by name.

        Raises:
            InvalidPayload: If it does not fit the handler as it is now.
        """
        try:
            kwargs: dict[str, Any] = self._adapter.validator.validate_json(payload)
        except ValidationError as error:
            raise InvalidPayload(self.job_type, problems(error)) from None
        if not self._positional_only:
            return [], kwargs
        return [kwargs.pop(name) for name in self._positional_only if name in kwargs], kwargs

    def _add(self, parameter: inspect.Parameter, hints: Mapping[str, Any], fields: dict[str, Any]) -> None:
        name = parameter.name
        if parameter.kind in _REFUSED_KINDS:
            raise InvalidJobType(self.job_type, _REFUSED_KINDS[parameter.kind].format(name=name))
        hint = hints.get(name, Any)
        if parameter.default is injected:
            if name not in hints:
                raise InvalidJobType(self.job_type, f"{name} is injected by its annotation, and has none")
            self.injected[name] = hint
            return
        if hint is JobContext:
            raise InvalidJobType(self.job_type, f"{name}: the context comes first, as `ctx: JobContext`")
        self._names.append(name) if parameter.kind is not parameter.KEYWORD_ONLY else None
        if parameter.kind is parameter.POSITIONAL_ONLY:
            self._positional_only.append(name)
        fields[name] = Required[hint] if parameter.default is parameter.empty else NotRequired[hint]

    def _by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > len(self._names):
            problem = f"takes {len(self._names)} arguments by position, {len(args)} were given"
            raise InvalidPayload(self.job_type, [("arguments", problem)])
        given = dict(zip(self._names, args, strict=False))
        twice = given.keys() & kwargs.keys()
        if twice:
            raise InvalidPayload(self.job_type, [(name, "given twice, by position and by name") for name in twice])
        return {**given, **kwargs}


class Result:
    """What a handler returns, as JSON, both ways.

    Raises:
        InvalidJobType: If the return annotation cannot be stored as JSON.
    """

    def __init__(self, job_type: str, annotation: Any) -> None:
        self._adapter = _checked(job_type, "its result", lambda: TypeAdapter(annotation), mode="serialization")

    def dump(self, value: Any) -> str:
        """The JSON of a value.

        Raises:
            ValueError: If it cannot be stored as JSON.
        """
        try:
            return self._adapter.serializer.to_json(value, warnings="error").decode()
        except (PydanticSerializationError, RecursionError) as error:
            raise ValueError(str(error)) from error

    def load(self, stored: str) -> Any:
        """The value of stored JSON.

        Raises:
            ValueError: If it does not fit the annotation.
        """
        return self._adapter.validate_json(stored)


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """Path and message of each fault; never the values, which may be secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(map(str, fault["loc"])) or "arguments", fault["msg"]) for fault in found]


def _is_context(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    by_position = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return by_position and hints.get(parameter.name) is JobContext


def _adapter(job_type: str, fields: dict[str, Any]) -> TypeAdapter[Any]:
    schema = cast("Any", TypedDict("Payload", fields))  # type: ignore[operator]  # mypy knows the literal form only
    schema.__pydantic_config__ = _CONFIG
    return _checked(job_type, "an argument", lambda: TypeAdapter(schema), mode="validation")


def _checked(job_type: str, what: str, make: Callable[[], TypeAdapter[Any]], mode: Any) -> TypeAdapter[Any]:
    try:
        adapter = make()
        schema = adapter.json_schema(mode=mode)
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        first = str(error).splitlines()[0]
        raise InvalidJobType(job_type, f"{what} has a type that cannot be stored as JSON: {first}") from error
    if secret := _find_secret(schema, ""):
        problem = (
            f"{what} holds a secret type ({secret}), which would be stored as asterisks. Enqueue a key to look it up"
        )
        raise InvalidJobType(job_type, problem)
    return adapter


def _find_secret(schema: Any, path: str) -> str | None:
    if isinstance(schema, dict):
        if schema.get("format") == "password" and schema.get("writeOnly") is True:
            return path
        for key, part in schema.items():
            if found := _find_secret(part, key):
                return found
    elif isinstance(schema, list):
        for part in schema:
            if found := _find_secret(part, path):
                return found
    return None


def _refuse_nan(job_type: str, value: Any, path: str = "") -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidPayload(job_type, [(path or "arguments", "must be a finite number, JSON has no other")])
    if isinstance(value, dict):
        for key, part in value.items():
            _refuse_nan(job_type, part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _refuse_nan(job_type, part, f"{path}.{index}")
