"""Where another process finds a handler: by module and name, the main module only behind its guard."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from aiojobs_lite.errors import InvalidJobType
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.location import Location, MainModule, locate, location_of

GUARD = 'if __name__ == "__main__":\n'


def here() -> None: ...


class Outer:
    class Inner:
        """Found by two names."""


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The main module of a program, of which a test writes the file."""
    module = ModuleType("__main__")
    module.__file__ = str(tmp_path / "program.py")
    module.__spec__ = None
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def declared_in(main: ModuleType, source: str) -> JobType[..., object]:
    """The job type of a function `work` of a main module."""
    assert main.__file__ is not None
    Path(main.__file__).write_text(source, encoding="utf-8")
    exec(compile("def work() -> None: ...", main.__file__, "exec"), vars(main))
    return JobType(main.work, process=True)


def problem(main: ModuleType, source: str) -> str:
    with pytest.raises(InvalidJobType) as refused:
        locate(declared_in(main, source))
    return str(refused.value)


# In a module.


def test_a_handler_is_found_by_module_and_name() -> None:
    where = locate(JobType(here, process=True))
    assert where == Location(__name__, "here", None)
    assert where.find() is here
    assert location_of(Outer.Inner) == Location(__name__, "Outer.Inner")
    assert location_of(Outer.Inner).find() is Outer.Inner


def test_what_is_not_there_is_not_found() -> None:
    with pytest.raises(KeyError):
        Location("no.such.module", "here").find()
    with pytest.raises(AttributeError):
        Location(__name__, "Outer.gone").find()


def test_a_function_that_its_module_does_not_have_by_its_name_is_refused() -> None:
    def inner() -> None: ...

    inner.__qualname__ = "gone"  # as of a decorator that keeps the name of what it wraps

    with pytest.raises(InvalidJobType, match="give it a name at the top of its module"):
        locate(JobType(inner, process=True))


def test_a_module_that_only_another_process_imports_is_left_to_it() -> None:
    def elsewhere() -> None: ...

    elsewhere.__module__, elsewhere.__qualname__ = "imported.later", "elsewhere"
    assert locate(JobType(elsewhere, process=True)) == Location("imported.later", "elsewhere", None)


# In the main module.


def test_a_script_is_imported_by_its_file_and_a_program_of_dash_m_by_its_name(main: ModuleType) -> None:
    job_type = declared_in(main, f"def work() -> None: ...\n{GUARD}    work()\n")
    assert locate(job_type) == Location("__main__", "work", MainModule(None, main.__file__))
    main.__spec__ = SimpleNamespace(name="package.program")  # type: ignore[assignment]
    assert locate(job_type).main == MainModule("package.program", main.__file__)


def test_the_main_module_of_a_process_that_was_spawned_is_the_same(main: ModuleType) -> None:
    work = declared_in(main, f"def work() -> None: ...\n{GUARD}    work()\n").handler
    work.__module__ = "__mp_main__"
    assert location_of(work) == Location("__main__", "work")


@pytest.mark.parametrize("file", [None, "<stdin>"])
def test_a_handler_in_no_file_is_refused(main: ModuleType, file: str | None) -> None:
    job_type = declared_in(main, "")
    main.__file__ = file
    with pytest.raises(InvalidJobType, match="stands in no file, but in a notebook"):
        locate(job_type)


def test_a_file_that_cannot_be_read_as_python_is_refused(main: ModuleType) -> None:
    assert "cannot read the source" in problem(main, "def work(:\n")
    job_type = declared_in(main, GUARD + "    pass\n")
    assert main.__file__ is not None
    Path(main.__file__).unlink()
    with pytest.raises(InvalidJobType, match="cannot read the source"):
        locate(job_type)


@pytest.mark.parametrize("source", ["def work() -> None: ...\nwork()\n", "if work:\n    pass\nname = __name__\n"])
def test_a_script_without_a_guard_would_run_again_and_is_refused(main: ModuleType, source: str) -> None:
    assert "would run the whole script again" in problem(main, source)


@pytest.mark.parametrize(
    "below",
    ["def work() -> None: ...", "async def work() -> None: ...", "work = print", "from m import work",
     "import m as work", "class work: ...", "work: object = print", "for work in (): ..."],
)  # fmt: skip
def test_a_handler_below_the_guard_is_refused(main: ModuleType, below: str) -> None:
    assert "which a worker process leaves out" in problem(main, f"{GUARD}    {below}\n")


@pytest.mark.parametrize(
    "above",
    ["def work() -> None: ...", "try:\n    work = print\nfinally:\n    pass", "from m import x as work",
     "import work.m", "with open('f') as work: ..."],
)  # fmt: skip
def test_a_handler_that_has_its_name_above_the_guard_too_is_taken(main: ModuleType, above: str) -> None:
    job_type = declared_in(main, f"{above}\n{GUARD}    work = print\n")
    assert locate(job_type).main is not None
