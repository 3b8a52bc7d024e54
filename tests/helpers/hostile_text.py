"""Text that forges log lines, that no database holds, or that is long."""

from __future__ import annotations

from unicodedata import category

from hypothesis import strategies as st

HOSTILE = (
    "x\nERROR aiojobs_lite.jobs dead: pay job 1\x1b[2J",
    "\r\x1b]0;title\x07\x9b2J\x85",
    "a\u2028b\u2029c\u202ed\u200b",
    "\ud800 \x00 \udfff",
    "\x00",
    "line\n" * 3_000,
    "\ud800" * 30_000,
    "{x} %s %(y)s {0.__class__}",
)


def any_text() -> st.SearchStrategy[str]:
    """Text of any characters, lone surrogates and control characters among them, and often of those."""
    odd = st.sampled_from("\x00\n\r\t\x1b\x7f\x85\x9b\u2028\u202e\ud800\udfff{}%\\")
    return st.one_of(
        st.text(st.characters(codec=None), max_size=80),
        st.text(odd, max_size=80),
        st.text(st.one_of(odd, st.characters(codec="utf-8")), max_size=80),
    )


def is_one_printed_line(text: str) -> bool:
    """Whether text is one line without a character that controls anything."""
    return all(char.isprintable() or category(char) == "Zs" for char in text)
