"""The command `aiojobs-lite`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from aiojobs_lite.cli.main import main


def test_the_command_says_what_it_can_do() -> None:
    command = [sys.executable, "-m", "aiojobs_lite.cli", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "inngest" in done.stdout


def test_it_serves_one_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = dict[str, Any]()
    monkeypatch.setattr(uvicorn, "run", lambda _app, **options: given.update(options))
    found = main(["inngest", str(tmp_path / "jobs.db"), "--dev", "--port", "9", "--app", "http://127.0.0.1:3000/x"])
    assert (found, given) == (0, {"host": "127.0.0.1", "port": 9, "log_config": None})


def test_what_cannot_work_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("INNGEST_EVENT_KEY", raising=False)
    assert main(["inngest", ":memory:"]) == 2
    assert "event_key" in capsys.readouterr().err
