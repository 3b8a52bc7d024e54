"""`aiojobs-lite`: the entry point, which needs nothing but the plain install."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

_OF_THE_EXTRA: Final = ("typer", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code, an `ExitCode`.

    Args:
        arguments: Those of the command line; None: of this process.
    """
    try:
        from aiojobs_lite.cli.app import run_command  # noqa: PLC0415  # needs the extra
    except ModuleNotFoundError as error:
        if error.name not in _OF_THE_EXTRA:
            raise
        sys.stderr.write(f"aiojobs-lite: the command line needs {error.name}: pip install 'aiojobs_lite[cli]'\n")
        return 1
    return run_command(arguments)
