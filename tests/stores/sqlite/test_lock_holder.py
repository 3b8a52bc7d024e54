"""The process that keeps a database from being written is named, where the machine says it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite.stores.open import open_upkeep
from aiojobs_lite.stores.sqlite import lock_holder as module
from aiojobs_lite.stores.sqlite.lock_holder import lock_holder

HOLD = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nc.execute('BEGIN IMMEDIATE')\n"
WAIT = "print('locked', flush=True)\nsys.stdin.read()"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux lists the locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "app.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE a (b)")
    return file


def test_another_process_is_named_while_it_has_the_lock(path: Path) -> None:
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("SELECT * FROM a").fetchall()
        assert lock_holder(path) == ""
        words = [sys.executable, "-c", HOLD + WAIT, str(path), "\x1b[2J"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            found, upkeep = lock_holder(path), open_upkeep(path)
            assert found.startswith(f"pid {other.pid} ({sys.executable} -c import sqlite3, sys\\n")
            assert len(found) < 200
            assert "\x1b" not in found
            assert upkeep.lock_holder() == found
            lock = upkeep.examine(is_thorough=False)[-1]
            other.communicate("")
        assert lock_holder(path) == ""
    assert (lock.name, lock.level) == ("lock", "bad")
    assert lock.text == f"{found} has kept it locked for a second; end that transaction"


@pytest.mark.parametrize("table", ["", "1: POSIX  ADVISORY  WRITE 1 00:00:1 120 120\n1: FLOCK\n", "\u00e9"])
def test_what_the_machine_does_not_say_is_not_guessed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(module, "LOCK_TABLE", tmp_path / "locks")
        assert lock_holder(path) == ""
        (tmp_path / "locks").write_text(table, encoding="utf-8")
        assert lock_holder(path) == ""


def test_a_process_whose_command_line_cannot_be_read_is_its_number(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        (line,) = [one for one in module.LOCK_TABLE.read_text(encoding="ascii").splitlines() if lock_line(path, one)]
        gone = line.replace(f" {lock_holder(path).split()[1]} ", " 99999999 ")
        (tmp_path / "locks").write_text(gone, encoding="ascii")
        monkeypatch.setattr(module, "LOCK_TABLE", tmp_path / "locks")
        assert lock_holder(path) == "pid 99999999"


def lock_line(path: Path, line: str) -> bool:
    return f":{path.with_name('app.db-shm').stat().st_ino} 120 120" in line
