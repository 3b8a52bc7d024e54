"""An app with an official SDK goes on while the server is killed, again and again; and the judge of that finds each
breach that is planted in what a run has left.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.inngest.judge import CHECKS, judge
from tests.chaos.inngest.notes import Notes, read
from tests.chaos.inngest.plan import hash_of
from tests.helpers.rings import drawn, slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import unmeasured

pytestmark = [
    slow,
    drawn(2),
    pytest.mark.skipif(sys.platform != "linux", reason="its processes die with their parent there alone"),
]

HITS = (
    "calls", "ran again, as their end was not stored", "checkpoints answered", "chaos-order: completed",
    "chaos-packer: completed", "chaos-report: dead", "chaos-notice: completed", "chaos-echo: completed",
    "chaos-v4-total: completed", "attempts lost",
)  # fmt: skip


def ran(folder: Path, kills: int, *options: str) -> dict[str, int]:
    """The figures of a run that broke no promise."""
    command = [sys.executable, "-m", "tests.chaos.inngest", "--kills", str(kills), "--folder", str(folder), *options]
    done = subprocess.run(
        command, cwd=ROOT, env=unmeasured(), capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(re.findall(r"^ *(\S.*?)  ([\d,]+)$", done.stdout, re.MULTILINE))
    return {name: int(figure.replace(",", "")) for name, figure in figures.items()}


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_kills_of_the_server_call_no_stored_step_again_and_lose_no_event(tmp_path: Path, durability: str) -> None:
    figures = ran(tmp_path, 15, "--runs", "20", "--durability", durability)
    assert figures["kills"] == 15
    assert {name for name in HITS if not figures.get(name)} == set(), figures


# Planted breaches.


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short run has left; it broke no promise."""
    folder = tmp_path_factory.mktemp("inngest")
    ran(folder, 3, "--runs", "20")
    return folder


def calls_of(folder: Path) -> list[dict[str, Any]]:
    return [facts for what, facts in read(folder / "app") if what == "call"]


def last_call(folder: Path, function: str) -> dict[str, Any]:
    return [facts for facts in calls_of(folder) if facts["function"] == function][-1]


def note(path: Path, what: str, **facts: Any) -> None:
    with closing(Notes(path)) as notes:
        notes.note(what, **facts)


def note_call(folder: Path, call: dict[str, Any], **changes: Any) -> None:
    note(folder / "app", "call", **{**call, "call": 10**6, "made": call["made"] + 10_000, **changes})


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "jobs.db")) as connection, connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")  # they would refuse what is planted
        assert connection.execute(statement).rowcount > 0


def target_again(folder: Path) -> None:
    note_call(folder, last_call(folder, "chaos-order"), target=hash_of("weigh"))


def body_again(folder: Path) -> None:
    call = last_call(folder, "chaos-v4-total")
    note_call(folder, call)
    note(folder / "app", "body", call=10**6, run=call["run"], step="first")


def body_twice_in_one_life(folder: Path) -> None:
    call = last_call(folder, "chaos-notice")
    for number in (10**6, 10**6 + 1):
        note(folder / "app", "call", **{**call, "call": number, "run": "another"})
        note(folder / "app", "body", call=number, run="another", step="x")
        note(folder / "app", "done", call=number, run="another", step="x", token="x")


def memo_changed(folder: Path) -> None:
    call = last_call(folder, "chaos-order")
    note_call(folder, call, memos={**call["memos"], hash_of("weigh"): 1})


def memo_left_out(folder: Path) -> None:
    note_call(folder, last_call(folder, "chaos-order"), memos={})


def other_result(folder: Path) -> None:
    changed = json.dumps([["file 1000000", 7]])
    change(folder, f"UPDATE aiojobs_jobs SET result = '{changed}' WHERE type = 'chaos-notice'")


def lost_sent(folder: Path) -> None:
    note(folder / "sender", "sent", event="order/placed 999", name="order/placed", n=999, id="x", tries=1)


def log_error(folder: Path) -> None:
    with (folder / "log").open("a") as log:
        log.write("server ERROR aiojobs_lite.engine a defect\n")


OTHER_MEMO = "UPDATE aiojobs_steps SET memo = '{\"data\":[\"weigh 0\",null]}' WHERE name LIKE '% weigh'"
BREACHES: list[tuple[str, Callable[[Path], None] | str]] = [
    ("stored steps called again", target_again),
    ("stored steps called again", body_again),
    ("steps run again without a kill", body_twice_in_one_life),
    ("memos missing or changed", memo_changed),
    ("memos missing or changed", memo_left_out),
    ("memos missing or changed", OTHER_MEMO),
    ("runs not ended", "UPDATE aiojobs_jobs SET status = 'pending', completed_at = NULL WHERE type = 'chaos-echo'"),
    ("runs that died without reason", "UPDATE aiojobs_jobs SET status = 'dead' WHERE type = 'chaos-echo'"),
    ("wrong results", other_result),
    ("wrong results", "UPDATE aiojobs_jobs SET result = '[]' WHERE type = 'chaos-packer'"),
    ("events lost or doubled", lost_sent),
    ("events lost or doubled", "DELETE FROM aiojobs_events WHERE name = 'order/paid'"),
    ("events lost or doubled", "DELETE FROM aiojobs_jobs WHERE type = 'chaos-echo'"),
    ("children lost or doubled", "INSERT INTO aiojobs_children SELECT child_id + 100000, parent_id, step, 1, 0"
                                 " FROM aiojobs_children LIMIT 1"),
    ("children lost or doubled", "DELETE FROM aiojobs_children"),
    ("ends not sent once", "DELETE FROM aiojobs_events WHERE name = 'inngest/function.finished'"),
    ("ends not sent once", "DELETE FROM aiojobs_jobs WHERE type = 'chaos-report-failure'"),
    ("unsound file", "UPDATE aiojobs_counts SET completed = completed + 1 WHERE type = 'chaos-order'"),
    ("errors in the log", log_error),
]  # fmt: skip


def test_each_check_has_a_planted_breach() -> None:
    assert {check for check, _ in BREACHES} == set(CHECKS)


@pytest.mark.parametrize(("check", "plant"), BREACHES)
def test_a_planted_breach_is_found(
    left: Path, tmp_path: Path, check: str, plant: Callable[[Path], None] | str
) -> None:  # fmt: skip
    folder = shutil.copytree(left, tmp_path / "run")
    assert judge(folder).is_good
    change(folder, plant) if isinstance(plant, str) else plant(folder)
    assert judge(folder).breaches[check]
