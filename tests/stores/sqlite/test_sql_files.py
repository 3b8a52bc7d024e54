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


def source_of(text: str) -> str:
    """A part of a file without its comments."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


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


# What is run for each job, or each few of them, and binds three values or more by their places: a dict of names takes
# longer to make, and to bind.
BY_PLACE = {
    "add_lane": "each job with limits by key that is enqueued",
    "became_due": "each transaction of a type with jobs that were to come",
    "complete": "each attempt that succeeded; its {rows} are bound by their places too",
    "due_jobs": "each claim",
    "insert_claimed": "each job that is enqueued and claimed at once; its {rows} too",
    "insert_job": "each job with more than the required columns; all columns, in their order",
    "insert_laned": "each job with limits by key that is enqueued; its {rows} too",
    "move_lane": "each claim of jobs with limits by key",
    "owned_attempt": "each attempt that did not succeed",
    "set_bound": "each claim of jobs with limits by key",
    "set_head": "each claim of jobs in ordered lanes",
}
MOST_BY_PLACE = 2


def test_a_query_binds_three_values_or_more_by_name_unless_it_is_run_for_each_job() -> None:
    by_place = {name for name, text in PARTS.items() if len(re.findall(r"\?(?!\d)", source_of(text))) > MOST_BY_PLACE}
    assert by_place == set(BY_PLACE)
