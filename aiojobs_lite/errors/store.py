"""About the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiojobs_lite.errors.base import AiojobsError
from aiojobs_lite.text import redact

_REPEAT: Final = "Repeat the call later, with an idempotency_key if it must not be done twice."
_DAMAGED: Final = "The file is damaged: end all its programs and restore a backup; a repeated call fails as well."
_OWN: Final = "If that is your own open transaction, commit it first, or enqueue by enqueue_in(connection, ...)."
_LOCKED: Final = f"Another connection holds the lock: let it end its transaction. {_OWN} {_REPEAT}"
_OUTDATED: Final = "Others have committed since this transaction read: roll it back, and begin it by BEGIN IMMEDIATE."

CLOSED: Final = "CLOSED"
"""The code of a call that the store was closed over."""

REMEDIES: Final[Mapping[str, str]] = {
    "SQLITE_BUSY_SNAPSHOT": _OUTDATED,
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_PROTOCOL": _LOCKED,
    "SQLITE_FULL": f"Free space on its disk. {_REPEAT}",
    "SQLITE_READONLY": f"Make the file, its folder and its disk writable. {_REPEAT}",
    "SQLITE_CANTOPEN": f"Look at its folder, and at how many files this process has open (`ulimit -n`). {_REPEAT}",
    "SQLITE_IOERR": f"Look at its disk and at the log of the system. {_REPEAT}",
    "SQLITE_NOMEM": f"Look at the memory that this process may take. {_REPEAT}",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "REPLACED": "Restart the program, or put the same file back: a repeated call would go to the lost one.",
    CLOSED: "Enter the runner again (`async with runner:`), then repeat the call, with an idempotency_key.",
}
"""What to do about a fault, by the beginning of its code; of any other: repeat the call."""


class StoreError(AiojobsError):
    """The base class of the errors about the database."""


class StoreUnavailable(StoreError):
    """The database is locked, full, read-only or failing; the runner goes on trying. The message has the remedy.

    Attributes:
        code: The database's own name for the fault, such as `SQLITE_FULL`.
        detail: What the database said.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        remedy = next((remedy for begin, remedy in REMEDIES.items() if code.startswith(begin)), _REPEAT)
        super().__init__(f"the database cannot be used now ({code}: {detail}). {remedy}")


class StoreRefused(StoreError):
    """A database was not opened, and was left untouched.

    Attributes:
        database: The path or URL that was given; a URL without its user and password.
        why: One of `missing directory`, `missing file`, `no jobs` (it has no tables of the library's), `older` (it is
            to be migrated first), `not a file`, `several names` (hard links), `mount point` (the file is mounted
            alone), `unreadable`, `corrupt`, `foreign` (it has tables of the library's names that are not the
            library's), `newer` (a newer release wrote it), `old library` (SQLite's own release is too old),
            `open over a fork` (it was open in the process that this one was forked from, when that forked),
            `unknown url`, `pytest runs` (a test would run what waits in a file that is not the test's).
    """

    def __init__(self, database: str, why: str, advice: str) -> None:
        self.database = redact(database)
        self.why = why
        super().__init__(f"{self.database}: {why}. {advice}")


class StoreRejected(StoreError):
    """The database refused one call, and would refuse it again.

    Attributes:
        detail: What the database said.
    """

    def __init__(self, detail: str, advice: str = "This is a defect of the library: please report it.") -> None:
        self.detail = detail
        super().__init__(f"the database refused a call, and would refuse it again: {detail}. {advice}")
