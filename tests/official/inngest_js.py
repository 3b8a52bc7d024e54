"""The suite of the Inngest SDK in TypeScript: the core of its tests of integration.

Its other parts are about what the app does not speak: `connect`, `defer`, `durableEndpoints`, `scorer`, `scoring` and
`traces`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.official.inngest_server import serving
from tests.official.suite import Part, Suite, carry_out, npm_program

_PNPM: Final = "pnpm@10.12.1"
_CORE: Final = (
    "auth", "checkpointing/", "dispatchValidation", "logger", "middleware/", "noSigningKey", "onFailure", "retry.",
    "retryAfterError", "sessions", "subSecondDurations",
)  # fmt: skip


def _prepare(clone: Path) -> Callable[[Part, Path], list[str]]:
    pnpm = str(npm_program(clone.parent, _PNPM))
    install = [pnpm, "install", "--silent", "--frozen-lockfile", "--ignore-scripts", "--filter", "inngest..."]
    carry_out(install, clone)
    package = clone / "packages" / "inngest"
    carry_out([pnpm, "run", "--silent", "pb:version"], package)
    return lambda part, report: [
        pnpm, "--dir", str(package), "exec", "vitest", "run", "--config", "vitest.config.integration.ts",
        "--typecheck.enabled=false", "--reporter=default", "--reporter=junit", f"--outputFile.junit={report}",
        *part.files,
    ]  # fmt: skip


INNGEST_JS: Final = Suite(
    "https://github.com/inngest/inngest-js",
    "abc4a63",
    (Part("core", tuple(f"src/test/integration/{name}" for name in _CORE), 201),),
    _prepare,
    serving,
)
