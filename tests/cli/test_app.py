"""The command line as a whole: help, wrong usage, exit codes, and how it ends."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.cli import app
from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.cli.main import main
from tests.helpers.command import command
from tests.helpers.programs import program
from tests.helpers.rings import slow
from tests.helpers.waiting import unmeasured


def test_the_help_names_each_command() -> None:
    found = command("--help")
    assert found.code == 0
    names = {
        "status", "check", "top", "list", "show", "explain", "dead", "tail", "events", "enqueue", "redrive", "cancel",
        "delete", "run-now", "pause", "resume", "limit", "run", "web", "inngest", "schedules", "db",
    }  # fmt: skip
    assert {line.split()[0] for line in found.out.split("Commands:")[1].splitlines() if line[:2] == "  "} >= names


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["foo"], "No such command 'foo'. See `aiojobs-lite --help`."),
        (["list", "--foo"], "No such option: --foo. See `aiojobs-lite list --help`."),
        (["stats"], "Did you mean 'status'? See `aiojobs-lite --help`."),
        (["web", "--db", "app.db"], "The database is the argument: the name of its file. See `aiojobs-lite web"),
        (["inngest", "app.db", "--port", "99999"], "Invalid value for '--port'"),
        (["list", "app.db"], "The database is named by --db. See `aiojobs-lite list --help`."),
        (["show", "x"], "See `aiojobs-lite show --help`."),
        (["list", "--limit", "0"], "limit=0: expected"),
        (["list", "--created-from", "yesterday"], "an ISO time (UTC unless it says otherwise), or"),
        (["list", "--payload", "x"], "NAME=VALUE"),
        (["list", "--key", "acme"], "key='acme': expected LIMIT=KEY."),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("database")
def test_a_wrong_usage_is_one_line_and_exits_with_2(arguments: list[str], text: str) -> None:
    found = command(*arguments)
    assert (found.code, found.out) == (ExitCode.USAGE, "")
    assert found.err.count("\n") == 1
    assert text in found.err


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without_typer(name: str, *rest: Any) -> Any:
        if name == "aiojobs_lite.cli.app":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_typer)
    assert main([]) == 1
    text = "aiojobs-lite: the command line needs typer: pip install 'aiojobs_lite[cli]'\n"
    assert capsys.readouterr().err == text


@pytest.mark.parametrize("group", [[], ["db"], ["schedules"]])
def test_without_a_command_the_help_is_shown(group: list[str]) -> None:
    found = command(*group)
    assert (found.code, found.out, found.err) == (ExitCode.USAGE, "", command(*group, "--help").out)
    assert found.err.count("\n") > 10


@pytest.mark.parametrize(
    ("ended", "code", "text"),
    [(3, ExitCode.REFUSED, ""), (None, ExitCode.FINE, ""), ("set SHOP_KEY", ExitCode.REFUSED, "set SHOP_KEY")],
)
def test_what_ends_the_process_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, ended: int | str | None, code: int, text: str
) -> None:
    def leave() -> None:
        sys.exit(ended)

    monkeypatch.setattr(app, "COMMANDS", {"leave": leave, "other": leave})
    found = command("leave")
    assert (found.code, found.err) == (code, f"aiojobs-lite: {text}\n" if text else "")


def test_an_interrupt_is_exit_code_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "COMMANDS", {"wait": interrupted, "other": interrupted})
    found = command("wait")
    assert (found.code, found.out) == (130, "")
    assert "Traceback" not in found.err


@slow
def test_a_reader_that_goes_away_is_no_error(database: Path) -> None:
    line = f"{sys.executable} -m aiojobs_lite list --db {database} --json | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, env=unmeasured(), check=False)
    assert (done.stdout, done.stderr) == (b"{\n", b"")


@slow
async def test_ctrl_c_ends_a_command_that_goes_on(database: Path) -> None:
    async with program("-m", "aiojobs_lite", "top", "--db", database, "--json") as child:
        await child.line("{")
        os.kill(child.pid, signal.SIGINT)
        assert await child.ended() == 130
        assert not any("Traceback" in line for line in child.lines)
