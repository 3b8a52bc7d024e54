"""The pytest plugin of aiojobs_lite: the fixture `jobs`.

pytest imports the plugins of all installed packages at each of its starts, whatever it tests. So this module lies
beside the package, whose import it puts off until a test asks for the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aiojobs_lite.testing import JobsFixture


@pytest.fixture
def jobs() -> JobsFixture:
    """Starts runners in memory on a fake clock; see `aiojobs_lite.testing.JobsFixture`."""
    from aiojobs_lite.testing import JobsFixture  # noqa: PLC0415  # see above

    return JobsFixture()
