"""Programs however they are started, with a handler for another process: it is found there, or refused at the start.
No script runs a second time that is not made for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import zipfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.job_type import JobType
from tests.helpers.rings import drawn, slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE, unmeasured

pytestmark = drawn(2)

HEAD = """
import asyncio, sys
from aiojobs_lite import JobRunner, job
print("ran", __name__, flush=True)
"""
RELATIVE = "from .others import OTHER\n"
HANDLER = """
class Odd(Exception):
    pass

@job(process=True, max_attempts=1, abandon_on=Odd)
def double(n: int) -> int:
    if n < 0:
        raise Odd("negative")
    return 2 * n
"""
MAIN = """
async def main():
    async with JobRunner(":memory:", jobs=[double]) as runner:
        print("result", await (await runner.enqueue(double, 21)).result(), flush=True)
        await (await runner.enqueue(double, -1)).result()
"""
GUARD = 'if __name__ == "__main__":\n    '
RUN = "asyncio.run(main())\n"
JOBS = "from aiojobs_lite import job\n" + HANDLER


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        if name.startswith("app.zip/"):
            with zipfile.ZipFile(folder / "app.zip", "w") as archive:
                archive.writestr(name.removeprefix("app.zip/"), text)
            continue
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


async def run(folder: Path, how: Sequence[str], orders: str = "") -> tuple[int, list[str], str]:
    """Exit code, the names under which modules ran, and all that was said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *(part.replace("FOLDER", str(folder)) for part in how), stdin=PIPE, stdout=PIPE, stderr=STDOUT,
        env={**unmeasured(), "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}, cwd=folder,
    )  # fmt: skip
    try:
        async with asyncio.timeout(3 * PATIENCE):
            output, _ = await process.communicate(orders.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode()
    return process.returncode or 0, [line[4:] for line in text.splitlines() if line.startswith("ran ")], text


FOUND = {
    "package, handler elsewhere": (
        {"app/__init__.py": "", "app/others.py": "OTHER = 1\n" + JOBS,
         "app/__main__.py": HEAD + RELATIVE + "from .others import double\n" + MAIN + RUN},
        ["-m", "app"], ["__main__"],
    ),
    "package, handler in it": (
        {"app/__init__.py": "", "app/others.py": "OTHER = 1\n",
         "app/__main__.py": HEAD + RELATIVE + HANDLER + MAIN + GUARD + RUN},
        ["-m", "app"], ["__main__", "__mp_main__"],
    ),
    "module, handler in it": (
        {"app/__init__.py": "", "app/others.py": "OTHER = 1\n",
         "app/cli.py": HEAD + RELATIVE + HANDLER + MAIN + GUARD + RUN},
        ["-m", "app.cli"], ["__main__", "__mp_main__"],
    ),
    "script": ({"app.py": HEAD + HANDLER + MAIN + GUARD + RUN}, ["FOLDER/app.py"], ["__main__", "__mp_main__"]),
    "script, multiprocessing imported before it": (  # which gives the name __mp_main__ to what is there
        {"sitecustomize.py": "import multiprocessing\n", "app.py": HEAD + HANDLER + MAIN + GUARD + RUN},
        ["FOLDER/app.py"], ["__main__", "__mp_main__"],
    ),
    "script without a guard, handler elsewhere": (
        {"jobs.py": JOBS, "app.py": HEAD + "from jobs import double\n" + MAIN + RUN}, ["FOLDER/app.py"], ["__main__"],
    ),
    "console script": (
        {"jobs.py": HEAD + HANDLER + MAIN + "def cli():\n    " + RUN,
         "bin/app": "import sys\nfrom jobs import cli\nsys.exit(cli())\n"},
        ["FOLDER/bin/app"], ["jobs", "jobs"],
    ),
    "command, handler elsewhere": (
        {"jobs.py": JOBS}, ["-c", HEAD + "from jobs import double\n" + MAIN + RUN], ["__main__"],
    ),
}  # fmt: skip


@slow
@pytest.mark.parametrize("name", FOUND)
async def test_the_handler_is_found(tmp_path: Path, name: str) -> None:
    files, how, ran = FOUND[name]
    write(tmp_path, files)
    _, found, text = await run(tmp_path, how)
    assert "result 42" in text, text
    assert "job 2 is dead (Odd is not to be tried again" in text, text
    assert found == ran


@slow
async def test_a_main_module_that_fails_in_the_other_process_says_where_and_what_is_left_out(tmp_path: Path) -> None:
    check = 'if __name__ == "__mp_main__":\n    raise RuntimeError("no display")\n'
    write(tmp_path, {"app.py": check + HEAD + HANDLER + MAIN + GUARD + RUN})
    _, _, text = await run(tmp_path, ["FOLDER/app.py"])
    said = "RuntimeError: the worker process could not import `__main__` (app.py line 2): no display. What starts"
    assert said in text, text


REFUSED = {
    "script without a guard": (
        {"app.py": HEAD + HANDLER + MAIN + RUN}, ["FOLDER/app.py"], "run the whole script again",
    ),
    "package without a guard": (
        {"app/__init__.py": "", "app/__main__.py": HEAD + HANDLER + MAIN + RUN}, ["-m", "app"],
        "run the whole script again",
    ),
    "handler below the guard": (
        {"app.py": HEAD + MAIN + GUARD + HANDLER.strip().replace("\n", "\n    ") + "\n    " + RUN},
        ["FOLDER/app.py"], "stands below `if __name__",
    ),
    "command": ({}, ["-c", HEAD + HANDLER + MAIN + GUARD + RUN], "stands in no file"),
    "standard input": ({}, ["-"], "stands in no file"),
    "archive": (
        {"app.zip/__main__.py": HEAD + HANDLER + MAIN + GUARD + RUN}, ["FOLDER/app.zip"], "cannot read the source",
    ),
}  # fmt: skip


@slow
@pytest.mark.parametrize("name", REFUSED)
async def test_what_would_not_be_found_is_refused_at_the_start_and_no_script_runs_twice(
    tmp_path: Path, name: str
) -> None:
    files, how, problem = REFUSED[name]
    write(tmp_path, files)
    code, found, text = await run(tmp_path, how, HEAD + HANDLER + MAIN + GUARD + RUN if how == ["-"] else "")
    assert "InvalidJobType: job type 'double': process=True" in text, text
    assert problem in text
    assert "move the handler to a module of its own" in text
    assert (code, found) == (1, ["__main__"])


def hidden() -> None: ...


async def test_a_handler_that_has_no_name_in_its_module_is_refused_at_the_start() -> None:
    function = hidden
    function.__qualname__ = "gone"
    with pytest.raises(
        InvalidJobType,
        match=r"process=True needs a function that is found under its name, and .* has no gone; "
        "give it a name at the top of its module",
    ):
        async with JobRunner(":memory:", jobs=[JobType(function, process=True)]):
            pass
