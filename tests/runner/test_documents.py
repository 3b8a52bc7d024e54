"""`runner.documents`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.runner.documents import StoredDocument
from aiojobs_lite.testing import FakeClock


async def test_a_document_is_written_read_and_deleted() -> None:
    clock = FakeClock()
    async with JobRunner(":memory:", clock=clock) as runner:
        documents = runner.documents
        assert await documents.get("group", "a") is None
        made = await documents.put("group", "a", {"url": ["é", None, 1.5]})
        first = datetime.fromtimestamp(clock.now() / 1_000_000, UTC)
        assert made == StoredDocument("group", "a", {"url": ["é", None, 1.5]}, 1, first, first, None)
        clock.advance(1)
        changed = await documents.put("group", "a", [], expires="1m")
        later = first + timedelta(seconds=1)
        assert changed == StoredDocument("group", "a", [], 2, first, later, later + timedelta(minutes=1))
        assert await documents.get("group", "a") == changed
        assert await documents.get("other", "a") is None
        clock.advance(60)
        assert await documents.get("group", "a") is None
        assert not await documents.delete("group", "a")
        await documents.put("group", "a", 1)
        assert await documents.delete("group", "a")


async def test_what_is_expected_must_stand_there() -> None:
    async with JobRunner(":memory:") as runner:
        documents = runner.documents
        assert await documents.put("a", "b", 1, expected=1) is None
        assert await documents.put("a", "b", 1, expected="absent") is not None
        assert await documents.put("a", "b", 2, expected="absent") is None
        changed = await documents.put("a", "b", 3, expected=1)
        assert changed is not None
        assert (changed.body, changed.version) == (3, 2)
        assert not await documents.delete("a", "b", expected=1)
        assert await documents.delete("a", "b", expected=2)


async def test_a_page_is_in_the_order_of_names() -> None:
    async with JobRunner(":memory:") as runner:
        for name in ("b/2", "a", "b/1", "c"):
            await runner.documents.put("kind", name, name)
        await runner.documents.put("other", "d", 1)

        async def names(**options: Any) -> list[str]:
            return [one.name for one in await runner.documents.list("kind", **options)]

        assert await names() == ["a", "b/1", "b/2", "c"]
        assert await names(prefix="b/") == ["b/1", "b/2"]
        assert await names(limit=2) == ["a", "b/1"]
        assert await names(limit=2, after="b/1") == ["b/2", "c"]


async def test_an_update_loses_no_other_one() -> None:
    async with JobRunner(":memory:") as runner:

        async def add() -> None:
            await runner.documents.update("count", "a", lambda body: (body or 0) + 1)

        await asyncio.gather(*(add() for _ in range(20)))
        found = await runner.documents.get("count", "a")
        assert found is not None
        assert (found.body, found.version) == (20, 20)


async def test_an_update_that_gives_nothing_deletes() -> None:
    async with JobRunner(":memory:") as runner:
        assert await runner.documents.update("a", "b", lambda _: None) is None
        await runner.documents.put("a", "b", 1)
        assert await runner.documents.update("a", "b", lambda _: None) is None
        assert await runner.documents.get("a", "b") is None


async def test_a_deletion_that_another_writer_overtook_is_decided_again() -> None:
    async with JobRunner(":memory:") as runner:
        await runner.documents.put("a", "b", 1)
        given = list[Any]()

        def delete_the_first(body: Any) -> Any:
            given.append(body)
            return None if body == 1 else body + 1

        _, found = await asyncio.gather(
            runner.documents.update("a", "b", lambda body: body + 1),  # both have read the first, and this one writes
            runner.documents.update("a", "b", delete_the_first),
        )
        assert given == [1, 2]
        assert found is not None
        assert (found.body, found.version) == (3, 3)


@pytest.mark.parametrize(
    ("call", "option", "expected"),
    [
        (lambda documents: documents.get("", "a"), "kind", "1 to 500 printable characters"),
        (lambda documents: documents.get("a", "x" * 501), "name", "1 to 500 printable characters"),
        (lambda documents: documents.put("a", 7, 1), "name", "text of 1 to 500 printable characters"),
        (lambda documents: documents.put("a", "b", {1}), "body", "plain JSON values, of at most 262,144 bytes as JSON"),
        (lambda documents: documents.put("a", "b", "x" * 262_144), "body", "plain JSON values, of at most 262,144"),
        (lambda documents: documents.put("a", "b", float("nan")), "body", "plain JSON values"),
        (lambda documents: documents.put("a", "b", 1, expected=0), "expected", "the version of a document or 'any' or"),
        (lambda documents: documents.put("a", "b", 1, expected="none"), "expected", "'any' or 'absent'"),
        (lambda documents: documents.put("a", "b", 1, expires=-1), "expires", ""),
        (lambda documents: documents.delete("a", "b", expected="absent"), "expected", "the version of a document or"),
        (lambda documents: documents.list("a", limit=0), "limit", "a whole number from 1 to 1,000"),
        (lambda documents: documents.list("a", prefix=1), "prefix", "text of 1 to 500 printable characters"),
        (lambda documents: documents.list("a", after=""), "after", "1 to 500 printable characters"),
    ],
)
async def test_what_cannot_work_is_refused(call: Any, option: str, expected: str) -> None:
    async with JobRunner(":memory:") as runner:
        with pytest.raises(InvalidOption) as refused:
            await call(runner.documents)
        assert (refused.value.option, expected in refused.value.expected) == (option, True)
        assert await runner.documents.list("a") == []
