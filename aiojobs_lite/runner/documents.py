"""`runner.documents`: small state of what stands above the jobs, in the same database."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiojobs_lite.clock import after as instant_after
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durations import Duration, seconds
from aiojobs_lite.errors import InvalidOption
from aiojobs_lite.handlers.checks import check_text, check_whole
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.documents import (
    ABSENT,
    ANY,
    DeleteDocument,
    Document,
    Expected,
    GetDocument,
    ListDocuments,
    PutDocument,
)
from aiojobs_lite.runner.access import EngineAccess
from aiojobs_lite.sizes import LARGEST_DOCUMENT_BYTES, LONGEST_DOCUMENT_NAME_CHARS

_LARGEST_PAGE: Final = 1000  # documents


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as it was read.

    Attributes:
        kind: What it is one of.
        name: Its name, one of its kind.
        body: What it says, as plain JSON values.
        version: How often it was written since it was made, from 1.
        created_at: When it was made, UTC.
        updated_at: When it was written last, UTC.
        expires_at: From when on it counts as deleted, UTC; None: never.
    """

    kind: str
    name: str
    body: Any
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


class Documents:
    """Small documents of JSON in a runner's database, by kind and name: `runner.documents`.

    Each method raises `RunnerError` if the runner cannot be used, and `StoreUnavailable` if the database cannot.

    Args:
        access: The way to the engine.
    """

    def __init__(self, access: EngineAccess) -> None:
        self._access = access

    async def get(self, kind: str, name: str) -> StoredDocument | None:
        """Reads a document; None if there is none."""
        engine = self._access.engine
        found = await engine.ask(GetDocument(_checked("kind", kind), _checked("name", name), engine.now()))
        return None if found is None else _shown(found)

    async def list(
        self, kind: str, *, prefix: str = "", after: str | None = None, limit: int = 100
    ) -> builtins.list[StoredDocument]:
        """Reads a page of the documents of a kind, by name.

        Args:
            kind: What they are.
            prefix: Only those whose names begin so.
            after: Name of the last document of the page before.
            limit: Size of the page, 1 to 1,000.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        check_whole("limit", limit, _LARGEST_PAGE)
        wanted = "" if prefix == "" else _checked("prefix", prefix)
        following = None if after is None else _checked("after", after)
        engine = self._access.engine
        query = ListDocuments(_checked("kind", kind), engine.now(), limit, wanted, following)
        return [_shown(found) for found in await engine.ask(query)]

    async def put(
        self, kind: str, name: str, body: Any, *, expires: Duration | None = None, expected: Expected = ANY
    ) -> StoredDocument | None:
        """Writes a document, if under its name stands what is expected.

        Args:
            kind: What it is one of.
            name: Its name.
            body: What it says, plain JSON values.
            expires: How long from now until it counts as deleted; None: for ever.
            expected: The version that must stand there, `absent`: none, `any`: whatever there is.

        Returns:
            The document as it stands now; None if another one stands there than is expected.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        engine, text = self._access.engine, _dumped(body)
        expires_at = None if expires is None else instant_after(engine.now(), seconds(expires, "expires"))
        write = PutDocument(
            _checked("kind", kind), _checked("name", name), text, expires_at, _expected(expected, (ANY, ABSENT))
        )
        done = await engine.order(engine.write(write))
        return _shown(done.document) if done.is_done and done.document is not None else None

    async def delete(self, kind: str, name: str, *, expected: Expected = ANY) -> bool:
        """Deletes a document, if it is there and has the version that is expected; returns whether it was.

        Raises:
            InvalidOption: If one of them cannot work.
        """
        engine = self._access.engine
        write = DeleteDocument(_checked("kind", kind), _checked("name", name), _expected(expected, (ANY,)))
        return (await engine.order(engine.write(write))).is_done

    async def update(self, kind: str, name: str, change: Callable[[Any], Any]) -> StoredDocument | None:
        """Changes a document, or makes it, whatever else writes it meanwhile. It never expires.

        Args:
            kind: What it is one of.
            name: Its name.
            change: A plain function that is given the body, None if there is no document, and returns the new one; None
                deletes it. It may be called again, if another writer was faster.

        Returns:
            The document as it stands now; None if there is none.
        """
        while True:
            before = await self.get(kind, name)
            body = change(None if before is None else before.body)
            if body is not None:
                after = await self.put(kind, name, body, expected=ABSENT if before is None else before.version)
                if after is not None:
                    return after
            elif before is None or await self.delete(kind, name, expected=before.version):
                return None


def _checked(option: str, value: object) -> str:
    return check_text(option, value, LONGEST_DOCUMENT_NAME_CHARS)


def _expected(value: object, words: tuple[Expected, ...]) -> Expected:
    is_version = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_INTEGER
    if not is_version and value not in words:
        expected = " or ".join(["the version of a document", *map(repr, words)])
        raise InvalidOption("expected", value, expected)
    return value  # type: ignore[return-value]  # it is one of these


def _dumped(body: object) -> str:
    wanted = f"plain JSON values, of at most {LARGEST_DOCUMENT_BYTES:,} bytes as JSON"
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOption("body", body, wanted) from error
    if size > LARGEST_DOCUMENT_BYTES:
        raise InvalidOption("body", body, wanted)
    return text


def _shown(document: Document) -> StoredDocument:
    expires_at = None if document.expires_at is None else to_datetime(document.expires_at)
    return StoredDocument(
        document.kind, document.name, json.loads(document.body), document.version, to_datetime(document.created_at),
        to_datetime(document.updated_at), expires_at,
    )  # fmt: skip
