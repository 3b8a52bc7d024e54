"""How a stored object looks as JSON, in the answer of a web application say: with values in place of JSON in JSON."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_TEXT: Final = "_json"  # how the name of a field ends that is stored as JSON


class JsonForm:
    """Base of a dataclass that pydantic, and so FastAPI, writes with its values.

    A field `payload_json` is written as `payload`, decoded. Reading takes the fields as they are.
    """

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        inner: dict[str, Any] = {**schema}
        inner["serialization"] = core_schema.wrap_serializer_function_ser_schema(_with_values)
        return cast("CoreSchema", inner)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        if handler.mode == "validation":
            return found
        named = handler.resolve_ref_schema(found)
        fields: dict[str, Any] = named.get("properties", {})
        named["properties"] = {_plain(name): _schema(name, form) for name, form in fields.items()}
        if "required" in named:
            named["required"] = [_plain(name) for name in named["required"]]
        return found


def _with_values(value: Any, write: core_schema.SerializerFunctionWrapHandler) -> Any:
    written = write(value)
    return {_plain(name): _value(name, part) for name, part in written.items()}


def _plain(name: str) -> str:
    return name.removesuffix(_TEXT)


def _schema(name: str, form: Any) -> Any:
    if not name.endswith(_TEXT):
        return form
    return {"title": _plain(name).capitalize(), **({"type": "object"} if form.get("type") == "string" else {})}


def _value(name: str, part: Any) -> Any:
    """What is stored as JSON, decoded; as it is if another program has written something else."""
    if not name.endswith(_TEXT) or part is None:
        return part
    try:
        return json.loads(part)
    except (ValueError, RecursionError):
        return part
