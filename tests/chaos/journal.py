"""What all processes of a run append to: one record a write, whole or not there, in whatever instant its writer dies.

| record | written by | facts |
|---|---|---|
| `forked` | the killer | `worker`, `version` (None: another program), `fires` (has schedules), `ahead` (of its clock) |
| `stepped` | the killer, before it steps the clock of the runners | `offset` (from the wall clock) |
| `killed`, `terminated`, `continued` | the killer, before the signal | `worker` |
| `stopped` | the killer, when it has stopped | `worker`, `since` (the signal), `locks` (it holds up all writers) |
| `robbed` | the killer, before it removes the owner's file, or puts another file in its place | `worker` |
| `planted`, `restored` | the killer, before a link is in place of the owner's file, and after it is gone | `worker` |
| `linked` | the killer, after it made a link beside the owners' files | `name`, `kind` |
| `locked`, `unlocked`, `reading`, `read` | another program, around a write lock and a long read | |
| `log` | the killer | `size` of the write-ahead log |
| `alive` | the killer, in the end | `pid`, `command`: a process that nothing has ended |
| `exited` | the killer, when it has noticed | `worker`, `code` |
| `hung` | the killer | `worker`: asked to end, and did not |
| `stalled` | the killer: it was not given the processor | `since` |
| `owner` | a worker, before it opens the database | `owner` |
| `up`, `refused start`, `left` | a worker | |
| `called`, `acknowledged` | around an enqueue | `call`, `jobs` (how many; their ids), `key`, `new`, `batch` |
| `debouncing`, `debounced` | around an enqueue that puts a job off | `call`, `key`; `job` |
| `closed` | after the block of a batch | `batch` |
| `waits` | another program that looks for due jobs of free keys | `job`, `lane`, `attempts`, `since` |
| `looked` | the same | `times` |
| `cancelling`, `cancelled` | around a cancel | `job`, `status` |
| `redriving` | before a redrive | `job` |
| `deleting` | before a delete | `job`, `call` (which made it) |
| `begun`, `going`, `ended` | a handler | `job`, `attempt`, `owner`, `type`, `run`, `how`, and by type: |
| | | `key`, `claimed_at`, `latest`, `put_off` (from its creation) |
| `JobCompleted`, ... | the library's facts of that name | theirs |
| `defect` | the library's log | `text`, `fact` |
| `astray` | a process that a handler forked: it lives on as a copy of the application | `noted` |
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

KILLER = 0  # the number of the process that starts and kills the others


class Record(NamedTuple):
    """One fact. `time` is CLOCK_MONOTONIC, which all processes of a machine share; `ahead` is what the machine's clock
    shows more than that.
    """

    what: str
    time: float
    writer: int
    facts: dict[str, Any]


class Journal:
    """The end of the log at which a process writes.

    Args:
        path: The file; made if it is missing.

    Attributes:
        writer: The number of this process; a fork takes one of its own, or notes that it goes astray.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.become(KILLER)

    def become(self, writer: int) -> None:
        """Makes this process the writer of that number."""
        self.writer = writer
        self._pid = os.getpid()

    def note(self, what: str, **facts: object) -> None:
        """Appends a record."""
        if os.getpid() != self._pid:
            what, facts = "astray", {"noted": what}
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
