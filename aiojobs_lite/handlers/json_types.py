"""Types as pydantic stores them as JSON, and what JSON cannot hold: secrets, infinity, types of no schema."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import from_json

from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.read_back import DISCRIMINATE, find_alike
from aiojobs_lite.sizes import MOST_DIGITS

_ASTERISKS: Final = '"**********"'  # how pydantic writes a secret
_EXPECTED: Final = re.compile(r"\s*PydanticSerializationUnexpectedValue\W*Expected `([^`]{1,200})`")
_UNKNOWN: Final = "Unable to serialize unknown type: "
_IDENTIFY: Final = "pass what identifies it, such as its id, and let the handler look it up"
_DATA: Final = ("builtins", "collections", "datetime", "decimal", "enum", "pathlib", "uuid")  # modules of plain values
_MOST_EXPECTED: Final = 3  # types that an error names
_MANY_DIGITS: Final = re.compile(rb"[0-9]{%d}" % (MOST_DIGITS + 1))
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_TOO_MANY: Final = 10**MOST_DIGITS
_BLOCK: Final = MOST_DIGITS // 2  # a longer number has all of such a part in it
_ERROR_OF_USERS_CODE: Final = re.compile(r"(Error calling function `[^`]*`: \w+).*")


def make_adapter(
    job_type: str,
    what: str,
    kind: Any,
    advice: str = "",
    *,
    mode: Literal["validation", "serialization"],
    find_unknown: Callable[[], tuple[str, str] | None] = lambda: None,
) -> TypeAdapter[Any]:
    """Makes an adapter, if JSON can hold all that it takes.

    Args:
        job_type: The name of the job type, for errors.
        what: What the adapter is for, for errors.
        kind: The type.
        advice: What else the user may do.
        mode: Whether it is for what comes in or for what goes out.
        find_unknown: If no adapter can be made, finds for which part: its name, and what else the user may do.

    Raises:
        InvalidJobType: If JSON cannot hold it.
    """
    try:
        adapter = adapt(kind, mode)
    except Exception as error:  # what pydantic raises, and what the user's own types do
        unknown = find_unknown()
        if unknown is not None:
            what, advice = f"{what} ({unknown[0]})", unknown[1]
        first = "".join(str(error).splitlines()[:1]).partition(". Set ")[0].rstrip(".") or type(error).__name__
        problem = f"{what} has a type that cannot be stored as JSON: {first}. Use a type that pydantic knows{advice}"
        raise InvalidJobType(job_type, problem) from error
    for is_bad, problem in _PROBLEMS:
        path = _find(adapter.core_schema, is_bad, "")
        if path is not None:
            shown = f"{what} ({path})" if path else what
            raise InvalidJobType(job_type, f"{shown} {problem}{advice}")
    alike = find_alike(adapter.core_schema)
    if alike is not None:
        problem = f"{what} may be a {alike[0]} or a {alike[1]}, whose JSON is the same: each would be read as the first"
        raise InvalidJobType(job_type, f"{problem}. {DISCRIMINATE}{advice}")
    return adapter


def adapt(kind: Any, mode: Literal["validation", "serialization"]) -> TypeAdapter[Any]:
    """Makes an adapter, if its type has a JSON schema; raises what pydantic and the user's own types do."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    adapter.json_schema(mode=mode, schema_generator=_Quiet)
    return adapter


def list_problems(
    error: ValidationError,
    whole: str = "arguments",
    *,
    explain_extra: Callable[[str], str | None] | None = None,
    is_call: bool = False,
) -> list[tuple[str, str]]:
    """Lists path and message of each fault; never the values, which may be secret.

    Args:
        error: What pydantic raised.
        whole: The path of what is wrong with all of it.
        explain_extra: Says what is meant by an argument that is one too many, or None.
        is_call: Whether the values are those of a call, which may be any objects of the application.
    """
    listed = []
    for fault in error.errors(include_url=False, include_context=False, include_input=is_call):
        path, text = ".".join(map(str, fault["loc"])) or whole, fault["msg"]
        if fault["type"] == "union_tag_invalid":
            text = "Input has none of the expected tags"
        elif fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1 and explain_extra is not None:
            text = explain_extra(path) or text
        elif is_call and (kind := _kind_of_object(fault["input"])) is not None:
            text = f"{text}, not a {kind}: {_IDENTIFY}"
        listed.append((path, text))
    return listed


def explain(error: Exception) -> str:
    """Says why pydantic cannot write a value, without the value."""
    first, *more = str(error).splitlines() or [""]
    if more and first.startswith("Pydantic serializer warnings"):
        found = dict.fromkeys(kind[1] for kind in map(_EXPECTED.match, more) if kind)  # the first types, each once
        return f"{' or '.join([*found][:_MOST_EXPECTED]) or 'another type'} was expected"
    return _ERROR_OF_USERS_CODE.sub(r"\1", first)


def explain_call(error: Exception, arguments: Mapping[str, Any], whole: str = "arguments") -> tuple[str, str]:
    """Where and why pydantic cannot write the arguments of a call: the path (`whole`: that of all of them), and the
    reason without the value.
    """
    reason = f"cannot be stored as JSON: {explain(error)}"
    if "UnicodeEncodeError" in str(error):
        return _first(_is_surrogate, arguments) or whole, reason
    if not str(error).startswith(_UNKNOWN):
        return whole, reason
    kind = str(error).removeprefix(_UNKNOWN)
    try:
        path = _first(lambda value: type.__repr__(type(value)) == kind, arguments)
    except RecursionError:  # behind it something contains itself
        path = None
    return path or whole, f"{reason}: {_IDENTIFY}"


def find_lost(adapter: TypeAdapter[Any], value: object, stored: str) -> tuple[str, str] | None:
    """Finds a value for which pydantic wrote something else: a number that JSON does not have, or a secret that no
    annotation shows.

    Returns:
        Its dotted path and what is wrong with it, or None.
    """
    may_hide_number = "null" in stored or "NaN" in stored or "Infinity" in stored
    may_hide_secret = _ASTERISKS in stored
    if not may_hide_number and not may_hide_secret:  # nearly always
        return None
    plain = _plain(adapter, value)
    path = _first(_is_not_finite, plain) if may_hide_number else None
    if path is not None:
        return path, "must be a finite number, JSON has no other"
    path = _first(_is_secret, plain) if may_hide_secret else None
    return None if path is None else (path, "is a secret, which would be stored as asterisks")


def has_huge_number(encoded: bytes) -> bool:
    """Whether JSON has a number of more digits than Python reads; text of so many digits is none."""
    blocks = range(0, len(encoded), _BLOCK) if len(encoded) > MOST_DIGITS else ()
    if not any(encoded[at : at + _BLOCK].isdigit() for at in blocks) or not _MANY_DIGITS.search(encoded):
        return False
    try:
        from_json(encoded)
    except ValueError:
        return True
    return False


def find_huge_number(arguments: Mapping[str, Any]) -> str | None:
    """The dotted path of the first such number, as far as it stands in plain containers."""
    return _first(lambda value: isinstance(value, int) and abs(value) >= _TOO_MANY, arguments)


class _Quiet(GenerateJsonSchema):
    """Says nothing of defaults that JSON cannot hold: they are left to the handler."""

    ignored_warning_kinds = GenerateJsonSchema.ignored_warning_kinds | {"non-serializable-default"}


def _is_secret_type(schema: dict[str, Any], _config: Mapping[str, Any]) -> bool:
    """Whether pydantic would write it as asterisks."""
    kind = schema.get("cls")
    if isinstance(kind, type) and issubclass(kind, SecretStr | SecretBytes):
        return True
    return getattr(schema.get("function"), "__name__", "") == "_serialize_secret"  # Secret[T] has no class of its own


def _is_raw_bytes(schema: dict[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether it is `bytes` that pydantic would write as text, which most bytes are not."""
    if schema.get("type") != "bytes":
        return False
    written = config.get("ser_json_bytes", "utf8")
    return bool(written == "utf8" or written != config.get("val_json_bytes"))


def _is_generator(schema: dict[str, Any], _config: Mapping[str, Any]) -> bool:
    """Whether it is read back as an iterator, which is validated while the handler reads it, and only once."""
    return schema.get("type") == "generator"


def _is_class(schema: dict[str, Any], _config: Mapping[str, Any]) -> bool:
    """Whether its values are classes."""
    return schema.get("type") == "is-subclass"


def _is_upload(schema: dict[str, Any], _config: Mapping[str, Any]) -> bool:
    """Whether it is FastAPI's `UploadFile`: pydantic has a validator for it, and nothing that writes it."""
    found = schema.get("function")
    owner = getattr(found.get("function"), "__self__", None) if isinstance(found, dict) else None
    return isinstance(owner, type) and any(base.__name__ == "UploadFile" for base in owner.__mro__)


_PROBLEMS: Final[tuple[tuple[Callable[[dict[str, Any], Mapping[str, Any]], bool], str], ...]] = (
    (_is_secret_type, "has a secret type, which would be stored as asterisks. Use a key to look it up"),
    (
        _is_raw_bytes,
        "has the type bytes, which JSON does not have: most would fail. Use pydantic's Base64Bytes, or in a model "
        'ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")',
    ),
    (_is_generator, "can be read only once. Use a list"),
    (
        _is_upload,
        "is a file of a request, which is gone when the job runs. Store what it holds, and take its path or key",
    ),
    (_is_class, "is a class, which JSON does not have. Use its name"),
)


def _find(
    schema: Any, is_bad: Callable[[dict[str, Any], Mapping[str, Any]], bool], path: str, config: Mapping[str, Any] = {}
) -> str | None:
    """The dotted path of a field of a type that is refused, or None."""
    if isinstance(schema, dict):
        config = schema.get("config") or config
        if is_bad(schema, config):
            return path
        if is_bad is _is_raw_bytes and "serialization" in schema:
            return None  # it has a way of its own
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
    found = (_find(part, is_bad, where, config) for where, part in parts)
    return next((one for one in found if one is not None), None)


def _kind_of_object(value: object) -> str | None:
    """The class of an object that is no data, such as a row of an ORM or a request; None: it may be data."""
    kind = type(value)
    is_data = kind.__module__ in _DATA or issubclass(kind, BaseModel | Enum) or dataclasses.is_dataclass(kind)
    return None if is_data else kind.__qualname__


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_secret(value: object) -> bool:
    return isinstance(value, Secret | SecretStr | SecretBytes)


def _is_surrogate(value: object) -> bool:
    return isinstance(value, str) and not value.isascii() and _SURROGATE.search(value) is not None


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
