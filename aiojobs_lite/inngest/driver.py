"""The driver of a run whose code is an app elsewhere: each call is a request over HTTP to an SDK of Inngest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiojobs_lite.clock import SystemClock
from aiojobs_lite.durable.driver import Answer, DriverCall, Round
from aiojobs_lite.durable.operations import Operation, RunRaised, RunReturned, StepRan
from aiojobs_lite.errors import SignatureRefused
from aiojobs_lite.http.session import HttpAnswer, HttpRequest, NoAnswer
from aiojobs_lite.inngest import ids
from aiojobs_lite.inngest.answers import (
    Answered,
    Failed,
    NextOperations,
    Returned,
    SdkOperation,
    failure_of,
    invalid,
    read_answer,
)
from aiojobs_lite.inngest.call import (
    LARGEST_CALL_BYTES,
    UNKNOWN_VERSION,
    AppCall,
    CallParts,
    CallSession,
    CallSettings,
    Target,
    event_texts,
    make_call,
    step_texts,
)
from aiojobs_lite.inngest.conditions import find_unfit, open_again
from aiojobs_lite.inngest.defers import DEFERS, defers_text, is_defer, log_unfit_defers
from aiojobs_lite.inngest.operations import (
    GATEWAYS,
    RETURNED_NOTE,
    VERSION_NOTE,
    Answering,
    Helpers,
    Unfit,
    is_raced,
    name_of_step,
    names_of,
    operations_of,
    requested,
)
from aiojobs_lite.inngest.pace import FAILED_CALL_S, Pace
from aiojobs_lite.inngest.run_errors import AskStore, errors_of_children
from aiojobs_lite.inngest.slices import Slices, Steps
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.policy.verdict import Verdict, Wish

LONGEST_CALL_S: Final = 7_200.0
"""How long an app may take to answer."""

LARGEST_APP_ANSWER_BYTES: Final = LARGEST_CALL_BYTES + 256 * 1024
"""Of the body of an answer of an app: a step's result of 4 MiB, and what is around it."""

_CALLED_EACH: Final = 1  # the version in which a call comes whenever a step of several has ended
_CLOCK: Final = SystemClock()  # signatures, and dates in answers, are of the real time of the app
_NO_ANSWER: Final = "AppUnreachable"
_RAISED: Final = "StepError"
_MOST_REQUESTS: Final = 75  # of one answer at once


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """How a driver calls apps.

    Attributes:
        call: How calls are made.
        helpers: Carry out what the driver does not by itself.
        now: Gives the present instant, in microseconds.
        ask: Asks the store for runs.
        pace: How fast the app is called, and its answers are read.
        timeout: Seconds that an app may take to answer.
        verifies: Whether answers have to be signed.
        save: Stores notes of a run that its end came with.
    """

    call: CallSettings
    helpers: Helpers
    now: Callable[[], int]
    ask: AskStore
    pace: Pace = field(default_factory=Pace)
    timeout: float = LONGEST_CALL_S
    verifies: bool = False
    save: Callable[[Claimed, Sequence[StepRan]], Awaitable[object]] | None = None


class HttpDriver:
    """Runs the runs of one function.

    Args:
        target: The function.
        session: Sends requests.
        settings: How apps are called.
    """

    def __init__(self, target: Target, session: CallSession, settings: DriverSettings) -> None:
        self._target = target
        self._session = session
        self._settings = settings

    async def call(self, call: DriverCall) -> Answer:
        """See `Driver`."""
        if RETURNED_NOTE in call.notes:
            return RunReturned(call.notes[RETURNED_NOTE])
        try:
            events = event_texts(call.run.payload, call.run.tick)
            unfit = find_unfit(call.ended, call.notes, events[0])
            opened, raced = open_again(call.ended, unfit, call.waiting)
            if opened and call.target is None:
                return Round(opened, raced)
            made = await self._made_call(call, events, [row for row in call.ended if row.name not in unfit])
        except ValueError as error:
            return _failed("InvalidCall", f"no call can be made of what is stored of the run: {error}")
        answer = await self._answer(made)
        match answer:
            case Failed():
                return RunRaised(answer.failure, answer.verdict)
            case Returned():
                return RunReturned(answer.result)
        run, now = ids.run_id(call.run.created_at, call.run.id), self._settings.now()
        names = names_of([*call.ended, *call.waiting])
        answering = Answering(call.run.id, run, events[0], names, answer.verdict, now, call.ended)
        return await self._go_on(answer, answering, call)

    async def _made_call(self, call: DriverCall, events: list[str], ended: Sequence[StepRow]) -> AppCall:
        errors = await errors_of_children(self._settings.ask, call.run.id, ended)
        version = int(call.notes.get(VERSION_NOTE, UNKNOWN_VERSION))
        parts = CallParts(events, step_texts(ended, errors), version, defers_text(call.notes))
        return make_call(call, self._target, parts, self._settings.call, _CLOCK.now())

    async def _answer(self, made: AppCall) -> Answered:
        settings = self._settings
        request = HttpRequest(
            "POST", made.url, made.headers, made.body, settings.timeout, LARGEST_APP_ANSWER_BYTES, settings.pace
        )
        await settings.pace.rest()
        try:
            came = await self._session.ask(request)
        except NoAnswer as error:
            settings.pace.charge(FAILED_CALL_S)
            return Failed(failure_of(_NO_ANSWER, str(error)), Verdict(Wish.AGAIN))
        answer = await settings.pace.read(len(came.body), self._read(came))
        if _has_failed(answer):
            settings.pace.charge(FAILED_CALL_S)
        return answer

    def _read(self, came: HttpAnswer) -> Steps[Answered]:
        settings = self._settings
        if came.is_body_cut or came.are_headers_cut:
            problem = f"the answer of the app has more than {LARGEST_APP_ANSWER_BYTES:,} bytes, or too many headers"
            return Failed(failure_of("AnswerTooLarge", problem), Verdict(Wish.NEVER, "AnswerTooLarge"))
        now = _CLOCK.now()
        if settings.verifies and settings.call.keys is not None:
            try:
                settings.call.keys.verify(came.body, _header(came, "x-inngest-signature"), now // 1_000_000)
            except SignatureRefused as error:
                return invalid(f"the answer {came.status} of the app is not signed: {error.reason}")
        try:
            body = came.body.decode()
        except UnicodeDecodeError:
            return invalid(f"the answer {came.status} of the app is no UTF-8")
        return (yield from read_answer(came.status, came.headers, body, now))

    async def _go_on(self, answer: NextOperations, answering: Answering, call: DriverCall) -> Answer:
        """What is stored of an answer."""
        try:
            made = await self._made(answer.found, answering)
        except Unfit as error:
            return _failed(error.name, str(error))
        defers = [one for one in made if isinstance(one, StepRan) and is_defer(one.name)]
        names = {operation.name for operation in made}.difference([one.name for one in defers])
        done = {row.name for row in call.ended}
        if RETURNED_NOTE in names and (call.waiting or names - done == {RETURNED_NOTE}):
            if defers and self._settings.save is not None:
                await self._settings.save(call.run, defers)
            return RunReturned(next(one.memo for one in made if isinstance(one, StepRan) and one.name == RETURNED_NOTE))
        if answer.version is not None:
            made.append(StepRan(VERSION_NOTE, str(answer.version)))  # the first one stays
        raced = [name_of_step(one, answering.names) for one in answer.found if is_raced(one)]
        version = int(call.notes.get(VERSION_NOTE, answer.version or UNKNOWN_VERSION))
        return Round(made, raced, calls_each=version == _CALLED_EACH, has_stored=answer.may_have_stored)

    async def _made(self, found: Sequence[SdkOperation], answering: Answering) -> list[Operation]:
        """The operations of a run that an answer has; the requests of the server side by side, when the rest is fit."""
        helpers, slices = self._settings.helpers, Slices()
        made, unfit = list[Operation](), 0
        for one in found:
            operations = await operations_of(one, answering, helpers)
            unfit += one.op in DEFERS and not operations
            made += operations
            await slices.rest()
        log_unfit_defers(unfit, answering.job)
        return made + await _requested([one for one in found if one.op in GATEWAYS], answering, helpers)


async def _requested(found: Sequence[SdkOperation], answering: Answering, helpers: Helpers) -> list[Operation]:
    """What came of the requests that the server makes for an app."""
    made, left = dict[int, Operation](), iter(enumerate(found))

    async def request() -> None:
        for number, one in left:
            made[number] = await requested(one, answering, helpers)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(len(found), _MOST_REQUESTS)):
            group.create_task(request())
    return [made[number] for number in range(len(found))]


def _has_failed(answer: Answered) -> bool:
    """Whether a call came to nothing: it failed, or a step in it."""
    if isinstance(answer, NextOperations):
        return any(one.op == _RAISED for one in answer.found)
    return isinstance(answer, Failed)


def _failed(name: str, message: str) -> RunRaised:
    """A run that cannot go on, whatever is tried."""
    return RunRaised(failure_of(name, message), Verdict(Wish.NEVER, name))


def _header(came: HttpAnswer, wanted: str) -> str | None:
    return next((value for name, value in came.headers if name.lower() == wanted), None)
