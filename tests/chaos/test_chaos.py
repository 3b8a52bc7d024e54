"""Many processes on one file, killed, stopped and ended at random: nothing lost, nothing twice, all at an end.

`python -m tests.chaos --minutes 10` does the same for longer. The seed is in the output; a run that broke a promise
leaves its database and its journal in the folder that it names.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.auditor import CHECKS
from tests.helpers.programs import ROOT
from tests.helpers.rings import slow
from tests.helpers.waiting import unmeasured

pytestmark = slow

SECONDS = 16


@pytest.mark.skipif(sys.platform != "linux", reason="who holds a lock is known from /proc/locks")
def test_random_kills_stops_and_ends_break_no_promise(database: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.chaos", "--minutes", str(SECONDS / 60), "--longest-stop", "3",
            "--folder", database.parent,
        ],
        cwd=ROOT, env=unmeasured(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    figures = dict(re.findall(r"^ *(\S.*?)  (\S.*)$", done.stdout, re.MULTILINE))
    assert {name: figures[name] for name in CHECKS} == dict.fromkeys(CHECKS, "0"), said
    for name in ("kills", "SIGTERMs", "stops", "owner's files removed", "rescued attempts", "acknowledged", "ticks"):
        assert int(re.findall(r"[\d,]+", figures[name])[0].replace(",", "")) > 0, said  # it attacked, and was hit
