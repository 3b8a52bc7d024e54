"""The house rules that no linter knows: budgets, the public names, and what an import may do."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aiojobs_lite
from tests.helpers.waiting import unmeasured

ROOT = Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "aiojobs_lite").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PUBLIC = [
    "Abandon",
    "AiojobsError",
    "Attempt",
    "Backoff",
    "Cancel",
    "Clock",
    "ConfigurationError",
    "CronSchedule",
    "EnqueueError",
    "InvalidPayload",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobDead",
    "JobHandle",
    "JobNotFound",
    "JobRunner",
    "JobType",
    "Outcome",
    "ResultTimeout",
    "Retry",
    "RunnerError",
    "RunnerStats",
    "Snooze",
    "Status",
    "StoreError",
    "StoreUnavailable",
    "SystemClock",
    "injected",
    "job",
]
# What a module may change after its import. More than the owners' list would be shared between runners.
SHARED = {"engine/ownership.py": {"_HERE"}}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_docstring(node: ast.Module | ast.ClassDef | Function) -> int:
    """Lines of a module, class or function; docstrings in it are not counted, decorators are no part of it."""
    first, last = (1, 0) if isinstance(node, ast.Module) else (node.lineno, node.end_lineno or 0)
    lines = last - first + 1
    for part in ast.walk(node):
        if isinstance(part, ast.Module | ast.ClassDef | Function) and ast.get_docstring(part, clean=False) is not None:
            said = part.body[0]
            lines -= (said.end_lineno or 0) - said.lineno + 1
    return lines


def sizes(path: Path) -> Iterator[tuple[str, int, int]]:
    """What is measured in a file: name, lines, and how many it may have."""
    module, tested = tree(path), path in TESTS
    whole = len(path.read_text(encoding="utf-8").splitlines())
    yield name_of(path), whole + without_docstring(module), 600 if tested else 500
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            yield f"{name_of(path)}:{node.name}", without_docstring(node), 350
        elif isinstance(node, Function):
            yield f"{name_of(path)}:{node.name}", without_docstring(node), 50


def test_nothing_is_longer_than_its_budget() -> None:
    measured = [size for path in (*PACKAGE, *TESTS) for size in sizes(path)]
    assert len(measured) > 500
    assert [(name, lines, most) for name, lines, most in measured if lines > most] == []


def test_docstrings_are_not_counted_and_everything_else_is() -> None:
    code = (
        'class A:\n    """One.\n\n    Two.\n    """\n\n    def f(self) -> None:\n        """Three."""\n        x = 1\n'
    )
    (kind,) = ast.parse(code).body
    assert isinstance(kind, ast.ClassDef)
    function = kind.body[1]
    assert isinstance(function, ast.FunctionDef)
    assert without_docstring(kind) == 9 - 4 - 1
    assert without_docstring(function) == 2


# The public names.


def test_the_public_names_are_these() -> None:
    assert aiojobs_lite.__all__ == PUBLIC
    assert len(PUBLIC) <= 30


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(aiojobs_lite, name).__doc__


def test_the_package_root_holds_the_public_names_and_its_modules_only() -> None:
    held = {name for name in vars(aiojobs_lite) if not name.startswith(("__", "@"))}  # @: put there by pytest
    modules = {path.stem for path in PACKAGE} | {"engine", "stores"}
    assert held - set(PUBLIC) - modules == set()


def documented(node: ast.Module | ast.ClassDef, where: str) -> Iterator[str]:
    """The public definitions without a docstring."""
    for part in node.body:
        if isinstance(part, ast.ClassDef | Function) and not part.name.startswith("_"):
            if not ast.get_docstring(part) and not any("overload" in ast.dump(mark) for mark in part.decorator_list):
                yield f"{where}.{part.name}"
            if isinstance(part, ast.ClassDef):
                yield from documented(part, f"{where}.{part.name}")


def test_everything_public_is_documented() -> None:
    assert [path for path in PACKAGE if not ast.get_docstring(tree(path))] == []
    found = [name for path in PACKAGE for name in documented(tree(path), name_of(path))]
    assert found == []


# What the code may hold and use.


def changeable(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).split(".")[-1] in {
            "Counter", "OrderedDict", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "bytearray", "defaultdict",
            "deque", "dict", "list", "set",
        }  # fmt: skip
    return isinstance(node, ast.Dict | ast.List | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    for node in module.body:
        if isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target), node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), node.value


def changes(module: ast.Module, name: str) -> bool:
    """Whether the code of a module changes what a name of it holds."""
    methods = {
        "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
        "setdefault", "update",
    }  # fmt: skip
    for function in (node for node in ast.walk(module) if isinstance(node, Function | ast.Lambda)):
        for node in ast.walk(function):
            match node:
                case ast.Global(names):
                    if name in names:
                        return True
                case ast.Call(func=ast.Attribute(value=ast.Name(id=held), attr=attr)):
                    if held == name and attr in methods:
                        return True
                case ast.Subscript(value=ast.Name(id=held), ctx=ast.Store() | ast.Del()):
                    if held == name:
                        return True
                case _:
                    pass
    return False


def test_no_module_keeps_state_but_the_list_of_owners() -> None:
    odd, kept = [], {}
    for path in PACKAGE:
        module = tree(path)
        held = {name for name, value in assigned(module) if changeable(value) and name != "__all__"}
        moved = {name for name in held if changes(module, name)}
        odd += [f"{name_of(path)}: {name}" for name in held - moved if name != name.upper()]
        if moved:
            kept[path.relative_to(ROOT / "aiojobs_lite").as_posix()] = moved
    assert odd == []
    assert kept == SHARED


def test_no_module_rebinds_a_name_of_its_own() -> None:
    found = [name_of(path) for path in PACKAGE for node in ast.walk(tree(path)) if isinstance(node, ast.Global)]
    assert found == []


def test_wait_for_is_not_used() -> None:
    found = [
        name_of(path)
        for path in (*PACKAGE, *TESTS)
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr == "wait_for")
        or (isinstance(node, ast.alias) and node.name == "wait_for")
    ]
    assert found == []  # it can swallow a cancellation on Python 3.11


# What an import does.


def told(code: str, folder: Path) -> object:
    """What a fresh interpreter in an empty folder prints, as JSON."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=unmeasured(), timeout=60, check=False
    )
    assert done.stderr == ""
    answer: object = json.loads(done.stdout)
    return answer


def test_importing_loads_no_extra_and_starts_and_writes_nothing(tmp_path: Path) -> None:
    code = """if True:
        import json, os, sys, threading
        import aiojobs_lite
        aiojobs_lite.JobRunner(), aiojobs_lite.JobRunner(":memory:")
        extras = {"coverage", "fastapi", "httpx", "hypothesis", "pytest", "starlette", "uvicorn"}
        print(json.dumps([sorted(extras & set(sys.modules)), threading.active_count(), os.listdir()]))
    """
    assert told(code, tmp_path) == [[], 1, []]
    assert list(tmp_path.iterdir()) == []


def test_every_module_can_be_imported_first(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE
        if path.name != "testing.py"  # needs pytest, as it says
    ]
    code = f"""if True:
        import importlib, json, sys
        failed = []
        for name in {names!r}:
            for loaded in [loaded for loaded in sys.modules if loaded.startswith("aiojobs_lite")]:
                del sys.modules[loaded]
            try:
                importlib.import_module(name)
            except ImportError as error:
                failed.append(f"{{name}}: {{error}}")
        print(json.dumps(failed))
    """
    assert told(code, tmp_path) == []
