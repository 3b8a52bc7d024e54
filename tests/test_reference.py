"""`docs/reference` and the glossary say what the code says: options, limits, errors, facts, log lines, names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aiojobs_lite
from aiojobs_lite import (
    Abandon,
    AiojobsError,
    Backoff,
    Cancel,
    CronSchedule,
    Job,
    JobClient,
    JobContext,
    JobHandle,
    JobRunner,
    Jobs,
    Retry,
    Snooze,
)
from aiojobs_lite.errors.store import REMEDIES
from aiojobs_lite.handlers.checks import check_values
from aiojobs_lite.handlers.options import EnqueueOptions, JobOptions
from aiojobs_lite.http import (
    Breaker,
    DatabaseInbox,
    MemoryInbox,
    Publish,
    Signer,
    SigningKeys,
    Verifier,
    VerifyMiddleware,
)
from aiojobs_lite.http.group import DEFAULTS
from aiojobs_lite.model.ends import Again, Complete
from aiojobs_lite.model.job import Claimed, Held, Outcome, Status
from aiojobs_lite.policy.settle import Ending, Policy, Stop, Suspension, settle
from aiojobs_lite.qstash.settings import QSTASH_DEFAULTS
from aiojobs_lite.runner.batches import Batches, OpenBatchHandle
from aiojobs_lite.runner.documents import Documents
from aiojobs_lite.runner.events import Events
from aiojobs_lite.runner.figures import JobFigures
from aiojobs_lite.runner.filters import JobFilters
from aiojobs_lite.runner.handle import RunnerJobs
from aiojobs_lite.runner.limits import JobLimits
from aiojobs_lite.runner.schedules import Schedules
from aiojobs_lite.runner.types import JobTypes
from aiojobs_lite.telemetry.stats import RunnerStats, TypeStats
from tests.helpers import reference
from tests.helpers.documents import DOCS, PAGES, name_of, prose, rows, section, spans
from tests.helpers.root import ROOT
from tests.helpers.source import PACKAGE, PACKAGE_FOLDER, module_of
from tests.helpers.surface import public_modules

OPTIONS, ERRORS, NAMES = (DOCS / "reference" / name for name in ("options.md", "errors.md", "names.md"))
OPERATING = DOCS / "guides" / "operating.md"

# Options.


def parameters(function: Callable[..., Any], *left_out: str) -> dict[str, Any]:
    """The parameters that a caller gives by name, with their defaults."""
    return {
        name: one.default
        for name, one in inspect.signature(function).parameters.items()
        if name not in {"self", *left_out} and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
    }


def in_table(title: str) -> dict[str, Any]:
    """The options of one table, with their defaults."""
    return {spans(row[0])[0]: default(row[1]) for row in rows(section(OPTIONS, title))}


def default(cell: str) -> Any:
    """The first thing between backticks, as Python reads it; nothing: there is no default."""
    found = spans(cell)
    return ast.literal_eval(found[0]) if found else inspect.Parameter.empty


PAGE = {"limit": 100, "after": None}


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("JobClient", parameters(JobClient)),
        ("JobRunner", parameters(JobRunner)),
        ("Job types", {**dict.fromkeys(JobOptions.__annotations__), "priority": "medium", **check_values({})}),
        ("Cron", parameters(JobRunner.cron)),
        ("Backoff", parameters(Backoff)),
        ("Batches", parameters(Batches.open)),
        ("Lists of jobs", {**dict.fromkeys(JobFilters.__annotations__), "order": "newest", **PAGE}),
        ("Http", {**DEFAULTS, "breaker": inspect.Parameter.empty}),
        ("Breaker", parameters(Breaker)),
        ("Publish", {**parameters(Publish, "url"), "json": None}),
        ("SigningKeys", parameters(SigningKeys)),
        ("Signer", parameters(Signer)),
        ("Verifier", parameters(Verifier)),
        ("VerifyMiddleware", parameters(VerifyMiddleware, "app")),
        ("MemoryInbox", parameters(MemoryInbox)),
        ("DatabaseInbox", parameters(DatabaseInbox)),
        ("qstash_app", dict(QSTASH_DEFAULTS)),
        ("One enqueue", dict.fromkeys(EnqueueOptions.__annotations__)),
    ],
)
def test_each_option_is_listed_with_its_default(title: str, wanted: dict[str, Any]) -> None:
    assert in_table(title) == wanted
    assert [type(found) for found in in_table(title).values()] == [type(given) for given in wanted.values()]


def test_the_decorators_take_the_options_of_a_job_type() -> None:
    assert list(in_table("Job types")) == list(JobOptions.__annotations__)


# Limits.

LIMIT = re.compile(r"_?(MOST|LONGEST|LARGEST|LATEST|ON_TIME|FREE|WINDOW)_?\w*")
LIMITED = (
    "handlers/", "http/", "runner/", "policy/", "telemetry/", "cron.py", "durations.py", "intervals.py", "sizes.py",
)  # fmt: skip
NOT_SEEN = {"_DEEPEST_GROUP", "_LARGEST_EXPONENT", "_LARGEST_ID", "_MOST_COUNTED", "_MOST_EXCEPTIONS", "_MOST_EXPECTED"}


def constants(*folders: str) -> dict[str, set[float]]:
    """The numbers at the top of the modules in these folders, by their names."""
    found: dict[str, set[float]] = {}
    for path in PACKAGE:
        if path.relative_to(PACKAGE_FOLDER).as_posix().startswith(folders):
            named = re.findall(r"^([A-Z_]+)\b.* = ", path.read_text(encoding="utf-8"), re.MULTILINE)
            values = vars(importlib.import_module(module_of(path)))
            for name in named:
                if isinstance(values[name], int | float):
                    found.setdefault(name, set()).add(values[name])
    return found


def listed_limits() -> dict[str, float]:
    """The limits of the table: name of the constant -> value."""
    return {spans(row[2])[0]: float(spans(row[1])[0].replace(",", "")) for row in rows(section(OPTIONS, "Limits"))}


def test_each_limit_of_the_table_has_its_value() -> None:
    known = constants("")
    assert {name: value for name, value in listed_limits().items() if value not in known.get(name, ())} == {}


def test_no_limit_that_a_user_meets_is_left_out() -> None:
    limits = {name for name in constants(*LIMITED) if LIMIT.fullmatch(name)}
    assert limits - NOT_SEEN - listed_limits().keys() == set()


# Errors.


def test_each_error_is_listed_with_its_attributes() -> None:
    listed = {spans(row[0])[0]: sorted(spans(row[1])) for row in rows(section(ERRORS, "All errors"))}
    assert listed == {kind.__name__: sorted(reference.attributes(kind)) for kind in reference.errors()}


def test_each_error_stands_below_its_parent_in_the_tree() -> None:
    tree_of_page = re.search(r"```text\n(.*?)```", ERRORS.read_text(encoding="utf-8"), re.DOTALL)
    assert tree_of_page
    found: dict[str, str | None] = {}
    parents: list[str] = []
    for line in tree_of_page[1].splitlines():
        name = line.split()[0] if line[0].isalpha() else line.strip("│├└─ ").split()[0]
        depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
        parents[depth:] = [name]
        found[name] = parents[depth - 1] if depth else None
    assert found == {
        "AiojobsError": None, **{kind.__name__: kind.__bases__[0].__name__ for kind in reference.errors()},
    }  # fmt: skip
    assert AiojobsError.__name__ in found


def test_each_fault_of_the_store_that_has_a_remedy_is_listed() -> None:
    listed = [code for row in rows(section(ERRORS, "Why a database is unavailable")) for code in spans(row[0])]
    assert listed == [*REMEDIES, "IN_DOUBT"]  # of the last no message can say more than to repeat the call


# Facts and log lines.


def test_the_tables_of_facts_and_log_lines_are_those_of_the_code() -> None:
    page = reference.TELEMETRY.read_text(encoding="utf-8")
    assert page == reference.written(page), "run `python -m tests.helpers.reference`"
    assert len(reference.facts()) > 20
    assert len(reference.records()) > 15


@pytest.mark.parametrize(
    ("page", "title"), [(reference.TELEMETRY, "Loggers"), (OPERATING, "Logging")], ids=["telemetry.md", "operating.md"]
)
def test_every_logger_is_named(page: Path, title: str) -> None:
    loggers = {record.logger for record in reference.records()}
    loggers |= {f"aiojobs_lite.{kind.part}" for kind in reference.facts()}
    listed = [name for row in rows(section(page, title)) for name in spans(row[0]) if name.startswith("aiojobs_lite.")]
    assert sorted(listed) == sorted(loggers)


# Names.


def test_the_page_lists_the_public_modules_that_the_package_names() -> None:
    listed = [spans(module)[0] for module, _, promise in rows(section(NAMES, "Modules")) if promise == "yes"]
    assert sorted(listed) == sorted(public_modules())


def public(kind: type) -> Iterator[str]:
    """The public methods, properties and fields of a class."""
    yield from (name for name in dir(kind) if not name.startswith("_"))


def test_every_public_name_is_listed() -> None:
    text = NAMES.read_text(encoding="utf-8")
    assert {name for name in aiojobs_lite.__all__ if f"`{name}`" not in text} == set()


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("JobRunner", JobRunner),
        ("Jobs", Jobs),
        ("JobClient", JobClient),
        ("JobHandle", JobHandle),
        ("runner.jobs", RunnerJobs),
        ("runner.types", JobTypes),
        ("runner.limits", JobLimits),
        ("runner.schedules", Schedules),
        ("runner.batches", Batches),
        ("runner.events", Events),
        ("runner.documents", Documents),
        ("runner.figures", JobFigures),
        ("BatchHandle", OpenBatchHandle),
        ("JobContext", JobContext),
        ("Job", Job),
        ("CronSchedule", CronSchedule),
    ],
)
def test_every_method_and_attribute_is_listed(title: str, kind: type) -> None:
    listed = {re.sub(r"\(.*", "", name) for row in rows(section(NAMES, title)) for name in spans(row[0])}
    assert set(public(kind)) - listed == set()


NAMED = re.compile(
    r"(?<!aiojobs_lite\.)\b(runner\.jobs|runner\.types|runner\.limits|runner\.schedules|runner\.batches|runner\.events|runner\.documents|runner\.figures|runner|handle|job|ctx|batch|stats\(\))\.(\w+)"
)
OWNERS: dict[str, set[str]] = {
    "runner": {
        *dir(JobRunner),
        "job",
        "publish",
        "publish_many",
        "publish_cron",
        "jobs",
        "types",
        "limits",
        "schedules",
        "batches",
        "events",
        "documents",
        "figures",
    },
    "runner.jobs": {*dir(RunnerJobs)},
    "runner.types": {*dir(JobTypes)},
    "runner.limits": {*dir(JobLimits)},
    "runner.schedules": {*dir(Schedules)},
    "runner.batches": {*dir(Batches)},
    "runner.events": {*dir(Events)},
    "runner.documents": {*dir(Documents)},
    "runner.figures": {*dir(JobFigures)},
    "batch": {*dir(OpenBatchHandle), "id"},
    "handle": {*dir(JobHandle)},
    "job": {*dir(Job), "dead", "completed", "cancelled"},  # the last three are events
    "ctx": {*dir(JobContext), "following", "logged", "reported"},  # the last three of `testing.context`
    "stats()": {*dir(RunnerStats)},
}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_speaks_of_nothing_that_is_not_there(page: Path) -> None:
    """Its code runs; this is for the names in its text."""
    named = [found for span in spans(prose(page)) for found in NAMED.findall(span)]
    assert [f"{owner}.{name}" for owner, name in named if name not in OWNERS[owner]] == []


def test_every_figure_of_the_stats_is_listed() -> None:
    text = OPERATING.read_text(encoding="utf-8")
    figures = {*RunnerStats.__annotations__, *TypeStats.__annotations__}
    assert {name for name in figures if f"`{name}`" not in text} == set()


# What follows an attempt.

ENDINGS = {
    "the handler returned": Ending(),
    "an exception": Ending(error=ValueError()),
    "an exception of `abandon_on`": Ending(error=KeyError()),
    "`Retry`": Ending(error=Retry(after=1)),
    "`Snooze`": Ending(error=Snooze(1)),
    "`Abandon`": Ending(error=Abandon()),
    "`Cancel`": Ending(error=Cancel()),
    "its timeout": Ending(stopped=Stop.TIMEOUT),
    "a cancel that was asked for": Ending(stopped=Stop.CANCEL),
    "a drain": Ending(stopped=Stop.SHUTDOWN),
    "a drain, after 20 others": Ending(stopped=Stop.SHUTDOWN),
    "the death of its owner": Ending(lost=True),
    "the third death of an owner": Ending(lost=True),
    "a payload that no longer fits": Ending(unreadable="why"),
    "it could not begin": Ending(error=OSError(), unbegun=True),
    "all its branches wait": Ending(stopped=Stop.SUSPEND, suspension=Suspension(9, ("nap",))),
    "all its branches wait, and no instant ends it": Ending(
        stopped=Stop.SUSPEND, suspension=Suspension(None, ("reply",))
    ),
}
COUNTED = {"a drain, after 20 others": (20, 0), "the third death of an owner": (0, 2)}  # interruptions, crashes
POLICY = Policy(abandon_on=(KeyError,))


def settled(row: str, attempt: int) -> list[str]:
    """Outcome, status and whether the attempt is given back, as the table says them."""
    interruptions, crashes = COUNTED.get(row, (0, 0))
    job = Claimed(1, "a", "{}", 1, 0, attempt, 2, 0, 0, interruptions, 0, crashes, None, "one")
    end = settle(job, ENDINGS[row], POLICY, 0)
    if isinstance(end, Complete):
        return ["succeeded", "completed", "no"]
    if isinstance(end, Again):
        outcome = "none" if end.held is Held.PAYLOAD else str(end.outcome)  # nothing is recorded of it
        return [outcome, "pending, held" if end.held else "pending", "yes" if end.refund else "no"]
    return [str(end.outcome), str(end.status), "yes" if end.refund else "no"]


def test_the_table_of_ends_is_what_settle_decides() -> None:
    listed = {row[0]: row[1:] for row in rows(section(DOCS / "internals" / "states.md", "What follows an attempt"))}
    assert listed == {
        row: [settled(row, 1)[0], settled(row, 1)[1], settled(row, 2)[1], settled(row, 1)[2]] for row in ENDINGS
    }


def test_the_table_of_ends_has_each_outcome_and_each_reason_to_stop() -> None:
    assert {settled(row, 1)[0] for row in ENDINGS} == {*map(str, Outcome), "none"}
    assert {ending.stopped for ending in ENDINGS.values()} == {*Stop, None}


# Modules.

INTERNALS = DOCS / "internals" / "README.md"


def test_each_layer_and_each_module_of_the_engine_is_listed() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = [name for layer in contract[0]["layers"] for name in layer.split(" | ")]
    assert sorted(name for row in rows(section(INTERNALS, "Layers")) for name in spans(row[0])) == sorted(layers)
    engine = sorted(path.stem for path in (PACKAGE_FOLDER / "engine").glob("[a-z]*.py"))
    assert [name for row in rows(section(INTERNALS, "Modules of the engine")) for name in spans(row[0])] == engine


# Words.


def test_the_glossary_has_the_words_of_the_code() -> None:
    words = {word for row in rows((DOCS / "glossary.md").read_text(encoding="utf-8")) for word in spans(row[0])}
    assert {*map(str, Status), *map(str, Outcome)} - words == set()
    assert {str(Held.PAYLOAD), str(Held.AFTER)} - words == set()
