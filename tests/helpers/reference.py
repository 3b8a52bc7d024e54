"""The tables of `docs/reference` that are made from the code; `python -m tests.helpers.reference` writes them."""

from __future__ import annotations

import ast
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from aiojobs_lite import AiojobsError
from aiojobs_lite.telemetry.facts import Fact
from tests.helpers.documents import DOCS
from tests.helpers.source import PACKAGE, tree

TELEMETRY = DOCS / "reference" / "telemetry.md"


class Record(NamedTuple):
    """A log line that is no fact: the name of its logger, its level, its text before anything is put into it."""

    logger: str
    level: str
    text: str


def facts() -> list[type[Fact]]:
    """Every kind of fact, in the order of their definition."""
    return list(_below(Fact))


def errors() -> list[type[AiojobsError]]:
    """Every error class of the package, parents before their children."""
    return [kind for kind in _below(AiojobsError) if kind.__module__.startswith("aiojobs_lite.")]


def _below(kind: type) -> Iterator[type]:
    children: list[type] = kind.__subclasses__()
    for child in children:
        if vars(sys.modules[child.__module__]).get(child.__name__) is child:  # a dataclass with slots is made twice
            yield child
            yield from _below(child)


def attributes(kind: type) -> list[str]:
    """The attributes that the docstring of a class itself lists."""
    text = inspect.cleandoc(kind.__doc__ or "")
    listed = re.search(r"^Attributes:\n((?:    .*\n?)+)", text, re.MULTILINE)
    return re.findall(r"^    (\w+):", listed[1], re.MULTILINE) if listed else []


def records() -> list[Record]:
    """Every log line that is no fact."""
    return sorted({record for path in PACKAGE for record in _records(path)})


def _records(path: Path) -> Iterator[Record]:
    names = re.findall(r'^_log = get_log\("(.+)"\)$', path.read_text(encoding="utf-8"), re.MULTILINE)
    if not names:
        return
    texts = {
        target.id: node.value.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and (found := re.fullmatch(r"_log\.(\w+)", ast.unparse(node.func))):
            first = node.args[0]
            text = first.value if isinstance(first, ast.Constant) else texts[ast.unparse(first)]
            yield Record(f"aiojobs_lite.{names[0]}", "error" if found[1] == "exception" else found[1], str(text))


# The tables that are written.


def _fact_rows() -> Iterator[str]:
    yield "| fact | level | logger | fields | when |"
    yield "|---|---|---|---|---|"
    for kind in facts():
        named = ", ".join(f"`{one.name}`" for one in fields(kind))
        when = " ".join((kind.__doc__ or "").split()).replace("|", "\\|")
        level = logging.getLevelName(kind.level).lower()
        yield f"| `{kind.__name__}` | {level} | `aiojobs_lite.{kind.part}` | {named} | {when} |"


def _record_rows() -> Iterator[str]:
    yield "| logger | level | text |"
    yield "|---|---|---|"
    for record in records():
        text = record.text.replace("|", "\\|")
        yield f"| `{record.logger}` | {record.level} | `{text}` |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {"facts": _fact_rows, "records": _record_rows}


def written(text: str) -> str:
    """The text of a page with its tables as the code has them now; they stand between `<!-- facts -->` and
    `<!-- /facts -->`, say.
    """
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        before, rest = text.split(begin)
        text = before + begin + "".join(f"{line}\n" for line in table()) + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    TELEMETRY.write_text(written(TELEMETRY.read_text(encoding="utf-8")), encoding="utf-8")
