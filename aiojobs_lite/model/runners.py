"""The runners of a database: what each stores of itself when it starts. Which of them live, the owners say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.troubles import Trouble
from aiojobs_lite.model.writes import unanswered


@dataclass(frozen=True, slots=True)
class RunnerInfo:
    """One runner of the database.

    Attributes:
        id: Its owner id, which `job.owner` and the log lines name; another one at each start.
        pid: Its process.
        host: The name of its machine.
        max_running: Most handlers that it runs at once; 0: it runs none.
        types: The job types that it has registered, each with its concurrency or None.
        started_at: When it started, UTC.
        ended_at: When another runner noted that it is dead, UTC: at the rescue of its jobs, or within a minute; if none
            lived, at the next start. None before, even if `is_alive` says so already.
        is_draining: Whether it lives, waits for running handlers, and claims nothing more.
        running: Jobs that it is processing.
        is_alive: Whether it lives.
        troubles: What it has noticed of itself: handlers that are stuck, an event loop that is blocked for over five
            seconds, a database that it cannot write. Those that are alike stand together; empty if it is dead.
        troubles_left_out: How many more it has: of stuck handlers the 200 that are stuck longest are in `troubles`.
        silent: For how many seconds it has not shown that its event loop turns, which it does every ten: something
            blocks the loop and keeps the interpreter lock, or the process is stopped. None up to 30 seconds.
        last_sign_at: Of a dead runner whose end is not noted yet: when it last showed that it lived, which it did every
            ten seconds, UTC; None if that is not known.
    """

    id: str
    pid: int
    host: str
    max_running: int
    types: Mapping[str, int | None]
    started_at: datetime
    ended_at: datetime | None
    is_draining: bool
    running: int
    is_alive: bool
    troubles: tuple[Trouble, ...] = ()
    silent: float | None = None
    troubles_left_out: int = 0
    last_sign_at: datetime | None = None


class SetRunner(NamedTuple):
    """Stores a runner that starts, at the instant of the transaction. Answer: None.

    Attributes:
        id: Its owner id.
        pid: Its process.
        host: The name of its machine.
        max_running: Most handlers that it runs at once.
        types: The job types that it has registered, each with its concurrency or null: a JSON object.
    """

    id: str
    pid: int
    host: str
    max_running: int
    types: str

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class SetRunnerTypes(NamedTuple):
    """Stores which job types a runner has from now on, if it is stored. Those that it has no more listen no more
    (`SetListeners`), unless another runner has them: one of which no end is noted, and that is not among the dead ones.
    Answer: None.

    Attributes:
        id: Its owner id.
        types: See `SetRunner`.
        dead: Runners that are dead, whether or not that is noted.
    """

    id: str
    types: str
    dead: tuple[str, ...]

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class MarkDraining(NamedTuple):
    """Notes that a runner claims nothing more. Answer: None."""

    id: str

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class EndRunners(NamedTuple):
    """Notes that these runners are dead, where that is not noted yet, and forgets those that were noted before an
    instant: none, if there is no such instant. Answer: None.
    """

    ids: tuple[str, ...]
    forget_before: int = -LARGEST_INTEGER

    def answer(self) -> None:
        """See `Write`."""
        unanswered()


class ListRunners(NamedTuple):
    """The runners that are stored, the latest start first, each with how many jobs it is processing. Answer: a list of
    them; `is_alive` says only that no end is noted.
    """

    def answer(self) -> list[RunnerInfo]:
        """See `Query`."""
        unanswered()


def runner_of(
    stored: SetRunner, started_at: int, ended_at: int | None, *, is_draining: bool, running: int
) -> RunnerInfo:
    """A runner as it is stored; instants in microseconds."""
    ended = None if ended_at is None else to_datetime(ended_at)
    return RunnerInfo(
        stored.id, stored.pid, stored.host, stored.max_running, json.loads(stored.types), to_datetime(started_at),
        ended, is_draining, running, ended is None,
    )  # fmt: skip
