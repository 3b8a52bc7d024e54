"""What the processes of a run note, each in a file of its own, one record a line; `read` gives them in their order.

- `call`, of the app, when a call has come in: `call` (its number), `made` (by our process, in milliseconds), `run`,
  `function`, `target` (None: what is next), `memos` (digests, by the ids of steps);
- `body`, when the code of a step begins, and `done`, when it returns: `call`, `run`, `step`, `token` (what it returns);
- `checked`, when a checkpoint was answered 200: `call`, `run`, `step`, `at`;
- `sent`, of the sender, when an event is acknowledged: `event` (its id), `name`, `n`, `id` (as answered), `tries`;
- `failed`, of the sender, when it is not: `event` (the first of its request), `why`;
- `forked` and `killed`, of the killer, before a process begins and when it is gone: `life`, `at`;
- `stored`, between two lives: steps that were not stored at the look before: `life` (the next one), `steps`.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_MILLION: Final = 1_000_000


class Notes:
    """The file of one process.

    Args:
        path: Where it is; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: str, **facts: object) -> None:
        """Appends a record."""
        os.write(self._descriptor, f"{json.dumps([what, facts])}\n".encode())

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a file, in their order."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            what, facts = json.loads(line)
            yield what, facts


def now_ms() -> int:
    """The present instant, in milliseconds since 1970: of the clock by which our process makes the ids of calls."""
    return time.time_ns() // _MILLION


def digest(memo: object) -> int:
    """What tells one memo of a step from another."""
    return zlib.crc32(json.dumps(memo, sort_keys=True).encode())
