"""Asks before something is changed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.screen import note, write_problem
from aiojobs_lite.text import escape

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Goes on if the person at the terminal says so. Without a terminal it is to be said by `--yes`.

    Raises:
        Exit: If not.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        write_problem(f"{question} No terminal to ask at: add --yes.", ExitCode.USAGE)
        raise typer.Exit(ExitCode.USAGE)
    if not typer.confirm(escape(question), err=True):
        note("nothing was done")
        raise typer.Exit(ExitCode.REFUSED)
