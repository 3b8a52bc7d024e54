"""The suite of the Inngest SDK in Python, without `connect`, which the app does not speak."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.official.inngest_server import serving
from tests.official.suite import Part, Suite, environment

_PACKAGES: Final = ("inngest[connect]", "inngest_encryption", "test_core")  # of the clone
_NO_TESTS: Final = ("build", "boto3-stubs", "django-types", "mypy", "pyright", "ruff", "types-", *_PACKAGES)
_KNOWN: Final = {
    "test_send.TestSend: test_client_send_retry": "an event that is sent again by its id is kept once, not twice",
    "test_client_middleware.TestClientMiddleware: test_": "a function may be called before its sender has the answer",
}


def _prepare(clone: Path) -> Callable[[Part, Path], list[str]]:
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [need for need in project["project"]["optional-dependencies"]["dev"] if not need.startswith(_NO_TESTS)]
    constraints = clone.parent / "constraints.txt"
    constraints.write_text("\n".join(project["tool"]["uv"]["constraint-dependencies"]), encoding="utf-8")
    own = [argument for package in _PACKAGES for argument in ("--editable", f"{clone}/pkg/{package}")]
    python = str(environment(clone.parent, "--constraint", str(constraints), *needed, *own))
    return lambda part, report: [
        python, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}",
        "--ignore=tests/test_inngest/test_connect", "--ignore=tests/test_inngest/test_function/test_connect.py",
        *part.files,
    ]  # fmt: skip


INNGEST_PY: Final = Suite(
    "https://github.com/inngest/inngest-py",
    "305bc6a",
    (
        Part("inngest", ("tests/test_inngest",), 261, _KNOWN),
        Part("encryption", ("tests/test_inngest_encryption",), 20),
    ),
    _prepare,
    serving,
)
