"""The house rules that no linter knows: budgets, names, words, what a module holds and what an import does."""

from __future__ import annotations

import ast
import gc
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import aiojobs_lite
from aiojobs_lite.model import columns
from aiojobs_lite.stores.sqlite import due, phases
from tests.helpers import mirror, source
from tests.helpers.root import ROOT
from tests.helpers.source import PACKAGE, PACKAGE_FOLDER, SQL, TESTS, Function, module_of, name_of, nodes, tree, words
from tests.helpers.surface import SURFACE as SURFACE_FILE
from tests.helpers.surface import surface
from tests.helpers.waiting import unmeasured

# By the comments over the groups.
SURFACE = {
    "Declare.": ["Backoff", "CronSchedule", "JobContext", "JobType", "Jobs", "PerAttempt", "injected", "job"],
    "Run.": ["BoundJob", "Clock", "JobClient", "JobHandle", "JobRunner", "SystemClock"],
    "Raise, in a handler.": ["Abandon", "Cancel", "Retry", "Snooze"],
    "Look.": ["Attempt", "Job", "Outcome", "RunnerStats", "Status", "Watch", "current_job"],
    "Errors; each after its base class.": [
        "AiojobsError", "ConfigurationError", "InvalidOption", "EnqueueError", "InvalidPayload", "PayloadTooLarge",
        "UnknownJobType", "JobError", "JobCancelled", "JobDead", "JobNotAllowed", "JobNotFound", "ResultNotKept",
        "ResultTimeout", "RunnerError", "RunnerClosed", "StoreError", "StoreRefused", "StoreRejected",
        "StoreUnavailable",
    ],
}  # fmt: skip
PUBLIC = [name for names in SURFACE.values() for name in names]
PUBLIC_MODULES = [
    "testing", "limits", "telemetry.facts", "dead", "runner.batches", "runner.client", "runner.client_batches",
    "figures", "flow", "schedules", "selection", "steps", "events", "http", "inngest", "observe", "qstash", "web",
    "runner.middleware", "model.progress", "logs", "errors", "stores.base",
]  # fmt: skip

# Budgets.

FILE_LINES, TEST_FILE_LINES, CLASS_LINES, FUNCTION_LINES = 400, 600, 300, 40
PARAMETERS = 9
OPTIONS = {"aiojobs_lite/runner/runner.py:JobRunner"}  # each is a keyword
OF_MANY_PARAMETERS = {
    "aiojobs_lite/http/delivery.py:deliver": "a handler: they are the fields of its payload",
    "aiojobs_lite/runner/runner.py:__init__": "each is a keyword: an option",
    "aiojobs_lite/testing/contexts.py:context": "each is a keyword: an attribute of a context",
}


@pytest.fixture(scope="module", autouse=True)
def trees() -> Iterator[None]:
    """What was parsed is kept for the tests of this file, and no longer: a million objects would make each walk of the
    garbage collector a slow one. Here it does not walk: a tree has no cycle.
    """
    gc.disable()
    yield
    source.forget()
    gc.enable()


def sizes(path: Path) -> Iterator[tuple[str, int, int]]:
    """What is measured in a file: name, size, and how large it may be."""
    text = path.read_text(encoding="utf-8")
    yield name_of(path), len(text.splitlines()), TEST_FILE_LINES if path in TESTS else FILE_LINES
    budgets = (CLASS_LINES, FUNCTION_LINES, PARAMETERS)
    if all(size <= budget for size, budget in zip(source.most(text), budgets, strict=True)):
        return
    for node in source.definitions(tree(path)) if path.suffix == ".py" else ():
        if isinstance(node, ast.ClassDef):
            name = f"{name_of(path)}:{node.name}"
            yield name, source.without_docstring(node), CLASS_LINES
            for part in node.body:
                if isinstance(part, Function) and part.name == "__init__" and name not in OPTIONS:
                    yield f"{name}()", source.parameters(part), PARAMETERS
        else:
            yield f"{name_of(path)}:{node.name}", source.without_docstring(node), FUNCTION_LINES


def test_nothing_is_longer_than_its_budget() -> None:
    measured = [size for path in (*PACKAGE, *SQL, *TESTS) for size in sizes(path)]
    assert len(measured) > len((*PACKAGE, *SQL, *TESTS))
    assert [(name, size, most) for name, size, most in measured if size > most] == []


def test_no_function_has_more_parameters_than_a_few_that_are_named() -> None:
    found = {
        f"{name_of(path)}:{node.name}"
        for path in PACKAGE
        for node in nodes(path)
        if isinstance(node, Function) and source.parameters(node) > PARAMETERS
    }
    assert found == set(OF_MANY_PARAMETERS)


def test_docstrings_are_not_counted_and_everything_else_is() -> None:
    code = (
        'class A:\n    """One.\n\n    Two.\n    """\n\n    def f(self, a, *b, c, **d) -> None:\n'
        '        """Three."""\n        x = 1\n'
    )
    (kind,) = ast.parse(code).body
    assert isinstance(kind, ast.ClassDef)
    function = kind.body[1]
    assert isinstance(function, ast.FunctionDef)
    assert source.without_docstring(kind) == 9 - 4 - 1
    assert source.without_docstring(function) == 2
    assert source.parameters(function) == 4


def test_no_block_is_longer_than_its_indentation_says() -> None:
    """So that a file of short blocks need not be parsed."""
    for path in PACKAGE:
        lines = {ast.ClassDef: 0, ast.FunctionDef: 0}
        for node in source.definitions(tree(path)):
            kind = ast.ClassDef if isinstance(node, ast.ClassDef) else ast.FunctionDef
            lines[kind] = max(lines[kind], source.without_docstring(node))
        of_class, of_function, _ = source.most(path.read_text(encoding="utf-8"))
        assert lines[ast.ClassDef] <= of_class, path
        assert lines[ast.FunctionDef] <= of_function, path


# Names.


def test_the_public_names_are_these_in_these_groups() -> None:
    assert aiojobs_lite.__all__ == PUBLIC
    assert len(PUBLIC) <= 45
    listed = (PACKAGE_FOLDER / "__init__.py").read_text(encoding="utf-8").split("__all__")[1]
    groups: dict[str, list[str]] = {}
    for comment, name in re.findall(r'^    (?:# (.+)|"(\w+)",)$', listed, re.MULTILINE):
        if comment:
            groups[comment] = []
        else:
            list(groups.values())[-1].append(name)
    assert groups == SURFACE


def test_the_public_errors_stand_after_their_base_classes() -> None:
    names = SURFACE["Errors; each after its base class."]
    kinds: list[type] = [getattr(aiojobs_lite, name) for name in names]
    assert all(
        base.__name__ in names[:index]
        for index, kind in enumerate(kinds)
        for base in kind.__bases__
        if issubclass(base, aiojobs_lite.AiojobsError)
    )


def test_the_public_modules_are_named_by_the_package_and_there() -> None:
    named = re.findall(r"^- `aiojobs_lite\.([\w.]+)`: ", aiojobs_lite.__doc__ or "", re.MULTILINE)
    assert named == PUBLIC_MODULES
    assert {f"aiojobs_lite.{name}" for name in named} <= {module_of(path) for path in PACKAGE}


def test_what_an_application_may_use_is_pinned() -> None:
    """`python -m tests.helpers.surface` pins it anew; a name that is renamed or taken away shows in the diff."""
    assert surface() == SURFACE_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(aiojobs_lite, name).__doc__


def test_the_package_root_holds_the_public_names_and_its_modules_only() -> None:
    held = {name for name in vars(aiojobs_lite) if not name.startswith(("__", "@"))}  # @: put there by pytest
    modules = {path.relative_to(PACKAGE_FOLDER).parts[0].removesuffix(".py") for path in PACKAGE}
    assert held - set(PUBLIC) - modules == set()


def test_no_module_is_hidden_by_a_name_of_its_package() -> None:
    """With a module `job` and a function `job` in the package, `import package.job as module` gives the function."""
    found = []
    for path in (path for path in PACKAGE if path.name == "__init__.py"):
        modules = {entry.stem for entry in path.parent.iterdir() if entry.suffix == ".py" or entry.is_dir()}
        found += [f"{name_of(path)}: {name}" for name in modules & source.bound(tree(path))]
    assert found == []


def test_no_public_name_stands_in_two_modules() -> None:
    found = defaultdict(list)
    for path in PACKAGE:
        for name in source.public_definitions(tree(path)):
            found[name].append(name_of(path))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_everything_public_is_documented() -> None:
    assert [path for path in PACKAGE if not ast.get_docstring(tree(path))] == []
    assert [name for path in PACKAGE for name in source.undocumented(tree(path), name_of(path))] == []


# Words.

REFUSED = {
    "anybody", "anyone", "buried", "bury", "hear", "heard", "hears", "mend", "mended", "mends", "nobody", "room",
    "somebody", "someone", "told", "wall", "walls", "whoever",
}  # fmt: skip
REFUSED_IN_TESTS = {"desk"}
REFUSED_AS_NAMES = {"here", "over", "seen", "there"}
REGULAR = re.compile(r"wall.clock|(?<=the )wall(?= clock)", re.IGNORECASE)  # the field's own word


def prose() -> list[Path]:
    """All that a user or a maintainer reads."""
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [*PACKAGE, *SQL, *sorted((ROOT / "examples").rglob("*.py")), *(path for path in documents if path.exists())]


def parts_of(name: str) -> set[str]:
    return {word for _, word in words(name)}


def test_metaphors_and_persons_are_refused() -> None:
    found = []
    for path in (*prose(), *(path for path in TESTS if path != Path(__file__))):
        refused = REFUSED | REFUSED_IN_TESTS if path in TESTS else REFUSED
        text = REGULAR.sub("clock", path.read_text(encoding="utf-8"))
        if any(word in text.lower() for word in refused):  # to cut a text into its words takes long
            found += [f"{name_of(path)}:{line}: {word}" for line, word in words(text) if word in refused]
    assert found == []


def test_a_name_is_no_lone_participle_and_no_adverb() -> None:
    found = []
    for path in PACKAGE:
        found += [f"{name_of(path)}: {name}" for name in source.names(path) if REFUSED_AS_NAMES & parts_of(name)]
    assert sorted(found) == []


def test_held_is_what_a_pending_job_is_and_nothing_else() -> None:
    """An attempt is owned, a type is limited, an event loop is blocked."""
    found = {name for path in PACKAGE for name in source.names(path) if {"held", "holds"} & parts_of(name)}
    assert found == {"Held", "JobHeld", "PlaceHeld", "_held", "held", "is_held", "place_held"}


def test_a_name_is_cut_into_its_words() -> None:
    assert [word for _, word in words("is_told = toldYou(WALL_CLOCK, HTTPWall)\nretold")] == [
        "is", "told", "told", "you", "wall", "clock", "http", "wall", "retold",
    ]  # fmt: skip


# What the code may hold and use.

# What a module may change after its import. More than the lists of owners and files would be shared between runners.
SHARED = {
    "stores/sqlite/forks.py": {"INHERITED_FILES", "OPENED_BY_THREAD"},
    "stores/sqlite/owners.py": {"OWNERS_OF_THIS_PROCESS"},
}


def test_no_module_keeps_state_but_the_lists_of_owners_and_files() -> None:
    odd, kept = [], {}
    for path in PACKAGE:
        held = source.changeable(tree(path))
        changed = {name for name in held if source.changes(tree(path), name)}
        odd += [f"{name_of(path)}: {name}" for name in held - changed if name != name.upper()]
        if changed:
            kept[path.relative_to(PACKAGE_FOLDER).as_posix()] = changed
    assert odd == []
    assert kept == SHARED


def test_no_module_rebinds_a_name_of_its_own() -> None:
    found = [name_of(path) for path in PACKAGE for node in source.nodes(path) if isinstance(node, ast.Global)]
    assert found == []


def test_wait_for_is_not_used() -> None:
    found = [
        name_of(path)
        for path in (*PACKAGE, *TESTS)
        if "wait_for" in path.read_text(encoding="utf-8")
        for node in source.nodes(path)
        if (isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.wait_for")
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "wait_for" for alias in node.names))
    ]
    assert found == []  # it can swallow a cancellation on Python 3.11


def test_nothing_inside_imports_the_package_root() -> None:
    modules = {module_of(path) for path in PACKAGE}
    root = {"aiojobs_lite", *(f"aiojobs_lite.{name}" for name in PUBLIC)} - (modules - {"aiojobs_lite"})
    found = {name_of(path): sorted(root & {*source.imported(path)}) for path in PACKAGE}
    assert {path: names for path, names in found.items() if names and path != "aiojobs_lite/__init__.py"} == {}


def test_nothing_is_imported_for_a_type_checker_alone() -> None:
    """The contracts of the layers hold for types as for the rest; and a hint can be looked up."""
    guarded = [
        name_of(path)
        for path in PACKAGE
        for node in nodes(path)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    assert guarded == []


def test_a_large_number_has_a_name_and_the_schema_has_none_of_its_own() -> None:
    """A migration never changes, so it holds no names; its numbers are those of the code all the same."""
    found: dict[bool, set[int]] = {True: set(), False: set()}
    for path in (*PACKAGE, *SQL):
        numbers = re.findall(r"(?<![\w.])-?\d{8,}\b", path.read_text(encoding="utf-8"))
        found[path.parent.name == "migrations"] |= set(map(int, numbers))
    assert found[False] == set()
    assert found[True] == {columns.LARGEST_INTEGER, due.NEVER - 1, due.AT_ONCE + 1}


MOST_INTRUDERS = 9  # modules of tests


def test_only_the_probe_and_a_few_tests_reach_into_private_parts_of_others() -> None:
    """The linter finds each place. What is excepted line by line in the package are parts of Python, of aiosqlite and
    of Starlette and aiohttp; in the tests each such line has its reason.
    """
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    allowed = {path for path, rules in lint["per-file-ignores"].items() if "SLF001" in rules}
    assert "SLF" in lint["select"]
    of_tests = {path for path in allowed if path.startswith("tests/")}
    assert allowed - of_tests == {"aiojobs_lite/testing/probe.py", "benchmarks/**"}
    assert of_tests <= {name_of(path) for path in TESTS}
    assert len(of_tests) <= MOST_INTRUDERS
    lines = [line for path in PACKAGE for line in path.read_text(encoding="utf-8").splitlines() if "SLF" in line]
    private = {name for line in lines for name in re.findall(r"(?<!self)\.(_[a-z]\w*)", line.split("#")[0])}
    assert private == {
        "_args_from_interpreter_flags", "_body", "_conn", "_current_frames", "_execute", "_factory", "_thread",
        "_unregister_task",
    }  # fmt: skip


PRIVATE_TEXT = re.compile(  # a private part that is replaced by its name in a text, which no linter sees
    r'\b(?:[sd]e[tl]attr|object|fails_once)\([^"()]*(?:\([^"()]*\)[^"()]*)*"(?:[\w.{}]+\.)?(_[A-Za-z]\w*)"'
)
PRIVATE_IMPORT = re.compile(
    r"^\s*from aiojobs_lite\S* import (?:\([^)]*?|[^\n(]*?)(?<!as )\b(_[A-Za-z]\w*)", re.MULTILINE
)
REPLACED = {  # methods; what is replaced of a module is public there
    "tests/conftest.py": {"_publish"},
    "tests/engine/test_attempt_check.py": {"_record"},
    "tests/engine/test_calls.py": {"_exit"},  # of Python
    "tests/engine/test_loop_monitor.py": {"_back", "_look"},
    "tests/helpers/defects.py": {"_look"},
    "tests/processes/test_groups.py": {"_prepared"},
    "tests/stores/sqlite/test_recount.py": {"_most_log", "_take_step"},
}


def test_tests_import_nothing_private_and_replace_few_private_parts() -> None:
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in TESTS if path != Path(__file__)}
    assert {name: set(found) for name, text in texts.items() if (found := PRIVATE_TEXT.findall(text))} == REPLACED
    assert {name: found for name, text in texts.items() if (found := PRIVATE_IMPORT.findall(text))} == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('patch.setattr(module, "_PAGE", 3)', True), ('setattr(f"{STORE}writer._EVERY_S", 0.1)', True),
        ('fails_once(patch, part(a).b, "_c", E())', True), ('setattr(module, "PAGE", _THREE)', False),
        ('setattr(os, "__doc__", "_x")', False), ("from aiojobs_lite.x import A, _B", True),
        ("from aiojobs_lite.x import (\n    A,\n    _B,\n)", True), ("from aiojobs_lite.x import A_B as _c", False),
    ],
)  # fmt: skip
def test_a_private_name_in_a_text_or_an_import_is_found(code: str, found: bool) -> None:
    assert bool(PRIVATE_TEXT.search(code) or PRIVATE_IMPORT.search(code)) == found


IMPORT_OF_TESTS = re.compile(r"^\s*(?:from|import) (tests(?:\.\w+)*)", re.MULTILINE)  # in programs that are texts too
PROGRAMS = ("chaos", "official")  # each a program of several modules, whose tests lie beside it


def test_tests_import_only_their_helpers() -> None:
    found = []
    for path in TESTS:
        shared = ["helpers", *(name for name in PROGRAMS if name in path.parent.parts)]
        for name in IMPORT_OF_TESTS.findall(path.read_text(encoding="utf-8")):
            is_own = name == module_of(path)  # a child process finds a handler there
            if not is_own and not f"{name}.".startswith(tuple(f"tests.{folder}." for folder in shared)):
                found.append(f"{name_of(path)}: {name}")
    assert found == []


def test_each_module_has_tests_in_its_place_or_a_suite_that_is_named() -> None:
    assert mirror.unproven() == []


TIME_PASSES_IN = "tests/helpers/pauses.py"
SLEEP = re.compile(
    r"\b(?:time|asyncio|anyio)\.sleep\((?!0\))|^\s*from (?:time|asyncio|anyio) import .*\bsleep\b", re.MULTILINE
)
TURN = r"await (?:(?:asyncio|anyio)\.sleep|pause)\(0\)"
COUNTED_TURNS = re.compile(rf"\bfor .+ in .+:\s+{TURN}|{TURN}(?:\s+{TURN})+|await turns\w*\(")
TAKE_TURNS = {  # where turns are what something takes, and not how long is waited for it
    "tests/test_waiting.py",
    "tests/helpers/apps/copied.py",  # a copy of an event loop, of which nothing else can be asked
    "tests/helpers/sdk.py",  # the order in which calls are answered is drawn
}


def test_no_test_sleeps_to_be_right() -> None:
    """Time passes by the functions of one module, each for a reason; `sleep(0)` is a turn, and none are counted."""
    found = [
        f"{name_of(path)}: {match.group().strip()}"
        for path in TESTS
        for match in SLEEP.finditer(path.read_text(encoding="utf-8"))
        if name_of(path) != TIME_PASSES_IN
    ]
    assert found == []
    counted = {name_of(path) for path in TESTS if COUNTED_TURNS.search(path.read_text(encoding="utf-8"))}
    assert counted == TAKE_TURNS


BY_TIME = re.compile(
    r"\basyncio\.wait\([^\n]*\btimeout=0?\.\d|\bpatience=0?\.\d|\.join\(0?\.\d|(?<!def )\blet_fault_last\("
)
BLOCK = re.compile(r"^(?:async def|def|class) (\w+)", re.MULTILINE)
WAIT_BY_TIME = {  # in the first ring
    "tests/faults/test_time.py": {"survives_a_stop"},  # of a test of the second ring
    "tests/helpers/day.py": {"World"},  # time goes by while a call is awaited: how much is no matter
    "tests/stores/sqlite/test_forks.py": {
        "test_a_fork_waits_for_a_transaction_whose_locks_in_memory_it_would_copy"  # says why it is right
    },
    "tests/testing/test_waiting_handlers.py": {"test_a_handler_that_waits_for_its_timeout_gets_it"},  # it waits before
}


def blocks_that_wait_by_time(text: str) -> set[str]:
    """The functions and classes of a file that wait for a part of a second, but for those of the second ring alone."""
    if "\npytestmark = slow\n" in text or not BY_TIME.search(text):
        return set()
    found = {}
    for block in text.split("\n\n\n"):  # as the formatter has them
        head = BLOCK.search(block)
        if head is not None and BY_TIME.search(block):
            found[head[1]] = "@slow\n" in block[: head.start()]
    return {name for name, is_slow in found.items() if not is_slow}


def test_no_test_of_the_first_ring_waits_for_a_part_of_a_second() -> None:
    """That something does not happen is asserted in the state that waits for it: a busy machine is slower than any part
    of a second, and a quick one hides what comes after it.
    """
    texts = {name_of(path): path.read_text(encoding="utf-8") for path in TESTS if path != Path(__file__)}
    found = {name: blocks_that_wait_by_time(text) for name, text in texts.items()}
    assert {name: blocks for name, blocks in found.items() if blocks} == WAIT_BY_TIME


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("await asyncio.wait([task], timeout=0.01)", True), ("await asyncio.wait([a, b()], timeout=.5)", True),
        ("await asyncio.wait([task], timeout=PATIENCE)", False), ("kit.advance(1, patience=0.1)", True),
        ("kit.advance(1, patience=1)", False), ("thread.join(0.5)", True), ("thread.join(5)", False),
        ("await let_fault_last(1)", True),
    ],
)  # fmt: skip
def test_a_wait_for_a_part_of_a_second_is_found(code: str, found: bool) -> None:
    test = f"async def test_it() -> None:\n    {code}"
    assert blocks_that_wait_by_time(f"import a\n\n\n{test}\n") == ({"test_it"} if found else set())
    assert blocks_that_wait_by_time(f"import a\n\n\n@slow\n{test}\n") == set()


# What an import does.

MOST_LOADED = 326  # modules of the package by `import aiojobs_lite`: at each start, and in each worker process
LOADED_ON_DEMAND = tuple(
    f"aiojobs_lite.{name}" for name in ("cli", "http", "inngest", "observe", "qstash", "testing", "web")
)


def printed(code: str, folder: Path) -> object:
    """What a fresh interpreter in an empty folder prints, as JSON."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=unmeasured(), timeout=60, check=False
    )
    assert done.stderr == ""
    answer: object = json.loads(done.stdout)
    return answer


def test_importing_loads_no_extra_and_starts_and_writes_nothing_and_every_module_can_be_imported(
    tmp_path: Path,
) -> None:
    """Each module after the package itself, as Python has it; that none needs one that comes later import-linter
    holds.
    """
    names = [module_of(path) for path in PACKAGE]
    code = f"""if True:
        import importlib, json, os, sys, threading
        import aiojobs_lite
        aiojobs_lite.JobRunner(), aiojobs_lite.JobRunner(":memory:")
        extras = {{"coverage", "fastapi", "httpx", "hypothesis", "jinja2", "pytest", "starlette", "uvicorn"}}
        found = [sorted(extras & set(sys.modules)), threading.active_count(), os.listdir(), list(sys.modules)]
        print(json.dumps([*found, len([importlib.import_module(name) for name in {names!r}])]))
    """
    answer = printed(code, tmp_path)
    assert isinstance(answer, list)
    loaded = [name for name in answer.pop(3) if name.startswith("aiojobs_lite")]
    assert answer == [[], 1, [], len(names)]
    assert len(loaded) <= MOST_LOADED
    assert [name for name in loaded if name.startswith(LOADED_ON_DEMAND)] == []
    assert list(tmp_path.iterdir()) == []


def normal(distribution: str) -> str:
    """The name of a distribution as every tool compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", distribution, maxsplit=1)[0]).lower()


def needed() -> set[str]:
    """The distributions that are installed with the package: those that it declares, and what these need."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    found: set[str] = set()
    left = [normal(line) for line in declared]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [normal(line) for line in metadata.requires(name) or () if ";" not in line]
    return found


def test_importing_loads_nothing_but_what_is_installed_with_the_package(tmp_path: Path) -> None:
    code = f"""if True:
        import importlib, json, sys
        before = set(sys.modules)
        for name in {["aiojobs_lite", *(f"aiojobs_lite.{name}" for name in PUBLIC_MODULES)]!r}:
            importlib.import_module(name)
        names = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
        print(json.dumps(sorted(name for name in names if not name.startswith("_sysconfigdata"))))
    """
    loaded = printed(code, tmp_path)
    assert isinstance(loaded, list)
    owners, installed = metadata.packages_distributions(), needed()
    strange = {name for name in loaded if not installed & {normal(owner) for owner in owners.get(name, ())}}
    assert strange == {"aiojobs_lite"}


# A feature is one stem on every floor, and adds types of writes and queries, never methods of stores.


def test_the_queries_of_a_feature_lie_in_a_file_of_its_name_and_only_it_uses_them() -> None:
    folder = PACKAGE_FOLDER / "stores" / "sqlite"
    features = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    queries = {path.stem: re.findall(r"^-- name: (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
               for path in folder.glob("*.sql")}  # fmt: skip
    assert set(queries) <= set(features)
    handlers = {function.__module__.rpartition(".")[2] for function in phases.WRITES.values()}
    assert handlers <= set(queries)
    shared = {"counts", "schema"}  # on which the others stand
    strangers = [
        f"{stem}.sql: {name}"
        for stem, names in queries.items()
        if stem not in shared
        for name in names
        if f'"{name}"' not in features[stem]
    ]
    assert strangers == []


def test_the_contracts_between_the_modules_are_kept() -> None:
    code = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache', '--no-logo'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=unmeasured(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
