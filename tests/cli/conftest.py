"""A service in trouble, made once; each test has a copy of its file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers.command import make_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file; not to be changed."""
    path = tmp_path_factory.mktemp("service") / "app.db"
    make_service(path)
    return path


@pytest.fixture
def database(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which the environment names."""
    path = tmp_path / "app.db"
    shutil.copy(service, path)
    monkeypatch.setenv("AIOJOBS_LITE_DATABASE", str(path))
    return path
