"""Named SQL from files: `-- name: claim_jobs` starts a query, comments after it describe it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(package: str, filled: Mapping[str, str]) -> dict[str, str]:
    """Reads the queries of every `.sql` file of a package.

    Args:
        package: Its name.
        filled: What stands for `{name}` in them, by name; other braces are left for later.

    Returns:
        SQL by name, without comments and without the closing semicolon.

    Raises:
        ValueError: If two queries have one name.
    """
    found: dict[str, str] = {}
    for entry in sorted(files(package).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            parts = _NAME.split(entry.read_text(encoding="utf-8"))[1:]
            for query, sql in zip(parts[::2], parts[1::2], strict=True):
                if query in found:
                    raise ValueError(f"two queries are named {query}")
                found[query] = _bare(sql, filled)
    return found


def migrations(package: str) -> list[str]:
    """The numbered scripts of a package's folder `migrations`, in their order; the n-th leads to version n."""
    found = sorted((files(package) / "migrations").iterdir(), key=lambda entry: entry.name)
    return [entry.read_text(encoding="utf-8") for entry in found if re.match(r"\d+_\w+\.sql$", entry.name)]


def migration(package: str, name: str) -> str:
    """One script of a package's folder `migrations`, by its file's name."""
    return (files(package) / "migrations" / name).read_text(encoding="utf-8")


def _bare(sql: str, filled: Mapping[str, str]) -> str:
    lines = [line for line in sql.splitlines() if line and not line.startswith("--")]
    text = "\n".join(lines).removesuffix(";")
    for name, value in filled.items():
        text = text.replace(f"{{{name}}}", value)
    return text
