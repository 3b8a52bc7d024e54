"""The options of the application."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption
from aiojobs_lite.http import SigningKeys
from aiojobs_lite.qstash.settings import DEVELOPMENT_TOKEN, QStashSettings, settings_of

TOKEN = "0123456789abcdef"
KEYS = SigningKeys("sig_" + "a" * 28, "sig_" + "b" * 28)


def test_the_defaults() -> None:
    assert settings_of({"token": TOKEN}) == QStashSettings(TOKEN)


def test_all_options() -> None:
    found = settings_of({
        "token": TOKEN, "read_token": "r" * 16, "current_key": KEYS.current, "next_key": KEYS.next,
        "deduplicate_for": "1h", "largest_request": 5, "development": False,
    })  # fmt: skip
    assert found == QStashSettings(TOKEN, "r" * 16, KEYS, is_development=False, deduplicate_for=3600, largest_request=5)
    assert TOKEN not in repr(found)
    assert "rrr" not in repr(found)


def test_development_mode_has_the_public_token_and_keys() -> None:
    found = settings_of({"development": True})
    assert (found.token, found.keys, found.is_development) == (DEVELOPMENT_TOKEN, SigningKeys.for_development(), True)


@pytest.mark.parametrize(
    ("options", "option", "expected"),
    [
        ({}, "token", "text of 16 to 1,000 characters without blanks, hard to guess"),
        ({"token": "short-secret"}, "token", "text of 16 to 1,000 characters without blanks, hard to guess"),
        ({"token": "secret with blanks"}, "token", "text of 16 to 1,000 characters without blanks, hard to guess"),
        ({"token": "secret-é" * 3}, "token", "text of 16 to 1,000 characters without blanks, hard to guess"),
        ({"token": DEVELOPMENT_TOKEN}, "token", "a token of your own: this one is public. Or give development=True"),
        ({"token": TOKEN, "read_token": TOKEN}, "read_token", "another one than token"),
        ({"token": TOKEN, "read_token": ""}, "read_token", "text of 16 to 1,000 characters without blanks"),
        ({"token": TOKEN, "next_key": KEYS.next}, "next_key", "none without current_key"),
        ({"token": TOKEN, "current_key": "secret"}, "current_key", "whsec_ and base64 of 24 to 64 bytes, or sig_"),
        (
            {"token": TOKEN, "current_key": SigningKeys.generate().current}, "current_key",
            "a key of Upstash: sig_ and at least 28 characters",
        ),
        ({"token": TOKEN, "current_key": "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r"}, "current_key", "keys of your own"),
        ({"development": True, "token": TOKEN}, "token", "none with development=True, which has those that are public"),
        ({"development": True, "current_key": KEYS.current}, "current_key", "none with development=True"),
        ({"development": 1, "token": TOKEN}, "development", "True or False"),
        ({"token": TOKEN, "deduplicate_for": 0}, "deduplicate_for", "from 1ms"),
        ({"token": TOKEN, "largest_request": 0}, "largest_request", "a whole number from 1"),
        ({"token": TOKEN, "tokens": 1}, "tokens", "token"),
        ({"token": TOKEN, "signer": "secret"}, "signer", 'current_key="sig_...", next_key="sig_..."'),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_and_no_secret_is_shown(options: Any, option: str, expected: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        settings_of(options)
    assert refused.value.option == option
    assert expected in str(refused.value)
    assert not any(str(value) in str(refused.value) for name, value in options.items() if "key" in name and value)
    assert "secret" not in str(refused.value)
