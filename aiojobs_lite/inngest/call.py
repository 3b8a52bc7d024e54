"""The call of an app: its address, its headers and its body, of what a run has done so far.

The body is put together of the texts that are stored. In cloud mode its one form of RFC 8785 is sent, and signed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit, urlunsplit

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.durable.driver import DriverCall
from aiojobs_lite.http.session import HttpAnswer, HttpRequest
from aiojobs_lite.inngest import ids, raw_json
from aiojobs_lite.inngest.events import event_text
from aiojobs_lite.inngest.keys import AppKeys, canonical_body
from aiojobs_lite.model.steps import StepKind, StepRow, StepState

CallMode = Literal["dev", "cloud"]

LARGEST_CALL_BYTES: Final = 4 * 1024 * 1024
"""Of the body of a call; beyond, the SDK fetches events and steps by itself."""

UNKNOWN_VERSION: Final = -1
"""Of how an SDK and the server talk, until the first answer says it."""

SIGNAL_EVENT: Final = "inngest/signal"
"""The event of the library that stands for a signal."""

_SMALL_PAYLOAD_CHARS: Final = 4_096
_DISCOVER: Final = "step"  # the target of a call that asks what is next
_NULL: Final = "null"
_TIMEOUT: Final = "timeout"
_ERROR: Final = "Error"


@dataclass(frozen=True, slots=True)
class Target:
    """The function that is called.

    Attributes:
        id: Its composite id, `<app>-<function>`.
        url: Its URL, as the app registered it.
    """

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How calls are made.

    Attributes:
        mode: Whether they are signed (`cloud`).
        keys: Sign them; None: nothing is signed.
        env: The name of the environment, as the SDK is given it.
    """

    mode: CallMode = "dev"
    keys: AppKeys | None = None
    env: str = ""


class AppCall(NamedTuple):
    """A call, as it is sent.

    Attributes:
        url: Where to.
        headers: Its headers.
        body: Its body.
    """

    url: str
    headers: list[tuple[str, str]]
    body: bytes


class CallParts(NamedTuple):
    """What a call says of its run, as texts.

    Attributes:
        events: The events, as an SDK sees them.
        steps: The memos of the steps that have ended, by the ids that the SDK gives them, in the order of their ends.
        version: How the SDK and the server talk.
        defers: The deferred runs that are known.
    """

    events: list[str]
    steps: dict[str, str]
    version: int
    defers: str = "{}"


class CallSession(Protocol):
    """Sends requests: `HttpSession` does."""

    async def ask(self, sent: HttpRequest) -> HttpAnswer:
        """Sends a request and reads its answer; raises `NoAnswer`."""


def make_call(call: DriverCall, target: Target, parts: CallParts, settings: CallSettings, now: int) -> AppCall:
    """A call of an app.

    Args:
        call: What the run asks for.
        target: The function.
        parts: What the run has done.
        settings: How calls are made.
        now: The present instant, in microseconds.

    Raises:
        ValueError: If what is stored has no form that can be signed.
    """
    request, run = ids.fresh(now // 1_000), ids.run_id(call.run.created_at, call.run.id)
    job = job_id(call, run)
    ctx = {"run_id": run, "request_id": request, "job_id": job, **_context(call, target, settings, parts)}
    text = _body(parts, ctx)
    if len(text) > LARGEST_CALL_BYTES // 4 and len(text.encode()) > LARGEST_CALL_BYTES:
        text = _body(parts, ctx, is_large=True)
    body = text.encode() if settings.mode == "dev" else canonical_body(text)
    step = _DISCOVER if call.target is None else ids.step_hash_of(call.target)
    headers = [
        ("Content-Type", "application/json"), ("User-Agent", "aiojobs_lite"), ("Accept-Encoding", "identity"),
        ("x-inngest-server-kind", settings.mode), ("x-run-id", run), ("x-request-id", request),
        ("x-inngest-job-id", job), ("x-inngest-generation-id", str(call.run.attempt)),
        ("x-inngest-req-version", str(parts.version)), ("x-inngest-step-id", step),
    ]  # fmt: skip
    if settings.keys is not None and settings.mode == "cloud":
        headers.append(("x-inngest-signature", settings.keys.sign(body, now // 1_000_000)))
    return AppCall(url_of(target, step), headers, body)


def url_of(target: Target, step: str) -> str:
    """The URL of a function and of a step; that of the app may have a query of its own."""
    return f"{_url_without_step(target)}{quote_plus(step)}"


@lru_cache(maxsize=1024)
def _url_without_step(target: Target) -> str:
    scheme, host, path, query, _ = urlsplit(target.url)
    given = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name not in {"fnId", "stepId"}]
    return urlunsplit((scheme, host, path, urlencode([*kept, ("fnId", target.id), ("stepId", "")]), ""))


def job_id(call: DriverCall, run: str) -> str:
    """An id that all attempts of a call have in common, and no other call: the run, and what is asked for."""
    return f"{run}-{len(call.ended)}" if call.target is None else f"{run}-{ids.step_hash_of(call.target)}"


def event_texts(payload: str, tick: int | None = None) -> list[str]:
    """The events of a run, as an SDK sees them, of the payload of its job: `{"event": memo}` or `{"events": [...]}`.

    Args:
        payload: The payload.
        tick: The instant, in microseconds, of the schedule that made the job: its one event has it, and its id is that.

    Raises:
        ValueError: If the payload has none.
    """
    return list((_small_event_texts if len(payload) <= _SMALL_PAYLOAD_CHARS else _event_texts)(payload, tick))


def _event_texts(payload: str, tick: int | None) -> Sequence[str]:
    given = raw_json.members(payload)
    memos = raw_json.items(given["events"]) if "events" in given else [given.get("event", "")]
    if not memos:
        raise ValueError("it has no event")
    events = [event_text(memo) for memo in memos]
    if tick is None:
        return events
    at = {"id": json.dumps(to_datetime(tick).isoformat()), "ts": str(tick // 1_000)}
    return [raw_json.object_of(raw_json.members(event) | at) for event in events]


_small_event_texts = lru_cache(maxsize=512)(_event_texts)  # each call of a run has them


def step_texts(rows: Iterable[StepRow], errors: Mapping[str, str] = {}) -> dict[str, str]:
    """The memos of steps that have ended, as an SDK sees them, by the ids that it gives them; in the order of the rows.

    Args:
        rows: The steps.
        errors: Those of invoked functions that failed, by the names of the steps (`errors_of_children`).

    Raises:
        ValueError: If a memo is none.
    """
    steps: dict[str, str] = {}
    for row in rows:
        if not row.name.startswith(ids.BOOKKEEPING):
            hashed = ids.step_hash_of(row.name)
            steps.pop(hashed, None)  # of a wait that was opened again the last one counts
            error = errors.get(row.name)
            steps[hashed] = memo_of_step(row) if error is None else f'{{"error":{error}}}'
    return steps


def memo_of_step(row: StepRow) -> str:
    """What an SDK is given for a step that has ended, as JSON."""
    match row.kind:
        case StepKind.SLEEP:
            return _NULL
        case StepKind.EVENT:
            return _event_memo(row.memo or _NULL)
        case StepKind.CHILD:
            return _child_memo(row.memo or _NULL)
        case _ if row.memo is None or (row.state is StepState.FAILED and not row.memo.startswith("{")):
            return _failed_memo(row.error)
        case _:
            return row.memo


def _event_memo(memo: str) -> str:
    """An event that a step waited for; a signal is given with its data alone."""
    if memo == _NULL:
        return _NULL
    found = raw_json.members(memo)
    if found["name"] != json.dumps(SIGNAL_EVENT):
        return event_text(memo)
    said = raw_json.members(found["data"])
    return f'{{"data":{raw_json.object_of({name: said[name] for name in ("signal", "data")})}}}'


def _child_memo(memo: str) -> str:
    """What became of a function that a step invoked."""
    found = raw_json.members(memo)
    if "error" not in found:
        return memo
    error = raw_json.load_value(found["error"])
    if error.get("status") == _TIMEOUT:
        return _error_memo("InngestInvokeTimeoutError", "Timed out waiting for invoked function to complete")
    name, _, message = (error.get("error") or "").partition(": ")
    why = message or error.get("reason") or f"the invoked function is {error.get('status')}"
    return _error_memo(name if message else _ERROR, why)


def _failed_memo(error: str | None) -> str:
    """The error of a step for which the SDK gave none, such as when the app could not be reached."""
    found = {} if error is None else json.loads(error)
    return _error_memo(found.get("type") or _ERROR, found.get("message") or "", found.get("traceback"))


def _error_memo(name: str, message: str, stack: str | None = None) -> str:
    error = {"name": name, "message": message} | ({} if stack is None else {"stack": stack})
    return json.dumps({"error": error}, ensure_ascii=False)


def _body(parts: CallParts, ctx: Mapping[str, object], *, is_large: bool = False) -> str:
    events, steps = ([], {}) if is_large else (parts.events, parts.steps)
    return raw_json.object_of(
        {
            "event": parts.events[0], "events": f"[{','.join(events)}]", "steps": raw_json.object_of(steps),
            "defers": parts.defers, "use_api": json.dumps(is_large), "version": str(parts.version),
            "ctx": json.dumps({**ctx, "use_api": is_large}),
        }
    )  # fmt: skip


def _context(call: DriverCall, target: Target, settings: CallSettings, parts: CallParts) -> dict[str, object]:
    return {
        "fn_id": target.id, "qi_id": ids.item_id(call.run), "env": settings.env or settings.mode,
        "step_id": _DISCOVER, "attempt": call.attempt, "max_attempts": call.max_attempts,
        "disable_immediate_execution": call.is_planning, "generation_id": call.run.attempt,
        "stack": {"stack": list(parts.steps), "current": len(parts.steps)},
    }  # fmt: skip
