"""What every workload shares: a figure, how it is printed, a new database for each measurement."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final, Literal, TypeVar

T = TypeVar("T")
Durability = Literal["normal", "full"]
DURABILITIES: Final[tuple[Durability, ...]] = ("normal", "full")
OURS: Final = "aiojobs_lite"
BARE: Final = "bare sqlite3"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Measurements of which the median counts.
        scale: Factor for the numbers of jobs; 1 is what the limits are meant for.
    """

    rounds: int = 5
    scale: float = 1.0

    def jobs(self, most: int) -> int:
        """A number of jobs, whole hundreds."""
        return max(100, round(most * self.scale / 100) * 100)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        workload: What was done, such as `end to end`.
        who: `aiojobs_lite`, `bare sqlite3`, or the name of a peer.
        durability: `normal`, `full`, or a peer's own default in words.
        unit: `jobs/s`, `deliveries/s`, `requests/s`, `ms`, `%` or `MB`.
        values: One a round.
        at: Where in a series it stands (producers, rows, bytes, milliseconds of a slice), or None.
        note: What else is to be known, such as why nothing was measured.
    """

    workload: str
    who: str
    durability: str
    unit: str
    values: tuple[float, ...]
    at: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The figure that counts; NaN if nothing was measured."""
        return median(self.values) if self.values else float("nan")

    def line(self) -> str:
        """The figure as one line of JSON, with all that is needed to compare it later."""
        return json.dumps(
            {
                "workload": self.workload,
                "at": self.at,
                "who": self.who,
                "durability": self.durability,
                "median": self.median if self.values else None,
                "unit": self.unit,
                "values": self.values,
                "note": self.note,
                **_MADE_WITH,
            }
        )


_MADE_WITH = {
    "aiojobs_lite": version("aiojobs_lite"),
    "python": platform.python_version(),
    "sqlite": sqlite3.sqlite_version,
    "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
}


@contextmanager
def new_path() -> Iterator[Path]:
    """Path of a database in a directory that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="aiojobs_lite-benchmark-") as folder:
        yield Path(folder) / "jobs.db"


def on_new_path(measure: Callable[[Path], T]) -> T:
    """One measurement on a new database."""
    with new_path() as path:
        return measure(path)


def resident_megabytes() -> float:
    """Megabytes of memory that this process takes now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
