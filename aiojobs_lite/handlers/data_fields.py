"""The fields that the data of an event may have by their type. A path to none of them is refused."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from typing_extensions import is_typeddict

from aiojobs_lite.text import name_of

_DATA: Final = "data"  # of an event: it is left out, or written once too often
_BEFORE: Final = ("before", "wrap")  # validators that may take other fields than the model has


def explain_path(kind: Any, path: str) -> str | None:
    """What is expected in place of a dotted path at which JSON of a type never has a value; None if it may have one.

    Args:
        kind: The type.
        path: The path.
    """
    parts = path.split(".")
    found = _first_unknown(kind, parts)
    if found is None:
        return None
    place, inner, fields = found
    before, behind = parts[:place], parts[place + 1 :]
    tried = [[*before, _DATA, *parts[place:]]]
    if parts[place] == _DATA:
        tried.append([*before, *behind])
    tried += [[*before, close, *behind] for close in difflib.get_close_matches(parts[place], list(fields), n=1)]
    meant = next((".".join(one) for one in tried if one and _first_unknown(kind, one) is None), None)
    guess = f". Did you mean {meant!r}? It has " if meant else ", which has "
    return f"a field of {name_of(inner)}{guess}{', '.join(map(repr, fields)) or 'none'}"


def _first_unknown(kind: Any, parts: Sequence[str]) -> tuple[int, Any, Mapping[str, Any]] | None:
    """The place of the first part that is no field, with the type that does not have it and the fields of that."""
    for place, part in enumerate(parts):
        fields = _fields_of(kind)
        if fields is None:
            return None
        if part not in fields:
            return place, kind, fields
        kind = fields[part]
    return None


def _fields_of(kind: Any) -> dict[str, Any] | None:
    """The fields of JSON of a type, with their types; None: it may have any."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _fields_of(get_args(kind)[0])
    if origin is Union or origin is UnionType:
        return _of_any(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _of_model(kind)
    if is_typeddict(kind) or dataclasses.is_dataclass(kind):
        config = getattr(kind, "__pydantic_config__", {})
        return None if config else dict(kind.__annotations__)
    return None


def _of_any(kinds: Iterable[Any]) -> dict[str, Any] | None:
    merged: dict[str, Any] = {}
    for fields in [_fields_of(kind) for kind in kinds if kind is not type(None)]:
        if fields is None:
            return None
        for name, kind in fields.items():
            merged[name] = Union[merged[name], kind] if name in merged else kind  # noqa: UP007  # at run time
    return merged


def _of_model(model: type[BaseModel]) -> dict[str, Any] | None:
    config, validators = model.model_config, model.__pydantic_decorators__.model_validators
    if config.get("extra") == "allow" or any(one.info.mode in _BEFORE for one in validators.values()):
        return None
    if issubclass(model, RootModel):
        return _fields_of(model.model_fields["root"].annotation)
    has_names = config.get("populate_by_name") or config.get("validate_by_name")
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if alias is not None and not isinstance(alias, str):
            return None  # one of several, or a path of its own
        if alias is None or has_names:
            found[name] = field.annotation
        if alias is not None:
            found[alias] = field.annotation
    return found
