"""Where another process finds a handler: by module and name, as `multiprocessing` finds functions."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.job_type import JobType

MAIN_MODULE: Final = "__main__"
MAIN_MODULE_ELSEWHERE: Final = (
    "__mp_main__"  # its name where it is not the program: in what multiprocessing spawns, too
)
_REMEDY: Final = "move the handler to a module of its own, which this one imports"


class MainModule(NamedTuple):
    """How the program's main module is imported in another process, under another name.

    Attributes:
        name: Its name, if it was started with `-m`.
        path: Its file, if it is a script.
    """

    name: str | None
    path: str | None


class Location(NamedTuple):
    """Where a handler, or another thing of a module, is found.

    Attributes:
        module: The name of its module.
        name: Its qualified name.
        main: How to import the main module, if it stands there; else the main module is left alone.
    """

    module: str
    name: str
    main: MainModule | None = None

    def find(self) -> Any:
        """The thing itself; its module is there already.

        Raises:
            KeyError: If the module is not there.
            AttributeError: If it has no such name.
        """
        found: Any = sys.modules[self.module]
        for name in self.name.split("."):
            found = getattr(found, name)
        return found


def location_of(thing: Any) -> Location:
    """Module and name of a function or class, as it was declared."""
    module = thing.__module__
    return Location(MAIN_MODULE if module == MAIN_MODULE_ELSEWHERE else module, thing.__qualname__)


def locate(job_type: JobType[..., Any]) -> Location:
    """Where a worker process finds the handler of a job type.

    Raises:
        InvalidJobType: If it could not find it, or only by running a script a second time.
    """
    where = location_of(job_type.handler)
    try:
        where.find()
    except KeyError:
        return where  # another process may still import it
    except AttributeError:
        raise InvalidJobType(
            job_type.name,
            f"process=True needs a function that is found under its name, and {where.module} has no {where.name}; "
            f"give it a name at the top of its module",
        ) from None
    if where.module != MAIN_MODULE:
        return where
    return where._replace(main=_main_of(job_type.name, where.name, sys.modules[MAIN_MODULE]))


def _main_of(job_type: str, handler: str, module: ModuleType) -> MainModule:
    spec, path = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    if path is None or path.startswith("<"):  # "<stdin>"
        raise InvalidJobType(
            job_type,
            "process=True, and the handler stands in no file, but in a notebook, a console or `python -c`: a worker "
            f"process cannot find it there; {_REMEDY}",
        )
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        raise InvalidJobType(
            job_type,
            f"process=True, and the handler stands in {path}, of which a worker process cannot read the source; "
            f"{_REMEDY}",
        ) from None
    guards = [node for node in tree.body if _is_guard(node)]
    if not guards:
        raise InvalidJobType(
            job_type,
            f'process=True, and the handler stands in {path}, which has no `if __name__ == "__main__":`: a worker '
            f"process would run the whole script again. Put what starts the program below that line, or {_REMEDY}",
        )
    name = handler.partition(".")[0]
    if name in _bound(guards) and name not in _bound(node for node in tree.body if node not in guards):
        raise InvalidJobType(
            job_type,
            f'process=True, and the handler stands below `if __name__ == "__main__":`, which a worker process leaves '
            f"out; put it above that line, or {_REMEDY}",
        )
    return MainModule(getattr(spec, "name", None), str(path))


def _is_guard(node: ast.stmt) -> bool:
    """Whether it is an `if` that asks for `__name__`."""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def _bound(nodes: Iterable[ast.stmt]) -> set[str]:
    return {name for node in nodes for name in _names(node)}


def _names(node: ast.AST) -> Iterator[str]:
    """What a statement gives a name, at the top of its module."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    for part in ast.iter_child_nodes(node):
        yield from _names(part)
