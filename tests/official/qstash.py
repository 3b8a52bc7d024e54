"""The suites of the QStash clients, in Python and in JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.official.qstash_server import serving
from tests.official.suite import Part, Suite, carry_out, environment, npm_program

_BUN: Final = "bun@1.4.5"
_PACKAGES: Final = (
    "qstash", "PyJWT<2.10",  # its own tests sign with a number as the id, which later ones refuse
    "pytest>=8,<9", "pytest-asyncio>=0.23,<0.24", "python-dotenv", "httpx",
)  # fmt: skip
_LIVE: Final = ("messages", "dlq", "queue", "schedules", "url-groups", "logs", "flow-control", "client")


def _of_python(clone: Path) -> Callable[[Part, Path], list[str]]:
    python = str(environment(clone.parent, *_PACKAGES))
    return lambda part, report: [python, "-m", "pytest", "-q", f"--junitxml={report}", *part.files]


def _of_javascript(clone: Path) -> Callable[[Part, Path], list[str]]:
    bun = str(npm_program(clone.parent, _BUN))
    carry_out([bun, "install", "--silent", "--ignore-scripts"], clone)
    return lambda part, report: [
        bun, "test", "--reporter=junit", f"--reporter-outfile={report}", *part.files,
    ]  # fmt: skip


QSTASH_PY: Final = Suite(
    "https://github.com/upstash/qstash-py",
    "75c133a",
    (Part("tests", ("tests",), 91),),
    _of_python,
    serving,
)
QSTASH_JS: Final = Suite(
    "https://github.com/upstash/qstash-js",
    "81d951b",
    (
        Part("live", (*(f"./src/client/{name}.test.ts" for name in _LIVE), "./src/receiver.test.ts"), 132),
        Part("llm/api", ("./src/client/llm/api.test.ts",), 3),
    ),
    _of_javascript,
    serving,
)
