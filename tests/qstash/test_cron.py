"""Cron expressions of QStash, with a zone in front."""

from __future__ import annotations

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.cron import CronSchedule
from aiojobs_lite.errors import InvalidSchedule
from aiojobs_lite.qstash.cron import cron_schedule


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("* * * * *", CronSchedule("* * * * *")),
        (" 0 3 * * * ", CronSchedule("0 3 * * *")),
        ("CRON_TZ=Europe/Rome 0 3 * * *", CronSchedule("0 3 * * *", "Europe/Rome")),
        ("CRON_TZ=Europe/Rome   0 3 * * * ", CronSchedule("0 3 * * *", "Europe/Rome")),
    ],
)
def test_the_zone_stands_in_front_and_blanks_around_count_for_nothing(written: str, expected: CronSchedule) -> None:
    assert cron_schedule(written) == expected


@pytest.mark.parametrize("written", ["", " ", "CRON_TZ=Europe/Rome", "CRON_TZ= 0 3 * * *", "*/5 * * * * *"])
def test_a_second_or_a_zone_alone_is_refused(written: str) -> None:
    expected = "five fields, such as 0 3 * * *; CRON_TZ=Europe/Rome in front sets the zone"
    with pytest.raises(InvalidOption, match=expected.replace("*", r"\*")) as refused:
        cron_schedule(written)
    assert refused.value.option == "Upstash-Cron"


@pytest.mark.parametrize("written", ["CRON_TZ=Mars/Olympus * * * * *", "61 * * * *", "tomorrow", "0 0 30 2 *"])
def test_what_never_fires_is_refused(written: str) -> None:
    with pytest.raises(InvalidSchedule):
        cron_schedule(written)
