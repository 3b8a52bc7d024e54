"""How a stored object looks as JSON, in the answer of a web application say: with values in place of JSON in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_TEXT: Final = "_json"  # how the name of a field ends that is stored as JSON


class JsonForm:
    """Base of a dataclass that pydantic, and so FastAPI, writes with its values.

    A field `payload_json` is written as the property `payload`. Reading takes the fields as they are.
    """

    __slots__ = ()

    _in_json: ClassVar[Mapping[str, str]] = MappingProxyType({})  # other properties that are written: type in a schema

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        inner: dict[str, Any] = {**schema}
        inner["serialization"] = core_schema.wrap_serializer_function_ser_schema(partial(_with_values, cls._in_json))
        return cast("CoreSchema", inner)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        if handler.mode == "validation":
            return found
        named = handler.resolve_ref_schema(found)
        fields: dict[str, Any] = named.get("properties", {})
        named["properties"] = {_plain(name): _schema(name, form) for name, form in fields.items()}
        named["properties"] |= {name: {"title": name.capitalize(), "type": kind} for name, kind in cls._in_json.items()}
        if "required" in named:
            named["required"] = [*map(_plain, named["required"]), *cls._in_json]
        return found


def _with_values(more: Iterable[str], value: Any, write: core_schema.SerializerFunctionWrapHandler) -> Any:
    written = write(value)
    if not isinstance(value, JsonForm):  # pydantic warns of it
        return written
    found = {_plain(name): _value(value, name, part) for name, part in written.items()}
    return found | {name: getattr(value, name) for name in more}


def _plain(name: str) -> str:
    return name.removesuffix(_TEXT)


def _schema(name: str, form: Any) -> Any:
    if not name.endswith(_TEXT):
        return form
    return {"title": _plain(name).capitalize(), **({"type": "object"} if form.get("type") == "string" else {})}


def _value(whole: Any, name: str, part: Any) -> Any:
    """What is stored as JSON, decoded; as it is if another program has written something else."""
    if not name.endswith(_TEXT) or part is None:
        return part
    try:
        return getattr(whole, _plain(name))
    except (ValueError, RecursionError):
        return part
