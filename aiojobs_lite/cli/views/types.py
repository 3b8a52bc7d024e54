"""Limits by key, as the command line shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiojobs_lite.cli.screen import Screen, written
from aiojobs_lite.cli.views.plain import as_instant, as_iso
from aiojobs_lite.limits import EveryKey, LimitState, LimitUse
from aiojobs_lite.telemetry.wording import span


def limits_as_json(states: Sequence[LimitState], use: LimitUse | None) -> dict[str, Any]:
    """Limits as they are stored, as JSON; and where one stands for a key."""
    return {"limits": [_state_as_json(one) for one in states], "use": None if use is None else _use_as_json(use)}


def _state_as_json(one: LimitState) -> dict[str, Any]:
    is_of_all = isinstance(one.key, EveryKey)
    return {
        "name": one.name, "is_of_every_key": is_of_all, "key": None if is_of_all else one.key, "most": one.most,
        "per": one.per, "is_pinned": one.is_pinned, "is_paused": one.is_paused,
        "paused_since": as_iso(one.paused_since), "paused_by": one.paused_by, "paused_until": as_iso(one.paused_until),
    }  # fmt: skip


def _use_as_json(use: LimitUse) -> dict[str, Any]:
    return {
        "taken": use.taken, "waiting": use.waiting, "pending": use.pending, "began_at": as_iso(use.began_at),
        "free_at": as_iso(use.free_at),
    }  # fmt: skip


def view_limits(screen: Screen, states: Sequence[LimitState], use: LimitUse | None) -> None:
    """Shows limits, and where one stands for a key."""
    if not states:
        screen.line("no limits")
        return
    rows = [
        (one.name, "every key" if isinstance(one.key, EveryKey) else written(one.key),
         "" if one.most is None else one.most, "" if one.per is None else span(one.per),
         "pinned" if one.is_pinned else "", _pause(one))
        for one in states
    ]  # fmt: skip
    screen.table(["limit", "key", "most", "per", "", "pause"], rows)
    if use is not None:
        screen.line()
        free = None if use.free_at is None else as_instant(use.free_at)
        screen.pairs([("taken", use.taken), ("waiting", use.waiting), ("pending", use.pending), ("free at", free)])


def _pause(one: LimitState) -> str:
    if not one.is_paused:
        return ""
    until = "" if one.paused_until is None else f" until {as_instant(one.paused_until)}"
    return f"paused since {as_instant(one.paused_since)}{until}, by {one.paused_by}"
