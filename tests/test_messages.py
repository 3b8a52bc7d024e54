"""Every text that an error is given is asserted somewhere: what a user reads is tested as what a program does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from aiojobs_lite import errors
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.source import PACKAGE, TESTS, Function, name_of, tree

RAISES = {*errors.__all__, "TypeError", "ValueError", "AttributeError", "RuntimeError"}
RAISES |= {"check_each", "_in_doubt", "__init__"}  # functions that are given a part of a text
WORDS = re.compile(r"[A-Za-z]{2,} (.* )?[A-Za-z]{2,}")
_SHORTEST, _WINDOW = 9, 18  # characters; words that stand alone, such as names of options, are no texts


def plain(text: str) -> str:
    """Text without what a pattern, a quote or a line break adds to it."""
    return re.sub(r"\s+", " ", re.sub(r"[\\\"'`]", "", text)).strip(" .,:;()=")


def given(call: ast.Call, scopes: list[ast.AST]) -> Iterator[str]:
    """The texts in the arguments of a call, and in what is assigned to the names in them."""
    left: list[ast.AST] = [*call.args, *(keyword.value for keyword in call.keywords)]
    known = set[str]()
    while left:
        for node in ast.walk(left.pop()):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.Name) and node.id not in known:
                known.add(node.id)
                left += [value for scope in scopes for value in assigned(scope, node.id)]


def assigned(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """What a function, or a module at its top, assigns to a name."""
    nodes = scope.body if isinstance(scope, ast.Module) else ast.walk(scope)
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if name in {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}:
                    yield node.value


def texts(path: Path) -> Iterator[str]:
    """The texts that a module gives to errors, in pieces between what is filled in."""
    module = tree(path)
    functions = [node for node in ast.walk(module) if isinstance(node, Function)]
    for scope in functions:
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and called(node) in RAISES:
                for text in given(node, [scope, module]):
                    for piece in re.split(r"\{\w+\}|[.;:] ", text):
                        if len(plain(piece)) >= _SHORTEST and WORDS.search(piece):
                            yield plain(piece)


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def literals(module: ast.AST) -> Iterator[str]:
    """The strings in the code of a test; no comment and no documentation is one."""
    nodes = list(ast.walk(module))
    documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


@cache
def asserted() -> str:
    """The strings of all tests."""
    sources = (path for path in TESTS if path != Path(__file__))
    return plain("\0".join(text for path in sources for text in literals(tree(path))))


def is_asserted(text: str) -> bool:
    """Whether a test has a part of a text that is long enough to be no other."""
    starts = [0, *(found.end() for found in re.finditer(" ", text)), max(0, len(text) - _WINDOW)]
    windows = {text[start : start + _WINDOW] for start in starts}
    return any(window in asserted() for window in windows if len(window) >= min(_WINDOW, len(text)))


MAIN_MODULES = (
    "tests/processes/test_main_modules.py::"
    "test_what_would_not_be_found_is_refused_at_the_start_and_no_script_runs_twice"
)
DAMAGE = "tests/faults/test_bad_files.py::test_a_bad_file_is_refused_with_advice_and_not_a_byte_of_it_changes"
REJECTED = "tests/stores/sqlite/test_file.py::test_what_sqlite_rejects_is_a_defect_only_if_it_has_no_other_cause"
# What is reached by a test that asserts another part of the message.
COVERED = {
    "Put what starts the program below that line, or": MAIN_MODULES,
    "a worker process cannot find it there": MAIN_MODULES,
    "process=True, and the handler stands in": MAIN_MODULES,
    "process=True, and the handler stands in no file, but in a notebook, a console or python -c": MAIN_MODULES,
    "put it above that line, or": MAIN_MODULES,
    "Return it as text": "tests/runner/test_odd_ends.py::"
    "test_a_result_that_json_has_not_is_not_kept_and_its_job_is_done",
    "SQLite says": DAMAGE,
    "and the limit of open files not reached, ulimit -n": "tests/stores/sqlite/test_file.py::"
    "test_what_this_user_may_not_write_is_refused",
    "there is no priority": "tests/helpers/conformance/units.py::"
    "test_ids_of_what_was_rejected_are_not_given_to_two_jobs",
    "a write does not answer itself": "tests/model/test_ends.py::test_an_end_does_not_answer_itself",
    "no such (table|column|index)|table S+ has no column": REJECTED,  # no text, but what is looked for in one
}


@cache
def found_in_package() -> frozenset[tuple[str, str]]:
    """The module and the text of each."""
    return frozenset((name_of(path), text) for path in PACKAGE for text in texts(path))


@slow
def test_every_text_of_an_error_is_asserted() -> None:
    found = found_in_package()
    assert len(found) > 200
    assert sorted((path, text) for path, text in found if text not in COVERED and not is_asserted(text)) == []


@slow
def test_what_is_covered_elsewhere_is_there_and_the_test_too() -> None:
    assert set(COVERED) - {text for _, text in found_in_package()} == set()
    for test in set(COVERED.values()):
        path, _, name = test.partition("::")
        assert re.search(rf"^ *(async )?def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test


@slow
def test_a_text_that_no_test_has_is_found() -> None:
    assert not is_asserted(" ".join(["this stands", "in no other test"]))
    assert is_asserted("the runner is closed and does nothing more")


def test_comments_and_documentation_assert_nothing() -> None:
    code = 'def f():\n    """A text."""\n    # another text\n    assert g() == "a third" "text"\n'
    assert list(literals(ast.parse(code))) == ["a third" + "text"]
