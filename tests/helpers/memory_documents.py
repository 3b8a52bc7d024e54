"""Documents in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.model.documents import (
    DeleteDocument,
    Document,
    Expected,
    GetDocument,
    ListDocuments,
    PruneDocuments,
    PutAnswer,
    PutDocument,
)

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows

Documents = dict[tuple[str, str], Document]


def put_document(phases: MemoryPhases, write: PutDocument) -> PutAnswer:
    """See `PutDocument`."""
    documents, place, now = phases.rows.documents, (write.kind, write.name), phases.now
    before = _standing(documents, place, now)
    if not _is_expected(before, write.expected):
        return PutAnswer(is_done=False, document=before)
    made = before or Document(*place, "", 0, now, now, None)
    documents[place] = made._replace(
        body=write.body, version=made.version + 1, updated_at=now, expires_at=write.expires_at
    )
    return PutAnswer(is_done=True, document=_standing(documents, place, now))


def delete_document(phases: MemoryPhases, write: DeleteDocument) -> PutAnswer:
    """See `DeleteDocument`."""
    documents, place = phases.rows.documents, (write.kind, write.name)
    before = _standing(documents, place, phases.now)
    if before is None or not _is_expected(before, write.expected):
        return PutAnswer(is_done=False, document=before)
    del documents[place]
    return PutAnswer(is_done=True, document=None)


def prune_documents(phases: MemoryPhases, write: PruneDocuments) -> int:
    """See `PruneDocuments`."""
    documents = phases.rows.documents
    expired = sorted((one.expires_at, *place) for place, one in documents.items() if one.expires_at is not None)
    old = [place for at, *place in expired if at <= phases.now][: write.limit]
    for kind, name in old:
        del documents[kind, name]
    return len(old)


def get_document(rows: Rows, query: GetDocument) -> Document | None:
    """See `GetDocument`."""
    return _standing(rows.documents, (query.kind, query.name), query.now)


def list_documents(rows: Rows, query: ListDocuments) -> list[Document]:
    """See `ListDocuments`."""
    found = [_standing(rows.documents, place, query.now) for place in sorted(rows.documents) if place[0] == query.kind]
    wanted = [one for one in found if one is not None and one.name.startswith(query.prefix)]
    return [one for one in wanted if query.after is None or one.name > query.after][: query.limit]


def _standing(documents: Documents, place: tuple[str, str], now: int) -> Document | None:
    found = documents.get(place)
    return None if found is None or (found.expires_at is not None and found.expires_at <= now) else found


def _is_expected(document: Document | None, expected: Expected) -> bool:
    if isinstance(expected, int):
        return document is not None and document.version == expected
    return expected == "any" or document is None


WRITES: Final[Mapping[type, Callable[[MemoryPhases, Any], Any]]] = {
    PutDocument: put_document,
    DeleteDocument: delete_document,
    PruneDocuments: prune_documents,
}
