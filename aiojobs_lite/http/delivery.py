"""One attempt of a delivery: the request, what its answer means, and what follows it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from aiojobs_lite.clock import SystemClock, to_datetime
from aiojobs_lite.errors import InvalidOption, JobNotFound, StoreUnavailable
from aiojobs_lite.handlers.context import injected
from aiojobs_lite.handlers.publish import Rules
from aiojobs_lite.handlers.requests import DeliveryType
from aiojobs_lite.handlers.urls import host_of
from aiojobs_lite.http.answers import Judgement, Meaning, judge_answer
from aiojobs_lite.http.breaker import CircuitBreaker
from aiojobs_lite.http.callbacks import Source, callback_body
from aiojobs_lite.http.session import HttpRequest, HttpSession, NoAnswer
from aiojobs_lite.http.signing.stored_signer import StoredSigner
from aiojobs_lite.model.delivery import DeliveryResult
from aiojobs_lite.model.job import Job, Outcome
from aiojobs_lite.policy.backoff import Backoff
from aiojobs_lite.policy.outcomes import Abandon, Retry, Snooze
from aiojobs_lite.policy.retry_delay import RetryDelay
from aiojobs_lite.runner.context import JobContext
from aiojobs_lite.runner.runner import JobRunner

Pairs = list[tuple[str, str]]
_Given = tuple[str, str, Pairs, bytes, float]  # of a request: method, URL, headers, body and timeout
_UNSIGNED: Final[Mapping[str, str]] = {}  # nothing changes it

QSTASH_WAITS_S: Final = (12.0, 148.0, 1_808.0, 22_026.0, 86_400.0)
"""The waits between the attempts of `rules="qstash"`: e to the power of 2.5 n, at most a day."""

CALLBACK_PATIENCE_S: Final = 5.0
"""How long an attempt waits for a callback and keeps its slot; then it is given back, and looks again later."""

STORE_AGAIN_S: Final = 1.0
"""After how long a delivery looks whether the database can be used again."""

_USER_AGENTS: Final[Mapping[str, str]] = {"default": "aiojobs_lite", "qstash": "Upstash-QStash"}
_OF_METADATA: Final[Mapping[str, str]] = {
    "caller_ip": "Upstash-Caller-Ip", "schedule": "Upstash-Schedule-Id", "topic": "Upstash-Topic-Name",
}  # fmt: skip
"""The headers of `rules="qstash"` that the metadata of a message has."""

_CLOCK: Final = SystemClock()  # a date in an answer is one of the receiver's real time
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500  # and above
_MILLISECONDS: Final = 1000
_ENDS_OF_REQUESTS: Final = (Outcome.FAILED, Outcome.TIMED_OUT)
_LOOK_EVERY_S: Final = 10.0  # whether one that takes longer has ended
_CALLED_BACK: Final = "is_called_back"  # in what an attempt keeps: its failure callback was made by it


class Signs(Protocol):
    """Gives a message the headers of its signature: `Signer` does."""

    def sign(self, body: bytes, *, message_id: str, url: str) -> Mapping[str, str]:
        """The headers that sign a message at this moment."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How deliveries are made.

    Attributes:
        check: Checks whether they may go to a URL, which is given with the option that it comes from.
        signers: Sign them, by the rules; a missing one: they are not signed.
        timeout: Seconds that an attempt may take, by default.
        rules: What an answer means, by default.
        user_agent: The header; None: by the rules.
    """

    check: Callable[[str, str], None]
    signers: Mapping[str, Signs]
    timeout: float
    rules: Rules
    user_agent: str | None


class Deliverer:
    """Makes the attempts of deliveries.

    Args:
        settings: How.

    Attributes:
        job_type: Of the deliveries; set when it is made of `deliver`.
    """

    job_type: DeliveryType

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._automatic = {rules: _automatic(settings.user_agent or agent) for rules, agent in _USER_AGENTS.items()}

    def sign_by(self, rules: Rules, signer: StoredSigner) -> None:
        """Has the deliveries of these rules signed by a signer from now on.

        Raises:
            InvalidOption: If another signer does that already.
        """
        before = self._settings.signers.get(rules)
        if before is not None and not (isinstance(before, StoredSigner) and before.is_like(signer)):
            raise InvalidOption("qstash_signer", "***", "none: the application of the QStash API signs by its own keys")
        signers = {**self._settings.signers, rules: signer}
        self._settings = replace(self._settings, signers=signers)

    async def deliver(
        self,
        url: str,
        method: str = "POST",
        headers: Pairs = [],  # noqa: B006  # a default of the stored payload, which is never changed
        secret_headers: Pairs = [],  # noqa: B006  # the same
        body: str = "", secret_body: str = "",
        *,
        is_base64: bool = False,
        timeout: float | None = None,  # as the publisher has asked
        backoff: tuple[float, float] | None = None,
        waits: list[float] = [],  # noqa: B006  # the same
        retry_delay: str | None = None,
        rules: Rules | None = None,
        callback: dict[str, Any] | None = None,
        failure_callback: dict[str, Any] | None = None,
        shown: dict[str, Any] | None = None, await_callbacks: bool = False,
        ctx: JobContext = injected, runner: JobRunner = injected,
        session: HttpSession = injected, breaker: CircuitBreaker = injected,
    ) -> DeliveryResult:  # fmt: skip
        """Sends a request once, and lets its answer end the attempt."""
        text, rules = secret_body or body, rules or self._settings.rules
        content = base64.b64decode(text) if is_base64 else text.encode()
        sent = (method, url, [*headers, *secret_headers], content, timeout or self._settings.timeout)
        has_calls = callback is not None or (await_callbacks and failure_callback is not None)
        try:
            if await_callbacks and has_calls:
                attempt = partial(self._attempt, ctx, runner, session, breaker, rules, sent)
                came = await _remembered(ctx, runner, attempt, rules)
            else:
                came = await self._attempt(ctx, runner, session, breaker, rules, sent)
            if has_calls:
                given: dict[str, Any] = {"url": url, "method": method, "headers": headers, "body": body, "shown": shown}
                given |= {"secret_headers": secret_headers, "secret_body": secret_body, "is_base64": is_base64}
                calls = _Calls(callback, failure_callback, rules, is_awaited=await_callbacks)
                await self._call_back(ctx, runner, came, calls, given)
        except StoreUnavailable as error:  # the receiver is not at fault: that costs no attempt
            raise Snooze(STORE_AGAIN_S, str(error)) from None
        if came.answer is not None and came.is_done:
            return came.answer
        raise _signal(came.judgement, _wait(ctx.attempt, retry_delay, backoff, waits, rules), came.details)

    async def report_death(self, job_id: int, *, ctx: JobContext = injected, runner: JobRunner = injected) -> None:
        """Makes the callback of a delivery that has died, if it has one."""
        try:
            job = await runner.jobs.get(job_id)
        except JobNotFound:  # it was deleted meanwhile
            return
        callback = job.payload.get("failure_callback")
        if callback is None:
            return
        key = runner.jobs.key_of(job_id)
        details = (job.history[-1].details if job.history else None) or {"error": job.error or job.reason}
        if details.get(_CALLED_BACK):
            return
        said = callback_body(_source_of_job(job, key), details, dead_id=key)
        ctx.enqueue_with_end(self.job_type.callback(callback, said))

    async def _call_back(
        self, ctx: JobContext, runner: JobRunner, came: _Came, calls: _Calls, given: Mapping[str, Any]
    ) -> None:  # fmt: skip
        """Has the callbacks of an attempt enqueued with its end, or delivered before."""
        source = _source_of(ctx, given)
        if not (calls.is_awaited and came.is_final(ctx)):
            if calls.callback is not None and (calls.rules == "qstash" or came.is_done):
                said = callback_body(source, came.details)
                ctx.enqueue_with_end(self.job_type.callback(calls.callback, said))
            return
        failed = None if came.is_done else calls.failure_callback
        for name, one, dead_id in (("callback", calls.callback, None), ("failure callback", failed, ctx.key)):
            if one is not None:
                said = callback_body(source, came.details, dead_id=dead_id)
                made = await ctx.enqueue_once(f"{name} {came.number}", self.job_type.callback(one, said))
                await _await_end(runner, made.id)
        if not came.is_done:  # what was stored for that has its attempts counted anew
            raise _said(Abandon(came.judgement.reason, details={**came.details, _CALLED_BACK: True}))

    async def _attempt(
        self, ctx: JobContext, runner: JobRunner, session: HttpSession, breaker: CircuitBreaker, rules: Rules,
        sent: _Given,
    ) -> _Came:  # fmt: skip
        """Signs a request and sends it; the circuit breaker counts how its host answers."""
        method, url, given, body, timeout = sent
        try:
            self._settings.check("url", url)
        except InvalidOption as error:  # the settings were others when it was published
            return _Came(None, Judgement(Meaning.DEAD, str(error)), {"status": 0, "error": str(error)})
        signer = self._settings.signers.get(rules)
        signed = _UNSIGNED if signer is None else await _signed(signer, runner, ctx.key, body, url)
        host, begun = host_of(url), time.monotonic()
        headers = self._headers(ctx, rules, given, signed)
        try:
            answer = await session.send(HttpRequest(method, url, headers, body, timeout))
        except NoAnswer as error:
            missing = {"status": 0, "error": str(error), "latency": round(time.monotonic() - begun, 6)}
            came = _Came(None, Judgement(Meaning.RETRY, str(error)), missing)
        else:
            came = _Came(answer, judge_answer(rules, answer.status, answer.headers, _now), {})
        has_failed = _is_in_trouble(came.answer)
        if has_failed or not breaker.is_calm(host):
            await breaker.ended(host, runner.limits, begun=begun, has_failed=has_failed)
        return came

    def _headers(
        self, ctx: JobContext, rules: Rules, given: Sequence[tuple[str, str]], signed: Mapping[str, str]
    ) -> Pairs:
        """The headers of an attempt. Those of the library replace what the publisher gives by the same names."""
        own = dict(signed)
        if rules == "qstash":
            own |= {"Upstash-Message-Id": ctx.key, "Upstash-Retried": str(ctx.attempt - 1)}
            metadata = ctx.metadata
            own |= {header: str(metadata[name]) for name, header in _OF_METADATA.items() if name in metadata}
        if own:
            replaced = {name.lower() for name in own}
            given = [pair for pair in given if pair[0].lower() not in replaced]
        names = [name.lower() for name, _ in given]
        headers = [*given, *own.items()]
        for name, pair in self._automatic[rules]:
            if name not in names:
                headers.append(pair)
        return headers


class _Calls(NamedTuple):
    """The callbacks of a delivery.

    Attributes:
        callback: That of an answer, or None.
        failure_callback: That of a death, or None.
        rules: What an answer means.
        is_awaited: Whether the delivery ends when those of its last attempt have ended.
    """

    callback: Mapping[str, Any] | None
    failure_callback: Mapping[str, Any] | None
    rules: Rules
    is_awaited: bool


class _Came(NamedTuple):
    """What came of a request.

    Attributes:
        answer: The answer, or None.
        judgement: What it means.
        missing: What the attempt keeps if there is no answer.
        number: Which request of the delivery it was, over all redrives, if it is remembered.
    """

    answer: DeliveryResult | None
    judgement: Judgement
    missing: Mapping[str, Any]
    number: int = 0

    @property
    def is_done(self) -> bool:
        return self.judgement.meaning is Meaning.DONE

    def is_final(self, ctx: JobContext) -> bool:
        """Whether no attempt comes after this one."""
        return self.judgement.meaning is not Meaning.RETRY or ctx.attempt >= ctx.max_attempts

    @property
    def details(self) -> Mapping[str, Any]:
        return self.missing if self.answer is None else _details_of(self.answer)


async def _remembered(
    ctx: JobContext, runner: JobRunner, attempt: Callable[[], Awaitable[_Came]], rules: Rules
) -> _Came:  # fmt: skip
    """What comes of an attempt, once: that of the last one is stored before its callbacks, for which the job may wait.

    While the database cannot be used it is kept, as the end of any attempt is: the request is not sent again.
    """
    history = (await runner.jobs.get(ctx.id)).history
    number = 1 + sum([one.outcome in _ENDS_OF_REQUESTS for one in history])
    name = f"answer {number}"
    for step in await runner.jobs.steps(ctx.id):
        if step.name.partition("#")[0] == name and step.result_json is not None:
            return _came_of(json.loads(step.result_json), rules)._replace(number=number)
    came = (await attempt())._replace(number=number)

    async def details() -> dict[str, Any]:
        return dict(came.details)

    is_stored = not came.is_final(ctx)
    while not is_stored:
        try:
            await ctx.step(name, details)
            is_stored = True
        except StoreUnavailable:
            await asyncio.sleep(STORE_AGAIN_S)
    return came


async def _await_end(runner: JobRunner, job_id: int) -> None:
    """Waits for the end of a job, whatever that is. If it takes long, the attempt ends meanwhile and is given back: a
    job that is pending so keeps its place in an ordered key.
    """
    try:
        async with asyncio.timeout(CALLBACK_PATIENCE_S):
            await runner.jobs.wait(job_id)
    except TimeoutError:
        raise Snooze(_LOOK_EVERY_S) from None


def _came_of(details: Mapping[str, Any], rules: Rules) -> _Came:
    """What came of a request, by what an attempt keeps of it."""
    if not details["status"]:
        return _Came(None, Judgement(Meaning.DEAD, details["error"]), details)  # it was the last one
    headers = tuple([(name, value) for name, value in details["headers"]])
    answer = DeliveryResult(**{**details, "headers": headers})
    return _Came(answer, judge_answer(rules, answer.status, headers, _now), {})


def _now() -> datetime:
    return to_datetime(_CLOCK.now())


def _automatic(user_agent: str) -> Sequence[tuple[str, tuple[str, str]]]:
    """The headers of each attempt that the publisher does not give, with their names in lower case."""
    identity = ("Accept-Encoding", "identity")  # of what comes back nothing is decompressed
    return (("user-agent", ("User-Agent", user_agent)), ("accept-encoding", identity))


async def _signed(signer: Signs, runner: JobRunner, key: str, body: bytes, url: str) -> Mapping[str, str]:
    """The headers of the signature of an attempt."""
    if isinstance(signer, StoredSigner):
        await signer.refresh(runner.documents)
    return signer.sign(body, message_id=key, url=url)


def _details_of(answer: DeliveryResult) -> dict[str, Any]:
    """What an attempt keeps of its answer."""
    return {
        "status": answer.status, "headers": [list(pair) for pair in answer.headers], "body": answer.body,
        "is_base64": answer.is_base64, "is_truncated": answer.is_truncated, "latency": answer.latency,
    }  # fmt: skip


def _is_in_trouble(answer: DeliveryResult | None) -> bool:
    """Whether a host did not answer, or says that it has too much to do or is broken."""
    return answer is None or answer.status >= _SERVER_ERRORS or answer.status == _TOO_MANY


def _signal(judgement: Judgement, wait: float | None, details: Mapping[str, Any]) -> Retry | Abandon:
    """What ends an attempt that is not the last one, or makes the delivery dead."""
    if judgement.meaning is Meaning.DEAD:
        return _said(Abandon(judgement.reason, details=details))
    after = wait if judgement.after is None else judgement.after
    return _said(Retry(judgement.reason, after=after, details=details))


def _said(signal: Retry | Abandon) -> Retry | Abandon:
    """A signal whose text says what the receiver answered: where the library raises it says nothing more."""
    signal.keeps_traceback = False
    return signal


def _wait(
    attempt: int, expression: str | None, backoff: tuple[float, float] | None, waits: list[float], rules: Rules
) -> float | None:
    """Seconds until the next attempt, if the delivery or its rules say it; None: its job type does."""
    if expression is not None and (delay := RetryDelay(expression).seconds(attempt - 1)) is not None:
        return delay
    listed = waits or (QSTASH_WAITS_S if rules == "qstash" and backoff is None else ())
    if listed:
        return listed[min(attempt, len(listed)) - 1]
    return None if backoff is None else Backoff(*backoff).delay(attempt)


def _source_of(ctx: JobContext, arguments: Mapping[str, Any]) -> Source:
    created_at, scheduled_at = _millis(ctx.created_at), _millis(ctx.scheduled_at)
    return Source(ctx.key, arguments, ctx.metadata, ctx.attempt, ctx.max_attempts, created_at, scheduled_at)


def _source_of_job(job: Job, key: str) -> Source:
    attempt = job.history[-1].attempt if job.history else max(job.attempts, 1)
    created_at, scheduled_at = _millis(job.created_at), _millis(job.scheduled_at)
    return Source(key, job.payload, job.metadata, attempt, job.max_attempts, created_at, scheduled_at)


def _millis(instant: datetime) -> int:
    return int(instant.timestamp() * _MILLISECONDS)
