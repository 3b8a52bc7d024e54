"""Operations of an SDK as operations of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from aiojobs_lite.durable.operations import (
    InvokeJob,
    Operation,
    Sleep,
    StepPlanned,
    StepRaised,
    StepRan,
    WaitForEvent,
)
from aiojobs_lite.errors import EnqueueError, EventError, ExpressionError, InvalidOption
from aiojobs_lite.handlers.event import check_event_name
from aiojobs_lite.inngest import ids
from aiojobs_lite.inngest.answers import SdkOperation, failure_of, failure_of_error
from aiojobs_lite.inngest.call import SIGNAL_EVENT
from aiojobs_lite.inngest.conditions import Condition, find_matching, latest_event, note_name
from aiojobs_lite.inngest.defers import note_of_defer
from aiojobs_lite.inngest.durations import LONGEST_SLEEP_S, instant_of
from aiojobs_lite.inngest.events import memo_text
from aiojobs_lite.inngest.expressions import compile_expression
from aiojobs_lite.inngest.run_events import INVOKED
from aiojobs_lite.model.admission import Candidate
from aiojobs_lite.model.event_match import EventMatch, json_values
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.policy.verdict import Verdict, Wish

RETURNED_NOTE: Final = ids.own_name("returned")
"""The note of a result of the run that came beside its last steps."""

VERSION_NOTE: Final = ids.own_name("version")
"""The note of how the SDK of a run and the server talk."""

GATEWAYS: Final = frozenset({"Gateway", "AIGateway"})
"""Operations that are requests of the server."""

_NULL: Final = "null"
# A signal that nothing waited for is lost: its sender is answered so.
_ANY_SIGNAL_BEFORE: Final = '{{"id":"","name":"inngest/signal","data":{{}},"sent_at":{}}}'
_LONGEST_SIGNAL_CHARS: Final = 512
_CONFLICT: Final = "Signal conflict; signal wait already exists for another run"  # as the service says it
_NO_CONFLICT: Final = "Wait for another name, or with onConflict: 'replace'"
_NO_GATEWAY: Final = "requests of the server for an app are not allowed: set gateway= of inngest_app, or --gateway"


class Waiter(NamedTuple):
    """A step that waits for a signal.

    Attributes:
        job: The job of its run.
        step: The id that the SDK gives it.
    """

    job: int
    step: str

    @property
    def mark(self) -> str:
        """The waiter as text, which the event of its signal has."""
        return f"{self.job}.{self.step}"


class Functions(Protocol):
    """Knows the functions that can be invoked."""

    def invoked(self, function_id: str, memo: str) -> Candidate | None:
        """The job of a function, which is given an event.

        Args:
            function_id: The composite id of the function.
            memo: The event, as `model.events.memo_of` makes it.

        Returns:
            The job; None: there is no such function.

        Raises:
            EnqueueError: If the job cannot be made of the event.
        """


class Gateway(Protocol):
    """Makes requests for an app."""

    async def request(self, operation: SdkOperation) -> str:
        """Makes the request of an operation `Gateway` or `AIGateway`; returns what the step gave, as JSON.

        Raises:
            GatewayFailed: If it failed.
        """


class SignalRule(Protocol):
    """Knows which step waits for which signal."""

    async def take(self, signal: str, waiter: Waiter, until: int, *, replaces: bool) -> bool:
        """Lets a step wait for a signal until an instant; returns whether it may."""


class GatewayFailed(Exception):
    """A request for an app failed.

    Attributes:
        name: The name of the error, as the app is given it.
        stack: What the app is given as its stack, such as the answer.
        is_final: Whether it is not to be made again.
    """

    def __init__(self, message: str, *, name: str = "Error", stack: str = "", is_final: bool = False) -> None:
        self.name = name
        self.stack = stack
        self.is_final = is_final
        super().__init__(message)


class Unfit(Exception):
    """An operation cannot be carried out: the run fails.

    Attributes:
        name: The name of the error.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Helpers:
    """What carries out operations that a driver does not by itself.

    Attributes:
        functions: Know what can be invoked; None: nothing can.
        gateway: Makes requests for apps; None: they are refused.
        signals: Know who waits for which signal; None: any number of runs may wait for one.
    """

    functions: Functions | None = None
    gateway: Gateway | None = None
    signals: SignalRule | None = None


class Answering(NamedTuple):
    """The call whose answer has operations.

    Attributes:
        job: The job of the run.
        run: The id of the run, as an SDK sees it.
        event: The event of the run, as an SDK sees it, as JSON.
        names: The names of the operations that are known, by the ids that the SDK gives them.
        verdict: What the answer says of a step that failed.
        now: The present instant, in microseconds.
        ended: The operations that have ended, in the order in which they did.
    """

    job: int
    run: str
    event: str
    names: Mapping[str, str]
    verdict: Verdict
    now: int
    ended: Sequence[StepRow] = ()


def names_of(rows: Iterable[StepRow]) -> dict[str, str]:
    """The names of the operations that are known, by the ids that the SDK gives them."""
    return {ids.step_hash_of(row.name): row.name for row in rows if not row.name.startswith(ids.BOOKKEEPING)}


def name_of_step(found: SdkOperation, names: Mapping[str, str]) -> str:
    """The name of an operation: the one that it has, or a new one."""
    return names.get(found.id) or ids.step_name(found.id, found.shown)


async def operations_of(found: SdkOperation, answering: Answering, helpers: Helpers) -> Sequence[Operation]:
    """The operations of a run that one of an SDK means; none, if it is a request (`requested`).

    Raises:
        Unfit: If it cannot be carried out.
    """
    name = name_of_step(found, answering.names)
    try:
        match found.op:
            case "StepRun" | "Step" | "StepError" | "StepFailed":
                return [_ended(found, name, answering.verdict)]
            case "StepPlanned":
                return [StepPlanned(name)]
            case "Sleep":
                return [Sleep(name, instant_of(found.opts.get("duration") or found.name, "duration", answering.now))]
            case "WaitForEvent":
                return _wait(found, name, answering)
            case "WaitForSignal":
                return [await _signal(found, name, answering, helpers)]
            case "InvokeFunction":
                return [_invoke(found, name, answering, helpers)]
            case "RunComplete":
                return [StepRan(RETURNED_NOTE, found.data or _NULL)]
            case "None" | "DiscoveryRequest" | "Gateway" | "AIGateway":
                return []
            case "DeferAdd" | "DeferAbort":
                return note_of_defer(found)
    except (InvalidOption, EventError) as error:
        raise Unfit("InvalidOperation", f"{found.op} {found.shown or found.id!r}: {error}") from None
    raise Unfit("UnknownOperation", f"the operation {found.op!r} of the SDK is not known: use a newer aiojobs_lite")


def _ended(found: SdkOperation, name: str, verdict: Verdict) -> StepRan | StepRaised:
    """A step that ran, or failed."""
    if found.op in {"StepRun", "Step"}:
        data = found.data or _NULL
        return StepRan(name, data if found.op == "Step" else f'{{"data":{data}}}', found.seconds or 0.0)
    error = found.error or json.dumps({"name": "Error", "message": ""})
    failure = failure_of_error(error)
    is_final = found.op == "StepFailed" or verdict.wish is Wish.NEVER
    judged = Verdict(Wish.NEVER) if is_final else verdict
    return StepRaised(name, failure, judged._replace(text=failure.error_type), memo=f'{{"error":{error}}}')


def _wait(found: SdkOperation, name: str, answering: Answering) -> list[Operation]:
    """The wait for an event, and what it has to be besides, if the match does not say all."""
    event = check_event_name(found.opts.get("event") or found.name)
    until, after = _until(found, answering.now), latest_event(event, answering.ended)
    text = found.opts.get("if") or ""
    if not text:
        return [WaitForEvent(name, EventMatch(event), until, after)]
    if not isinstance(text, str):
        raise InvalidOption("if", text, "an expression, as text")
    try:
        match, rest = find_matching(event, compile_expression(text).bind(event=json.loads(answering.event)))
    except ExpressionError as error:
        raise Unfit("CompileError", str(error)) from None
    wait = WaitForEvent(name, match, until, after)
    condition = Condition(text, match, until, is_raced(found))
    return [wait] if rest is None else [wait, StepRan(note_name(found.id), condition.memo())]


def is_raced(found: SdkOperation) -> bool:
    """Whether an operation is in race with the others of its answer: the SDK is called when the first one has ended."""
    return found.opts.get("parallelMode") == "race"


async def _signal(found: SdkOperation, name: str, answering: Answering, helpers: Helpers) -> WaitForEvent:
    signal = found.opts.get("signal") or found.name
    if not isinstance(signal, str) or not 1 <= len(signal) <= _LONGEST_SIGNAL_CHARS:
        raise InvalidOption("signal", signal, f"text of 1 to {_LONGEST_SIGNAL_CHARS} characters")
    until, waiter = _until(found, answering.now), Waiter(answering.job, found.id)
    wanted = {"signal": signal}
    if helpers.signals is not None:
        wanted["waiter"] = waiter.mark
        replaces, is_known = found.opts.get("conflict") == "replace", found.id in answering.names
        if not is_known and not await helpers.signals.take(signal, waiter, until, replaces=replaces):
            raise Unfit("Error", f"{_CONFLICT}: {signal!r}. {_NO_CONFLICT}")
    match = EventMatch(SIGNAL_EVENT, tuple(wanted), json_values(wanted.values()))
    return WaitForEvent(name, match, until, _ANY_SIGNAL_BEFORE.format(answering.now))


def _invoke(found: SdkOperation, name: str, answering: Answering, helpers: Helpers) -> InvokeJob | StepRaised:
    function_id, payload = found.opts.get("function_id"), found.opts.get("payload") or {}
    if not isinstance(function_id, str) or not isinstance(payload, dict):
        raise InvalidOption("function_id", function_id, "the id of a function, and a payload that is an object")
    until = _until(found, answering.now) if found.opts.get("timeout") else answering.now + LONGEST_SLEEP_S * 1_000_000
    about = {"fn_id": function_id, "correlation_id": f"{answering.run}.{found.id}", "expire": until // 1_000}
    given = payload.get("data") or {}
    event = {
        **{field: payload.get(field) for field in ("user", "v", "meta")}, "name": INVOKED,
        "id": ids.fresh(answering.now // 1_000),
        "data": {**(given if isinstance(given, dict) else {}), "_inngest": about},
    }  # fmt: skip
    memo = memo_text(event, answering.now)
    try:
        candidate = None if helpers.functions is None else helpers.functions.invoked(function_id, memo)
    except EnqueueError as error:
        return _failed(name, type(error).__name__, str(error), is_final=True)
    if candidate is None:
        return _failed(name, "Error", f"could not find function with ID: {function_id}", is_final=True)
    return InvokeJob(name, candidate, until)


async def requested(found: SdkOperation, answering: Answering, helpers: Helpers) -> StepRan | StepRaised:
    """What came of a request that the server makes for an app."""
    name = name_of_step(found, answering.names)
    if helpers.gateway is None:
        return _failed(name, "GatewayRefused", _NO_GATEWAY, is_final=True)
    try:
        return StepRan(name, f'{{"data":{await helpers.gateway.request(found)}}}', 0.0)
    except GatewayFailed as error:
        return _failed(name, error.name, str(error), stack=error.stack, is_final=error.is_final)


def _failed(name: str, error: str, message: str, *, stack: str = "", is_final: bool) -> StepRaised:
    memo = json.dumps({"error": {"name": error, "message": message, "stack": stack}}, ensure_ascii=False)
    verdict = Verdict(Wish.NEVER, error) if is_final else Verdict(Wish.AGAIN)
    return StepRaised(name, failure_of(error, message, stack or None), verdict, memo=memo)


def _until(found: SdkOperation, now: int) -> int:
    """When a wait is over; one without a timeout is over now."""
    timeout = found.opts.get("timeout")
    return instant_of(timeout, "timeout", now) if timeout else now
