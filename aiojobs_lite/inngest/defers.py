"""Deferred runs: what a function asks to be started when its run has ended. Until then they are notes of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from aiojobs_lite.durable.operations import StepRan
from aiojobs_lite.errors import InvalidEvent
from aiojobs_lite.inngest import ids
from aiojobs_lite.inngest.answers import SdkOperation
from aiojobs_lite.inngest.events import to_stored
from aiojobs_lite.inngest.functions import FunctionConfig
from aiojobs_lite.logs import get_log
from aiojobs_lite.runner.events import EventToSend

DEFERRED: Final = "inngest/deferred.schedule"
"""The name of the event that starts a deferred run."""

MOST_DEFERS: Final = 20
"""Deferred runs of one run; no more are started."""

DEFERS: Final = frozenset({"DeferAdd", "DeferAbort"})
"""Operations that are about deferred runs."""

_ADDED: Final = "defer"
_ABORTED: Final = "abort"
_NULL: Final = "null"
_log = get_log("inngest")


def note_of_defer(found: SdkOperation) -> list[StepRan]:
    """The note of a run that such an operation is; none, if it cannot be one: the run goes on without it."""
    opts = found.opts
    if found.op == "DeferAbort":
        target = opts.get("target_hashed_id")
        return [StepRan(ids.own_name(_ABORTED, str(target)), _NULL)] if ids.is_hash(target) else []
    given = {"function": opts.get("fn_slug"), "data": opts.get("input"), "meta": opts.get("meta") or {}}
    if not isinstance(given["function"], str) or not isinstance(given["data"], dict | None):
        return []
    return [StepRan(ids.own_name(_ADDED, found.id), json.dumps(given, ensure_ascii=False))]


def log_unfit_defers(count: int, job: int) -> None:
    """Logs that operations of an answer ask for deferred runs that cannot be: one line, however many they are."""
    if count:
        _log.warning("deferred runs of job %s left out, which name no function, or no object as data: %d", job, count)


def is_defer(name: str) -> bool:
    """Whether a note is about a deferred run."""
    return name.startswith((_named(_ADDED), _named(_ABORTED)))


def defers_text(notes: Mapping[str, str]) -> str:
    """The deferred runs that are known, as the SDK is given them, as JSON: it does not ask for them again."""
    known = [name.removeprefix(_named(_ADDED)) for name in notes if name.startswith(_named(_ADDED))]
    return json.dumps({hashed: {"abortable": _named(_ABORTED) + hashed not in notes} for hashed in known})


def takes_deferred(functions: Iterable[FunctionConfig]) -> bool:
    """Whether any function is started by deferred runs."""
    return any(trigger.event == DEFERRED for config in functions for trigger in config.events)


def deferred_events(notes: Mapping[str, str], run: str, function: str) -> list[EventToSend]:
    """The events of the deferred runs of a run that has ended, but for those that it has taken back.

    Args:
        notes: The notes of the run.
        run: Its id, as an SDK sees it.
        function: Its function.
    """
    begin = _named(_ADDED)
    known = {name.removeprefix(begin): memo for name, memo in notes.items() if name.startswith(begin)}
    wanted = {hashed: memo for hashed, memo in known.items() if _named(_ABORTED) + hashed not in notes}
    if len(wanted) > MOST_DEFERS:
        _log.warning("run %s of %s defers %s runs: the first %s are started", run, function, len(wanted), MOST_DEFERS)
    found = [_event(hashed, json.loads(memo), run, function) for hashed, memo in islice(wanted.items(), MOST_DEFERS)]
    return [one for one in found if one is not None]


def _event(hashed: str, given: Mapping[str, Any], run: str, function: str) -> EventToSend | None:
    about = {"fn_slug": given["function"], "parent_fn_slug": function, "parent_run_id": run}
    data = {**(given["data"] or {}), "_inngest": about}
    try:
        return to_stored(
            {"name": DEFERRED, "id": f"{run}:defer:{hashed}", "data": data, "meta": given["meta"]}, is_own=True
        )
    except InvalidEvent as error:
        _log.warning("a deferred run of run %s is left out: %s", run, error)
        return None


def _named(what: str) -> str:
    """The beginning of the names of notes."""
    return ids.own_name(what, "x")[:-1]
