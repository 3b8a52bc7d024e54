"""Many processes on one file, with faults of every kind at random: nothing lost, nothing twice, all at an end.

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
from tests.chaos.killer import FAULTS
from tests.helpers.rings import drawn, slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

pytestmark = [
    slow,
    drawn(2),
    pytest.mark.skipif(sys.platform != "linux", reason="which process holds a lock is known from /proc/locks"),
]

SECONDS = 25  # in fewer some kind of fault may not come on a slow machine
ATTACKS = (
    "kills", "SIGTERMs", "stops", "owner's files removed", "links", "links in place of owner's files",
    "locks of another program", "reads of another program", "clock steps", "handlers that forked",
)  # fmt: skip
DURABLE = (
    "durable functions", "operations", "steps begun", "results replayed", "suspensions", "events", "waits for events",
    "children",
)  # fmt: skip
HITS = (
    "rescued attempts", "acknowledged", "ticks", "attempts of limited keys", "batches", "debounced enqueues",
    "looks for free keys", *DURABLE,
)  # fmt: skip


def ran(folder: Path, seconds: float, *options: str) -> tuple[dict[str, str], str]:
    """The figures of a run that broke no promise, and all that it wrote."""
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.chaos", "--minutes", str(seconds / 60), "--longest-stop", "3",
            "--folder", folder, *options,
        ],
        cwd=ROOT, env=unmeasured(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    figures = dict(re.findall(r"^ *(\S.*?)  (\S.*)$", done.stdout, re.MULTILINE))
    assert {name: figures[name] for name in CHECKS} == dict.fromkeys(CHECKS, "0"), said
    return figures, said


def count(figures: dict[str, str], name: str) -> int:
    return int(re.findall(r"[\d,]+", figures[name])[0].replace(",", ""))


def test_random_faults_of_every_kind_break_no_promise(database: Path) -> None:
    figures, said = ran(database.parent, SECONDS)
    assert {name for name in (*ATTACKS, *HITS) if not count(figures, name)} == set(), said  # it attacked, and was hit
    assert re.findall("[a-z]+", figures["versions"]) in (["old", "new"], ["new", "old"])
    assert set(re.findall("[a-z]+", figures["attempts of limited keys"])) == {"keyed", "ordered", "rated"}


def test_each_kind_of_fault_can_be_left_out(database: Path) -> None:
    figures, said = ran(database.parent, 6, *(f"--no-{fault}" for fault in FAULTS if fault != "terms"))
    assert {name for name in ATTACKS if count(figures, name)} == {"SIGTERMs"}, said
    assert re.findall("[a-z]+", figures["versions"]) == ["old"]


def test_durable_functions_alone_are_killed_so_often(database: Path) -> None:
    figures, said = ran(database.parent, 12, "--jobs", "durable", "--kills", "25", "--processes", "4")
    assert count(figures, "kills") >= 25, said
    assert {name for name in DURABLE if not count(figures, name)} == set(), said
    assert {name for name in ("debounced enqueues", "handlers that forked") if count(figures, name)} == set(), said


def test_durable_functions_can_be_left_out(database: Path) -> None:
    figures, said = ran(database.parent, 3, "--jobs", "plain")
    assert {name for name in DURABLE if count(figures, name)} == set(), said
