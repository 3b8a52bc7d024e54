"""`aiojobs-lite web`: the dashboard of a file, with a runner of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import uvicorn

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.cli.main import main
from aiojobs_lite.cli.web import PASSWORD_VARIABLE, dashboard_alone
from tests.helpers.dashboard import visiting


@pytest.fixture
async def database(tmp_path: Path) -> str:
    """A file with one job."""
    runner = JobRunner(tmp_path / "app.db", max_running=0)

    @runner.job
    async def work() -> None: ...

    async with runner:
        await runner.enqueue(work)
    return str(tmp_path / "app.db")


async def test_it_shows_the_jobs_of_a_file_and_runs_none(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    runner, app = dashboard_alone(database, "0.0.0.0", read_only=False)
    async with runner, visiting(app, mount="") as client:
        assert (await client.get("/jobs")).status_code == 401
        page = await client.get("/jobs", auth=("admin", "secret"))
        assert "app.db" in page.text
        assert "Pending <span" in page.text
        done = await client.post("/jobs/1/cancel", auth=("admin", "secret"), data={"a": "1"})
        assert done.status_code == 303


async def test_one_that_only_reads_changes_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "secret")
    runner, app = dashboard_alone(database, "0.0.0.0", read_only=True)
    async with runner, visiting(app, mount="") as client:
        done = await client.post("/jobs/1/cancel", auth=("admin", "secret"), data={"a": "1"})
        assert done.status_code == 403


def test_without_a_password_it_listens_on_this_machine_alone(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    for host in ("0.0.0.0", "192.0.2.1", "jobs.example.com"):
        with pytest.raises(InvalidOption, match="an address of this machine, such as"):
            dashboard_alone(database, host, read_only=False)
    for host in ("127.0.0.1", "::1", "localhost"):
        dashboard_alone(database, host, read_only=False)


def test_it_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="a file that is there: the dashboard makes none"):
        dashboard_alone(str(tmp_path / "none.db"), "127.0.0.1", read_only=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_serves_it(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: calls.append(options))
    assert main(["web", database, "--port", "1234", "--read-only"]) == 0
    assert calls == [{"host": "127.0.0.1", "port": 1234, "log_config": None}]
