"""From what a runner is given to a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import InvalidOption, StoreRefused
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.stores.sqlite.store import SqliteStore
from tests.helpers.memory_store import MemoryStore
from tests.helpers.stores import inserted, new


@pytest.mark.parametrize("name", ["{path}", "sqlite:///{path}", "sqlite:///jobs.db", "jobs.db", "link.db"])
async def test_a_store_is_found_by_path_or_url(database: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(database.parent)
    Path("link.db").symlink_to(database)
    store = open_store(name.format(path=database), "full")
    assert isinstance(store, SqliteStore)
    await store.open()
    await inserted(store, new())
    await store.close()
    assert database.stat().st_size
    assert Path("link.db").is_symlink()


async def test_a_store_in_memory_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store(":memory:", "full")
    await store.open()
    await inserted(store, new())
    await store.close()
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_taken_as_it_is() -> None:
    store = MemoryStore()
    assert open_store(store, "full") is store


@pytest.mark.parametrize(
    "url",
    [
        "mysql://x/y", "sqlite://jobs.db", "sqlite://", "sqlite+aiosqlite:///jobs.db", "file:jobs.db",
        "file:jobs.db?mode=ro", "file::memory:", "file:///jobs.db", "sqlite:///jobs.db?timeout=3", "sqlite:///jobs.db#x",
    ],
)  # fmt: skip
def test_an_unknown_url_is_refused(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        open_store(url, "full")
    assert caught.value.why == "unknown url"


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("mysql://x/y", 'unknown url. Use a path such as "app.db", "sqlite:///app.db", ":memory:", or a store.'),
        ("file:a", "file:a: unknown url. SQLite's own URIs are not taken. Use a path such as"),
        ("sqlite:///a?b", "unknown url. A URL has no query part: options go to JobRunner(...). Use a path such as"),
    ],
)  # fmt: skip
def test_an_unknown_url_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(StoreRefused, match=re.escape(advice)):
        open_store(url, "full")


class AsBytes:
    """A path that is not text."""

    def __fspath__(self) -> bytes:
        return b"jobs.db"


@pytest.mark.parametrize(
    ("database", "advice"),
    [
        ("", "the path of a file; it is empty"),
        ("sqlite:///", "it is empty"),
        ("a\0b.db", "a path without NUL"),
        ("\ud800.db", "a path that the file system can encode"),
        (b"jobs.db", "a path, a URL, or a store"),
        (AsBytes(), "a path as text, not bytes"),
        ("~", r'a path without "~": use os\.path\.expanduser\(\.\.\.\)'),
        ("~/jobs.db", "expanduser"),
        ("~user/jobs.db", "expanduser"),
        (Path("~/jobs.db"), "expanduser"),
        ("sqlite:///~/jobs.db", "expanduser"),
    ],
)
def test_a_name_that_no_file_has_or_that_is_not_meant_as_it_stands_is_refused(database: Any, advice: str) -> None:
    with pytest.raises(InvalidOption, match=advice) as caught:
        open_store(database, "full")
    assert caught.value.option == "database"


@pytest.mark.parametrize("name", ["jobs?x=1.db", "50%20.db", "a#b.db", "~jobs.db", "./~/jobs.db", "j\udcff.db", " "])
async def test_a_path_is_taken_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("~").mkdir()
    for _ in range(2):  # the second has a log to look at
        store = open_store(name, "full")
        await store.open()
        await inserted(store, new())
        assert Path(name).exists()
        assert Path(f"{name}-wal").exists()
        await store.close()


@pytest.mark.parametrize("database", [None, 7, object()])
def test_what_is_no_store_is_refused(database: object) -> None:
    with pytest.raises(InvalidOption):
        open_store(database, "full")  # type: ignore[arg-type]
