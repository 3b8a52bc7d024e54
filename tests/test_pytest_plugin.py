"""The pytest plugin: its fixture is there in any test, a runner of a test opens no file of the project, and a start of
pytest that has no use for it costs nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers.rings import slow
from tests.helpers.root import ROOT
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


def ran(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder, with no plugin of pytest's but those named."""
    settings = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = {**unmeasured(), **settings, **variables}
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


FILES = """
import subprocess, sys
import pytest
from aiojobs_lite import JobRunner, StoreRefused

RUN = "import asyncio; from aiojobs_lite import JobRunner; asyncio.run(JobRunner('of_program.db').run_until_idle())"

async def opened(path):
    await JobRunner(path).run_until_idle()
    return path

def opens(path):
    import asyncio
    return asyncio.run(opened(path)) == path

def test_a_file_of_the_project():
    opens("jobs.db")

def test_a_file_of_the_test(tmp_path):
    assert opens(tmp_path / "jobs.db")
    assert (tmp_path / "jobs.db").exists()

def test_a_program_that_a_test_starts():
    subprocess.run([sys.executable, "-c", RUN], check=True, timeout=60)
"""


@slow
@pytest.mark.parametrize(
    ("option", "failed", "files"),
    [
        ((), 1, {"of_program.db"}),
        (("-o", "aiojobs_lite_files=allow"), 0, {"of_program.db", "jobs.db"}),
        (("-o", "aiojobs_lite_files=memory", "--deselect=test_it.py::test_a_file_of_the_test"), 0, {"of_program.db"}),
        (("--basetemp=of_tests",), 1, {"of_program.db"}),
    ],
)
def test_a_test_opens_no_file_of_the_project(
    tmp_path: Path, option: tuple[str, ...], failed: int, files: set[str]
) -> None:
    (tmp_path / "test_it.py").write_text(FILES, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {"PYTEST_DEBUG_TEMPROOT": str(tmp_path / "temporary")}
    (tmp_path / "temporary").mkdir()
    done = ran(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN, *option, **environment)
    assert (f"{failed} failed" in done.stdout) == bool(failed), done.stdout + done.stderr
    assert done.stdout.count("job_kit.replace(runner)") >= failed, done.stdout
    assert {path.name for path in tmp_path.glob("*.db")} == files
    assert done.returncode == failed


@slow
def test_a_choice_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = ran(tmp_path, "-m", "pytest", "-q", "-p", PLUGIN, "-o", "aiojobs_lite_files=maybe")
    assert done.returncode == 4
    assert "aiojobs_lite_files = maybe: expected refuse, allow, memory." in done.stdout + done.stderr
