"""Documents: see `model/documents.py`."""

from __future__ import annotations

import sqlite3

from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.documents import (
    ABSENT,
    ANY,
    DeleteDocument,
    Document,
    Expected,
    GetDocument,
    ListDocuments,
    PruneDocuments,
    PutAnswer,
    PutDocument,
)
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import Transaction
from aiojobs_lite.text import end_of_prefix


def put_document(transaction: Transaction, write: PutDocument) -> PutAnswer:
    """See `PutDocument`."""
    now = transaction.now
    before = _standing(transaction, write.kind, write.name)
    if not _is_expected(before, write.expected):
        return PutAnswer(is_done=False, document=before)
    version, created_at = (1, now) if before is None else (before.version + 1, before.created_at)
    document = Document(
        write.kind, write.name, write.body, min(version, LARGEST_INTEGER), created_at, now, write.expires_at
    )
    transaction.run("put_document", document._asdict())
    return PutAnswer(is_done=True, document=_standing(transaction, write.kind, write.name))


def delete_document(transaction: Transaction, write: DeleteDocument) -> PutAnswer:
    """See `DeleteDocument`."""
    before = _standing(transaction, write.kind, write.name)
    if before is None or not _is_expected(before, write.expected):
        return PutAnswer(is_done=False, document=before)
    transaction.run("delete_document", (write.kind, write.name))
    return PutAnswer(is_done=True, document=None)


def prune_documents(transaction: Transaction, write: PruneDocuments) -> int:
    """See `PruneDocuments`."""
    return transaction.run("prune_documents", {"now": transaction.now, "limit": write.limit}).rowcount


def get_document(connection: sqlite3.Connection, sql: Sql, query: GetDocument) -> Document | None:
    """See `GetDocument`."""
    found = connection.execute(sql["document"], query._asdict()).fetchall()
    return Document._make(found[0]) if found else None


def list_documents(connection: sqlite3.Connection, sql: Sql, query: ListDocuments) -> list[Document]:
    """See `ListDocuments`."""
    wanted = {**query._asdict(), "after": query.after or "", "end": end_of_prefix(query.prefix)}
    return list(map(Document._make, connection.execute(sql["documents"], wanted).fetchall()))


def _standing(transaction: Transaction, kind: str, name: str) -> Document | None:
    found = transaction.one("document", {"kind": kind, "name": name, "now": transaction.now})
    return None if found is None else Document._make(found)


def _is_expected(document: Document | None, expected: Expected) -> bool:
    if expected == ANY:
        return True
    return document is None if expected == ABSENT else document is not None and document.version == expected
