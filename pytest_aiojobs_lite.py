"""The pytest plugin of aiojobs_lite: the fixture `job_kit`, and no runner of a test on a file that is not the test's.

pytest imports the plugins of all installed packages at each of its starts, whatever it tests. So this module lies
beside the package, whose import it puts off until a test asks for the fixture. The package looks for this module among
those that are imported: a program that a test starts has not imported it, and may use any file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from aiojobs_lite.testing import JobKit

FILES: Final = "aiojobs_lite_files"
_CHOICES: Final = ("refuse", "allow", "memory")
_CONFIGS: list[pytest.Config] = []  # of the runs of pytest in this process, the innermost last


class FileRule(NamedTuple):
    """What becomes of a runner that is started on a file while pytest runs.

    Attributes:
        choice: `refuse`, `allow`, or `memory`: it is in memory instead.
        own: How the paths of files begin that are the test's own, and not refused.
        temporary: So are files in this folder, but for those of the project.
        project: The folder of the project, if it lies in the temporary one, or None.
    """

    choice: str
    own: tuple[str, ...]
    temporary: str
    project: str | None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option `aiojobs_lite_files`."""
    text = "a JobRunner that is started on a file, not in a temporary folder: refuse (default), allow, or memory"
    parser.addini(FILES, text, default=_CHOICES[0])


def pytest_configure(config: pytest.Config) -> None:
    """The rule is in force."""
    if config.getini(FILES) not in _CHOICES:
        raise pytest.UsageError(f"{FILES} = {config.getini(FILES)}: expected {', '.join(_CHOICES)}.")
    _CONFIGS.append(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The rule is no more in force."""
    if config in _CONFIGS:
        _CONFIGS.remove(config)


def file_rule() -> FileRule | None:
    """The rule in force; None: pytest does not run here."""
    if not _CONFIGS:
        return None
    config = _CONFIGS[-1]
    temporary = os.path.realpath(tempfile.gettempdir())
    of_pytest = os.path.realpath(os.environ.get("PYTEST_DEBUG_TEMPROOT") or temporary)
    own = [os.path.join(of_pytest, "pytest-of-")]  # its folders may have any owner, and the folder may be a full one
    if config.getoption("basetemp", None):
        own.append(os.path.join(os.path.realpath(str(config.getoption("basetemp"))), ""))
    project = os.path.realpath(config.rootpath)
    is_temporary = os.path.commonpath([project, temporary]) == temporary
    return FileRule(str(config.getini(FILES)), tuple(own), temporary, project if is_temporary else None)


@pytest.fixture
def job_kit() -> Iterator[JobKit]:
    """Starts runners in memory on a fake clock; see `aiojobs_lite.testing.JobKit`."""
    from aiojobs_lite.testing import JobKit  # noqa: PLC0415  # see above

    with JobKit() as kit:
        yield kit
