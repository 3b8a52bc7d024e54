"""What a suite of a client is, how it comes here, and what came of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree import ElementTree as ET


class Part(NamedTuple):
    """What is run at once, against a database of its own.

    Attributes:
        name: As it is printed.
        files: Of the suite, from its root.
        bar: So many tests have to pass.
        known: Tests that may fail, by a part of their names, each with the reason.
    """

    name: str
    files: tuple[str, ...]
    bar: int
    known: Mapping[str, str] = MappingProxyType({})

    def reason(self, failed: str) -> str | None:
        """Why a test that failed may do so; None: it may not."""
        return next((reason for name, reason in self.known.items() if name in failed), None)


class Counts(NamedTuple):
    """What came of a part.

    Attributes:
        passed: How many tests passed.
        skipped: How many were left out.
        failed: Those that did not pass: the name of each, and the first line of its error.
    """

    passed: int
    skipped: int
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    """A suite of a client.

    Attributes:
        repository: Where it is public.
        commit: The one that the bars count for.
        parts: What is run of it.
        prepare: Installs what it needs, in the folder of the clone; gives the command that runs files and writes the
            report of JUnit's form to a path.
        serving: Serves the app, whose database is new, in a folder; gives the environment of the suite.
    """

    repository: str
    commit: str
    parts: tuple[Part, ...]
    prepare: Callable[[Path], Callable[[Part, Path], list[str]]]
    serving: Callable[[Path], AbstractAsyncContextManager[dict[str, str]]]


def clone(source: str, commit: str, folder: Path) -> None:
    """Brings a commit of a repository, by URL or path, into a new folder."""
    carry_out(["git", "clone", "--quiet", "--no-checkout", source, str(folder)], folder.parent)
    carry_out(["git", "checkout", "--quiet", commit], folder)


def carry_out(command: list[str], folder: Path) -> None:
    """Runs a command, which has to succeed, in a folder."""
    subprocess.run(command, cwd=folder, check=True)


def environment(folder: Path, *packages: str) -> Path:
    """The Python of a virtual environment with packages, which is made once."""
    made = folder / "environment"
    if not made.exists():
        carry_out([sys.executable, "-m", "venv", str(made)], folder)
        carry_out([str(made / "bin" / "pip"), "install", "--quiet", *packages], folder)
    return made / "bin" / "python"


def npm_program(folder: Path, package: str) -> Path:
    """The program of a package of npm, such as `bun@1.4.5`, which is installed once."""
    program = folder / "node_modules" / ".bin" / package.partition("@")[0]
    if not program.exists():
        carry_out(["npm", "install", "--silent", "--prefix", str(folder), package], folder)
    return program


def counted(report: Path) -> Counts:
    """The counts of a report, which pytest, bun and vitest write in the same form."""
    passed, skipped, failed = 0, 0, list[str]()
    for case in ET.parse(report).iter("testcase"):
        of_kind = {child.tag: child for child in case}
        found = of_kind.get("failure", of_kind.get("error"))
        if found is not None:
            name = f"{case.get('file') or case.get('classname')}: {case.get('name')}"
            said = (found.get("message") or found.text or "").strip().partition("\n")[0]
            failed.append(f"{name}: {said}" if said else name)
        elif "skipped" in of_kind:
            skipped += 1
        else:
            passed += 1
    return Counts(passed, skipped, tuple(failed))
