"""Documents: small state of what stands above the jobs, by kind and name, beside the jobs in one transaction.

A document whose expiry has come counts as deleted in each transaction and query from that instant on.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from aiojobs_lite.model.writes import unanswered

Expected = int | Literal["any", "absent"]
"""What must stand under a name, so that it is written: a document of this version, whatever there is, or nothing."""

ANY: Final = "any"
ABSENT: Final = "absent"


class Document(NamedTuple):
    """A document as it is stored. Times in microseconds since 1970 UTC.

    Attributes:
        kind: What it is one of.
        name: Its name, one of its kind.
        body: What it says, as JSON.
        version: How often it was written since it was made, from 1.
        created_at: When it was made.
        updated_at: When it was written last.
        expires_at: From when on it counts as deleted; None: never.
    """

    kind: str
    name: str
    body: str
    version: int
    created_at: int
    updated_at: int
    expires_at: int | None


class PutAnswer(NamedTuple):
    """Whether a document was written or deleted, and which one stands there now; None: none does."""

    is_done: bool
    document: Document | None


class PutDocument(NamedTuple):
    """Writes a document, if under its name stands what is expected. Answer: a `PutAnswer`.

    One that is deleted, or expired, and made again begins with version 1.

    Attributes:
        kind: What it is one of.
        name: Its name.
        body: What it says, as JSON.
        expires_at: From when on it counts as deleted, in microseconds; None: never.
        expected: What must stand there.
    """

    kind: str
    name: str
    body: str
    expires_at: int | None = None
    expected: Expected = ANY

    def answer(self) -> PutAnswer:
        """See `Write`."""
        unanswered()


class DeleteDocument(NamedTuple):
    """Deletes a document, if it is there and has the version that is expected. Answer: a `PutAnswer`.

    Attributes:
        kind: What it is one of.
        name: Its name.
        expected: Its version, or `any`.
    """

    kind: str
    name: str
    expected: Expected = ANY

    def answer(self) -> PutAnswer:
        """See `Write`."""
        unanswered()


class PruneDocuments(NamedTuple):
    """Deletes documents whose expiry has come, the first ones first, at most so many. Answer: how many."""

    limit: int

    def answer(self) -> int:
        """See `Write`."""
        unanswered()


class GetDocument(NamedTuple):
    """Answer: the document of a name at an instant, or None.

    Attributes:
        kind: What it is one of.
        name: Its name.
        now: The instant, in microseconds.
    """

    kind: str
    name: str
    now: int

    def answer(self) -> Document | None:
        """See `Query`."""
        unanswered()


class ListDocuments(NamedTuple):
    """Answer: the documents of a kind at an instant, by name.

    Attributes:
        kind: What they are.
        now: The instant, in microseconds.
        limit: The most.
        prefix: With what their names begin.
        after: The name behind which the list goes on; None: it begins.
    """

    kind: str
    now: int
    limit: int
    prefix: str = ""
    after: str | None = None

    def answer(self) -> list[Document]:
        """See `Query`."""
        unanswered()
