"""Writes what the migrations lead to: `new_file.sql`, which makes a new file, and the golden schema of the tests; and
pins the scripts that have no line in `released.txt` yet. The line of a released script is never written again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from functools import cache
from typing import Final

from aiojobs_lite.stores import named_sql
from tests.helpers.root import ROOT

PACKAGE: Final = "aiojobs_lite.stores.sqlite"
FOLDER: Final = ROOT / "aiojobs_lite/stores/sqlite/migrations"
NEW_FILE: Final = FOLDER / "new_file.sql"
GOLDEN: Final = ROOT / "tests/stores/sqlite/golden_schema.sql"
RELEASED: Final = ROOT / "tests/stores/sqlite/released.txt"


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


@cache
def image() -> bytes:
    """The file of a database without rows: to make its tables takes more time than most of what a test does with it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(NEW_FILE.read_text(encoding="utf-8"))
        return connection.serialize()


def digests() -> dict[str, str]:
    """The SHA-256 of each script, by its name; `new_file.sql`, which is made of them, is left out."""
    scripts = sorted(path for path in FOLDER.glob("*.sql") if path != NEW_FILE)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in scripts}


def pins() -> dict[str, str]:
    """The SHA-256 that each script had when it was released, by its name."""
    lines = RELEASED.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def add_pins() -> None:
    """Adds a line for each script that has none."""
    known = pins()
    with RELEASED.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{digest}  {name}\n" for name, digest in digests().items() if name not in known)


if __name__ == "__main__":
    add_pins()
    with closing(migrated()) as made:
        GOLDEN.write_text(schema_of(made), encoding="utf-8")
        NEW_FILE.write_text(new_file(made, len(named_sql.migrations(PACKAGE))), encoding="utf-8")
