"""Named queries from the files of a package, and its migrations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiojobs_lite.stores.named_sql import load, migration, migrations


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that can be imported, with no file of SQL yet."""
    folder = tmp_path / "queries_of_a_test"
    (folder / "migrations").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop(folder.name, None)


def write(package: Path, name: str, text: str) -> None:
    (package / name).write_text(text, encoding="utf-8")


def test_queries_come_without_comments_semicolon_and_empty_lines(package: Path) -> None:
    write(
        package,
        "a.sql",
        "-- What this file is about.\n\n"
        "-- name: first\n-- Says what it does.\nSELECT 1\n\nFROM a;\n\n"
        "-- name: second_2\nSELECT ';'\n-- A remark.\nFROM b;\n",
    )
    assert load(package.name, {}) == {"first": "SELECT 1\nFROM a", "second_2": "SELECT ';'\nFROM b"}


def test_names_in_braces_are_filled_in_and_others_left_for_later(package: Path) -> None:
    write(package, "a.sql", "-- name: one\nSELECT {columns}, {columns}\nFROM a\nWHERE id IN ({rows});\n")
    assert load(package.name, {"columns": "x, y", "other": "z"}) == {
        "one": "SELECT x, y, x, y\nFROM a\nWHERE id IN ({rows})"
    }


def test_all_files_of_sql_are_read_and_no_other_file(package: Path) -> None:
    write(package, "b.sql", "-- name: of_b\nSELECT 2;\n")
    write(package, "a.sql", "-- name: of_a\nSELECT 1;\n")
    write(package, "a.txt", "-- name: of_text\nSELECT 3;\n")
    write(package, "migrations/0001_a.sql", "-- name: of_migrations\nSELECT 4;\n")
    assert list(load(package.name, {})) == ["of_a", "of_b"]


def test_a_fragment_stands_in_the_queries_of_each_file(package: Path) -> None:
    write(package, "a.sql", "-- name: first\n-- Of a.\nSELECT {kept}\nFROM a\nWHERE {due};\n")
    due = "-- fragment: due\n-- When.\n{at} > 1\n    AND {at} < 3;\n\n"
    write(package, "b.sql", f"{due}-- name: second\nDELETE FROM b\nWHERE {{due}};\n")
    write(package, "c.sql", "-- fragment: later\nNOT ({due});\n-- name: third\nSELECT {later};\n")
    assert load(package.name, {"at": "due_at", "kept": "iif({due}, 1, 2)"}) == {
        "first": "SELECT iif(due_at > 1\n    AND due_at < 3, 1, 2)\nFROM a\nWHERE due_at > 1\n    AND due_at < 3",
        "second": "DELETE FROM b\nWHERE due_at > 1\n    AND due_at < 3",
        "third": "SELECT NOT (due_at > 1\n    AND due_at < 3)",
    }


def test_a_fragment_of_fragments_is_whole_in_whatever_order_they_stand(package: Path) -> None:
    write(package, "a.sql", "-- fragment: inner\n1;\n-- fragment: middle\n{inner} + {inner};\n")
    write(package, "b.sql", "-- fragment: outer\n({middle}) * {inner};\n-- name: one\nSELECT {outer}, {later};\n")
    assert load(package.name, {}) == {"one": "SELECT (1 + 1) * 1, {later}"}


def test_two_fragments_of_one_name_are_refused(package: Path) -> None:
    write(package, "a.sql", "-- fragment: one\n1;\n-- name: one\nSELECT {one};\n")
    assert load(package.name, {}) == {"one": "SELECT 1"}
    write(package, "b.sql", "-- fragment: one\n2;\n")
    with pytest.raises(ValueError, match="two queries or two fragments are named one"):
        load(package.name, {})


def test_two_queries_of_one_name_are_refused(package: Path) -> None:
    write(package, "a.sql", "-- name: one\nSELECT 1;\n")
    write(package, "b.sql", "-- name: one\nSELECT 2;\n")
    with pytest.raises(ValueError, match="two queries or two fragments are named one"):
        load(package.name, {})


def test_migrations_are_the_numbered_scripts_in_their_order_as_they_stand(package: Path) -> None:
    second, first = "CREATE TABLE b (x);\n-- The end.\n", "CREATE TABLE a (x);\n"
    write(package, "migrations/0002_more.sql", second)
    write(package, "migrations/0001_initial.sql", first)
    write(package, "migrations/from_0_1_0.sql", "DROP TABLE old;\n")
    write(package, "migrations/0003_note.txt", "no script")
    assert migrations(package.name) == (first, second)
    assert migration(package.name, "from_0_1_0.sql") == "DROP TABLE old;\n"
