"""What every store must do, as tests against `stores.base.Store` alone: its docstrings and those of `model/`.

The test module of a store takes them all by `globals().update(conformance.test_classes())`, and provides the fixtures

- `make`: new stores of one database, not open,
- `store`: an open store,
- `two`: two open stores of one database,
- `caller`: a connection of a program to the database of `store`; anything, if its `joining` is None,
- `lose_answer`: has the next commit of a store carried out, and its answer lost.

Some clauses allow one store more than another: a hint that is too early, ids with gaps, counts and changes of other
owners that come late. The tests demand no more than the clauses.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil


def test_classes() -> dict[str, type]:
    """Every class of every module of the suite, by the name by which pytest finds it; none can be forgotten."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if inspect.isclass(value) and value.__module__ == module.name:
                assert f"Test{name}" not in found
                found[f"Test{name}"] = value
    return found
