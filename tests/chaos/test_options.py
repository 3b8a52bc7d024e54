"""How the chaos run is called."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from tests.chaos import __main__ as program
from tests.chaos.auditor import Verdict


@pytest.mark.parametrize("name", ["new", "new/and/deep", "."])
def test_its_folder_is_made_if_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def killer(folder: Path, **_: object) -> NoReturn:
        assert folder.is_dir()
        raise SystemExit("as far as that")

    monkeypatch.setattr(program, "Killer", killer)
    monkeypatch.setattr(sys, "argv", ["chaos", "--folder", str(tmp_path / name)])
    with pytest.raises(SystemExit, match="as far as that"):
        program.main()


def test_a_broken_promise_is_followed_by_the_call_that_repeats_the_attacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Idle:
        def __init__(self, folder: Path, *, seed: int, **_: object) -> None:
            self.database, self.journal_path, self.seed = folder / "jobs.db", folder / "journal", seed

        def run(self, _seconds: float, _progress: object, _kills: int) -> None:
            seeds.append(self.seed)

    seeds: list[int] = []
    monkeypatch.setattr(program, "Killer", Idle)
    monkeypatch.setattr(program, "gathered", lambda *_: None)
    monkeypatch.setattr(program, "judge", lambda _: Verdict({"lost": ["job 7"]}, []))
    monkeypatch.setattr(sys, "argv", ["chaos", "--folder", str(tmp_path), "--minutes", "0.5", "--no-kills"])
    assert program.main() == 1
    again = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("the same attacks again: "))
    monkeypatch.setattr(sys, "argv", again.removeprefix("the same attacks again: python -m tests.").split())
    monkeypatch.setattr(tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    assert program.main() == 1
    assert seeds[0] == seeds[1]
    assert again in capfd.readouterr().out
