"""What runs in a worker process: it is given orders, calls handlers, and answers with plain data."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import os
import pickle
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn

from aiojobs_lite.current import CURRENT
from aiojobs_lite.engine.child_reports import CHANNEL, ChildReporter, packed
from aiojobs_lite.engine.failures import describe, exc_info_of
from aiojobs_lite.engine.forks import call_in_one_process
from aiojobs_lite.engine.results import dump_result, refuse_unfinished
from aiojobs_lite.handlers.context import AttemptContext
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.location import MAIN_MODULE, MAIN_MODULE_ELSEWHERE, Location, MainModule, location_of
from aiojobs_lite.model.job import Claimed, Failure
from aiojobs_lite.policy.settle import Ending, Policy
from aiojobs_lite.policy.verdict import Kinds, Verdict, Wish
from aiojobs_lite.sizes import LARGEST_VALUE_BYTES, LONGEST_MESSAGE_CHARS
from aiojobs_lite.text import make_storable

_IMPORTERS: Final = (importlib.__file__, runpy.__file__, "<frozen ")  # through which a module is imported
Order = tuple[Callable[..., "CallAnswer | None"], tuple[Any, ...]]
"""What a worker process is to call, and with what."""


class Declaration(NamedTuple):
    """A job type as its worker process needs to know it.

    Attributes:
        name: The name of the job type.
        where: The handler.
        keep_result: Whether what it returns is kept.
        retry_on: The exception classes that are tried again; None: all.
        abandon_on: The exception classes that are never tried again.
    """

    name: str
    where: Location
    keep_result: bool
    retry_on: tuple[Location, ...] | None
    abandon_on: tuple[Location, ...]


class CallAnswer(NamedTuple):
    """How a handler ended in a worker process: only plain data comes back, for an exception may be anything.

    Attributes:
        result: What it returned, as JSON; None for nothing.
        note: Why the result was not kept, or None.
        failure: The record of what it raised, or None.
        verdict: What becomes of its job by what it raised.
    """

    result: str | None = None
    note: str | None = None
    failure: Failure | None = None
    verdict: Verdict = Verdict(Wish.AGAIN)

    def ending(self) -> Ending:
        """The same as it is settled."""
        if self.failure is None:
            return Ending(result=self.result, note=self.note)
        return Ending(error=RuntimeError(self.failure.error_type), failure=self.failure, verdict=self.verdict)


def declaration_of(job_type: JobType[..., Any], where: Location) -> Declaration:
    """What a worker process needs to know of a job type."""
    policy = job_type.policy
    retry_on = None if policy.retry_on is None else tuple(map(location_of, policy.retry_on))
    abandon_on = tuple(map(location_of, policy.abandon_on))
    return Declaration(job_type.name, where, job_type.result is not None, retry_on, abandon_on)


# The orders.


def make_ready(where: Location, arguments: list[str]) -> CallAnswer | None:
    """Imports the handler's module, if need be: that is not the handler's time.

    Args:
        where: The handler.
        arguments: Those of the program.

    Returns:
        None; or a failure, if the module cannot be imported.
    """
    sys.argv = arguments
    try:
        if where.main is not None:
            _import_main(where.main)
        importlib.import_module(where.module)
    except BaseException as error:  # noqa: BLE001  # handed to the boundary around the job
        return CallAnswer(failure=_import_failure(error, where))
    return None


def _import_failure(error: BaseException, where: Location) -> Failure:
    """The record of an exception of a module that is imported: where in it, and what to do."""
    found, failure = exc_info_of(error)[2], describe(error)
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_IMPORTERS):
        found = found.tb_next
    place = f" ({Path(found.tb_frame.f_code.co_filename).name} line {found.tb_lineno})" if found else ""
    module, advice = where.module, ""
    if where.main is not None:
        advice = f'. What starts the program stands below `if __name__ == "{MAIN_MODULE}":`, which is left out here'
    message = f"the worker process could not import `{module}`{place}: {failure.message}{advice}"
    return failure._replace(message=make_storable(message, LONGEST_MESSAGE_CHARS))


def call_handler(declared: Declaration, claimed: Claimed, database: str = "") -> CallAnswer:
    """Calls a handler for one attempt of a job of a database."""
    try:
        return _call(declared, claimed, database)
    except BaseException as error:  # noqa: BLE001  # handed to the boundary around the job
        try:
            policy = Policy(retry_on=_optional_kinds(declared.retry_on), abandon_on=_kinds(declared.abandon_on))
            return CallAnswer(failure=describe(error), verdict=policy.judge(error))
        except BaseException as worse:  # noqa: BLE001  # an exception of the handler that cannot even be looked at
            return CallAnswer(failure=describe(worse))
    finally:
        _flush()


def _call(declared: Declaration, claimed: Claimed, database: str) -> CallAnswer:
    job_type, channel = _job_type(declared), CHANNEL.get()
    args, kwargs = job_type.signature.load(claimed.payload)
    job: Claimed | AttemptContext = claimed
    reporter = None if channel is None else ChildReporter(channel)
    if job_type.signature.context is not None:
        job = kwargs[job_type.signature.context] = job_type.signature.context_class(
            claimed, database=database, reporter=reporter
        )
    context = contextvars.Context()  # of its own: other attempts follow in this process
    context.run(CURRENT.set, (job, {}, None, database, reporter))
    try:
        value = call_in_one_process(context.run, job_type.handler, *args, **kwargs)
    finally:
        if reporter is not None:
            reporter.close()
    result, note = dump_result(job_type, refuse_unfinished(value))
    return CallAnswer(result, note)


@functools.lru_cache(maxsize=1_000)
def _job_type(declared: Declaration) -> JobType[..., Any]:
    """The same declaration as in the first process, of the handler as it is found."""
    importlib.import_module(declared.where.module)
    found: Any = declared.where.find()
    handler = found.handler if isinstance(found, JobType) else found
    return JobType(
        handler,
        name=declared.name,
        keep_result=declared.keep_result,
        largest_payload=LARGEST_VALUE_BYTES,
        largest_result=LARGEST_VALUE_BYTES,
    )  # the first process checks the sizes


def _optional_kinds(names: tuple[Location, ...] | None) -> Kinds | None:
    return None if names is None else _kinds(names)


def _kinds(names: tuple[Location, ...]) -> Kinds:
    return tuple(map(_kind, names))


def _kind(where: Location) -> type[BaseException]:
    """The exception class of a name, or what takes its place if it cannot be found: a class in a function, say."""
    try:
        importlib.import_module(where.module)
        found = where.find()
    except Exception:  # noqa: BLE001  # it imports the user's code
        found = None
    if isinstance(found, type) and issubclass(found, BaseException):
        return found

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return any(location_of(kind) == where for kind in type(instance).__mro__)

    class Named(BaseException, metaclass=Kind):
        pass

    return Named


@functools.cache  # once: that the name is known says nothing, for to import multiprocessing gives it to what is there
def _import_main(main: MainModule) -> None:
    """Imports the program's main module as multiprocessing does: under another name, which its guard leaves out."""
    module = ModuleType(MAIN_MODULE_ELSEWHERE)
    if main.name is not None:
        found = runpy.run_module(main.name, run_name=MAIN_MODULE_ELSEWHERE, alter_sys=True)
    else:
        found = runpy.run_path(str(main.path), run_name=MAIN_MODULE_ELSEWHERE)
    module.__dict__.update(found)
    sys.modules[MAIN_MODULE] = sys.modules[MAIN_MODULE_ELSEWHERE] = module


def _flush() -> None:
    """Shows what the handler wrote: this process may be killed at any time from now on."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


# The channel.


def serve(channel: socket.socket) -> NoReturn:
    """Carries out orders, one after the other, until none can come any more. A runner that was killed may have left
    half an order, or an answer that it had not read.
    """
    orders = channel.makefile("rb")
    CHANNEL.set(channel)
    while True:
        try:
            call, args = pickle.load(orders)  # noqa: S301  # from the process that started this one
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(0)
        answer = _packed(call_in_one_process(call, *args))
        try:
            channel.sendall(answer)
        except OSError:
            os._exit(0)


def _packed(answer: CallAnswer | None) -> bytes:
    """An answer as it goes through the channel."""
    try:
        return packed(answer)
    except BaseException as error:  # noqa: BLE001  # a part of it is of the user's making
        return packed(CallAnswer(failure=describe(error)))
