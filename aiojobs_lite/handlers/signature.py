"""Handlers' arguments as JSON: a schema made from the signature by pydantic, used both ways."""

from __future__ import annotations

import functools
import inspect
import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Never, NoReturn, NotRequired, Required, cast, get_args, get_type_hints

from pydantic import (
    ConfigDict,
    PydanticSchemaGenerationError,
    PydanticUserError,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict  # pydantic brings it; it needs this one below Python 3.12

from aiojobs_lite.errors import InvalidJobType, InvalidPayload, PayloadTooLarge
from aiojobs_lite.handlers.context import JobContext, injected

LARGEST_PAYLOAD = 256 * 1024  # bytes of JSON
_WAITS = "The job waits for a handler that takes them, and is looked at again at the next start."

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)
_ASTERISKS = '"**********"'  # how pydantic writes a secret that no annotation told of
_USERS_TEXT = re.compile(r"(Error calling function `[^`]*`: \w+).*")
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
        parameters, hints = _parameters(job_type, handler)
        self.takes_context = bool(parameters) and _is_context(parameters[0], hints)
        if self.takes_context:
            del parameters[0]
        self.injected: dict[str, Any] = {}
        self._positional_only: dict[str, Any] = {}  # with their defaults
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
            # By the names of the fields, and read by them: an alias of a model's own need not lead back.
            encoded = self._adapter.serializer.to_json(validated, by_alias=False, round_trip=True)
        except ValidationError as error:
            raise InvalidPayload(self.job_type, problems(error)) from None
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            raise InvalidPayload(self.job_type, [("arguments", f"cannot be stored as JSON: {_why(error)}")]) from None
        stored: str = encoded.decode()
        if _may_hide_a_number(stored):
            path = _first(_is_not_finite, _plain(self._adapter, validated))
            if path is not None:
                raise InvalidPayload(self.job_type, [(path, "must be a finite number, JSON has no other")])
        if _ASTERISKS in stored:
            path = _first(_is_secret, _plain(self._adapter, validated))
            if path is not None:
                raise InvalidPayload(self.job_type, [(path, "is a secret, which would be stored as asterisks")])
        if len(encoded) > LARGEST_PAYLOAD:
            raise PayloadTooLarge(self.job_type, len(encoded), LARGEST_PAYLOAD)
        try:
            self._adapter.validator.validate_json(encoded, by_alias=True, by_name=True)  # else it would never run
        except ValidationError as error:
            found = [(path, f"cannot be read back from JSON: {message}") for path, message in problems(error)]
            raise InvalidPayload(self.job_type, found) from None
        return stored

    def load(self, payload: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a stored payload: by position for those that the handler takes only so, else by name.

        Raises:
            InvalidPayload: If it does not fit the handler as it is now.
        """
        if len(payload) > LARGEST_PAYLOAD:  # nobody enqueued it; to decode it would hold up the event loop
            problem = f"have {len(payload):,} characters, at most {LARGEST_PAYLOAD:,} bytes are read"
            raise InvalidPayload(self.job_type, [("arguments", problem)], _WAITS)
        try:
            kwargs: dict[str, Any] = self._adapter.validator.validate_json(payload, by_alias=True, by_name=True)
        except ValidationError as error:
            raise InvalidPayload(self.job_type, problems(error), _WAITS) from None
        if not self._positional_only:
            return (), kwargs
        # Each takes its place: one that was left out must not let the next one slip into it.
        return tuple([kwargs.pop(name, default) for name, default in self._positional_only.items()]), kwargs

    def _add(self, parameter: inspect.Parameter, hints: Mapping[str, Any], fields: dict[str, Any]) -> None:
        name = parameter.name
        if parameter.kind in _REFUSED_KINDS:
            raise InvalidJobType(self.job_type, _REFUSED_KINDS[parameter.kind].format(name=name))
        hint = hints.get(name, Any)
        if parameter.default is injected:
            if name not in hints:
                raise InvalidJobType(self.job_type, f"{name} is injected by its annotation, and has none")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise InvalidJobType(self.job_type, f"{name} is injected by name; put it behind the /")
            self.injected[name] = hint
            return
        if hint is JobContext or JobContext in get_args(hint) or (name == "ctx" and name not in hints):
            raise InvalidJobType(self.job_type, f"{name}: the context comes first, as `ctx: JobContext`")
        self._names.append(name) if parameter.kind is not parameter.KEYWORD_ONLY else None
        if parameter.kind is parameter.POSITIONAL_ONLY:
            self._positional_only[name] = parameter.default
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
        shown: Any = None if annotation in {Never, NoReturn} else annotation
        advice = ", or declare it with keep_result=False"
        self._adapter = _checked(job_type, "its result", lambda: TypeAdapter(shown), advice, mode="serialization")

    def dump(self, value: Any) -> str:
        """The JSON of a value.

        Raises:
            ValueError: If it cannot be stored as JSON.
        """
        try:
            stored = self._adapter.serializer.to_json(value, warnings="error", by_alias=False, round_trip=True).decode()
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            kind = type(value).__qualname__
            raise ValueError(f"this {kind} does not fit the return annotation: {_why(error)}") from None
        if _may_hide_a_number(stored):
            path = _first(_is_not_finite, _plain(self._adapter, value))
            if path is not None:
                raise ValueError(f"{path}: must be a finite number, JSON has no other")
        return stored

    def load(self, stored: str) -> Any:
        """The value of stored JSON.

        Raises:
            ValueError: If it does not fit the annotation.
        """
        try:
            return self._adapter.validator.validate_json(stored, by_alias=True, by_name=True)
        except ValidationError as error:
            raise ValueError("; ".join(f"{path}: {message}" for path, message in problems(error, "result"))) from None


def problems(error: ValidationError, whole: str = "arguments") -> list[tuple[str, str]]:
    """Path (`whole`: of all of it) and message of each fault; never the values, which may be secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        (
            ".".join(map(str, fault["loc"])) or whole,
            "Input has none of the expected tags" if fault["type"] == "union_tag_invalid" else fault["msg"],
        )
        for fault in found
    ]


def _why(error: Exception) -> str:
    """What pydantic says of a value that it cannot write, without the value."""
    first, *more = str(error).splitlines() or [""]
    if more and first.startswith("Pydantic serializer warnings"):
        return "another type was expected"
    return _USERS_TEXT.sub(r"\1", first)


def _parameters(job_type: str, handler: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """The parameters of a function, method, partial or callable object, and its resolved annotations."""
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (ValueError, TypeError) as error:
        raise InvalidJobType(job_type, "its parameters cannot be seen; wrap it in a function of your own") from error
    annotated: Any = handler
    while isinstance(annotated, functools.partial):
        annotated = annotated.func
    if not inspect.isroutine(annotated):
        annotated = type(annotated).__call__
    try:
        return parameters, get_type_hints(annotated, include_extras=True)
    except Exception as error:  # it evaluates what somebody wrote
        problem = f"an annotation cannot be resolved: {error}. Import its names where the handler is defined"
        raise InvalidJobType(job_type, problem) from error


def _is_context(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    by_position = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return by_position and hints.get(parameter.name) is JobContext


def _adapter(job_type: str, fields: dict[str, Any]) -> TypeAdapter[Any]:
    schema = cast("Any", TypedDict("Payload", fields))  # type: ignore[operator]  # mypy knows the literal form only
    schema.__pydantic_config__ = _CONFIG
    return _checked(job_type, "an argument", lambda: TypeAdapter(schema), mode="validation")


class _Quiet(GenerateJsonSchema):
    """Says nothing of defaults that JSON cannot hold: they are left to the handler."""

    ignored_warning_kinds = GenerateJsonSchema.ignored_warning_kinds | {"non-serializable-default"}


def _checked(
    job_type: str, what: str, make: Callable[[], TypeAdapter[Any]], advice: str = "", *, mode: Any
) -> TypeAdapter[Any]:
    try:
        adapter = make()
        adapter.json_schema(mode=mode, schema_generator=_Quiet)
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        first = str(error).splitlines()[0].partition(". Set ")[0].rstrip(".")
        problem = f"{what} has a type that cannot be stored as JSON: {first}. Use a type that pydantic knows{advice}"
        raise InvalidJobType(job_type, problem) from error
    secret = _find_secret(adapter.core_schema, "")
    if secret is not None:
        what += f" ({secret})" if secret else ""
        problem = f"{what} has a secret type, which would be stored as asterisks. Use a key to look it up{advice}"
        raise InvalidJobType(job_type, problem)
    return adapter


def _find_secret(schema: Any, path: str) -> str | None:
    """The dotted path of a field that pydantic would write as asterisks, or None."""
    if isinstance(schema, dict):
        kind = schema.get("cls")
        if isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes):
            return path
        if getattr(schema.get("function"), "__name__", "") == "_serialize_secret":  # Secret[T] has no class to tell it
            return path
        if schema.get("type") == "dataclass-field":
            path = f"{path}.{schema['name']}".lstrip(".")
        fields = schema.get("fields")
        named = fields.items() if isinstance(fields, dict) else ()
        parts = [(path, part) for key, part in schema.items() if key != "fields" or not named]
        parts += [(f"{path}.{name}".lstrip("."), field) for name, field in named]
    elif isinstance(schema, list | tuple):
        parts = [(path, part) for part in schema]
    else:
        return None
    found = (_find_secret(part, where) for where, part in parts)
    return next((one for one in found if one is not None), None)


def _may_hide_a_number(stored: str) -> bool:
    """Whether pydantic may have written something for a number that JSON has not."""
    return "null" in stored or "NaN" in stored or "Infinity" in stored


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_secret(value: object) -> bool:
    return isinstance(value, Secret | SecretStr | SecretBytes)


def _first(is_bad: Callable[[object], bool], value: Any, path: str = "") -> str | None:
    """The dotted path of the first bad value, or None."""
    if is_bad(value):
        return path or "value"
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple | set | frozenset | deque):
        parts = enumerate(value)  # type: ignore[assignment]  # pairs, both
    else:
        return None
    found = (_first(is_bad, part, f"{path}.{key}".lstrip(".")) for key, part in parts)
    return next((one for one in found if one is not None), None)


def _plain(adapter: TypeAdapter[Any], value: object) -> Any:
    """A value in plain containers, its floats as they are."""
    try:
        return adapter.serializer.to_python(value, warnings=False)
    except TypeError:  # a set of models, which would be a set of dicts
        return adapter.serializer.to_python(value, mode="json", warnings=False)
