"""Documents: what is written under which condition, what is read, what expires, and that jobs go along."""

from __future__ import annotations

import pytest

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
from aiojobs_lite.model.job import Status
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import Insert
from aiojobs_lite.stores.base import Store
from tests.helpers.stores import answers, at, new, one


def document(name: str, body: str, version: int, made: float, written: float, expires: float | None = None) -> Document:
    """A document of the kind `k`."""
    return Document("k", name, body, version, at(made), at(written), None if expires is None else at(expires))


class Documents:
    async def test_a_document_is_written_read_and_deleted(self, store: Store) -> None:
        first, second = document("a", "1", 1, 1, 1), document("a", "2", 2, 1, 2)
        assert await one(store, PutDocument("k", "a", "1"), 1) == PutAnswer(is_done=True, document=first)
        assert await one(store, PutDocument("k", "a", "2"), 2) == PutAnswer(is_done=True, document=second)
        assert await store.ask(GetDocument("k", "a", at(2))) == second
        assert await store.ask(GetDocument("k", "b", at(2))) is None
        assert await store.ask(GetDocument("l", "a", at(2))) is None
        assert await one(store, DeleteDocument("k", "a"), 3) == PutAnswer(is_done=True, document=None)
        assert await one(store, DeleteDocument("k", "a"), 3) == PutAnswer(is_done=False, document=None)
        again = document("a", "3", 1, 4, 4)
        assert await one(store, PutDocument("k", "a", "3"), 4) == PutAnswer(is_done=True, document=again)

    @pytest.mark.parametrize(
        ("expected", "is_there", "is_done"),
        [("any", True, True), ("any", False, True), ("absent", True, False), ("absent", False, True),
         (1, True, True), (2, True, False), (1, False, False)],
    )  # fmt: skip
    async def test_it_is_written_and_deleted_if_what_is_expected_stands_there(
        self, store: Store, expected: Expected, is_there: bool, is_done: bool
    ) -> None:
        for name in ("put", "delete") if is_there else ():
            await one(store, PutDocument("k", name, "1"))
        there = document("put", "1", 1, 0, 0) if is_there else None
        written = document("put", "2", 2 if is_there else 1, 0 if is_there else 1, 1)
        found = await one(store, PutDocument("k", "put", "2", None, expected), 1)
        assert found == PutAnswer(is_done, written if is_done else there)
        deleted = await one(store, DeleteDocument("k", "delete", expected), 1)
        assert deleted.is_done is (is_done and is_there)
        assert (deleted.document is None) is (is_done or not is_there)

    async def test_an_expired_one_counts_as_deleted_and_is_pruned(self, store: Store) -> None:
        await answers(store, *(PutDocument("k", name, "1", at(due)) for name, due in (("a", 9), ("b", 5), ("c", 7))))
        await one(store, PutDocument("k", "stays", "1"))
        assert await store.ask(GetDocument("k", "b", at(4.9))) == document("b", "1", 1, 0, 0, 5)
        assert await store.ask(GetDocument("k", "b", at(5))) is None
        assert [found.name for found in await store.ask(ListDocuments("k", at(7), 9))] == ["a", "stays"]
        assert await one(store, PutDocument("k", "b", "2", at(99), 1), 5) == PutAnswer(is_done=False, document=None)
        again = document("b", "2", 1, 5, 5, 99)
        assert await one(store, PutDocument("k", "b", "2", at(99), "absent"), 5) == PutAnswer(True, again)
        assert await one(store, PutDocument("k", "past", "2", at(3)), 5) == PutAnswer(is_done=True, document=None)
        assert await one(store, DeleteDocument("k", "c"), 7) == PutAnswer(is_done=False, document=None)
        assert [await one(store, PruneDocuments(2), 9) for _ in range(3)] == [2, 1, 0]
        assert [found.name for found in await store.ask(ListDocuments("k", at(0), 9))] == ["b", "stays"]

    async def test_they_are_listed_by_name_page_by_page(self, store: Store) -> None:
        names = ["b", "a%", "a", "a_c", "ab", "aä", "a\N{GRINNING FACE}", "ax", "A"]
        await answers(store, *(PutDocument("k", name, "1") for name in names))
        await one(store, PutDocument("l", "aa", "1"))

        async def listed(prefix: str = "", after: str | None = None, limit: int = 99) -> list[str]:
            return [found.name for found in await store.ask(ListDocuments("k", at(0), limit, prefix, after))]

        assert await listed() == sorted(names)
        begin = sorted(name for name in names if name[0] == "a")
        assert await listed("a") == begin
        assert await listed("a_") == ["a_c"]
        assert await listed("a", limit=3) == begin[:3]
        assert await listed("a", after=begin[2], limit=3) == begin[3:6]
        assert await listed("a", after="0") == begin
        assert await listed("c") == []
        assert await listed(limit=0) == []

    async def test_a_document_and_jobs_are_one_unit(self, store: Store) -> None:
        put = PutDocument("seen", "id-1", "{}", at(600), "absent")
        applied = await store.apply([(put, Insert((new(),)))], at(0))
        assert applied.answers[0].is_done
        assert await store.ask(GetDocument("seen", "id-1", at(0))) is not None
        assert len(await store.ask(FindJobs(status=Status.PENDING))) == 1
