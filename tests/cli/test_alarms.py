"""Each command of docs/guides/alarms.md works on a service in trouble, and each code of the guide is the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from aiojobs_lite.cli.exits import ExitCode
from tests.helpers.command import command
from tests.helpers.root import ROOT

GUIDES = ROOT / "docs" / "guides"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_of_alarms_work(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(database.parent)
    text = (GUIDES / "alarms.md").read_text(encoding="utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    assert len(re.findall(r"^## \d+\. ", text, re.MULTILINE)) == 10
    assert len(lines) >= 10
    for line in lines:
        name, *arguments = shlex.split(line)
        found = command(*arguments)
        assert name == "aiojobs-lite"
        assert (line, found.code, found.err) == (line, ExitCode.FINE, "")
        assert found.out


def test_the_exit_codes_of_the_guide_are_those_of_the_code() -> None:
    text = (GUIDES / "command-line.md").read_text(encoding="utf-8").split("## Exit codes")[1].split("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)] == [int(code) for code in ExitCode]
