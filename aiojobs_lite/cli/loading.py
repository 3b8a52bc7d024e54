"""Finds the runner that the code of an application declares: `shop.jobs:runner`."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated

import typer

from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.runner.runner import JobRunner

RunnerArgument = Annotated[
    str, typer.Argument(metavar="MODULE:RUNNER", help="Where the code has its JobRunner, such as shop.jobs:runner.")
]


def load_runner(place: str) -> JobRunner:
    """Imports a module, from the working directory as well, and returns the runner that it has by a name.

    Raises:
        InvalidOption: If there is no such module or no such runner.
    """
    module, colon, name = place.partition(":")
    if not colon or not module or not name:
        raise InvalidOption("MODULE:RUNNER", place, "a module and the name of its runner, such as shop.jobs:runner")
    sys.path.insert(0, os.getcwd())
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the code of the application needs it
        raise InvalidOption("MODULE:RUNNER", place, f"a module; there is none named {error.name}") from None
    runner = getattr(found, name, None)
    if not isinstance(runner, JobRunner):
        raise InvalidOption("MODULE:RUNNER", place, f"a JobRunner; {module}.{name} is {type(runner).__name__}")
    return runner
