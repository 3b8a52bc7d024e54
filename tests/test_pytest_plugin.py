"""The pytest plugin: its fixture is there in any test, and costs a start of pytest that has no use for it nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.helpers.rings import slow
from tests.helpers.source import ROOT
from tests.helpers.waiting import unmeasured

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
((NAME, PLUGIN),) = PROJECT["project"]["entry-points"]["pytest11"].items()

STARTS = """if True:
    import sys
    import pytest
    code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "-p", sys.argv[1]])
    print(sorted(name for name in sys.modules if "aiojobs_lite" in name or name == "pydantic"))
    sys.exit(code)
"""

TEST = """
import asyncio
from aiojobs_lite import job

@job
async def double(n: int) -> int:
    return 2 * n

def test_it(job_kit):
    async def main():
        async with job_kit(jobs=[double]) as runner:
            handle = await runner.enqueue(double.using(delay="1h"), 4)
            job_kit.clock.advance("1h")
            assert await handle.result(timeout="5s") == 8
    asyncio.run(main())
"""


def ran(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder, with no plugin of pytest's but those named."""
    environment = {**unmeasured(), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment, timeout=60, check=False
    )


def test_the_plugin_is_a_module_that_every_build_takes_along() -> None:
    targets = PROJECT["tool"]["hatch"]["build"]["targets"]
    assert NAME == "aiojobs_lite"
    assert (ROOT / f"{PLUGIN}.py").is_file()
    assert f"{PLUGIN}.py" in targets["wheel"]["only-include"]
    assert f"{PLUGIN}.py" in targets["sdist"]["include"]


@slow
def test_a_start_of_pytest_that_tests_something_else_imports_the_plugin_alone(tmp_path: Path) -> None:
    done = ran(tmp_path, "-c", STARTS, PLUGIN)
    assert (done.returncode, done.stderr) == (5, "")  # no test found
    assert done.stdout.splitlines()[-1] == f"['{PLUGIN}']"


@slow
def test_the_fixture_runs_a_runner_in_memory(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST, encoding="utf-8")
    done = ran(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(entry.name for entry in tmp_path.iterdir() if entry.suffix != ".pyc") in (
        ["test_it.py"], ["__pycache__", "test_it.py"],
    )  # fmt: skip
