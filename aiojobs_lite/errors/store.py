"""About the database."""

from __future__ import annotations

from aiojobs_lite.errors.base import AiojobsError


class StoreError(AiojobsError):
    """About the database."""


class StoreUnavailable(StoreError):
    """The database is locked, full, read-only or failing; the runner goes on trying.

    Attributes:
        code: The database's own name for the fault, such as `SQLITE_FULL`.
        detail: What the database said.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(
            f"the database cannot be used now ({code}: {detail}). Repeat the call later, "
            "with an idempotency_key if it must not be done twice."
        )


class StoreRefused(StoreError):
    """A database was not opened, and was left untouched.

    Attributes:
        database: Where it was looked for.
        why: One of `missing directory`, `not a file`, `several names` (hard links), `mount point` (the file is mounted
            alone), `unreadable`, `corrupt`, `foreign` (it has tables of the library's names that are not the
            library's), `newer` (a newer release wrote it), `old library` (SQLite's own release is too old),
            `unknown url`.
    """

    def __init__(self, database: str, why: str, advice: str) -> None:
        self.database = database
        self.why = why
        super().__init__(f"{database}: {why}. {advice}")


class StoreRejected(StoreError):
    """The database refused one call, and would refuse it again.

    Attributes:
        detail: What the database said.
    """

    def __init__(self, detail: str, advice: str = "This is a defect of the library: please report it.") -> None:
        self.detail = detail
        super().__init__(f"the database refused a call, and would refuse it again: {detail}. {advice}")
