"""The command `aiojobs-lite`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import aiojobs_lite.inngest
from aiojobs_lite.cli.main import main
from tests.helpers.waiting import unmeasured


def test_the_command_says_what_it_can_do() -> None:
    command = [sys.executable, "-m", "aiojobs_lite.cli", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "inngest" in done.stdout


def test_it_serves_one_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = dict[str, Any]()
    monkeypatch.setattr(uvicorn, "run", lambda _app, **options: given.update(options))
    found = main(["inngest", str(tmp_path / "jobs.db"), "--dev", "--port", "9", "--app", "http://127.0.0.1:3000/x"])
    assert (found, given) == (0, {"host": "127.0.0.1", "port": 9, "log_config": None})


@pytest.mark.parametrize(("host", "is_open"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_it_says_that_others_can_reach_it_without_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, is_open: bool
) -> None:
    monkeypatch.setattr(uvicorn, "run", lambda _app, **_options: None)
    assert main(["inngest", str(tmp_path / "jobs.db"), "--dev", "--host", host]) == 0
    said = f"aiojobs-lite: a program on any machine that reaches {host} can start functions: --dev checks no keys\n"
    assert capsys.readouterr().err == said * is_open


def test_what_cannot_work_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"INNGEST_EVENT_KEY": "events", "INNGEST_SIGNING_KEY": "signkey-test-12345678"}
    for name, key in keys.items():
        monkeypatch.delenv(name, raising=False)
        assert main(["inngest", ":memory:"]) == 2
        text = f"{name}=None: expected a key in the environment; on the machine of a developer --dev checks none."
        assert capsys.readouterr().err == f"aiojobs-lite: {text}\n"
        monkeypatch.setenv(name, key)


def test_the_options_of_the_protocol_come_from_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = dict[str, Any]()
    monkeypatch.setattr(uvicorn, "run", lambda _app, **_options: None)
    real = aiojobs_lite.inngest.inngest_app
    monkeypatch.setattr(
        aiojobs_lite.inngest, "inngest_app", lambda runner, **options: given.update(options) or real(runner, **options)
    )
    monkeypatch.setenv("INNGEST_EVENT_KEY", "events")
    monkeypatch.setenv("INNGEST_SIGNING_KEY", "signkey-test-12345678")
    database = str(tmp_path / "jobs.db")
    assert main(["inngest", database, "--allow-private", "--gateway", "api.example", "--gateway", "ai.example"]) == 0
    assert (given["mode"], given["allow_private"]) == ("cloud", True)
    assert given["gateway"] == ["api.example", "ai.example"]
    given.clear()
    assert main(["inngest", database]) == 0
    assert "allow_private" not in given


@pytest.mark.parametrize("command", ["inngest", "web"])
def test_a_server_that_cannot_start_is_a_failure(tmp_path: Path, command: str) -> None:
    database = tmp_path / "jobs.db"
    database.write_text("this is no database " * 100)
    arguments = [command, str(database), "--port", "0", *(["--dev"] if command == "inngest" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "aiojobs_lite", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=unmeasured(),
    )
    assert done.returncode == 1
    assert "corrupt. SQLite says: file is not a database" in done.stderr
    assert "Traceback" not in done.stderr
