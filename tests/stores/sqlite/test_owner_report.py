"""The report of an owner: a file beside its lock, what is taken for it, and what becomes of it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from aiojobs_lite.sizes import LARGEST_REPORT_BYTES
from aiojobs_lite.stores.base import OwnerReport
from aiojobs_lite.stores.sqlite.owners import FileOwners
from tests.helpers.owners import DEAD, ELSEWHERE, NO_FILES, ONE, Make, acquired, files, owner_elsewhere
from tests.helpers.rings import slow

STRANGE: dict[str, Make] = {
    **NO_FILES,
    "too long a file": lambda file, other: file.write_text("x" * (LARGEST_REPORT_BYTES + 1)),
    "no text": lambda file, other: file.write_bytes(b"\xff"),
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs[1].db")


async def report_of(path: str, owner: str) -> OwnerReport:
    return (await FileOwners(path).reports([owner]))[owner]


async def test_a_report_is_a_file_of_its_own_that_goes_with_its_owner(path: str) -> None:
    owners = await acquired(path, ONE)
    owners.report("one")
    assert files(path) == [ONE, f"{ONE}.report"]
    assert Path(f"{path}-owner-{ONE}.report").stat().st_mode & 0o777 == 0o600
    assert (await report_of(path, ONE)).text == "one"
    owners.report("")
    assert files(path) == [ONE]
    owners.report("two")
    owners.release()
    assert files(path) == []
    assert await report_of(path, ONE) == OwnerReport("", None)


async def test_the_silence_begins_anew_with_each_beat(path: str) -> None:
    owners = await acquired(path, ONE)
    long_ago = time.time() - 90
    os.utime(f"{path}-owner-{ONE}", (long_ago, long_ago))
    assert 89 < ((await report_of(path, ONE)).silence or 0) < 150
    owners.beat()
    assert ((await report_of(path, ONE)).silence or 90) < 60
    Path(f"{path}-owner-{ONE}").unlink()
    owners.beat()  # the next look makes it anew
    assert (await report_of(path, ONE)).silence is None
    owners.release()
    owners.beat()
    assert files(path) == []


async def test_what_is_left_of_the_dead_is_removed(path: str) -> None:
    for name in (f"{DEAD}.report", f"{DEAD}.report.new", f"{ONE}.bak", "x.report"):
        Path(f"{path}-owner-{name}").write_text("{}")
    await FileOwners(path).dead({DEAD})
    assert f"{DEAD}.report" in files(path)  # its jobs are still to be rescued
    await FileOwners(path).dead(())
    assert files(path) == [f"{ONE}.bak", "x.report"]


@pytest.mark.parametrize("name", STRANGE)
async def test_something_strange_in_its_place_is_no_report_and_stops_nothing(path: str, name: str) -> None:
    other, file = Path(f"{path}-other"), Path(f"{path}-owner-{ONE}.report")
    other.write_text("other")
    owners = await acquired(path, ONE)
    STRANGE[name](file, other)
    assert (await report_of(path, ONE)).text == ""
    owners.report("one")
    assert (await report_of(path, ONE)).text == ("" if name == "a folder" else "one")
    assert other.read_text() == "other"
    owners.release()
    assert files(path) == [f"{ONE}.report"] * (name == "a folder") + ["jobs[1].db-other"]


async def test_that_it_cannot_be_written_is_logged_once(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "aiojobs_lite")
    owners = await acquired(path, ONE)
    file = Path(f"{path}-owner-{ONE}.report")
    file.mkdir()
    for text in ("one", "two"):
        owners.report(text)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file} cannot be written: Is a directory. Other processes do not see that a handler is stuck or the event "
        "loop is blocked"
    ]
    file.rmdir()
    owners.report("three")
    assert (await report_of(path, ONE)).text == "three"
    owners.release()


async def test_no_name_of_the_database_becomes_a_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: pytest.fail("a file was opened"))
        assert await FileOwners(path).reports(["", "x", "../../etc/passwd", DEAD + "0"]) == {}


async def test_in_memory_a_runner_reads_its_own(path: str) -> None:
    owners = await acquired(None, ONE)
    owners.report("one")
    owners.beat()
    assert await owners.reports([ONE, DEAD]) == {ONE: OwnerReport("one")}
    owners.release()
    assert not Path(path).exists()


@slow
async def test_reading_the_report_of_another_process_frees_no_lock(path: str) -> None:
    with owner_elsewhere(path):
        Path(f"{path}-owner-{ELSEWHERE}.report").write_text("one")
        assert (await report_of(path, ELSEWHERE)).text == "one"
        assert await FileOwners(path).dead({ELSEWHERE}) == set()
