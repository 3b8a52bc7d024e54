"""What a command writes: text for people, or JSON for programs. Nothing that jobs hold reaches a terminal as an order.

Text is escaped before it is shown, and is never read as markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aiojobs_lite.cli.exits import ExitCode
from aiojobs_lite.text import escape, shorten

_WIDE: Final = 10_000  # columns of what is no terminal: nothing is wrapped or cut off there
_LONGEST_CELL_CHARS: Final = 300
_LONGEST_BLOCK_CHARS: Final = 20_000
_STYLES: Final = {
    "pending": "cyan", "processing": "blue", "completed": "green", "dead": "red", "cancelled": "yellow",
    "ok": "green", "warning": "yellow", "bad": "red", "paused": "yellow",
}  # fmt: skip


class Screen:
    """Standard output for people: lines, tables and blocks of text. Colours only where it is a terminal."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, markup=False, emoji=False)
        if not self.console.is_terminal:
            self.console.width = _WIDE

    def line(self, text: str = "", *, style: str = "") -> None:
        """Shows text on one line."""
        self.console.print(Text(escape(text), style), soft_wrap=True)

    def heading(self, text: str) -> None:
        """Shows a heading, below an empty line."""
        self.line()
        self.line(text, style="bold")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Shows rows below their heads. A row may be wrapped in its last column alone."""
        self.console.print(table_of(heads, rows))

    def pairs(self, rows: Iterable[tuple[str, object]]) -> None:
        """Shows names with their values; those without a value are left out."""
        given = [(name, str(value)) for name, value in rows if value is not None]
        width = max((len(name) for name, _ in given), default=0)
        for name, value in given:
            shown = Text(f"{name:<{width}}  ", "dim").append(escape(value), _STYLES.get(value, ""))
            self.console.print(shown, soft_wrap=True)

    def block(self, text: str) -> None:
        """Shows text of several lines, indented; of a long one the end."""
        for line in shorten(text, _LONGEST_BLOCK_CHARS, keep_end=True).rstrip("\n").split("\n"):
            self.line(f"  {line}")


def table_of(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of text; numbers stand to the right."""
    found = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for at, head in enumerate(heads):
        is_last = at == len(heads) - 1
        is_number = bool(found) and all(isinstance(row[at], int) or row[at] == "" for row in found)
        table.add_column(head, no_wrap=not is_last, overflow="fold", justify="right" if is_number else "left")
    for row in found:
        table.add_row(*[_cell(value) for value in row])
    return table


def _cell(value: object) -> Text:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return Text(escape(shorten(text, _LONGEST_CELL_CHARS)), _STYLES.get(text, ""))


def emit(document: object, view: Callable[[Screen], object], *, as_json: bool) -> None:
    """Writes what was read: as JSON, or as its view shows it."""
    if as_json:
        write_json(document)
    else:
        view(Screen())


def write_json(document: object, *, is_line: bool = False) -> None:
    """Writes a document as JSON, in ASCII: over several lines, or as one, which a reader gets at once."""
    sys.stdout.write(json.dumps(document, indent=None if is_line else 2) + "\n")
    if is_line:
        sys.stdout.flush()


def write_problem(text: str, code: ExitCode) -> int:
    """Writes what went wrong as one line on standard error; returns the exit code."""
    sys.stderr.write(f"aiojobs-lite: {escape(' '.join(text.split()))}\n")
    return code


def note(text: str) -> None:
    """Writes a line for people on standard error, beside what is written for programs."""
    sys.stderr.write(f"{escape(text)}\n")


def written(value: Any) -> str:
    """A value as JSON on one line, with its own letters."""
    return json.dumps(value, ensure_ascii=False)
