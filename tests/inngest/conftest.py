"""What the tests of the SDKs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.inngest_sdks import packages


@pytest.fixture(scope="session")
def inngest_example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages(request, tmp_path_factory)
