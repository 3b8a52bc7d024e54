"""Which tests prove which module: those of the same path and stem, or the suite that is named here, and why it does.

`aiojobs_lite/engine/drain.py` is proven by `tests/engine/test_drain.py`. Tests of several modules together, such as
`tests/faults` and `tests/processes`, have names of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from tests.helpers.root import ROOT
from tests.helpers.source import PACKAGE, PACKAGE_FOLDER


class Suite(NamedTuple):
    """What proves a module that has no tests of its own.

    Attributes:
        path: Where the tests lie, from the root.
        why: Why they lie there.
    """

    path: str
    why: str


_CONFORMANCE: Final = "tests/helpers/conformance"
_EACH_STORE: Final = "what it does is asked of each store alike, in one suite"
_EACH_ERROR: Final = "one table has every class of the tree, with its message and attributes"
_EACH_FACT: Final = "one table has every kind of fact, with its level and its line"
_NO_BEHAVIOUR: Final = "pure data: what fills it is tested"

ELSEWHERE: Final = {
    **{
        f"inngest/api/{name}.py": Suite("tests/inngest/api/test_app.py", "its endpoints are called there")
        for name in ("cancellations", "checkpoints", "door", "events", "invoke", "register", "runs", "signals")
    },
    **{
        f"web/{name}.py": Suite(f"tests/web/test_{suite}.py", why)
        for name, suite, why in (
            ("asked", "app", "requests and forms of all kinds are sent there"),
            ("notices", "job_actions", "each action leaves one, which undoes it"),
            ("overview", "problems", "its page is read there"),
            ("site", "app", "each page is made by it"),
            ("snippets", "job", "they stand on the page of a job"),
        )
    },
    "__main__.py": Suite("tests/cli/test_app.py", "the command is run there"),
    **{
        f"cli/{name}.py": Suite(f"tests/cli/test_{suite}.py", "a part of the commands that are run there")
        for name, suite in {
            "asking": "moving",
            "choosing": "jobs",
            "exits": "status",
            "inngest": "main",
            "loading": "running",
            "opening": "jobs",
            "progress": "database",
            "serving": "web",
        }.items()
    },
    **{
        f"cli/views/{name}.py": Suite(f"tests/cli/test_{suite}.py", "it shows what the commands there have read")
        for name, suite in {
            "database": "database",
            "events": "events",
            "figures": "status",
            "following": "following",
            "jobs": "jobs",
            "plain": "jobs",
            "schedules": "schedules",
            "status": "status",
            "types": "types",
        }.items()
    },
    "stores/upkeep.py": Suite("tests/stores/sqlite/test_upkeep.py", _NO_BEHAVIOUR),
    "stores/sqlite/examination.py": Suite("tests/stores/sqlite/test_upkeep.py", "each finding is looked at there"),
    "cli/__main__.py": Suite("tests/cli/test_main.py", "the command is run there"),
    "http/serving.py": Suite("tests/qstash/test_api.py", "the endpoints of both APIs read bodies by it"),
    "observe/measures.py": Suite("tests/observe/test_metrics.py", "each of them is scraped there"),
    "inngest/cancelling.py": Suite("tests/inngest/test_flow.py", "each job type of a function has it"),
    "inngest/rules.py": Suite("tests/inngest/test_flow.py", "each job type of a function has one of them"),
    "inngest/run_events.py": Suite("tests/inngest/test_flow.py", "the keys of job types are made by it"),
    "inngest/entrance.py": Suite("tests/inngest/test_settings.py", "its refusals are those of the options"),
    "inngest/given.py": Suite("tests/inngest/test_functions.py", "each shape of a registration is read by it"),
    **{
        f"inngest/expressions/{name}.py": Suite("tests/inngest/expressions/test_expression.py", why)
        for name, why in {
            "closures": "each row is what closures yield",
            "nodes": _NO_BEHAVIOUR,
            "scope": "an evaluation ends there with its steps",
            "values": "each row is what operators make of values",
        }.items()
    },
    "durable/attempt.py": Suite("tests/runner/test_operations.py", "its operations are those of a context"),
    "durable/checkpoint.py": Suite("tests/runner/test_checkpoints.py", "what another runner stores is seen there"),
    "durable/driver.py": Suite("tests/durable/test_rounds.py", _NO_BEHAVIOUR),
    "durable/operations.py": Suite("tests/durable/test_ledger.py", _NO_BEHAVIOUR),
    "runner/driven.py": Suite("tests/durable/test_rounds.py", "each run there has such a handler"),
    "handlers/reference.py": Suite("tests/inngest/test_references.py", "functions of apps are invoked by it"),
    "runner/children.py": Suite("tests/runner/test_operations.py", "children are started by a context"),
    "handlers/mode.py": Suite("tests/handlers/test_job_type.py", "each job type has one"),
    "events.py": Suite("tests/runner/test_events.py", "names alone, under which tests and applications import them"),
    "steps.py": Suite("tests/durable/test_step.py", "names alone, under which tests and applications import them"),
    "limit_values.py": Suite("tests/handlers/test_limits.py", "its refusals are those of each limit and rate"),
    "selection.py": Suite("tests/runner/test_walks.py", "names alone, under which tests and applications import them"),
    "schedules.py": Suite(
        "tests/runner/test_stored_schedules.py", "names alone, under which tests and applications import them"
    ),
    "dead.py": Suite("tests/engine/test_deaths.py", _NO_BEHAVIOUR),
    "engine/cascades.py": Suite("tests/runner/test_after.py", "callers see it there"),
    "engine/identity.py": Suite("tests/runner/test_runners.py", "others see it there"),
    "stores/sqlite/lines.py": Suite("tests/stores/sqlite/test_lanes.py", "the lines are those of its lanes"),
    "engine/inline_turn.py": Suite("tests/engine/test_committer_inline.py", "its turns are those of whole callers"),
    "engine/process_calls.py": Suite("tests/engine/test_calls.py", "the calls of whole runners, and deaths among them"),
    "engine/parts.py": Suite("tests/engine/test_lifecycle.py", "the parts in one place; whole engines live there"),
    "engine/ports.py": Suite("tests/test_typing.py", "protocols alone; mypy compares every part with them"),
    **{
        f"errors/{name}.py": Suite("tests/test_errors.py", _EACH_ERROR)
        for name in (
            "base",
            "batches",
            "configuration",
            "expressions",
            "enqueuing",
            "events",
            "job",
            "runner",
            "schedules",
            "steps",
            "store",
        )
    },
    "qstash/outgoing.py": Suite("tests/qstash/test_messages.py", "what goes out is what a client has published"),
    "errors/signatures.py": Suite("tests/test_errors.py", _EACH_ERROR),
    "http/signing/bodies.py": Suite("tests/http/signing/test_middleware.py", "bodies are those of whole requests"),
    "http/signing/schemes.py": Suite("tests/http/signing/test_verifier.py", "what both schemes have is asked of each"),
    "http/signing/signer.py": Suite("tests/http/signing/test_verifier.py", "what it signs is what a verifier accepts"),
    "qstash/shapes.py": Suite("tests/qstash/test_schemathesis.py", "each answer is compared with them"),
    "engine/runners.py": Suite("tests/runner/test_runners.py", "what it finds is what callers are given"),
    "runner/binding.py": Suite("tests/runner/test_enqueuer.py", "its refusals are those of each enqueue"),
    "runner/client_handle.py": Suite("tests/runner/test_client.py", "what each call of a client gives back"),
    "runner/session.py": Suite("tests/runner/test_client.py", "the client's own thread; callers see it there"),
    "flow.py": Suite("tests/model/test_unique.py", "names alone, under which tests and applications import them"),
    "engine/expiries.py": Suite("tests/runner/test_expiries.py", "callers and facts; both are seen there"),
    "model/expiries.py": Suite(f"{_CONFORMANCE}/expiries.py", _EACH_STORE),
    "model/admission.py": Suite(f"{_CONFORMANCE}/unique.py", _EACH_STORE),
    "model/job_events.py": Suite(f"{_CONFORMANCE}/job_events.py", _EACH_STORE),
    "model/after.py": Suite(f"{_CONFORMANCE}/after.py", _EACH_STORE),
    "model/ahead.py": Suite(f"{_CONFORMANCE}/ahead.py", _EACH_STORE),
    "limits.py": Suite("tests/handlers/test_limits.py", "a limit is a value, which a declaration checks"),
    "model/batches.py": Suite(f"{_CONFORMANCE}/batches.py", _EACH_STORE),
    "model/events.py": Suite(f"{_CONFORMANCE}/events.py", _EACH_STORE),
    "model/documents.py": Suite(f"{_CONFORMANCE}/documents.py", _EACH_STORE),
    "stores/sqlite/figures.py": Suite(f"{_CONFORMANCE}/figures.py", _EACH_STORE),
    "stores/sqlite/overview.py": Suite(f"{_CONFORMANCE}/overview.py", _EACH_STORE),
    "model/overview.py": Suite(f"{_CONFORMANCE}/overview.py", _EACH_STORE),
    "figures.py": Suite("tests/runner/test_figures.py", "names alone, under which tests and applications import them"),
    "stores/sqlite/documents.py": Suite(f"{_CONFORMANCE}/documents.py", _EACH_STORE),
    "model/moments.py": Suite(f"{_CONFORMANCE}/lists.py", _EACH_STORE),
    "stores/sqlite/moments.py": Suite(f"{_CONFORMANCE}/lists.py", _EACH_STORE),
    "runner/moments.py": Suite("tests/runner/test_filters.py", "its refusals are those of each option"),
    "runner/orders.py": Suite("tests/runner/test_jobs.py", "callers see what follows from each there"),
    "qstash/moments.py": Suite("tests/qstash/test_events.py", "its lists are those of events and of dead messages"),
    "qstash/overrides.py": Suite("tests/qstash/test_dlq.py", "what it changes is looked at in what is published again"),
    "model/steps.py": Suite(f"{_CONFORMANCE}/steps.py", _EACH_STORE),
    "model/counts.py": Suite(f"{_CONFORMANCE}/counts.py", _NO_BEHAVIOUR),
    "model/pauses.py": Suite(f"{_CONFORMANCE}/queries.py", _EACH_STORE),
    "model/runners.py": Suite(f"{_CONFORMANCE}/runners.py", _EACH_STORE),
    "model/queries.py": Suite("tests/model/test_writes.py", "writes and queries are messages of one kind"),
    "model/edits.py": Suite(f"{_CONFORMANCE}/edits.py", _EACH_STORE),
    "stores/sqlite/edits.py": Suite(f"{_CONFORMANCE}/edits.py", _EACH_STORE),
    "model/schedule_rows.py": Suite(f"{_CONFORMANCE}/stored_schedules.py", _EACH_STORE),
    "model/schedules.py": Suite("tests/model/test_writes.py", "writes and queries are messages of one kind"),
    "origin.py": Suite("tests/engine/test_forks.py", "it differs in a copy of an application alone"),
    "qstash/limits.py": Suite("tests/qstash/test_flow.py", "what a message brings counts there, and in test_queues.py"),
    "qstash/names.py": Suite("tests/qstash/test_groups.py", "each endpoint refuses what is no name"),
    "qstash/times.py": Suite("tests/qstash/test_groups.py", "each object of the API has times"),
    "sizes.py": Suite("tests/test_reference.py", "each limit is compared with the documented table"),
    "stores/sqlite/after.py": Suite(f"{_CONFORMANCE}/after.py", _EACH_STORE),
    "stores/sqlite/ahead.py": Suite(f"{_CONFORMANCE}/ahead.py", _EACH_STORE),
    "stores/sqlite/payloads.py": Suite(f"{_CONFORMANCE}/payloads.py", _EACH_STORE),
    "stores/sqlite/children.py": Suite(f"{_CONFORMANCE}/children.py", _EACH_STORE),
    "stores/sqlite/events.py": Suite(f"{_CONFORMANCE}/events.py", _EACH_STORE),
    "stores/sqlite/job_events.py": Suite(f"{_CONFORMANCE}/job_events.py", _EACH_STORE),
    "stores/sqlite/windows.py": Suite(f"{_CONFORMANCE}/unique.py", _EACH_STORE),
    "stores/sqlite/waits.py": Suite(f"{_CONFORMANCE}/events.py", _EACH_STORE),
    "stores/sqlite/held.py": Suite(f"{_CONFORMANCE}/jobs.py", _EACH_STORE),
    "stores/sqlite/insert.py": Suite(f"{_CONFORMANCE}/jobs.py", _EACH_STORE),
    "stores/sqlite/limited_types.py": Suite(f"{_CONFORMANCE}/limits.py", _EACH_STORE),
    "stores/sqlite/idle_meters.py": Suite("tests/stores/sqlite/test_limits.py", "what it leaves is looked at there"),
    "stores/sqlite/limit_rows.py": Suite("tests/stores/sqlite/test_meters.py", "all that is read there is read by it"),
    "stores/sqlite/stored_limits.py": Suite("tests/stores/sqlite/test_meters.py", "they say what a meter allows"),
    "stores/sqlite/limit_states.py": Suite(f"{_CONFORMANCE}/limits.py", _EACH_STORE),
    "stores/sqlite/moves.py": Suite(f"{_CONFORMANCE}/jobs.py", _EACH_STORE),
    "stores/sqlite/pauses.py": Suite(f"{_CONFORMANCE}/claim.py", _EACH_STORE),
    "stores/sqlite/phases.py": Suite("tests/stores/test_base.py", "a table of handlers, compared with the contract"),
    "stores/sqlite/prune.py": Suite(f"{_CONFORMANCE}/prune.py", _EACH_STORE),
    "stores/sqlite/reads.py": Suite(f"{_CONFORMANCE}/queries.py", _EACH_STORE),
    "stores/sqlite/runners.py": Suite(f"{_CONFORMANCE}/runners.py", _EACH_STORE),
    "stores/sqlite/unique.py": Suite(f"{_CONFORMANCE}/unique.py", _EACH_STORE),
    "telemetry/fact.py": Suite("tests/telemetry/test_facts.py", "what all facts have, and each is tested there"),
    **{
        f"telemetry/facts/{name}.py": Suite("tests/telemetry/test_facts.py", _EACH_FACT)
        for name in ("events", "health", "jobs", "limits", "owners", "steps", "ticks", "types")
    },
    **{
        f"testing/{name}.py": Suite("tests/testing/test_kit.py", "a part of the kit, which is tested as a whole")
        for name in ("enqueued", "errors", "moves", "records", "replacement", "store")
    },
    "testing/probe.py": Suite("tests/helpers", "how tests look inside; each of its parts is used there"),
}


def proof_of(module: Path) -> Path:
    """Where the tests of a module lie if it is not in the table."""
    place = module.relative_to(PACKAGE_FOLDER)
    return ROOT / "tests" / place.parent / f"test_{place.stem}.py"


def unproven() -> list[str]:
    """The modules with no tests in their place and no line in the table, and the lines that are wrong."""
    found = []
    for module in PACKAGE:
        name = module.relative_to(PACKAGE_FOLDER).as_posix()
        has_own = proof_of(module).exists()
        if module.name == "__init__.py" or has_own == (name not in ELSEWHERE):
            continue
        found.append(f"{name}: has tests of its own, and a line" if has_own else f"{name}: no {proof_of(module).name}")
    modules = {module.relative_to(PACKAGE_FOLDER).as_posix() for module in PACKAGE}
    found += [f"{name}: no such module" for name in ELSEWHERE if name not in modules]
    found += [f"{name}: no {suite.path}" for name, suite in ELSEWHERE.items() if not (ROOT / suite.path).exists()]
    return found
