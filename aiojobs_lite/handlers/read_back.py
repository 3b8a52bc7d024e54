"""Whether a value is the same when it is read back from its JSON: its types and its keys too."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel

_EXACT: Final = frozenset(
    {
        "bool",
        "dataclass",
        "dataclass-args",
        "dataclass-field",
        "date",
        "datetime",
        "decimal",
        "default",
        "definition-ref",
        "definitions",
        "dict",
        "enum",
        "float",
        "frozenset",
        "int",
        "list",
        "none",
        "nullable",
        "set",
        "str",
        "time",
        "timedelta",
        "tuple",
        "typed-dict",
        "typed-dict-field",
        "uuid",
    }
)  # types that pydantic reads back as what they were
_PLAIN_FIELD: Final = frozenset({"type", "schema", "required", "metadata"})  # without an alias, and not left out
_OF_DATACLASSES: Final = frozenset({"type", "name", "schema", "metadata", "kw_only", "init"})  # likewise
_PLAIN_SCALARS: Final = frozenset({"str", "int", "float", "bool"})
_EXACT_KEYS: Final = frozenset({"str", "int", "uuid"})
_OF_PARTS: Final = {"list": "items_schema", "set": "items_schema", "frozenset": "items_schema", "dict": "values_schema"}
_NAMED: Final = frozenset(
    {"ref", "metadata", "cls", "config", "schema_ref", "generic_origin", "model_name", "dataclass_name", "cls_name"}
)  # parts of a schema that only name it
DISCRIMINATE: Final = "Give a union of models a discriminator: Field(discriminator=...)"
_PLAIN: Final = frozenset({str, int, float, bool, type(None), list, dict})
_SCALARS: Final = frozenset({str, int, float, bool, type(None), Decimal, date, datetime, UUID})
_LOST: Final = "would be lost"
_ADDED: Final = "would arrive without having been sent"


def is_exact(schema: Any) -> bool:
    """Whether whatever fits a schema of pydantic is read back as it was, so that no value need be compared."""
    if not isinstance(schema, Mapping):
        return True
    kind = schema.get("type")
    if kind not in _EXACT or "serialization" in schema or schema.get("extra_behavior") == "allow":
        return False
    if kind in _OF_PARTS and _OF_PARTS[kind] not in schema:
        return False  # of anything
    if kind == "dataclass" and (schema.get("post_init") or not getattr(schema["cls"], "__final__", False)):
        return False  # a value may be one of a subclass
    if kind == "dataclass-field" and (schema.keys() - _OF_DATACLASSES or not schema.get("init", True)):
        return False
    if kind == "dict" and schema.get("keys_schema", {}).get("type") not in _EXACT_KEYS:
        return False
    return all(map(is_exact, _parts(schema)))


def is_readable(schema: Mapping[str, Any]) -> bool:
    """Whether the JSON of whatever fits a typed dict is surely read back, so that it need not be tried: its fields are
    scalars without conditions. A number of very many digits is not read back all the same.
    """
    return schema.get("type") == "typed-dict" and all(
        field.keys() <= _PLAIN_FIELD and _is_unconditional(field["schema"]) for field in schema["fields"].values()
    )


def _is_unconditional(schema: Mapping[str, Any]) -> bool:
    if schema.get("type") == "nullable":
        return schema.keys() == {"type", "schema"} and _is_unconditional(schema["schema"])
    return schema.keys() == {"type"} and schema["type"] in _PLAIN_SCALARS


def is_anything(schema: Mapping[str, Any]) -> bool:
    """Whether a schema takes anything in some place: what is put there is read back as plain JSON values."""
    if schema.get("type") == "any" or _OF_PARTS.get(schema.get("type", ""), "type") not in schema:
        return True
    return any(map(is_anything, _parts(schema)))


def find_alike(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> tuple[str, str] | None:
    """The names of two classes in a union without a discriminator whose JSON is the same, or None."""
    if definitions is None:
        definitions = {part.get("ref", ""): part for part in schema.get("definitions", ())}
    if schema.get("type") == "union":
        by_shape: dict[str, str] = {}
        for choice in _parts(schema):
            resolved = definitions.get(choice.get("schema_ref", ""), choice)
            if resolved.get("type") not in ("model", "dataclass"):
                continue
            shape, name = repr(_without_names(resolved["schema"])), resolved["cls"].__qualname__
            if shape in by_shape:
                return by_shape[shape], name
            by_shape[shape] = name
    pairs = (find_alike(part, definitions) for part in _parts(schema))
    return next((pair for pair in pairs if pair is not None), None)


def find_changed(sent: Any, arrived: Any, *, plain: bool = False) -> tuple[str, str] | None:
    """The first place where a value that was read back is another one than it was.

    Args:
        sent: The value as it was validated.
        arrived: What was read back.
        plain: Whether a plain JSON value may stand for one that is none: a list for a tuple, text for a date.

    Returns:
        Its dotted path, and what became of it; or None.
    """
    try:
        difference = _difference(sent, arrived, plain=plain)
    except Exception:  # noqa: BLE001  # the user's own classes cannot be compared: their JSON was read back, which must do
        return None
    return difference and (".".join(reversed(difference.path)) or "value", difference.problem)


class _Difference(NamedTuple):
    """What became of a value, and the path to it, its end first."""

    problem: str
    path: list[str]

    def within(self, name: object) -> _Difference:
        self.path.append(str(name))
        return self


def _difference(sent: Any, arrived: Any, *, plain: bool) -> _Difference | None:
    kind = type(arrived)
    if type(sent) is not kind:
        if plain and kind in (str, list, dict):
            return None
        if not isinstance(sent, kind) or _is_exactly_its_class(sent):
            problem = f"a {type(sent).__qualname__} would arrive as a {kind.__qualname__}"
            return _Difference(problem if kind in _PLAIN else f"{problem}. {DISCRIMINATE}", [])
    if kind is dict:
        return _difference_of_dicts(sent, arrived, plain=plain)
    if kind in (list, tuple, deque) or isinstance(sent, tuple):
        return _difference_of_lists(sent, arrived, plain=plain)
    if kind in _SCALARS or isinstance(sent, set | frozenset | Enum) or not hasattr(sent, "__dict__"):
        return _difference_of_values(sent, arrived)
    if isinstance(sent, BaseModel):
        return _difference_of_dicts(_fields_of(sent), _fields_of(arrived), plain=plain)
    if dataclasses.is_dataclass(sent):
        names = [field.name for field in dataclasses.fields(sent) if field.compare and field.init]
        held = [{name: getattr(of, name) for name in names if hasattr(of, name)} for of in (sent, arrived)]
        return _difference_of_dicts(*held, plain=plain)
    if _has_no_equality(sent):
        return _difference_of_dicts(vars(sent), vars(arrived), plain=plain)
    return _difference_of_values(sent, arrived)


def _difference_of_values(sent: Any, arrived: Any) -> _Difference | None:
    if _is_equal(sent, arrived):
        return None
    return _Difference(f"a {type(sent).__qualname__} would arrive with another value", [])


def _difference_of_lists(sent: Sequence[Any], arrived: Sequence[Any], *, plain: bool) -> _Difference | None:
    for index, (before, after) in enumerate(zip(sent, arrived, strict=False)):
        if type(before) is type(after) in _SCALARS and before == after:
            continue
        difference = _difference(before, after, plain=plain)
        if difference is not None:
            return difference.within(index)
    if len(sent) == len(arrived):
        return None
    return _Difference(_LOST if len(sent) > len(arrived) else _ADDED, [str(min(len(sent), len(arrived)))])


def _difference_of_dicts(sent: dict[Any, Any], arrived: dict[Any, Any], *, plain: bool) -> _Difference | None:
    for key, before in sent.items():
        if key not in arrived or (type(key) is not str and not _is_key(key, arrived)):
            return _Difference(_LOST if isinstance(key, str) else "its key would arrive as text", [str(key)])
        after = arrived[key]
        if type(before) is type(after) in _SCALARS and before == after:  # nearly always
            continue
        difference = _difference(before, after, plain=plain)
        if difference is not None:
            return difference.within(key)
    if len(arrived) == len(sent):
        return None
    return _Difference(_ADDED, [str(next(key for key in arrived if key not in sent))])


def _is_key(key: object, arrived: Mapping[Any, Any]) -> bool:
    """Whether a key that is equal to one that arrived is of its type: 1, 1.0 and True are equal."""
    other = next(other for other in arrived if other == key)
    return type(other) is type(key) or (isinstance(key, type(other)) and not isinstance(key, bool))


def _is_exactly_its_class(value: object) -> bool:
    """Whether a value of a subclass is another value: True is no number, and a model may have more fields."""
    return isinstance(value, bool | BaseModel) or dataclasses.is_dataclass(value)


def _fields_of(model: BaseModel) -> dict[str, Any]:
    values, fields = vars(model), type(model).__pydantic_fields__
    if len(values) > len(fields):  # it has cached properties
        values = {name: values[name] for name in fields if name in values}
    return {**values, **model.__pydantic_extra__} if model.__pydantic_extra__ else values


def _is_equal(sent: Any, arrived: Any) -> bool:
    try:
        if sent != arrived:
            return not isinstance(sent, Enum) and _has_no_equality(sent)  # there is one object of each member
        if isinstance(sent, set | frozenset):
            return {*map(type, sent)} == {*map(type, arrived)}
    except Exception:  # noqa: BLE001  # the user's code
        return True
    return True


def _has_no_equality(value: object) -> bool:
    return "__eq__" not in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas that a schema is made of."""
    for name, value in schema.items():
        if name in ("serialization", "metadata"):
            continue
        inner = value.values() if name == "fields" and isinstance(value, Mapping) else value
        for part in [inner] if isinstance(inner, Mapping) else inner if isinstance(inner, Iterable) else ():
            choice = part[0] if isinstance(part, tuple) and part else part
            if isinstance(choice, Mapping) and "type" in choice:
                yield choice


def _without_names(schema: Any) -> Any:
    """A schema without what only names it."""
    if isinstance(schema, Mapping):
        kept = {name: _without_names(part) for name, part in schema.items() if name not in _NAMED}
        return dict(sorted(kept.items()))
    if isinstance(schema, list | tuple):
        return [_without_names(part) for part in schema]
    return schema
