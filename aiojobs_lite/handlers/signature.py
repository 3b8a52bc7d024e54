"""Handlers' arguments as JSON: a schema made from the signature by pydantic, used both ways."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Final, NotRequired, Required, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict  # pydantic brings it; it needs this one below Python 3.12

from aiojobs_lite.errors import InvalidJobType, InvalidPayload, PayloadTooLarge
from aiojobs_lite.handlers.context import AttemptContext, injected
from aiojobs_lite.handlers.habits import explain_argument
from aiojobs_lite.handlers.json_types import (
    adapt,
    explain_call,
    find_huge_number,
    find_lost,
    has_huge_number,
    list_problems,
    make_adapter,
)
from aiojobs_lite.handlers.read_back import find_changed, is_exact, is_readable
from aiojobs_lite.model.payloads import arguments_of, secret_in, version_of
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES, MOST_DIGITS
from aiojobs_lite.text import show

WAITS: Final = "The job waits for a handler that takes them: each runner looks again every few seconds."
"""What becomes of a stored payload that does not fit."""

FIX: Final = "Nothing was enqueued: fix the call."
_ANNOTATE: Final = "Nothing was enqueued: annotate the parameter with the type that the handler is to be given."

_HUGE: Final = f"has a number of more than {MOST_DIGITS:,} digits, which cannot be read back: pass it as text"
_NO_ANNOTATION: Final = object()
_UNANNOTATED: Final = (
    "{name} has no annotation, by which a value is checked and stored. Write `{name}: int` or its other type, "
    "`{name}: Any` for every JSON value, or `{name}: Smtp = injected` for the Smtp of deps="
)
_CONTEXT: Final = "`ctx: JobContext = injected`"
_CONFIG: Final = ConfigDict(extra="forbid", allow_inf_nan=False)
_REFUSED_KINDS: Final = {
    inspect.Parameter.VAR_POSITIONAL: "*{name} cannot be stored by name; take a list instead",
    inspect.Parameter.VAR_KEYWORD: "**{name} cannot be validated; take a dict instead",
}


class Signature:
    """A handler's parameters: which come from the payload, and which the runner fills.

    Attributes:
        job_type: The name of the job type.
        largest: Most bytes of a payload.
        context: The name of the parameter for the context, or None.
        context_class: Its annotation, of which the context is made.
        injected: Name and annotation of each other injected parameter.
        arguments: The names of those that come from the payload.
        hints: Their annotations.
        defaults: What the handler has for those of them that a call may leave out.
        returns: The annotation of what the handler returns.
        version: The version of its payloads.
        secret: The names of those arguments that are secret.
        is_marked: Whether its payloads say one of both.

    Args:
        job_type: The name of the job type, for errors.
        handler: The user's function.
        largest: Most bytes of a payload.
        reads_return: Whether the annotation of what it returns is needed; if not, it need not be there at run time.

    Raises:
        InvalidJobType: If a parameter cannot be stored as JSON, with the reason.
    """

    version = 1
    secret: tuple[str, ...] = ()
    is_marked = False

    def __init__(
        self,
        job_type: str,
        handler: Callable[..., Any],
        largest: int = LARGEST_PAYLOAD_BYTES,
        *,
        reads_return: bool = True,
    ) -> None:
        self.job_type = job_type
        self.largest = largest
        self._handler_name: str = getattr(handler, "__name__", "job_type")
        parameters, hints = _parameters(job_type, handler, reads_return=reads_return)
        self.context: str | None = None
        self.context_class: type[AttemptContext] = AttemptContext
        self.injected: dict[str, Any] = {}
        self._positional_only: dict[str, Any] = {}  # with their defaults
        self._names: list[str] = []
        self.defaults: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for parameter in parameters:
            self._add(parameter, hints, fields)
        self.arguments = tuple(fields)
        self.hints: dict[str, Any] = {name: hints[name] for name in fields}
        self._adapter = _adapter(job_type, fields)
        self._is_exact = is_exact(self._adapter.core_schema)
        self._is_readable = is_readable(self._adapter.core_schema)
        self.returns = hints.get("return", Any)
        _check_call(job_type, handler, parameters)

    def dump(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """The payload of a call: a JSON object, argument name -> value; defaults are left to the handler.

        Raises:
            InvalidPayload: If the arguments do not fit.
            PayloadTooLarge: If they take more bytes than the job type allows.
        """
        given = self._by_name(args, kwargs) if args else kwargs
        try:
            validated = self._adapter.validator.validate_python(given)
            # By the names of the fields, and read by them: an alias of a model's own need not lead back.
            encoded = self._adapter.serializer.to_json(validated, by_alias=False, round_trip=True)
        except ValidationError as error:
            problems = list_problems(error, explain_extra=self._explain_extra, is_call=True)
            raise self.refused(problems) from None
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            raise self.refused([explain_call(error, validated)]) from None
        stored: str = encoded.decode()
        lost = find_lost(self._adapter, validated, stored)
        if lost is not None:
            raise self.refused([lost])
        if len(encoded) > self.largest:
            raise PayloadTooLarge(self.job_type, len(encoded), self.largest)
        if self._is_readable and len(encoded) <= MOST_DIGITS:  # nearly always
            return stored
        try:
            arrived = self._adapter.validator.validate_json(encoded, by_alias=True, by_name=True)
        except ValidationError as error:
            found = [(path, f"cannot be read back from JSON: {message}") for path, message in list_problems(error)]
            if has_huge_number(encoded):
                found = [(find_huge_number(validated) or "arguments", _HUGE)]
            raise self.refused(found) from None  # it would never run
        changed = None if self._is_exact else find_changed(validated, arrived)
        if changed is not None:
            raise self.refused([changed], _ANNOTATE)
        return stored

    def load(self, payload: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a stored payload: by position for those that the handler takes only so, else by name.

        Raises:
            InvalidPayload: If it does not fit the handler as it is now.
        """
        if len(payload) > self.largest:
            raise self.too_large(payload)
        try:
            kwargs: dict[str, Any] = self._adapter.validator.validate_json(payload, by_alias=True, by_name=True)
        except ValidationError as error:
            version = version_of(payload)
            if version > self.version:
                raise self.newer(version) from None
            if secret_in(payload):  # it was enqueued when the type had secret arguments
                return self.load(arguments_of(payload))
            raise self.refused(list_problems(error), WAITS) from None
        if not self._positional_only:
            return (), kwargs
        # Each has its place: if it is left out, the next one must not take it.
        return tuple([kwargs.pop(name, default) for name, default in self._positional_only.items()]), kwargs

    def marked(self, arguments: str) -> str:
        """The payload of arguments of this version, given as a JSON object."""
        return arguments

    def present(self, payload: str) -> str:
        """The arguments of a stored payload as a JSON object, in the form of this version; they are not validated.

        Raises:
            InvalidPayload: If it cannot be had in this form.
        """
        return payload

    def refused(self, problems: Sequence[tuple[str, str]], advice: str = FIX) -> InvalidPayload:
        """The error of arguments that do not fit; it quotes no secret one."""
        return InvalidPayload(self.job_type, problems, advice)

    def shown(self, error: Exception) -> str:
        """What a function of the user's raised that was given the arguments, as it is shown: quoting no secret one."""
        return show(error)

    def too_large(self, payload: str) -> InvalidPayload:
        """The error of a stored payload that this library did not enqueue; to decode it would block the event loop."""
        problem = f"have {len(payload):,} characters, at most {self.largest:,} bytes are read"
        return InvalidPayload(self.job_type, [("arguments", problem)], WAITS)

    def newer(self, version: int) -> InvalidPayload:
        """The error of a stored payload of a version that this handler does not know yet."""
        problem = f"were enqueued as version {version}; this handler takes version {self.version} at most"
        return InvalidPayload(self.job_type, [("arguments", problem)], WAITS)

    def _add(self, parameter: inspect.Parameter, hints: Mapping[str, Any], fields: dict[str, Any]) -> None:
        name = parameter.name
        if parameter.kind in _REFUSED_KINDS:
            raise InvalidJobType(self.job_type, _REFUSED_KINDS[parameter.kind].format(name=name))
        hint = hints.get(name, _NO_ANNOTATION)
        if _is_context(hint) or parameter.default is injected:
            self._inject(parameter, hints)
            return
        if any(map(_is_context, get_args(hint))) or (name == "ctx" and name not in hints):
            problem = f"{name}: the context is found by its annotation, which is JobContext alone: {_CONTEXT}"
            raise InvalidJobType(self.job_type, problem)
        if hint is _NO_ANNOTATION:
            raise InvalidJobType(self.job_type, _UNANNOTATED.format(name=name))
        if parameter.kind is not parameter.KEYWORD_ONLY:
            self._names.append(name)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            self._positional_only[name] = parameter.default
        if parameter.default is not parameter.empty:
            self.defaults[name] = parameter.default
        if get_origin(hint) in (Required, NotRequired):
            raise InvalidJobType(self.job_type, f"{name}: {hint} is for a TypedDict; use a default in its place")
        try:
            fields[name] = Required[hint] if parameter.default is parameter.empty else NotRequired[hint]
        except TypeError as error:
            raise InvalidJobType(self.job_type, f"{name}: {error}. Use a type of values") from error

    def _inject(self, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> None:
        name = parameter.name
        if name not in hints:
            problem = f"{name} is injected by its annotation, and has none. Write `{name}: Smtp = injected`"
            raise InvalidJobType(self.job_type, problem)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise InvalidJobType(self.job_type, f"{name} is injected by name; put it behind the /")
        if not _is_context(hints[name]):
            self.injected[name] = hints[name]
        elif self.context is None:
            self.context, self.context_class = name, hints[name]
        else:
            problem = f"{name} is the context a second time, after {self.context}. Leave it out"
            raise InvalidJobType(self.job_type, problem)

    def _explain_extra(self, name: str) -> str | None:
        """What is wrong with an argument that is no part of the payload, if more is known of it."""
        if name == self.context or name in self.injected:
            return "is injected: the runner fills it, so leave it out of the call"
        known = explain_argument(name, self._handler_name)
        close = difflib.get_close_matches(name, self.arguments, n=1)
        return known or (f"the handler has no such argument; perhaps {close[0]!r}" if close else None)

    def _by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if len(args) > len(self._names):
            left_out = " (what is injected is left out)" if self.injected or self.context else ""
            problem = f"takes {len(self._names)} arguments by position{left_out}, {len(args)} were given"
            raise InvalidPayload(self.job_type, [("arguments", problem)])
        given = dict(zip(self._names, args, strict=False))
        twice = given.keys() & kwargs.keys()
        if twice:
            raise InvalidPayload(self.job_type, [(name, "given twice, by position and by name") for name in twice])
        return {**given, **kwargs}


def _parameters(
    job_type: str, handler: Callable[..., Any], *, reads_return: bool
) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    """The parameters of a function, method, partial or callable object, and its resolved annotations."""
    try:
        parameters = list(inspect.signature(handler).parameters.values())
    except (ValueError, TypeError) as error:
        raise InvalidJobType(job_type, "its parameters cannot be read; wrap it in a function of your own") from error
    _check_bound(job_type, parameters)
    annotated: Any = handler
    while isinstance(annotated, functools.partial):
        annotated = annotated.func
    if not inspect.isroutine(annotated):
        annotated = type(annotated).__call__
    try:
        return parameters, _hints(annotated, reads_return=reads_return)
    except Exception as error:  # it evaluates the user's code
        problem = f"an annotation cannot be resolved: {error}. Import its names where the handler is defined"
        raise InvalidJobType(job_type, problem) from error


def _hints(annotated: Any, *, reads_return: bool) -> dict[str, Any]:
    """The resolved annotations of a function."""
    if reads_return or "return" not in getattr(annotated, "__annotations__", {}):
        return get_type_hints(annotated, include_extras=True)
    parts = {
        "__annotations__": {name: hint for name, hint in annotated.__annotations__.items() if name != "return"},
        "__type_params__": getattr(annotated, "__type_params__", ()),
    }
    names = getattr(inspect.unwrap(annotated), "__globals__", {})
    return get_type_hints(SimpleNamespace(**parts), names, include_extras=True)


def _check_bound(job_type: str, parameters: Sequence[inspect.Parameter]) -> None:
    """Checks that the function of a class body does not take its `self` for payload.

    Raises:
        InvalidJobType: If it does.
    """
    first = parameters[0] if parameters else None
    if first is None or first.name not in ("self", "cls") or first.annotation is not first.empty:
        return
    problem = (
        f"{first.name} would be a part of the payload: a method is bound to no object while its class is made. Make it "
        f"a function or a @staticmethod, or declare the bound one, job(Class().method); the context is {_CONTEXT}"
    )
    raise InvalidJobType(job_type, problem)


def _check_call(job_type: str, handler: Callable[..., Any], parameters: list[inspect.Parameter]) -> None:
    """Checks that a handler takes what it says: a decorator may show the parameters of another function.

    Args:
        job_type: The name of the job type, for errors.
        handler: The user's function.
        parameters: Those that it shows.

    Raises:
        InvalidJobType: If a call with all of them, or with those that have no default, would fail.
    """
    try:
        called = inspect.signature(handler, follow_wrapped=False)
    except (ValueError, TypeError):
        return
    first = [None] * sum(one.kind is one.POSITIONAL_ONLY for one in parameters)
    by_name = [one for one in parameters if one.kind is not one.POSITIONAL_ONLY]
    try:
        for given in (by_name, [one for one in by_name if one.default is one.empty or one.default is injected]):
            called.bind(*first, **{one.name: None for one in given})
    except TypeError as error:
        problem = (
            f"a decorator's function does not take the arguments that it shows ({error}). Let it take *args and "
            "**kwargs, or show its own parameters: leave out functools.wraps"
        )
        raise InvalidJobType(job_type, problem) from None


def _is_context(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AttemptContext)


def _adapter(job_type: str, fields: dict[str, Any]) -> TypeAdapter[Any]:
    schema = cast("Any", TypedDict("Payload", fields))  # type: ignore[operator]  # mypy knows the literal form only
    schema.__pydantic_config__ = _CONFIG
    return make_adapter(job_type, "an argument", schema, mode="validation", find_unknown=lambda: _unknown(fields))


_adapter("", {"first": int}).serializer.to_json({"first": 1})
# pydantic imports at its first write, and locks that for all threads: here no other one can fork meanwhile, which would
# leave it locked for ever in the forked process.


def _unknown(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first argument whose type JSON cannot hold, and how it is written if the runner is to fill it."""
    for name, required in fields.items():
        (hint,) = get_args(required)
        try:
            adapt(hint, "validation")
        except Exception as error:  # noqa: BLE001  # what pydantic raises, and what the user's own types do
            kind = _kind_of(hint)
            if kind is None or repr(kind) not in str(error):
                return name, ""
            return name, f", take its id, or write `{name}: {kind.__name__} = injected` if the runner is to fill it"
    return None


def _kind_of(hint: Any) -> type | None:
    """The class that an annotation names: alone, annotated, or with None."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind_of(parts[0])
    if origin is Union or origin is UnionType:
        named = [part for part in parts if part is not NoneType]
        return _kind_of(named[0]) if len(named) == 1 else None
    return hint if isinstance(hint, type) else None
