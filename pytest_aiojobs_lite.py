"""The pytest plugin of aiojobs_lite: the fixture `job_kit`.

pytest imports the plugins of all installed packages at each of its starts, whatever it tests. So this module lies
beside the package, whose import it puts off until a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aiojobs_lite.testing import JobKit


@pytest.fixture
def job_kit() -> Iterator[JobKit]:
    """Starts runners in memory on a fake clock; see `aiojobs_lite.testing.JobKit`."""
    from aiojobs_lite.testing import JobKit  # noqa: PLC0415  # see above

    with JobKit() as kit:
        yield kit
