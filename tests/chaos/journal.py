"""What all processes of a run append to: one record a write, whole or not there, in whatever instant its writer dies.

| record | written by | facts |
|---|---|---|
| `forked` | the killer | `worker`, `ahead` (the wall clock of CLOCK_MONOTONIC) |
| `killed`, `terminated`, `continued` | the killer, before the signal | `worker` |
| `stopped` | the killer, when it has stopped | `worker`, `since` (the signal), `locks` (it holds up all writers) |
| `robbed` | the killer, before it removes the owner's file | `worker` |
| `exited` | the killer, when it has noticed | `worker`, `code` |
| `hung` | the killer | `worker`: asked to end, and did not |
| `stalled` | the killer: it was not given the processor | `since` |
| `owner` | a worker, before it opens the database | `owner` |
| `up`, `refused start`, `left` | a worker | |
| `called`, `acknowledged` | around an enqueue | `call`, `jobs` (how many; their ids), `key`, `new` |
| `cancelling`, `cancelled` | around a cancel | `job`, `status` |
| `redriving` | before a redrive | `job` |
| `deleting` | before a delete | `job`, `call` (which made it) |
| `begun`, `going`, `ended` | a handler | `job`, `attempt`, `owner`, `type`, `run`, `how` |
| `JobCompleted`, ... | the library's facts of that name | theirs |
| `defect` | the library's log | `text` |
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

KILLER = 0  # the number of the process that starts and kills the others


class Record(NamedTuple):
    """One fact. `time` is CLOCK_MONOTONIC, which all processes of a machine share."""

    what: str
    time: float
    writer: int
    facts: dict[str, Any]


class Journal:
    """The end of the log at which a process writes.

    Args:
        path: The file; made if it is missing.

    Attributes:
        writer: The number of this process; a fork sets its own.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.writer = KILLER

    def note(self, what: str, **facts: object) -> None:
        """Appends a record."""
        line = json.dumps((what, time.monotonic(), self.writer, facts))
        os.write(self._descriptor, line.encode() + b"\n")

    def close(self) -> None:
        """Ends it for this process."""
        os.close(self._descriptor)


def read(path: Path) -> list[Record]:
    """All records, in the order of their instants."""
    with path.open(encoding="utf-8") as lines:
        records = [Record(*json.loads(line)) for line in lines]
    return sorted(records, key=lambda record: record.time)
