"""The errors: their tree, their words, their attributes, and their way through a process."""

from __future__ import annotations

import copy
import importlib
import inspect
import math
import pickle
import re
from collections.abc import Callable
from pkgutil import iter_modules
from typing import Any

import pytest

from aiojobs_lite import errors
from aiojobs_lite.errors import AiojobsError
from aiojobs_lite.errors.store import REMEDIES

CASES: list[tuple[Callable[[], AiojobsError], str, dict[str, Any]]] = [
    (
        lambda: errors.BatchNotFound(3),
        "there is no batch 3: never opened, or pruned. Open one by `batches.open(...)` of a runner or a client; "
        "it is kept for keep_completed= after its end.",
        {"batch_id": 3},
    ),
    (
        lambda: errors.BatchNotFound(None, of_job=7),
        "job 7 is in no batch: it was enqueued without one, or the batch was pruned. "
        "Add jobs by `await ctx.enqueue(...)`.",
        {"batch_id": None},
    ),
    (
        lambda: errors.BatchClosed(3),
        "batch 3 takes no more jobs: its block has ended. "
        "Enqueue inside the block of `batches.open(...)`, or by `ctx.batch()` in a job of the batch.",
        {"batch_id": 3},
    ),
    (
        lambda: errors.InvalidEvent("user/gone", "its data must be an object."),
        "event 'user/gone' was not sent: its data must be an object.",
        {"name": "user/gone"},
    ),
    (
        lambda: errors.EventNotFound(7),
        "there is no event 7: never sent, or pruned. See `await runner.events.list()`.",
        {"number": 7},
    ),
    (
        lambda: errors.ExpressionError("a ==", 4, "the end is no value. Write one."),
        "expression 'a ==', at character 4: the end is no value. Write one.",
        {"text": "a ==", "position": 4, "why": "the end is no value. Write one."},
    ),
    (
        lambda: errors.ScheduleNotFound("r"),
        "there is no schedule 'r': never made, or deleted. See `schedules.list()` of the runner or the "
        "client; make one by `schedules.put(...)`.",
        {"schedule": "r"},
    ),
    (
        lambda: errors.ScheduleTaken("r", is_declared=True),
        "schedule 'r': code declares a schedule of this name. Choose another one; if no program declares it any more, "
        "`schedules.delete(...)` takes it out of the database.",
        {"schedule": "r", "is_declared": True},
    ),
    (
        lambda: errors.ScheduleTaken("r", is_declared=False),
        "schedule 'r': the schedule of this job type cannot be stored, because one of its name was made at run time. "
        "Give the job type another name, or delete the other schedule first, from another runner or a JobClient.",
        {"schedule": "r", "is_declared": False},
    ),
    (
        lambda: errors.StepFailed(7, "pay", 3, "ValueError", "no card"),
        "step 'pay' of job 7 failed for good after 3 attempts: ValueError: no card. Catch StepFailed in the handler, "
        "or redrive the job, which runs the step again.",
        {"job_id": 7, "name": "pay", "attempts": 3, "error_type": "ValueError", "message": "no card"},
    ),
    (
        lambda: errors.StepMismatch(7, "pay", "run", "done", "sleep"),
        "'pay' of job 7 is stored as a step (done), and the handler asks for a sleep of that name. "
        "Give the new one another name, and redrive the job.",
        {"was": "run", "state": "done", "asked": "sleep"},
    ),
    (
        lambda: errors.StepMismatch(7, "pay", "child", "waiting", "event"),
        "'pay' of job 7 is stored as a wait for a job (waiting), and the handler asks for a wait for an event of that "
        "name. Give the new one another name, and redrive the job.",
        {"was": "child", "state": "waiting", "asked": "event"},
    ),
    (
        lambda: errors.StepNotStored(7, "pay", "it has 300,000 bytes."),
        "what step 'pay' of job 7 returned cannot be stored: it has 300,000 bytes. Let it return plain JSON values, or "
        "what the annotation of its function says, and redrive the job; or catch StepNotStored in the handler.",
        {"job_id": 7, "name": "pay"},
    ),
    (
        lambda: errors.StepUnfit(7, "pay", "result: a number is expected."),
        "what 'pay' of job 7 returned in an attempt before does not fit its return annotation any more: result: a "
        "number is expected. Let the annotation take both and redrive the job, or give the operation another name: "
        "then it runs again.",
        {"job_id": 7, "name": "pay"},
    ),
    (
        lambda: errors.TooManySteps(7, "pay", 1_000),
        "'pay' of job 7 would be operation 1,001, and a job has at most 1,000. "
        "Let a step do several at once, or start further jobs, and enqueue the job anew: a redriven one has as many.",
        {"most": 1_000},
    ),
    (
        lambda: errors.RunTooLarge(7, "what 'pay' gave", 5_000_000, 4_194_304),
        "what 'pay' gave in the run of job 7 would be 5,000,000 bytes, and at most 4,194,304 are stored. Store the "
        "data elsewhere, and let the step return their path or key.",
        {"job_id": 7, "size": 5_000_000, "most": 4_194_304},
    ),
    (
        lambda: errors.InvalidOption("timeout", "soon", "seconds"),
        "timeout='soon': expected seconds.",
        {"option": "timeout", "value": "soon"},
    ),
    (
        lambda: errors.InvalidOption("tz", "Londn", "a zone: it is none; did you mean 'London'?"),
        "tz='Londn': expected a zone: it is none; did you mean 'London'?",
        {"option": "tz", "value": "Londn"},
    ),
    (
        lambda: errors.InvalidJobType("email", "a generator cannot be a handler; return a list"),
        "job type 'email': a generator cannot be a handler; return a list",
        {"job_type": "email"},
    ),
    (
        lambda: errors.DuplicateJobType("email", "app.a", "app.b"),
        "job type 'email' is declared twice, by app.a and by app.b. Give one of them another name: @job(name=\"...\").",
        {"job_type": "email"},
    ),
    (
        lambda: errors.JobTypeRefused("email", "it has a cron schedule"),
        "job type 'email' cannot join, change or leave a running runner: it has a cron schedule.",
        {"job_type": "email"},
    ),
    (
        lambda: errors.UnknownLimit("api", ["mail", "sms"]),
        "no runner has stored a limit 'api'; the database has 'mail', 'sms'. See runner.limits.list().",
        {"limit": "api"},
    ),
    (
        lambda: errors.MissingDependency("email", dict),
        "'email' asks for dict, which deps= lacks. Pass JobRunner(deps={dict: ...}).",
        {"job_type": "email", "wanted": dict},
    ),
    (
        lambda: errors.MissingDependency("email", dict[str, int]),
        "'email' asks for dict[str, int], which deps= lacks. Pass JobRunner(deps={dict[str, int]: ...}).",
        {"job_type": "email", "wanted": dict[str, int]},
    ),
    (
        lambda: errors.ConflictingResources(dict),
        "two groups have different resources for dict in Jobs(deps=...), and a runner has one. Give the runner its "
        "own, which replaces both: JobRunner(deps={dict: ...}).",
        {"wanted": dict},
    ),
    (
        lambda: errors.ResourceFailed(dict, OSError("no server")),
        "the resource for dict could not be made, so nothing was started: OSError('no server'). "
        "Fix what makes it: that exception, with its traceback, is the __cause__ of this one.",
        {"wanted": dict},
    ),
    (
        lambda: errors.MiddlewareMisused("Traces", "did it twice"),
        "the middleware Traces did it twice.",
        {"middleware": "Traces"},
    ),
    (
        lambda: errors.InvalidSchedule("61 * * * *", "minute", "use 0-59"),
        "schedule '61 * * * *', minute: use 0-59",
        {"expression": "61 * * * *", "field": "minute"},
    ),
    (
        lambda: errors.InvalidKey("email", "the payload has no field 'x'"),
        "'email': no key can be made of this payload: the payload has no field 'x'. Nothing was "
        "enqueued: change the arguments, or the key that the job type is declared with.",
        {"job_type": "email", "problem": "the payload has no field 'x'"},
    ),
    (
        lambda: errors.KeyReused("email", 7),
        "'email': job 7 has this idempotency key, and other arguments. "
        "Nothing was enqueued: give each job a key of its own.",
        {"job_type": "email", "job_id": 7},
    ),
    (
        lambda: errors.KeyReused("email", None),
        "'email': another job of this call has this idempotency key, and other arguments. "
        "Nothing was enqueued: give each job a key of its own.",
        {"job_id": None},
    ),
    (
        lambda: errors.UniqueConflict("email", 7, "processing"),
        "'email': job 7 (processing) has the same unique key. "
        "Nothing was enqueued: await that job, or enqueue again later.",
        {"job_type": "email", "job_id": 7, "status": "processing"},
    ),
    (
        lambda: errors.UniqueConflict("email", None, None),
        "'email': another job of this call has the same unique key. "
        "Nothing was enqueued: await that job, or enqueue again later.",
        {"job_id": None, "status": None},
    ),
    (
        lambda: errors.UniqueConflict("email", 7, None),
        "'email': job 7 (pruned) has the same unique key. "
        "Nothing was enqueued: await that job, or enqueue again later.",
        {"status": None},
    ),
    (
        lambda: errors.QueueFull("email", 0, 2, math.inf),
        "'email': pending jobs 0, of at most 2. Nothing was enqueued: the call has more jobs of the type than that. "
        "Enqueue at most 2 at once.",
        {"retry_after": math.inf},
    ),
    (
        lambda: errors.QueueFull("email", 1000, 1000, 2.5),
        "'email': pending jobs 1,000, of at most 1,000. Nothing was enqueued: repeat the call in about 2.5 s.",
        {"job_type": "email", "pending": 1000, "max_pending": 1000, "retry_after": 2.5},
    ),
    (
        lambda: errors.UnknownJobType("emial", ["report", "email"]),
        "'emial' is not registered (known: email, report). Did you mean 'email'?",
        {"job_type": "emial", "known": ("email", "report")},
    ),
    (
        lambda: errors.UnknownJobType("x", []),
        "'x' is not registered (known: none). Register it in a runner: JobRunner(jobs=[...]).",
        {"job_type": "x", "known": ()},
    ),
    (
        lambda: errors.UnknownJobType("?", [f"t{number:02}" for number in range(12)]),
        "'?' is not registered (known: t00, t01, t02, t03, t04, t05, t06, t07, t08, t09, ...). "
        "Register it in a runner: JobRunner(jobs=[...]).",
        {"known": tuple(f"t{number:02}" for number in range(12))},
    ),
    (
        lambda: errors.UnknownJobType("x", ["x"]),
        "'x' is not registered (known: x). Another handler is registered under this name: enqueue that one.",
        {"job_type": "x"},
    ),
    (
        lambda: errors.InvalidPayload("email", [("user.id", "Field required"), ("to", "Extra inputs")]),
        "'email' cannot take these arguments: user.id: Field required; to: Extra inputs. "
        "Nothing was enqueued: fix the call.",
        {"job_type": "email", "problems": (("user.id", "Field required"), ("to", "Extra inputs"))},
    ),
    (
        lambda: errors.InvalidPayload("email", [("to", "Field required")], "It waits."),
        "'email' cannot take these arguments: to: Field required. It waits.",
        {"problems": (("to", "Field required"),)},
    ),
    (
        lambda: errors.PayloadTooLarge("email", 300_000, 262_144),
        "'email': the payload has 300,000 bytes, at most 262,144 are allowed. "
        "Nothing was enqueued: store the data elsewhere and enqueue its path or key, or declare the job with a larger "
        "largest_payload=.",
        {"job_type": "email", "size": 300_000, "limit": 262_144},
    ),
    (
        lambda: errors.TransactionRefused("closed", "Enqueue before the connection is closed."),
        "the job cannot be enqueued in this transaction: closed. Enqueue before the connection is closed.",
        {"why": "closed"},
    ),
    (
        errors.RunnerNotStarted,
        "the runner is not started. Use it inside `async with runner:` (the application's lifespan); in a test inside "
        "`async with job_kit(runner):`, or with a TestClient, which enters the lifespan, after "
        "`job_kit.replace(runner)`; in a process that has no event loop, such as a worker of a WSGI server, enqueue by "
        "a JobClient.",
        {},
    ),
    (
        errors.RunnerAlreadyStarted,
        "the runner is started, and is to be entered once: in the application's lifespan, say. In a test use "
        "`job_kit.replace(runner)` with a TestClient, which enters it, or `job_kit(runner)` without one.",
        {},
    ),
    (
        lambda: errors.RunnerAlreadyStarted("given more job types"),
        "the runner is started and cannot be given more job types now. Do it before `async with runner:`.",
        {},
    ),
    (
        errors.ClientClosed,
        "the client is closed. Use it inside `with client:`, which opens it again.",
        {},
    ),
    (
        errors.RunnerClosed,
        "the runner is closed and does nothing more. Enter it again: `async with runner:`.",
        {},
    ),
    (lambda: errors.WrongEventLoop("another loop. Use a runner each."), "another loop. Use a runner each.", {}),
    (
        lambda: errors.JobNotFound(7),
        "there is no job 7: never enqueued, deleted, or pruned. Take the id from a handle; finished jobs are kept "
        "for keep_completed= or keep_dead=.",
        {"job_id": 7},
    ),
    (
        lambda: errors.JobNotCommitted(7),
        "there is no job 7 of this enqueue: its transaction is not committed yet, or was rolled back (or the job was "
        "deleted since). Ask after the commit.",
        {"job_id": 7},
    ),
    (
        lambda: errors.JobNotAllowed(7, "completed", "cancelled", "a pending or processing job"),
        "job 7 is completed and cannot be cancelled: that takes a pending or processing job.",
        {"job_id": 7, "status": "completed"},
    ),
    (
        lambda: errors.AttemptNotOwned(7, 2),
        "attempt 2 of job 7 is no longer owned by this runner: nothing was written. "
        "The job was ended, or rescued by another runner: let this attempt end.",
        {"job_id": 7, "attempt": 2},
    ),
    (
        lambda: errors.SignatureRefused("iss is 'me'"),
        "the message has no valid signature. Answer 401, and log the attribute `reason`.",
        {"reason": "iss is 'me'"},
    ),
    (
        lambda: errors.JobDead(7, "crashed", "ValueError: bad"),
        "job 7 is dead (crashed; last error: ValueError: bad). "
        "Read `await runner.jobs.get(7)`, fix the cause, then `await runner.jobs.redrive(7)`.",
        {"job_id": 7, "reason": "crashed", "error": "ValueError: bad"},
    ),
    (
        lambda: errors.RecordedError(7, 2, "ValueError", "bad", "a traceback"),
        'attempt 2 of job 7 failed: ValueError: bad\n"""\na traceback\n"""',
        {"job_id": 7, "attempt": 2, "error_type": "ValueError", "message": "bad", "traceback": "a traceback"},
    ),
    (
        lambda: errors.RecordedError(7, 2, "ValueError", "bad", "", "pay"),
        "attempt 2 of step 'pay' of job 7 failed: ValueError: bad",
        {"job_id": 7, "attempt": 2, "error_type": "ValueError", "message": "bad", "traceback": "", "step": "pay"},
    ),
    (
        lambda: errors.JobCancelled(7, "gone"),
        "job 7 was cancelled (gone). `await runner.jobs.redrive(7)` sends it back.",
        {"job_id": 7, "reason": "gone"},
    ),
    (
        lambda: errors.JobCancelled(7, None),
        "job 7 was cancelled (no reason given). `await runner.jobs.redrive(7)` sends it back.",
        {"reason": None},
    ),
    (
        lambda: errors.ResultTimeout(7, 2.5),
        "job 7 did not finish within 2.5s: it goes on. Await it again.",
        {"job_id": 7, "timeout": 2.5, "status": None, "error": None},
    ),
    (
        lambda: errors.ResultTimeout(7, 2.5, "it waits", "pending", "ValueError: bad"),
        "job 7 did not finish within 2.5s: it waits. Await it again.",
        {"status": "pending", "error": "ValueError: bad"},
    ),
    (
        lambda: errors.ResultNotKept(7, "it is too odd."),
        "job 7 completed, but its result was not kept: it is too odd. "
        "Fix its return annotation, or let the handler store what it makes.",
        {"job_id": 7},
    ),
    (
        lambda: errors.ResultNotKept(7, "it is none.", "Ask for another."),
        "job 7 completed, but its result was not kept: it is none. Ask for another.",
        {"job_id": 7},
    ),
    (
        lambda: errors.StoreUnavailable("SQLITE_FULL", "disk full"),
        "the database cannot be used now (SQLITE_FULL: disk full). Free space on its disk. Repeat the call later, "
        "with an idempotency_key if it must not be done twice.",
        {"code": "SQLITE_FULL", "detail": "disk full"},
    ),
    (
        lambda: errors.StoreRefused("app.db", "corrupt", "Restore a backup."),
        "app.db: corrupt. Restore a backup.",
        {"database": "app.db", "why": "corrupt"},
    ),
    (
        lambda: errors.StoreRejected("odd text"),
        "the database refused a call, and would refuse it again: odd text. "
        "This is a defect of the library: please report it.",
        {"detail": "odd text"},
    ),
    (
        lambda: errors.StoreRejected("SQLITE_TOOBIG: string or blob too big", "Keep it elsewhere."),
        "the database refused a call, and would refuse it again: SQLITE_TOOBIG: string or blob too big. "
        "Keep it elsewhere.",
        {"detail": "SQLITE_TOOBIG: string or blob too big"},
    ),
]


def subclasses(kind: type[AiojobsError]) -> list[type[AiojobsError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in subclasses(child))]


def drawn() -> list[tuple[str, str]]:
    """Name and parent of each class in the tree of the docstring, in its order."""
    assert errors.__doc__ is not None
    found: list[tuple[str, str]] = []
    above = {0: ""}
    for line in errors.__doc__.splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if match and (match[1] or not found):
            depth = len(match[1]) // 4
            found.append((match[2], above[depth]))
            above[depth + 1] = match[2]
    return found


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    tree = drawn()
    assert [name for name, _ in tree] == [kind.__name__ for kind in subclasses(AiojobsError)]
    parents = {kind.__name__: [base.__name__ for base in kind.__bases__] for kind in subclasses(AiojobsError)}
    assert all(parent == "" or parent in parents[name] for name, parent in tree)
    assert len(tree) >= 25


def test_every_class_of_the_package_is_in_the_tree_and_exported_by_it() -> None:
    drawn_names = {name for name, _ in drawn()}
    modules = [importlib.import_module(f"{errors.__name__}.{found.name}") for found in iter_modules(errors.__path__)]
    defined = {
        kind.__name__
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__
    }
    assert defined == {*drawn_names, "Portable"}
    assert set(errors.__all__) == defined


def test_every_error_has_a_case_here() -> None:
    leaves = {kind for kind in subclasses(AiojobsError) if not kind.__subclasses__()}
    assert {type(make()) for make, _, _ in CASES} == leaves


@pytest.mark.parametrize(("make", "message", "attributes"), CASES)
def test_an_error_says_what_is_wrong_and_what_to_do(
    make: Callable[[], AiojobsError], message: str, attributes: dict[str, Any]
) -> None:
    error = make()
    assert str(error) == message
    assert {name: getattr(error, name) for name in attributes} == attributes


@pytest.mark.parametrize("make", [make for make, _, _ in CASES])
def test_every_attribute_of_an_error_is_documented(make: Callable[[], AiojobsError]) -> None:
    error = make()
    documented = "".join(inspect.getdoc(kind) or "" for kind in type(error).__mro__ if issubclass(kind, AiojobsError))
    assert all(re.search(rf"^    {name}: ", documented, re.MULTILINE) for name in vars(error))


@pytest.mark.parametrize("make", [make for make, _, _ in CASES])
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        lambda error: pickle.loads(pickle.dumps(error)),
        lambda error: pickle.loads(pickle.dumps(error, 2)),
    ],
    ids=["copy", "deepcopy", "pickle", "old pickle"],
)
def test_an_error_survives_the_way_from_another_process(
    make: Callable[[], AiojobsError], again: Callable[[AiojobsError], AiojobsError]
) -> None:
    error = make()
    error.add_note("noted in a test")
    found = again(error)
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert found.args == error.args
    assert vars(found) == vars(error)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidOption, ValueError),
        (errors.InvalidJobType, TypeError),
        (errors.UnknownLimit, LookupError),
        (errors.MissingDependency, LookupError),
        (errors.ResourceFailed, RuntimeError),
        (errors.InvalidSchedule, ValueError),
        (errors.UnknownJobType, LookupError),
        (errors.InvalidPayload, ValueError),
        (errors.PayloadTooLarge, ValueError),
        (errors.RunnerClosed, RuntimeError),
        (errors.JobNotFound, LookupError),
        (errors.BatchNotFound, LookupError),
        (errors.ResultTimeout, TimeoutError),
    ],
)
def test_an_error_is_also_what_python_would_raise(kind: type[AiojobsError], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)


REPEATED = "Repeat the call later, with an idempotency_key if it must not be done twice."
LOCKED = (
    "Another connection holds the lock: let it end its transaction. If that is your own open transaction, commit it "
    f"first, or enqueue by enqueue_in(connection, ...). {REPEATED}"
)
FAULTS = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_BUSY_SNAPSHOT": "Others have committed since this transaction read: roll it back, and begin it by BEGIN "
    "IMMEDIATE.",
    "SQLITE_BUSY_RECOVERY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_PROTOCOL": LOCKED,
    "SQLITE_FULL": f"Free space on its disk. {REPEATED}",
    "SQLITE_READONLY": f"Make the file, its folder and its disk writable. {REPEATED}",
    "SQLITE_CANTOPEN": f"how many files this process has open (`ulimit -n`). {REPEATED}",
    "SQLITE_IOERR_FSYNC": f"Look at its disk and at the log of the system. {REPEATED}",
    "SQLITE_NOMEM": f"Look at the memory that this process may take. {REPEATED}",
    "SQLITE_CORRUPT": "The file is damaged: end all its programs and restore a backup; a repeated call fails as well.",
    "SQLITE_CORRUPT_INDEX": "restore a backup; a repeated call fails as well.",
    "SQLITE_NOTADB": "restore a backup; a repeated call fails as well.",
    "REPLACED": "Restart the program, or put the same file back: a repeated call would go to the lost one.",
    "CLOSED": "Enter the runner again (`async with runner:`), then repeat the call, with an idempotency_key",
    "SQLITE_INTERRUPT": f"(SQLITE_INTERRUPT: why). {REPEATED}",
    "IN_DOUBT": f"(IN_DOUBT: why). {REPEATED}",
}


LASTING = ("SQLITE_BUSY_SNAPSHOT", "SQLITE_CORRUPT", "SQLITE_NOTADB", "REPLACED", "CLOSED")


@pytest.mark.parametrize(("code", "remedy"), FAULTS.items())
def test_each_fault_of_the_store_has_the_remedy_that_helps(code: str, remedy: str) -> None:
    assert remedy in str(errors.StoreUnavailable(code, "why"))
    assert ("Repeat the call" in remedy) == (not code.startswith(LASTING))


def test_every_remedy_of_the_table_is_tested() -> None:
    assert {begin for begin in REMEDIES if not any(code.startswith(begin) for code in FAULTS)} == set()


class Grumpy:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 500, "'" + "x" * 196 + "..."),
        ("x" * 198, "'" + "x" * 198 + "'"),
        (Grumpy(), "<Grumpy, its repr raised RuntimeError>"),
        (10**5000, "<int, its repr raised ValueError>"),
    ],
    ids=["long", "longest", "grumpy", "huge"],
)
def test_an_option_is_shown_in_few_words_whatever_it_is(value: object, shown: str) -> None:
    error = errors.InvalidOption("name", value, "a name")
    assert str(error) == f"name={shown}: expected a name."
    assert error.value is value


def test_a_long_cron_expression_is_shortened_but_kept() -> None:
    error = errors.InvalidSchedule("*/1," * 100, "expression", "too long")
    assert str(error) == f"schedule '{'*/1,' * 49}..., expression: too long"
    assert error.expression == "*/1," * 100
