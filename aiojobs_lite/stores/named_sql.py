"""Named SQL from files.

`-- name: claim_jobs` starts a query, and comments after it describe it. `-- fragment: due` starts what `{due}` stands
for in the queries of each file, and in other fragments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_PART = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_BRACES = re.compile(r"\{(\w+)\}")


def load(package: str, filled: Mapping[str, str]) -> dict[str, str]:
    """Reads the queries of every `.sql` file of a package.

    Args:
        package: Its name.
        filled: What stands for `{name}` in them, by name; other braces are left for later, but for those of fragments.

    Returns:
        SQL by name, without comments and without the closing semicolon.

    Raises:
        ValueError: If two queries have one name, or two fragments.
    """
    found: dict[str, dict[str, str]] = {"name": {}, "fragment": {}}
    for entry in sorted(files(package).iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            parts = _PART.split(entry.read_text(encoding="utf-8"))[1:]
            for kind, name, sql in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
                if name in found[kind]:
                    raise ValueError(f"two queries or two fragments are named {name}")
                found[kind][name] = _filled(_bare(sql), filled)
    return {name: _whole(sql, found["fragment"]) for name, sql in found["name"].items()}


@cache
def migrations(package: str) -> tuple[str, ...]:
    """The numbered scripts of a package's folder `migrations`, in their order; the n-th leads to version n. Read once:
    each start of a store asks for them.
    """
    found = sorted((files(package) / "migrations").iterdir(), key=lambda entry: entry.name)
    return tuple([entry.read_text(encoding="utf-8") for entry in found if re.match(r"\d+_\w+\.sql$", entry.name)])


def migration(package: str, name: str) -> str:
    """One script of a package's folder `migrations`, by its file's name."""
    return (files(package) / "migrations" / name).read_text(encoding="utf-8")


def _bare(sql: str) -> str:
    lines = [line for line in sql.splitlines() if line and not line.startswith("--")]
    return "\n".join(lines).removesuffix(";")


def _whole(sql: str, fragments: Mapping[str, str]) -> str:
    """SQL with what its fragments, and those in these, stand for."""
    return _BRACES.sub(lambda found: _whole(fragments[found[1]], fragments) if found[1] in fragments else found[0], sql)


def _filled(sql: str, filled: Mapping[str, str]) -> str:
    for name, value in filled.items():
        sql = sql.replace(f"{{{name}}}", value)
    return sql
