"""Figures of types and errors, as the command line shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiojobs_lite.cli.screen import Screen
from aiojobs_lite.cli.views.plain import as_instant, as_iso, as_seconds
from aiojobs_lite.runner.figures import ErrorFigures, TypeFigures


def figures_as_json(one: TypeFigures) -> dict[str, Any]:
    """The figures of a type, as JSON; durations in seconds."""
    took = one.durations
    return {
        "type": one.type, "completed": one.completed, "failed_attempts": one.failed, "dead": one.dead,
        "cancelled": one.cancelled, "failure_rate": one.failure_rate,
        "outcomes": {outcome.value: count for outcome, count in one.outcomes.items()},
        "durations": {
            "count": took.count, "total": took.total, "mean": took.mean, "p50": took.p50, "p95": took.p95,
            "p99": took.p99,
        },
    }  # fmt: skip


def view_types(screen: Screen, types: Sequence[TypeFigures], since: str) -> None:
    """Shows the figures of types, below a heading."""
    screen.heading(f"ends of the last {since}")
    if not types:
        screen.line("none")
        return
    rows = [
        (one.type, one.completed, one.failed, one.dead, one.cancelled,
         "-" if one.failure_rate is None else f"{one.failure_rate:.1%}",
         as_seconds(one.durations.p50), as_seconds(one.durations.p95))
        for one in types
    ]  # fmt: skip
    screen.table(["type", "completed", "failed attempts", "dead", "cancelled", "failure rate", "p50", "p95"], rows)


def errors_as_json(errors: Sequence[ErrorFigures]) -> dict[str, Any]:
    """Groups of errors, as JSON."""
    return {
        "groups": [
            {"type": one.type, "error_type": one.error_type, "dead": one.dead, "failed_attempts": one.attempts,
             "first_at": as_iso(one.first_at), "last_at": as_iso(one.last_at)}
            for one in errors
        ]
    }  # fmt: skip


def view_errors(screen: Screen, errors: Sequence[ErrorFigures]) -> None:
    """Shows groups of errors."""
    if not errors:
        screen.line("no attempt failed")
        return
    rows = [
        (one.type, one.error_type, one.dead, one.attempts, as_instant(one.first_at), as_instant(one.last_at))
        for one in errors
    ]
    screen.table(["type", "error", "dead", "failed attempts", "first", "last"], rows)
