"""Writes what the migrations lead to: `new_file.sql`, which makes a new file and is the golden schema of the tests."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

from aiojobs_lite.stores import named_sql
from tests.helpers.root import ROOT

PACKAGE: Final = "aiojobs_lite.stores.sqlite"
NEW_FILE: Final = ROOT / "aiojobs_lite/stores/sqlite/migrations/new_file.sql"


def migrated() -> sqlite3.Connection:
    """A database in memory that all migrations made, one after the other."""
    connection = sqlite3.connect(":memory:")
    for script in named_sql.migrations(PACKAGE):
        connection.executescript(script)
    return connection


def schema_of(connection: sqlite3.Connection) -> str:
    """The schema of a database, in an order that does not depend on how it was made."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return "".join(f"-- {kind} {name}\n{sql};\n\n" if sql else f"-- {kind} {name}\n\n" for kind, name, sql in rows)


def new_file(connection: sqlite3.Connection, version: int) -> str:
    """The statements that make the same schema at once."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    first = "-- Made of the numbered scripts by `python -m tests.helpers.new_file`.\n"
    meta = f"VALUES ('application', 'aiojobs_lite'), ('schema', {version}), ('database', lower(hex(randomblob(8))))"
    return first + "".join(f"{sql};\n" for (sql,) in found) + f"INSERT INTO aiojobs_meta (key, value)\n{meta};\n"


if __name__ == "__main__":
    with closing(migrated()) as made:
        NEW_FILE.write_text(new_file(made, len(named_sql.migrations(PACKAGE))), encoding="utf-8")
