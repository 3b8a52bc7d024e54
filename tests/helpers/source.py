"""The source as data: files, their trees, and what the house rules measure in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.helpers.root import ROOT

PACKAGE_FOLDER = ROOT / "aiojobs_lite"
PACKAGE = sorted(PACKAGE_FOLDER.rglob("*.py"))
SQL = sorted(PACKAGE_FOLDER.rglob("*.sql"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
CHANGING_METHODS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "update",
}  # fmt: skip
COLLECTIONS = {
    "Counter", "OrderedDict", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "bytearray", "defaultdict",
    "deque", "dict", "list", "set",
}  # fmt: skip


@cache
def tree(path: Path) -> ast.Module:
    """The parsed file; to be read only."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file's tree."""
    return tuple(ast.walk(tree(path)))


@cache
def names(path: Path) -> frozenset[str]:
    """What a file calls things: variables, attributes, parameters and keywords, classes and functions."""
    found = {
        getattr(node, kind, None)
        for node in nodes(path)
        for kind in ("id", "attr", "arg", *(("name",) if isinstance(node, ast.ClassDef | Function) else ()))
    }
    return frozenset(filter(None, found))


def forget() -> None:
    """Lets go of what was parsed."""
    for kept in (tree, nodes, names):
        kept.cache_clear()


def name_of(path: Path) -> str:
    """A file by its path from the root."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """The dotted name of a file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def definitions(node: ast.AST) -> Iterator[Definition]:
    """The classes and functions in a node, at any depth; expressions are not looked into, which would take long."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for part in getattr(node, name, ()):
            if isinstance(part, Definition):
                yield part
            yield from definitions(part)


def without_docstring(node: Definition) -> int:
    """Lines of a class or function; docstrings in it are not counted, decorators are no part of it."""
    lines = (node.end_lineno or 0) - node.lineno + 1
    for part in (node, *definitions(node)):
        if ast.get_docstring(part, clean=False) is not None:
            said = part.body[0]
            lines -= (said.end_lineno or 0) - said.lineno + 1
    return lines


_BLOCK = re.compile(r"( *)(?:(class)|(?:async )?def) ")
_CONSTRUCTOR = re.compile(r"def __init__\((.*?)\) ->", re.DOTALL)


def most(text: str) -> tuple[int, int, int]:
    """At most how many lines a class and a function of a text have, and how many parameters a constructor.

    By its indentation: to parse all tests takes seconds.
    """
    longest = {True: 0, False: 0}
    opened: list[tuple[int, int, bool]] = []  # indentation, line, whether it is a class
    number = 0
    for number, line in enumerate(text.splitlines(), 1):
        indent = len(line) - len(line.lstrip())
        while opened and line and indent <= opened[-1][0] and line[indent] != ")":
            _, first, is_class = opened.pop()
            longest[is_class] = max(longest[is_class], number - first)
        if found := _BLOCK.match(line):
            opened.append((indent, number, found.group(2) is not None))
    for _, first, is_class in opened:
        longest[is_class] = max(longest[is_class], number + 1 - first)
    return longest[True], longest[False], max((given.count(",") for given in _CONSTRUCTOR.findall(text)), default=0)


def parameters(function: Function) -> int:
    """How many parameters a function has besides `self` or `cls`."""
    given = function.args
    named = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    stars = (given.vararg is not None) + (given.kwarg is not None)
    return len(named) + stars - (named[:1] in (["self"], ["cls"]))


def public_definitions(module: ast.Module) -> Iterator[str]:
    """The public names of classes, functions and constants that a module defines; type variables are its own affair."""
    for node in module.body:
        if isinstance(node, ast.ClassDef | Function):
            names = [node.name]
        elif isinstance(node, ast.Assign) and not _is_type_variable(node.value):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        else:
            names = []
        yield from dict.fromkeys(name for name in names if not name.startswith("_"))


def _is_type_variable(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func) in {"TypeVar", "ParamSpec"}


def bound(module: ast.Module) -> set[str]:
    """Every name that a module binds at its top: what it defines and what it imports."""
    imports = [alias for node in module.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return {*public_definitions(module), *((alias.asname or alias.name).split(".")[0] for alias in imports)}


def imported(path: Path) -> Iterator[str]:
    """Each module, or name in a module, that a file imports, dotted."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def undocumented(node: ast.Module | ast.ClassDef, where: str) -> Iterator[str]:
    """The public definitions without a docstring."""
    for part in node.body:
        if isinstance(part, ast.ClassDef | Function) and not part.name.startswith("_"):
            if not ast.get_docstring(part) and not any("overload" in ast.dump(mark) for mark in part.decorator_list):
                yield f"{where}.{part.name}"
            if isinstance(part, ast.ClassDef):
                yield from undocumented(part, f"{where}.{part.name}")


def changeable(module: ast.Module) -> set[str]:
    """The names of a module's own that hold something which can be changed."""
    found = set()
    for node in module.body:
        match node:
            case ast.Assign(targets=targets, value=value) if _is_changeable(value):
                found |= {ast.unparse(target) for target in targets}
            case ast.AnnAssign(target=target, value=value) if _is_changeable(value):
                found.add(ast.unparse(target))
            case _:
                pass
    return found - {"__all__"}


def _is_changeable(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).split(".")[-1] in COLLECTIONS
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def changes(module: ast.Module, name: str) -> bool:
    """Whether the code of a module changes what a name of it holds."""
    for function in (node for node in ast.walk(module) if isinstance(node, Function | ast.Lambda)):
        for node in ast.walk(function):
            match node:
                case ast.Global(names):
                    if name in names:
                        return True
                case ast.Call(func=ast.Attribute(value=ast.Name(id=held), attr=attr)):
                    if held == name and attr in CHANGING_METHODS:
                        return True
                case ast.Subscript(value=ast.Name(id=held), ctx=ast.Store() | ast.Del()):
                    if held == name:
                        return True
                case _:
                    pass
    return False


_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def words(text: str) -> Iterator[tuple[int, str]]:
    """Each word of a text with its line, small; those that make up a name are words of their own."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in _WORD.finditer(line):
            yield number, found.group().lower()
