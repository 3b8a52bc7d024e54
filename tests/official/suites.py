"""The suites: where they come from, what they need, how they are run, how many of their tests have to pass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

_BUN: Final = "bun@1.4.5"
_PACKAGES: Final = (
    "qstash", "PyJWT<2.10",  # its own tests sign with a number as the id, which later ones refuse
    "pytest>=8,<9", "pytest-asyncio>=0.23,<0.24", "python-dotenv", "httpx",
)  # fmt: skip


class Part(NamedTuple):
    """What is run at once, against a database of its own.

    Attributes:
        name: As it is printed.
        files: Of the suite, from its root.
        bar: So many tests have to pass.
    """

    name: str
    files: tuple[str, ...]
    bar: int


class Counts(NamedTuple):
    """What came of a part.

    Attributes:
        passed: How many tests passed.
        skipped: How many were left out.
        failed: The names of those that did not pass.
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
    """

    repository: str
    commit: str
    parts: tuple[Part, ...]
    prepare: Callable[[Path], Callable[[Part, Path], list[str]]]


def clone(source: str, commit: str, folder: Path) -> None:
    """Brings a commit of a repository, by URL or path, into a new folder."""
    _run(["git", "clone", "--quiet", source, str(folder)], folder.parent)
    _run(["git", "checkout", "--quiet", commit], folder)


def counted(report: Path) -> Counts:
    """The counts of a report, which pytest and bun write in the same form."""
    passed, skipped, failed = 0, 0, list[str]()
    for case in ET.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed.append(f"{case.get('file') or case.get('classname')}: {case.get('name')}")
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return Counts(passed, skipped, tuple(failed))


def _of_python(clone: Path) -> Callable[[Part, Path], list[str]]:
    environment = clone.parent / "environment"
    if not environment.exists():
        _run([sys.executable, "-m", "venv", str(environment)], clone)
        _run([str(environment / "bin" / "pip"), "install", "--quiet", *_PACKAGES], clone)
    python = str(environment / "bin" / "python")
    return lambda part, report: [python, "-m", "pytest", "-q", f"--junitxml={report}", *part.files]


def _of_javascript(clone: Path) -> Callable[[Part, Path], list[str]]:
    bun = clone.parent / "node_modules" / ".bin" / "bun"
    if not bun.exists():
        _run(["npm", "install", "--silent", "--prefix", str(clone.parent), _BUN], clone)
    _run([str(bun), "install", "--silent", "--ignore-scripts"], clone)
    return lambda part, report: [
        str(bun), "test", "--reporter=junit", f"--reporter-outfile={report}", *part.files,
    ]  # fmt: skip


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True)


_LIVE: Final = ("messages", "dlq", "queue", "schedules", "url-groups", "logs", "flow-control", "client")

SUITES: Final[Mapping[str, Suite]] = {
    "qstash-py": Suite(
        "https://github.com/upstash/qstash-py",
        "75c133a",
        (Part("tests", ("tests",), 91),),
        _of_python,
    ),
    "qstash-js": Suite(
        "https://github.com/upstash/qstash-js",
        "81d951b",
        (
            Part("live", (*(f"./src/client/{name}.test.ts" for name in _LIVE), "./src/receiver.test.ts"), 132),
            Part("llm/api", ("./src/client/llm/api.test.ts",), 3),
        ),
        _of_javascript,
    ),
}
