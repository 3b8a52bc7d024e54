"""After every test: no thread, task, descriptor, process or owner is left, and the database is sound and closed."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

# Tests start hundreds of processes. Where no compiled code may be written, each compiles the package anew: 0.5 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

pytest.register_assert_rewrite("tests.helpers")  # before they are imported: a failed assertion there says what differs

from aiojobs_lite.engine.defect_monitor import DefectMonitor  # noqa: E402  # see above
from aiojobs_lite.engine.suspects import Defect  # noqa: E402
from aiojobs_lite.stores.sqlite.owner_report import REPORT  # noqa: E402
from aiojobs_lite.stores.sqlite.owners import OWNERS_OF_THIS_PROCESS  # noqa: E402
from aiojobs_lite.testing.clock import FakeClock  # noqa: E402
from tests.helpers import cpu, limits, rings, seeds, temporary  # noqa: E402
from tests.helpers.databases import sound  # noqa: E402

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

ENDED = count(1)  # tests of this process
TESTS_TO_A_FREEZE = 250
ANYIO_POOL = "AnyIO process pool shutdown task"  # lives as long as the event loop, which then ends its processes


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all is collected: thousands of objects come, and all of them stay
    temporary.use_memory()
    rings.begin(config.getoption("markexpr"))
    seeds.draw(config)


@pytest.hookimpl(optionalhook=True)  # of xdist, for each of its processes
def pytest_configure_node(node: Any) -> None:
    seeds.hand_on(node.config, node.workerinput)


@pytest.hookimpl(trylast=True)  # when the processes of xdist have ended
def pytest_sessionfinish(session: pytest.Session) -> None:
    if cpu.is_too_much(cpu.used()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seconds = cpu.used()
    terminalreporter.write_line(cpu.said(seconds), red=cpu.is_too_much(seconds))
    terminalreporter.write_line(f"to repeat it, or one test of it: python -m pytest {seeds.repeats(config)}")


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    rings.sort(items)
    items[:], left = rings.draw(items, config)
    if left:
        config.hook.pytest_deselected(items=left)
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames[:] = dict.fromkeys(["no_task_left", *item.fixturenames])  # others need no event loop
            item.obj = limits.limited(item.obj, item.nodeid)


@pytest.hookimpl(tryfirst=True)  # before fixtures draw
def pytest_runtest_setup(item: pytest.Item) -> None:
    seeds.begin(item)


def pytest_collection_finish() -> None:
    gc.freeze()  # to walk through all that was collected, again and again, takes its time
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """What outlives tests is left out of the walks of the collector: modules that they import, and what these keep."""
    if next(ENDED) % TESTS_TO_A_FREEZE == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Threads, descriptors, processes and owners are the same after a test as before it."""
    threads, descriptors, owners = set(threading.enumerate()), _descriptors(), set(OWNERS_OF_THIS_PROCESS)
    had_children, ended = _has_children(), _ended_children()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
    left = [thread.name for thread in set(threading.enumerate()) - threads]
    assert not left, f"threads left behind: {left}"
    assert had_children or not _has_children(), "processes left behind"
    assert not set(OWNERS_OF_THIS_PROCESS) - owners, "owners that live in this process left behind"
    if _ended_children() == ended and (folder := request.node.funcargs.get("tmp_path")):
        left = [entry.name for entry in folder.glob(f"*-owner-{16 * '[0-9a-f]'}*")]
        assert not left, f"files of owners left behind, and no process was there to be killed: {left}"
    if _descriptors() - descriptors:
        gc.collect()
    assert not _descriptors() - descriptors, "descriptors left open"


@pytest.fixture(autouse=True)
def no_defect_found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No runner of a test finds a defect of the library in itself, unless the test plants one."""
    found: list[Defect] = []
    publish = DefectMonitor._publish  # noqa: SLF001  # every runner is listened to

    def noted(self: DefectMonitor, defect: Defect) -> None:
        found.append(defect)
        publish(self, defect)

    monkeypatch.setattr(DefectMonitor, "_publish", noted)
    yield
    assert found == [] or request.node.get_closest_marker("plants_defects"), found


@pytest.fixture
async def no_task_left(nothing_left_open: None) -> AsyncIterator[None]:
    """No task of a test outlives it."""
    before = asyncio.all_tasks()
    yield
    await asyncio.get_running_loop().shutdown_default_executor()  # the loop's own threads, for asyncio.to_thread
    allowed = (asyncio.current_task(), *(task for task in asyncio.all_tasks() if task.get_name() == ANYIO_POOL))
    left = [task for task in asyncio.all_tasks() - before if task not in allowed]
    assert not left, f"tasks left behind: {left}"


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Path of a database that does not exist yet; checked at the end, when it must be sound and have no live owner."""
    path = tmp_path / "jobs.db"
    yield path
    if path.exists():
        assert sound(path)
        left = [suffix for suffix in ("-wal", "-shm") if path.with_name(f"{path.name}{suffix}").exists()]
        assert not left, f"the database is still open: {left}"  # the last one to close removes them


@pytest.fixture
def owner_files(database: Path) -> Callable[[], list[str]]:
    """Lists the files of live (or dead and not yet removed) owners of the database, without what they report."""
    names = f"{database.name}-owner-*"
    return lambda: sorted([entry.name for entry in database.parent.glob(names) if entry.suffix != REPORT])


def _ended_children() -> int:
    """A number that grows with each process of this one that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt


def _has_children() -> bool:
    """Whether a process that this one started runs, or has ended and was not waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descriptors() -> set[tuple[str, str]]:
    """Open descriptors by number and target; empty where the system does not tell."""
    found = set()
    folder = "/proc/self/fd"
    for number in os.listdir(folder) if os.path.isdir(folder) else []:
        try:
            target = os.readlink(f"{folder}/{number}")
        except OSError:
            continue  # the listing's own
        found.add((number, target))
    return found
