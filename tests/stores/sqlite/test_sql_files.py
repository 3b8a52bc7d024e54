"""What the house asks of the SQL of the store: it lies in files, and each query has its sentence."""

from __future__ import annotations

import ast
import re

import pytest

from tests.helpers import source
from tests.helpers.source import PACKAGE, PACKAGE_FOLDER, name_of

FILES = sorted((PACKAGE_FOLDER / "stores" / "sqlite").glob("*.sql"))
PART = re.compile(r"^-- (?:name|fragment): (\w+)\n(.*?)(?=^-- (?:name|fragment): |\Z)", re.MULTILINE | re.DOTALL)
PARTS = {name: text for path in FILES for name, text in PART.findall(path.read_text(encoding="utf-8"))}
SENTENCE = re.compile(r"(?:-- .+\n)*?-- .*[.:]\n", re.MULTILINE)
IN_A_STRING = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|CASE|EXISTS|IS NOT NULL)\b")


def test_each_query_and_each_fragment_says_what_it_does() -> None:
    assert len(PARTS) > 250
    assert [name for name, text in PARTS.items() if not SENTENCE.match(text)] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-- Deletes a job.\nDELETE FROM a;\n", True),
        ("-- Deletes a job,\n-- if there is one.\nDELETE FROM a;\n", True),
        ("DELETE FROM a;\n", False),
        ("-- todo\nDELETE FROM a;\n", False),
        ("\n-- Deletes a job.\nDELETE FROM a;\n", False),
    ],
)
def test_a_sentence_is_found(text: str, says: bool) -> None:
    assert bool(SENTENCE.match(text)) == says


def test_no_statement_and_no_condition_is_a_string_of_the_code() -> None:
    """But for what no file can hold: a pragma, the bounds of a transaction, and what is made of names of columns."""
    stores = [path for path in PACKAGE if path.is_relative_to(PACKAGE_FOLDER / "stores")]
    found = []
    for path in stores:
        documents = {id(node.value) for node in source.nodes(path) if isinstance(node, ast.Expr)}
        found += [
            f"{name_of(path)}:{node.lineno}: {node.value}"
            for node in source.nodes(path)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documents
            and IN_A_STRING.search(node.value)
        ]
    assert len(stores) > 50
    assert found == []
