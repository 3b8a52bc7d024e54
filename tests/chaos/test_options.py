"""How the chaos run is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import pytest

from tests.chaos import __main__ as program


@pytest.mark.parametrize("name", ["new", "new/and/deep", "."])
def test_its_folder_is_made_if_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def killer(folder: Path, **_: object) -> NoReturn:
        assert folder.is_dir()
        raise SystemExit("as far as that")

    monkeypatch.setattr(program, "Killer", killer)
    monkeypatch.setattr(sys, "argv", ["chaos", "--folder", str(tmp_path / name)])
    with pytest.raises(SystemExit, match="as far as that"):
        program.main()
