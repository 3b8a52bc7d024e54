"""While pytest runs, a runner opens no file that is not the test's own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import JobRunner, StoreRefused
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.testing import JobKit

PLUGIN = "pytest_aiojobs_lite"  # what pytest loads


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The plugin, as if no folder were the test's own."""
    module: Any = SimpleNamespace(file_rule=lambda: module.rule)
    module.rule = SimpleNamespace(choice="refuse", own=(), temporary="/nowhere", project=None)
    monkeypatch.setitem(sys.modules, PLUGIN, module)
    return module


async def test_a_file_that_is_not_the_tests_own_is_refused(plugin: Any, database: Path) -> None:
    for given in (database, f"sqlite:///{database}", open_store(database, "full")):
        runner = JobRunner(given)
        with pytest.raises(StoreRefused) as caught:
            await runner.run_until_idle()
        assert (caught.value.why, caught.value.database) == ("pytest runs", str(database))
        assert str(caught.value) == (
            f"{database}: pytest runs. It is not the test's own: a client would write to it, and a runner run the jobs "
            "that wait there. Before the application starts, "
            "`job_kit.replace(runner)` lets the runner start in memory (the fixture job_kit), and "
            "`job_kit.replace(client)` a JobClient; so does `async with job_kit(runner):`. The pytest option "
            "`aiojobs_lite_files` allows every file (allow), or "
            "starts every runner in memory (memory)."
        )
    assert not database.exists()


async def test_what_is_the_tests_own_is_opened(plugin: Any, database: Path, job_kit: JobKit) -> None:
    await JobRunner(":memory:").run_until_idle()
    async with job_kit(JobRunner(database)):
        assert not database.exists()
    async with job_kit(JobRunner("jobs.db"), database=database):
        assert database.exists()
    plugin.rule.own = ("/nowhere/", str(database.parent.parent / database.parent.name[:5]))
    await JobRunner(database).run_until_idle()


async def test_a_temporary_file_is_the_tests_own_unless_the_project_is_temporary(plugin: Any, database: Path) -> None:
    plugin.rule.temporary = str(database.parent.parent)
    await JobRunner(database).run_until_idle()
    plugin.rule.project = str(database.parent)
    with pytest.raises(StoreRefused):
        await JobRunner(database).run_until_idle()


async def test_an_option_allows_every_file_or_puts_every_runner_in_memory(plugin: Any, database: Path) -> None:
    plugin.rule.choice = "memory"
    await JobRunner(database).run_until_idle()
    assert not database.exists()
    plugin.rule.choice = "allow"
    await JobRunner(database).run_until_idle()
    assert database.exists()


@pytest.mark.parametrize("is_imported", [True, False])
async def test_outside_of_pytest_every_file_is_opened(
    plugin: Any, database: Path, monkeypatch: pytest.MonkeyPatch, is_imported: bool
) -> None:
    plugin.rule = None
    if not is_imported:
        monkeypatch.delitem(sys.modules, PLUGIN)
    await JobRunner(database).run_until_idle()
    assert database.exists()
