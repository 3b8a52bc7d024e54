"""`aiojobs-lite db ...`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner
from tests.helpers.command import Ran, command
from tests.helpers.databases import sound


def test_the_file_is_shown(database: Path) -> None:
    facts = command("db", "status", "--json").json
    assert facts.keys() == {
        "path", "size", "log_size", "unused_size", "free_on_disk", "schema", "newest_schema", "living_runners",
    }  # fmt: skip
    assert facts["path"] == str(database)
    assert facts["schema"] == facts["newest_schema"]
    assert f"file              {database}\n" in command("db", "status").out


@pytest.mark.usefixtures("database")
def test_a_doctor_finds_nothing_wrong_with_a_sound_file() -> None:
    found = command("db", "doctor", "--full", "--json").json
    assert [one["name"] for one in found["findings"]] == [
        "file", "place", "library", "log", "space", "runners", "schema", "journal", "integrity", "lock",
    ]  # fmt: skip
    assert {one["level"] for one in found["findings"] if one["name"] not in {"space", "place"}} == {"ok"}
    assert "integrity_check found nothing" in command("db", "doctor", "--full").out


def test_a_doctor_finds_a_damaged_file(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3_000)
    assert command("db", "doctor").code == 1


def test_a_backup_is_a_sound_copy_and_replaces_no_file(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert command("db", "backup", copy, "--json").json == {"copy": str(copy), "size": database.stat().st_size}
    assert sound(copy)
    again = command("db", "backup", copy)
    assert again.code == 1
    assert "file exists. Name a file that is not there." in again.err
    assert command("list", "--db", copy, "--status", "dead", "--json").json == command(
        "list", "--status", "dead", "--json"
    ).json  # fmt: skip


def test_a_restore_puts_the_copy_in_place_and_keeps_the_former_file(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    command("db", "backup", copy)
    command("delete", 1, "--yes")
    assert command("db", "restore", copy).code == 2
    found = command("db", "restore", copy, "--yes", "--json").json
    assert command("show", 1).code == 0
    assert command("show", 1, "--db", found["former"]).code == 1
    assert sound(database)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.db", Path(found["former"]).name, "copy.db"]


@pytest.mark.usefixtures("database")
def test_a_copy_that_cannot_be_read_is_refused_before_the_question(tmp_path: Path) -> None:
    bad = tmp_path / "bad.db"
    bad.write_text("this is no database " * 100)
    for copy, text in ((tmp_path / "none.db", "missing file"), (bad, "corrupt")):
        found = command("db", "restore", copy)
        assert (found.code, text in found.err) == (1, True), found


def test_a_restore_is_refused_while_a_runner_lives(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    command("db", "backup", copy)

    async def beside_a_runner() -> Ran:
        async with JobRunner(database, max_running=0):
            return await asyncio.to_thread(command, "db", "restore", copy, "--yes")

    found = asyncio.run(beside_a_runner())
    assert found.code == 1
    assert "in use. Runners that live: 1. Stop every program that uses it, then restore." in found.err
    assert sound(database)


@pytest.mark.usefixtures("database")
def test_a_file_of_this_release_needs_no_migration() -> None:
    found = command("db", "migrate")
    assert found.code == 0
    assert found.out.endswith(": nothing to do\n")


def test_no_database_is_made(tmp_path: Path) -> None:
    for name in (["status"], ["doctor"], ["migrate"], ["backup", str(tmp_path / "copy.db")]):
        assert command("db", *name, "--db", tmp_path / "none.db").code == 1
    assert list(tmp_path.iterdir()) == []
    memory = command("db", "status", "--db", ":memory:")
    assert memory.err == "aiojobs-lite: :memory:: not a file. Name a file, such as app.db.\n"
