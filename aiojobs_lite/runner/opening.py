"""Which store a start opens: while pytest runs, no file that is not the test's own.

A test of an application starts its runner by the way, on the file that the developer works with, and would run what
waits there. That pytest runs is known from its plugin, if that is imported in this process.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.stores.base import Durability, Store
from aiojobs_lite.stores.open import Database, open_store

_PLUGIN: Final = "pytest_aiojobs_lite"
_DATABASE_VARIABLE: Final = "AIOJOBS_LITE_DATABASE"
_DEFAULT_DATABASE: Final = "jobs.db"
_MEMORY: Final = ":memory:"
_ADVICE: Final = (
    "It is not the test's own: a client would write to it, and a runner run the jobs that wait there. Before the "
    "application starts, `job_kit.replace(runner)` lets the runner start in memory (the fixture job_kit), and "
    "`job_kit.replace(client)` a JobClient; so does `async with job_kit(runner):`. The pytest option "
    "`aiojobs_lite_files` allows every file (allow), or starts every runner in memory (memory)."
)


def database_or_default(database: Database | None) -> Database:
    """The database that was given; None: that of the environment, else `jobs.db` in the working directory."""
    return database if database is not None else os.environ.get(_DATABASE_VARIABLE) or _DEFAULT_DATABASE


def store_of_start(database: Database, durability: Durability) -> Store:
    """The store for a start of a runner.

    Raises:
        StoreRefused: If pytest runs, and it is a file that is not the test's own.
    """
    store = open_store(database, durability)
    plugin: Any = sys.modules.get(_PLUGIN)
    rule = None if plugin is None else plugin.file_rule()
    given: Path | None = getattr(store, "path", None)
    if rule is None or given is None or rule.choice == "allow":
        return store
    path = Path(os.path.realpath(given))  # that of a store may be relative
    if rule.choice == "memory":
        return open_store(_MEMORY, durability)
    is_of_project = rule.project is not None and path.is_relative_to(rule.project)
    is_temporary = path.is_relative_to(rule.temporary) and not is_of_project
    if is_temporary or str(path).startswith(rule.own):
        return store
    raise StoreRefused(str(path), "pytest runs", _ADVICE)
