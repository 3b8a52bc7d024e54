"""Named SQL from a file: `-- name: claim_jobs` starts a query, comments after it describe it."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(package: str, name: str) -> dict[str, str]:
    """Reads the queries of a `.sql` file of a package.

    Args:
        package: Where it lies.
        name: The file's name, such as `sqlite.sql`.

    Returns:
        SQL by name, without comments and without the closing semicolon.
    """
    text = (files(package) / name).read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {query: _bare(sql) for query, sql in zip(parts[::2], parts[1::2], strict=True)}


def _bare(sql: str) -> str:
    lines = [line for line in sql.splitlines() if line and not line.startswith("--")]
    return "\n".join(lines).removesuffix(";")


def migrations(package: str) -> list[str]:
    """The scripts of a package's folder `migrations`, by their numbers; the n-th leads to version n."""
    found = sorted((files(package) / "migrations").iterdir(), key=lambda entry: entry.name)
    return [entry.read_text(encoding="utf-8") for entry in found if entry.name.endswith(".sql")]
