"""What looks after the files of a database, while no store of it is needed: a person does, by the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

CopyProgress = Callable[[int, int], None]
"""Is called now and then with how much is done, and of how much."""


class Finding(NamedTuple):
    """What was found about one aspect of a database.

    Attributes:
        name: The aspect: `file`, `place`, `library`, `schema`, `journal`, `log`, `lock`, `runners`, `integrity`,
            `space`.
        level: `ok`, `warning` or `bad`.
        text: What was found and, unless it is ok, what to do.
    """

    name: str
    level: Literal["ok", "warning", "bad"]
    text: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What there is of a database on its disk.

    Attributes:
        path: The file.
        size: Its bytes.
        log_size: Bytes of its write-ahead log.
        unused_size: Bytes in it that hold nothing.
        free_on_disk: Bytes that are free on its disk.
        schema: The version of its tables.
        newest_schema: That of this release.
        living_runners: How many runners have it open.
    """

    path: Path
    size: int
    log_size: int
    unused_size: int
    free_on_disk: int
    schema: int
    newest_schema: int
    living_runners: int


class Upkeep(Protocol):
    """The files of one database.

    Raises, each method:
        StoreRefused: If there is no such database, or it cannot be used.
        StoreUnavailable: If it cannot be used now.
    """

    def facts(self) -> FileFacts:
        """What there is on the disk; changes nothing."""

    def examine(self, *, is_thorough: bool) -> list[Finding]:
        """Everything that may be wrong with it; changes nothing.

        Args:
            is_thorough: Whether each index is compared with its table, which takes longer.
        """

    def is_locked(self, patience: float) -> bool:
        """Whether another program keeps it from being written, for at least so many seconds; changes nothing."""

    def lock_holder(self) -> str:
        """The process that keeps it from being written now, `pid 123 (python x.py)`; empty where that is not known."""

    def migrate(self) -> tuple[int, int]:
        """Brings the tables to this release; returns their version before and after."""

    def back_up(self, target: Path, progress: CopyProgress) -> None:
        """Writes a copy of one moment into a new file, and checks it. Applications go on meanwhile.

        Raises:
            StoreRefused: If there is a file of that name already.
        """

    def restore(self, source: Path, progress: CopyProgress) -> Path | None:
        """Puts a copy in the place of the database; returns where the former one lies now, if there was one.

        Raises:
            StoreRefused: If a program uses the database, or the copy is none, or is damaged.
        """
