"""What every fact is: some fields, and a log line that is made of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import ClassVar, Final

from aiojobs_lite.text import escape, escape_lines

PARTS: Final = ("jobs", "engine", "cron")  # the loggers: `aiojobs_lite.jobs` ...


@dataclass(frozen=True, slots=True)
class Fact:
    """A report of a runner about itself.

    Attributes:
        level: The level of its log line.
        part: Names its logger, one of `PARTS`.
        text: Its log line, with the fields in braces.
        block: Names the field that has several lines. They follow the log line, each indented by two spaces.
    """

    level: ClassVar[int] = logging.INFO
    part: ClassVar[str] = "jobs"
    text: ClassVar[str] = ""
    block: ClassVar[str] = ""

    def __str__(self) -> str:
        shown = self.shown()
        words = {name: escape(word) for name, word in self._words().items()}
        line = self.text.format(**(shown | words))
        return f"{line}\n{shown[self.block]}" if self.block else line

    def items(self) -> list[tuple[str, object]]:
        """Name and value of each field."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def shown(self) -> dict[str, object]:
        """Name and value of each field as they stand in a log: text is escaped."""
        return {
            name: value if type(value) is not str else escape_lines(value) if name == self.block else escape(value)
            for name, value in self.items()
        }

    def _words(self) -> dict[str, str]:
        """The fields that stand in the log line in other words than in its record."""
        return {}
