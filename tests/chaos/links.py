"""Links under the names of owners' files, which others may make in the folder of the database."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.journal import Journal

_KINDS = ("hard link", "link", "link to the log", "link to nothing", "link to the folder", "pipe")


@dataclass
class _Link:
    path: Path
    until: float
    aside: Path | None = None  # where the owner's file is meanwhile
    worker: int = 0


class Links:
    """The links of a run; each is taken away after a while.

    Args:
        database: Beside which they are.
        journal: Where they are noted.
        chance: The randomness.
    """

    def __init__(self, database: Path, journal: Journal, chance: random.Random) -> None:
        self._database, self._journal, self._chance = database, journal, chance
        self._links: list[_Link] = []

    @property
    def paths(self) -> set[Path]:
        """The names that are links, or were."""
        return {link.path for link in self._links}

    def make_beside(self, files: Sequence[Path], until: float) -> None:
        """Makes something that is no owner's file, or another name of one, under the name of an owner."""
        path = Path(f"{self._database}-owner-{self._chance.getrandbits(64):016x}")
        kind = self._chance.choice(_KINDS)
        with suppress(FileNotFoundError):  # the owner has just ended
            self._make(kind, path, files)
            self._links.append(_Link(path, until))
            self._journal.note("linked", name=path.name, kind=kind)

    def make_in_place(self, worker: int, path: Path, files: Sequence[Path], until: float) -> bool:
        """Puts a link in place of the file of an owner who lives, without an instant in which there is neither.

        Returns:
            Whether it is as if the file was removed: a hard link is a plain file, and says nothing of this owner.
        """
        aside, made = (Path(f"{self._database}-{what}-{self._chance.getrandbits(32)}") for what in ("aside", "made"))
        kind = self._chance.choice(_KINDS)
        is_removed = kind == "hard link"
        self._journal.note("robbed" if is_removed else "planted", worker=worker, kind=kind)
        try:
            os.link(path, aside)
            self._make(kind, made, files)
            os.rename(made, path)
        except FileNotFoundError:
            aside.unlink(missing_ok=True)
            self._journal.note("restored", worker=worker)
        else:
            self._links.append(_Link(path, until, aside, worker))
        return is_removed

    def look(self, now: float) -> None:
        """Takes away what has been there for long enough."""
        for link in [link for link in self._links if now >= link.until]:
            self._links.remove(link)
            if link.aside is None:
                link.path.unlink(missing_ok=True)
            else:
                os.rename(link.aside, link.path)
                self._journal.note("restored", worker=link.worker)

    def _make(self, kind: str, path: Path, files: Sequence[Path]) -> None:
        if kind == "hard link" and files:
            os.link(self._chance.choice(files), path)
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            log, folder, nothing = Path(f"{self._database}-wal"), self._database.parent, Path("nothing")
            targets = {"link to the log": log, "link to the folder": folder, "link to nothing": nothing}
            path.symlink_to(targets.get(kind) or (self._chance.choice(files) if files else nothing))


def is_plain(path: Path) -> bool:
    """Whether it is a file, and no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
