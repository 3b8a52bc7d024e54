"""Text of any kind: as it is stored, and as it is shown."""

from __future__ import annotations

import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiojobs_lite import AiojobsError, JobRunner, StoreRefused, errors
from aiojobs_lite.text import escape, escape_lines, make_storable, name_of, redact, shorten, show
from tests.helpers.hostile_text import HOSTILE, any_text, is_one_printed_line

T = TypeVar("T")


class Repository(Generic[T]):
    """A generic class of an application."""


class Loud(str):
    """Text whose methods are the user's."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def encode(self, *_: object) -> bytes:
        raise RuntimeError


@given(text=any_text(), longest=st.integers(min_value=4, max_value=60), keep_end=st.booleans())
def test_stored_text_fits_and_is_what_was_given_where_that_can_be_held(
    text: str, longest: int, *, keep_end: bool
) -> None:
    stored = make_storable(text, longest, keep_end=keep_end)
    assert len(stored) <= longest
    assert stored.encode().decode() == stored
    assert "\x00" not in stored
    if len(text) <= longest and not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in text):
        assert stored == text


@given(text=any_text())
def test_shown_text_is_one_line_that_prints_and_shown_twice_it_is_the_same(text: str) -> None:
    shown = escape(text)
    assert is_one_printed_line(shown)
    assert escape(shown) == shown
    if text.isprintable():
        assert shown == text


@given(text=any_text())
def test_lines_below_a_log_line_look_like_none(text: str) -> None:
    for line in escape_lines(text).split("\n"):
        assert line.startswith("  ")
        assert is_one_printed_line(line)


@pytest.mark.parametrize(
    ("text", "longest", "keep_end", "shortened"),
    [
        ("abcdef", 6, False, "abcdef"),
        ("abcdefg", 6, False, "abc..."),
        ("abcdefg", 6, True, "...efg"),
        ("", 6, False, ""),
    ],
)
def test_dots_stand_for_what_was_cut_off(text: str, longest: int, shortened: str, *, keep_end: bool) -> None:
    assert shorten(text, longest, keep_end=keep_end) == shortened


def test_text_of_a_class_of_the_users_is_plain_when_it_is_stored() -> None:
    stored = make_storable(Loud("abc"), 10)
    assert (stored, type(stored)) == ("abc", str)


def test_a_long_value_is_shown_without_all_of_it_being_written_out() -> None:
    assert show("x" * 10_000_000) == "'" + "x" * 196 + "..."
    assert show(b"\x00" * 10_000_000) == "b'" + "\\x00" * 48 + "\\x0..."


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (dict, "dict"),
        (dict[str, int], "dict[str, int]"),
        (Repository[Path], "Repository[Path]"),
        (Repository[dict[str, Path]], "Repository[dict[str, Path]]"),
        (Callable[[], Path], "Callable[[], Path]"),
        (typing.Callable[[int, str], None], "Callable[[int, str], None]"),
        (Callable[..., Path], "Callable[..., Path]"),
        (typing.Dict[str, Path], "dict[str, Path]"),  # noqa: UP006  # the old form
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[()], "tuple[()]"),
        (Path | None, "Path | None"),
        (Optional[Path], "Path | None"),  # noqa: UP045  # the old form
        (Literal["a"], "typing.Literal['a']"),
        (Annotated[int, []], "typing.Annotated[int, []]"),
        ("text", "'text'"),
    ],
)  # fmt: skip
def test_the_name_of_a_type_has_its_parameters(kind: Any, name: str) -> None:
    assert name_of(kind) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_no_error_of_the_library_has_text_of_two_lines(text: str) -> None:
    made = [
        errors.InvalidOption(text, text, text),
        errors.InvalidJobType(text, text),
        errors.DuplicateJobType(text, text, text),
        errors.MissingDependency(text, text),
        errors.InvalidSchedule(text, "tz", text),
        errors.UnknownJobType(text, [text, "a"]),
        errors.InvalidPayload(text, [(text, text)]),
        errors.PayloadTooLarge(text, 1, 1),
        errors.JobDead(1, text, text),
        errors.JobCancelled(1, text),
        errors.ResultNotKept(1, text),
        errors.StoreUnavailable(text, text),
        errors.StoreRefused(text, text, text),
        errors.StoreRejected(text),
        errors.WrongEventLoop(text),
    ]
    for error in made:
        assert is_one_printed_line(str(error))
    assert made[1].args[0].endswith(text)  # as it was, for a program


def test_an_error_names_a_long_text_in_few_words() -> None:
    long = "x" * 1_000_000
    assert len(str(errors.UnknownJobType(long, ["a" * 200] * 50))) < 3_000
    assert len(str(errors.InvalidPayload("a", [(long, long)] * 50))) < 10_000
    assert len(str(errors.InvalidSchedule(long, "tz", "no"))) < 300


class Dsn:
    """As pydantic writes an URL."""

    def __repr__(self) -> str:
        return "PostgresDsn('postgresql://user:s3cret@db:5432/app')"


URLS = [
    ("mysql://user:s3cret@db/app", "mysql://***@db/app"),
    ("redis://:s3cret@db", "redis://***@db"),
    ("redis+tls://s3cret@db:6379/0", "redis+tls://***@db:6379/0"),
    ("mysql://user:s3/cr@et@db/app", "mysql://***@db/app"),
    ("postgresql://db/app?user=me&password=s3cret&ssl=on", "postgresql://db/app?user=me&password=***&ssl=on"),
    ("libsql://db?authToken=s3cret", "libsql://db?authToken=***"),
    ("sqlite:///home/a@b/app.db", "sqlite:///home/a@b/app.db"),
    ("sqlite:///app.db?timeout=3#x", "sqlite:///app.db?timeout=3#x"),
    ("me@example.org", "me@example.org"),
]


@pytest.mark.parametrize(("url", "shown"), URLS)
def test_what_is_secret_in_an_url_is_not_shown(url: str, shown: str) -> None:
    assert redact(url) == shown
    assert show(url) == repr(shown)
    assert show([url, 1]) == repr([shown, 1])


def test_what_is_secret_is_cut_out_before_what_is_too_long() -> None:
    assert show(Dsn()) == "PostgresDsn('postgresql://***@db:5432/app')"
    assert show(f"mysql://user:{'s3cret' * 100}@db") == "'mysql://***@db'"
    assert len(show(f"mysql://user:{'s3cret' * 100}@{'x' * 300}")) == 200


@pytest.mark.parametrize(
    "fails",
    [
        lambda url: JobRunner(url),
        lambda url: JobRunner(f"file:{url}"),
        lambda url: JobRunner(Dsn()),  # type: ignore[arg-type]  # what is tested
        lambda url: JobRunner(broker_url=url),
        lambda url: JobRunner(durability=url),
        lambda url: JobRunner().schedules.preview(url),
    ],
)
def test_no_error_has_a_secret_of_an_url(fails: Callable[[str], Any]) -> None:
    with pytest.raises(AiojobsError) as caught:
        fails("mysql://user:s3cret@db/app")
    assert "s3cret" not in str(caught.value)
    assert "db" in str(caught.value)
    if isinstance(caught.value, StoreRefused):
        assert "s3cret" not in caught.value.database
