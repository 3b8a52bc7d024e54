"""The cron expression of a schedule: five fields in UTC, or in the zone that `CRON_TZ=` in front names."""

from __future__ import annotations

from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidOption

_HEADER = "Upstash-Cron"
_ZONE = "CRON_TZ="
_FIELDS_WITH_SECOND = 6


def cron_schedule(value: str) -> CronSchedule:
    """Reads the expression and its zone. Blanks around it count for nothing.

    Raises:
        InvalidOption: If the zone stands alone, or the fields name a second.
        InvalidSchedule: If the expression is malformed or never fires, or the zone is unknown.
    """
    text, zone = value.strip(), "UTC"
    if text.startswith(_ZONE):
        named, _, text = text.partition(" ")
        zone, text = named.removeprefix(_ZONE), text.strip()
    if not text or not zone or len(text.split()) == _FIELDS_WITH_SECOND:
        raise InvalidOption(
            _HEADER, value, "five fields, such as 0 3 * * *; CRON_TZ=Europe/Rome in front sets the zone"
        )
    return CronSchedule(text, zone)
