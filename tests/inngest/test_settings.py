"""The options of the Inngest application."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import Backoff, InvalidOption, JobRunner
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.inngest.settings import inngest_settings
from tests.helpers.inngest import SIGNING_KEY

CLOUD: dict[str, Any] = {"event_key": "events", "signing_key": SIGNING_KEY}


def test_the_defaults() -> None:
    found = inngest_settings({**CLOUD})  # type: ignore[typeddict-item]
    assert (found.mode, found.is_dev, found.allow_private, found.apps) == ("cloud", False, False, ())
    assert (found.look_every, found.timeout, found.backoff) == (10.0, 7_200.0, Backoff(base="30s", cap="2h"))
    assert SIGNING_KEY not in repr(found)


def test_development_needs_no_keys_and_calls_this_machine() -> None:
    found = inngest_settings({"mode": "dev", "apps": ["http://127.0.0.1:3000/api/inngest"] * 2})
    assert (found.is_dev, found.allow_private) == (True, True)
    assert found.apps == ("http://127.0.0.1:3000/api/inngest",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "a key, or mode='dev' on the machine of a developer: cloud checks it"),
        ({"event_key": "events"}, "signing_key"),
        ({**CLOUD, "signing_key": "secret-secret"}, "a signing key of Inngest"),
        ({**CLOUD, "fallback_signing_key": 5}, "a signing key of Inngest"),
        ({**CLOUD, "mode": "test"}, "'dev'"),
        ({**CLOUD, "event_key": 5}, "text"),
        ({**CLOUD, "apps": "http://a.example"}, "URLs of apps"),
        ({**CLOUD, "apps": ["ftp://a.example"]}, "a URL"),
        ({**CLOUD, "app_concurrency": 0}, "app_concurrency"),
        ({**CLOUD, "look_every": "0s"}, "look_every"),
        ({**CLOUD, "timeout": -1}, "timeout"),
        ({**CLOUD, "backoff": 5}, "a Backoff"),
        ({**CLOUD, "allow_private": "yes"}, "allow_private"),
        ({**CLOUD, "gateway": "a.example"}, "names of hosts"),
        ({**CLOUD, "other": 1}, "other"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOption, match=words) as raised:
        inngest_app(JobRunner(":memory:"), **options)
    assert "secret-secret" not in str(raised.value)


def test_the_runner_is_one() -> None:
    with pytest.raises(InvalidOption, match="a JobRunner"):
        inngest_app("jobs.db", mode="dev")  # type: ignore[arg-type]
