"""`python -m tests.official qstash-py`: fetches a suite, runs it unchanged, prints its counts.

The exit code is 1 if a test failed that is not known to, or if fewer passed than have to.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.helpers.apps.common import say
from tests.official.suite import Counts, Part, Suite, clone, counted
from tests.official.suites import SUITES


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.official", description=__doc__.split("\n")[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--source", help="a path or URL of the repository, in place of its public one")
    parser.add_argument("--commit", help="HEAD, or another one than the bars count for")
    parser.add_argument("--folder", type=Path, help="keeps the clone and its environment, for the next run")
    parser.add_argument("tests", nargs="*", help="what is run, in place of the whole suite; then no bar counts")
    return parser.parse_intermixed_args()


def main() -> int:
    """Runs a suite; returns the exit code."""
    options = _options()
    suite = SUITES[options.suite]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)) / options.suite
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "clone").exists():
            clone(options.source or suite.repository, options.commit or suite.commit, folder / "clone")
        parts = (Part("these", tuple(options.tests), 0),) if options.tests else suite.parts
        results = [asyncio.run(_run(suite, part, folder)) for part in parts]
    good = True
    for part, counts in zip(parts, results, strict=True):
        say(f"{options.suite} {part.name}: {counts.passed} passed, {len(counts.failed)} failed, bar {part.bar}")
        reasons = {name: part.reason(name) for name in counts.failed}
        for name, reason in reasons.items():
            say("  failed:", name, f"(known: {reason})" if reason else "")
        good = good and all(reasons.values()) and counts.passed >= part.bar
    return 0 if good else 1


async def _run(suite: Suite, part: Part, folder: Path) -> Counts:
    """Runs a part, with a server of its own."""
    repository = folder / "clone"
    command = suite.prepare(repository)
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "report.xml"
        async with suite.serving(Path(temporary)) as environment:
            process = await asyncio.create_subprocess_exec(*command(part, report), cwd=repository, env=environment)
            await process.wait()
        return counted(report)


if __name__ == "__main__":
    sys.exit(main())
