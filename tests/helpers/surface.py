"""Writes what an application may use: `python -m tests.helpers.surface` makes `tests/surface.txt`.

A line for each public module, name, parameter and member: what is renamed or taken away shows in the diff.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Final

import aiojobs_lite
from aiojobs_lite.handlers import options, publish
from aiojobs_lite.http import group
from aiojobs_lite.inngest import settings as inngest_settings
from aiojobs_lite.qstash import settings
from aiojobs_lite.runner import filters
from tests.helpers.root import ROOT

SURFACE: Final = ROOT / "tests/surface.txt"
_OPTIONS: Final = (
    options,
    publish,
    group,
    settings,
    inngest_settings,
    filters,
)  # the modules with options as a TypedDict
_UNPACKED: Final = re.compile(r"Unpack\[(\w+)\]")
_PREFIX: Final[dict[Any, str]] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def public_modules() -> list[str]:
    """The modules that the docstring of the package names, after the package itself."""
    named = re.findall(r"^- `(aiojobs_lite\.[\w.]+)`: ", aiojobs_lite.__doc__ or "", re.MULTILINE)
    return ["aiojobs_lite", *named]


def surface() -> str:
    """All public names with their parameters and members."""
    return "".join(f"{line}\n" for module in public_modules() for line in _of_module(module))


def _of_module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    yield name
    for public in sorted(module.__all__):
        value = getattr(module, public)
        yield f"    {public}{_parameters(value)}"
        if isinstance(value, type):
            yield from (f"        {member}" for member in _members(value))


def _members(kind: type) -> Iterator[str]:
    """What a class and its bases in the package have, but for what is private or comes with Python.

    Words of other libraries, each of which raises an error that names ours, are no part of it: they are counted.
    """
    names = {name for base in _ours(kind) for name in (*vars(base), *inspect.get_annotations(base))}
    words = {name for name in names if _only_raises(kind, name)}
    for name in sorted(names - words):
        if not name.startswith("_"):
            yield f"{name}{_parameters(inspect.getattr_static(kind, name, None))}"
    if words:
        yield f"and {len(words)} words of other libraries, which raise"


def _only_raises(kind: type, name: str) -> bool:
    """Whether a class has an attribute, and reading it raises `AttributeError`."""
    return inspect.getattr_static(kind, name, None) is not None and not hasattr(kind, name)


def _ours(kind: type) -> list[type]:
    """A class and its bases in the package."""
    return [base for base in kind.__mro__ if base.__module__.startswith("aiojobs_lite")]


def _parameters(value: Any) -> str:
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    if isinstance(value, type):
        is_called = not getattr(value, "_is_protocol", False) and not issubclass(value, Enum)
        is_made = is_called and any({"__init__", "__new__"} & vars(base).keys() for base in _ours(value))
        return _listed(value) if is_made else ""
    return _listed(function) if inspect.isfunction(function) else ""


def _listed(function: Callable[..., Any]) -> str:
    found = inspect.signature(function).parameters.values()
    shown = [name for one in found if one.name not in {"self", "cls"} for name in _shown(one)]
    return f"({', '.join(shown)})"


def _shown(parameter: inspect.Parameter) -> Iterator[str]:
    """A parameter, or each key of the `TypedDict` that it is unpacked from."""
    if unpacked := _UNPACKED.fullmatch(str(parameter.annotation)):
        typed = next(getattr(module, unpacked[1]) for module in _OPTIONS if hasattr(module, unpacked[1]))
        yield from (f"{key}=" for key in typed.__annotations__)
    else:
        is_optional = parameter.default is not inspect.Parameter.empty
        yield f"{_PREFIX.get(parameter.kind, '')}{parameter.name}{'=' if is_optional else ''}"


if __name__ == "__main__":
    SURFACE.write_text(surface(), encoding="utf-8")
