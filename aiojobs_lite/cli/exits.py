"""The exit codes of `aiojobs-lite`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for scripts and monitors. From `LATE` on they are those of `check`.

    Attributes:
        FINE: It did what was asked; `check` found nothing.
        REFUSED: It could not: no such job or file, a state that does not allow it, a database that cannot be used.
        USAGE: The command line is wrong.
        LATE: The oldest due job is due for too long.
        DEAD: Too many jobs died lately.
        NO_RUNNER: No living runner runs jobs, or none has registered a type of which jobs wait.
        LOCKED: The database cannot be written.
        STUCK: A handler is stuck, an event loop is blocked, or a runner does not report.
        LONG: An attempt runs far longer than any of its type did.
        INTERRUPTED: Ctrl-C ended it.
    """

    FINE = 0
    REFUSED = 1
    USAGE = 2
    LATE = 3
    DEAD = 4
    NO_RUNNER = 5
    LOCKED = 6
    STUCK = 7
    LONG = 8
    INTERRUPTED = 130
