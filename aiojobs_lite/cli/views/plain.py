"""How single values are shown: instants, durations, and JSON that another program may have stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiojobs_lite.clock import SystemClock, to_datetime
from aiojobs_lite.telemetry.wording import instant, span


def present() -> datetime:
    """This moment, UTC."""
    return to_datetime(SystemClock().now())


def as_iso(at: datetime | None) -> str | None:
    """An instant in JSON: ISO 8601 in UTC, or null."""
    return None if at is None else at.astimezone(UTC).isoformat()


def as_instant(at: datetime | None) -> str | None:
    """An instant for people."""
    return None if at is None else instant(at)


def as_age(at: datetime, now: datetime) -> str:
    """How long ago an instant was, or how soon it comes."""
    wait = (at - now).total_seconds()
    return f"in {span(wait)}" if wait > 0 else f"{span(-wait)} ago"


def as_seconds(seconds: float | None) -> str:
    """A duration for people; none is a dash."""
    return "-" if seconds is None else span(seconds)


def decoded_value(whole: object, name: str) -> Any:
    """What is stored as JSON, with its values; the text itself if another program has stored something else."""
    try:
        return getattr(whole, name)
    except (ValueError, RecursionError):
        return getattr(whole, f"{name}_json")
